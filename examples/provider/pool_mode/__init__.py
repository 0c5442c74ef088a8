"""Mode ``pool``: machines that are always there and take turns."""
