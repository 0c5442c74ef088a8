"""Runs on several xdist workers: who gets which run, one engine and one display for all, and what a crash leaves."""
