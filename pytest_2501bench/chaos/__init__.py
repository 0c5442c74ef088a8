"""Breaks a part in the middle of a run, restores it, and judges what became of the run."""
