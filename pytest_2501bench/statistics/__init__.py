"""What counts of runs allow to say. Pure: numbers in, numbers out; no I/O, no clock, no pytest."""
