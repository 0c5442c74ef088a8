"""The report for people: html pages of overview, scenarios, benchmarks, runs and comparisons, as files or served."""
