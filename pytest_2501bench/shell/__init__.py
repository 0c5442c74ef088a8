"""What a line of shell would run, told from its text alone. Pure: nothing is run."""
