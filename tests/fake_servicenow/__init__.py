"""A FAKE ServiceNow instance, for tests: Table API, Attachment API and OAuth as publicly documented. See __main__."""
