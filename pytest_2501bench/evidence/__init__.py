"""Everything observed in one run: the only thing that scoring may look at."""
