"""A rule type of another plugin: what hook ``pytest_2501bench_validators`` returns per validator."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_2501bench.scenario.model import RuleFields
from pytest_2501bench.scoring.rules import CustomValidator


@dataclass(frozen=True, slots=True)
class RuleType:
    """How a rule of this type is read, and how it is decided.

    Attributes:
        model: its fields in scenario.json; wrong or unknown ones are collection errors.
        evaluate: called with the rule and the run's evidence; returns a
            :class:`~pytest_2501bench.scoring.model.Finding`.
            It must be pure, because past runs are scored again with it.
    """

    model: type[RuleFields]
    evaluate: CustomValidator
