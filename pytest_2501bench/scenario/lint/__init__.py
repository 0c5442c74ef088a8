"""The linter of scenarios: what an author wrote and hardly means. Every finding has a stable code."""

from pytest_2501bench.scenario.lint.examine import blocking, examine, lint
from pytest_2501bench.scenario.lint.finding import Finding, Severity

__all__ = ["Finding", "Severity", "blocking", "examine", "lint"]
