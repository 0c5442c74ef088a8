"""``2501bench``: one module per verb."""
