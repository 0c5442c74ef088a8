"""pytest-2501bench: run operations agents through incidents and score the fix and the way it was done."""

__version__ = "0.1.0"
