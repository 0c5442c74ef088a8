"""The agents that the local engine can put to work, and the recorder that sees what they do."""
