"""The shapes of operational rules and specialties in the engine's API."""

from __future__ import annotations

from pydantic import Field, field_validator

from pytest_2501bench.engine.wire_base import Answer, Line, Request, RuleId, SpecialtyKey, Text, listed


class RuleIn(Request):
    """An operational rule to store. One without tags and specialties goes into every task."""

    rule_id: RuleId | None = Field(default=None, description="Made by the engine if absent.")
    rule: Text = Field(
        min_length=1, description="What agents are told.", examples=["Back up a file before editing it."]
    )
    tags: tuple[Line, ...] = Field(
        default=(), max_length=64, description="It goes into tickets that carry or name one of them."
    )
    specialty_keys: tuple[Line, ...] = Field(
        default=(), max_length=64, description="It goes into tasks of agents with one of these specialties."
    )
    enabled: bool = True

    @field_validator("tags", "specialty_keys", mode="before")
    @classmethod
    def _lists_are_tuples(cls, value: object) -> object:
        return listed(value)


class RuleChange(Request):
    """What to change of a rule; absent or null: stays as it is."""

    rule: Text | None = Field(default=None, min_length=1)
    tags: tuple[Line, ...] | None = Field(default=None, max_length=64)
    specialty_keys: tuple[Line, ...] | None = Field(default=None, max_length=64)
    enabled: bool | None = None

    @field_validator("tags", "specialty_keys", mode="before")
    @classmethod
    def _lists_are_tuples(cls, value: object) -> object:
        return listed(value)


class RuleOut(Answer):
    """A stored operational rule."""

    rule_id: str
    rule: str
    tags: tuple[str, ...] = ()
    specialty_keys: tuple[str, ...] = ()
    enabled: bool = True


class RuleList(Answer):
    """All operational rules, in the order of their storing."""

    operational_rules: tuple[RuleOut, ...]


class SpecialtyIn(Request):
    """What a specialty may do."""

    investigate_only: bool = Field(description="Its agents look and report, and change nothing.")


class SpecialtyOut(Answer):
    """A specialty that is known for more than its name."""

    specialty_key: SpecialtyKey
    investigate_only: bool


class SpecialtyList(Answer):
    """Specialties that were set; any other may do everything."""

    specialties: tuple[SpecialtyOut, ...]
