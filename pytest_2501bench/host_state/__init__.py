"""The state of hosts as it can be compared: taking it over SSH, and telling what changed between two looks."""
