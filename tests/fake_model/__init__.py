"""A FAKE model server: what the public pages of OpenAI's and Anthropic's APIs describe, without a model behind it."""
