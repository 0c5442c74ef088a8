"""The agent that is a loop of ours around a model behind an API: it runs commands, reads and writes files, reports."""
