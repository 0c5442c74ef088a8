"""Stored results as tables: what their rows and columns are, reading them, and writing them to files."""
