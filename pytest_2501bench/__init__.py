"""pytest-2501bench: run operations agents through incidents and score the fix and the way it was done.

(PYTEST_DONT_REWRITE: ``2501bench start`` imports this package before pytest, which would warn of it.)
"""

__version__ = "0.1.0"
