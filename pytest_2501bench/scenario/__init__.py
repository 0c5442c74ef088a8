"""Scenario files: the model, loading, selection, lint, schema."""
