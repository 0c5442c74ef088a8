"""The JSON Schema: committed copy, names of the contract, agreement with the loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pytest_2501bench.scenario.model import BUILT_IN_RULES, RuleFields, Scenario, Where
from pytest_2501bench.scenario.schema import schema, schema_text

COPY = Path(__file__).parents[2] / "docs" / "scenario.schema.json"


def test_the_committed_copy_is_what_the_models_say() -> None:
    assert COPY.read_text(encoding="utf-8") == schema_text(), "2501bench schema > docs/scenario.schema.json"


def test_it_uses_the_contracts_names_and_only_todays_form() -> None:
    made = schema()
    assert set(made["properties"]) == set(Scenario.model_fields)
    assert "name" not in made["properties"]
    assert made["additionalProperties"] is False
    assert {"allowedAgents", "allowedHosts"} <= set(made["$defs"]["Validation"]["properties"])
    assert "validate" in made["$defs"]["Timeouts"]["properties"]
    assert made["$defs"]["Where"]["enum"] == list(Where)
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "$id" not in made


def test_every_rule_is_one_of_the_known_types() -> None:
    made = schema()
    assert "CustomRule" not in schema_text()
    for owner, scope in (
        ("Validation", "gateway"),
        ("Validation", "job"),
        ("Validation", "tasks"),
        ("Bench", "outcome"),
    ):
        assert made["$defs"][owner]["properties"][scope]["items"] == {"$ref": "#/$defs/Rule"}
    names = [choice["$ref"].removeprefix("#/$defs/") for choice in made["$defs"]["Rule"]["oneOf"]]
    consts = [made["$defs"][name]["properties"]["validator"]["const"] for name in names]
    assert consts == list(BUILT_IN_RULES)


class DiskBelow(RuleFields):
    validator: Literal["disk_below"]
    percent: int


def test_rule_types_of_plugins_can_be_in_it() -> None:
    made = schema({"disk_below": DiskBelow})
    assert {"$ref": "#/$defs/rule disk_below"} in made["$defs"]["Rule"]["oneOf"]
    own = made["$defs"]["rule disk_below"]
    assert own["properties"]["validator"]["const"] == "disk_below"
    assert set(own["required"]) == {"label", "percent", "validator"}


def test_every_field_that_an_author_writes_has_a_description() -> None:
    made: dict[str, Any] = schema()
    bare = [
        f"{owner}.{name}"
        for owner, part in {"Scenario": made, **made["$defs"]}.items()
        for name, field in part.get("properties", {}).items()
        if "description" not in field and "const" not in field
    ]
    assert bare == []
