"""What outlives a session: benchmarks, reports, registered hosts and agents, in SQLite or PostgreSQL."""
