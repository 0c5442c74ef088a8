"""Looks at the hosts of a run over SSH: what our own tooling left there, and what of the agent still runs."""
