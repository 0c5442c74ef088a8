"""The local engine: a process with an HTTP API that turns tickets into jobs and gives them to an agent."""
