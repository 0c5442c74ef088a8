"""Questions asked of stored runs: which of two sides is better, how rates went over time. Pure."""
