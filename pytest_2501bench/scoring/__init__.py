"""Pure: evidence in, verdicts out. No I/O, no pytest, no clock."""
