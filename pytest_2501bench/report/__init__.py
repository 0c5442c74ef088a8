"""What users see and keep: terminal, junit, html, markdown."""
