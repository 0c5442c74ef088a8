"""The history of the tables: Alembic revisions, applied by :func:`pytest_2501bench.store.migrate.migrate`."""
