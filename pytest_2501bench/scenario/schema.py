"""JSON Schema of ``scenario.json``, for editors and for people. The loader checks more (names that must agree …)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pytest_2501bench.scenario.crosscheck import MOST_HOSTS
from pytest_2501bench.scenario.model import BUILT_IN_RULES, RuleFields, Scenario

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_RULE = "Rule"


def schema(validators: Mapping[str, type[RuleFields]] = BUILT_IN_RULES) -> dict[str, Any]:
    """Return the schema, draft 2020-12, in the file's names. The 0.3 form is not in it.

    Args:
        validators: rule types of other plugins; the built-in ones are always in it.
    """
    made = Scenario.model_json_schema(by_alias=True, mode="validation")
    defs: dict[str, Any] = made["$defs"]
    # The open rule type would accept every mistyped validator; plugins' own models stand in its place.
    defs.pop("CustomRule", None)
    names = [defs_name(model) for model in BUILT_IN_RULES.values()]
    for name, model in validators.items():
        if name in BUILT_IN_RULES:
            continue
        own = model.model_json_schema(by_alias=True, mode="validation", ref_template="#/$defs/{model}")
        for inner, definition in own.pop("$defs", {}).items():
            defs.setdefault(inner, definition)
        own["properties"]["validator"] = {"const": name, "type": "string"}
        own["required"] = sorted({*own.get("required", ()), "validator"})
        defs[f"rule {name}"] = own
        names.append(f"rule {name}")
    rule = {"$ref": f"#/$defs/{_RULE}"}
    for owner, scope in (
        ("Validation", "gateway"),
        ("Validation", "job"),
        ("Validation", "tasks"),
        ("Bench", "outcome"),
    ):
        defs[owner]["properties"][scope]["items"] = rule
    defs[_RULE] = {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in names]}
    defs["TaskCount"]["oneOf"] = [
        {"required": ["count"]},
        {"anyOf": [{"required": ["min"]}, {"required": ["max"]}]},
    ]
    made["properties"]["hosts"]["maxItems"] = MOST_HOSTS
    defs["ScenarioHost"]["anyOf"] = [{"required": ["host_id"]}, {"required": ["host_name"]}]
    defs["ScenarioAgent"]["anyOf"] = [{"required": ["agent_id"]}, {"required": ["agent_name"]}]
    _tidy(made)
    return {"$schema": _DIALECT, "title": "scenario.json", **made}


def defs_name(model: type[RuleFields]) -> str:
    """Return the name of a rule's model in ``$defs``."""
    return model.__name__


def schema_text(validators: Mapping[str, type[RuleFields]] = BUILT_IN_RULES) -> str:
    """Return :func:`schema` as text: what ``docs/scenario.schema.json`` holds."""
    return json.dumps(schema(validators), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _tidy(value: Any) -> None:
    """Leave out what pydantic adds and no reader needs: titles, defaults that are objects, choices with null."""
    if isinstance(value, dict):
        if isinstance(value.get("title"), str):
            del value["title"]
        if isinstance(text := value.get("description"), str):
            value["description"] = " ".join(text.split()).replace("``", "`")
        if isinstance(value.get("default", ...), dict | None):
            del value["default"]
        choices = value.get("anyOf")
        pair = isinstance(choices, list) and len(choices) == 2 and all("type" in choice for choice in choices)
        if isinstance(choices, list) and pair and {"type": "null"} in choices:
            choices.remove({"type": "null"})
            del value["anyOf"]
            value |= choices[0] | {"type": [choices[0]["type"], "null"]}
        for inner in value.values():
            _tidy(inner)
    elif isinstance(value, list):
        for inner in value:
            _tidy(inner)
