"""A FAKE limactl: what ``--mode lima`` is tested with where there is no Lima. See ``__main__``."""
