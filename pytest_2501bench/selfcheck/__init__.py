"""``--selfcheck``: a scenario proves itself before it judges anybody."""
