"""JSON Schemas: of the files that a run leaves, and of the lines of exports."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, Final

from pytest_2501bench.tables.columns import JSON_TYPES, Column, columns
from pytest_2501bench.tables.formats import Table
from pytest_2501bench.tables.records import TABLES

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class Of(StrEnum):
    """What there are schemas of: three files, and one line of each table."""

    SCENARIO = "scenario"
    REPORT = "report"
    BENCHMARK = "benchmark"
    RUNS = "runs"
    RULES = "rules"
    COMMANDS = "commands"
    PHASES = "phases"
    BENCHMARKS = "benchmarks"


def schema(of: Of) -> dict[str, Any]:
    """Return the schema, draft 2020-12."""
    match of:
        case Of.SCENARIO:
            from pytest_2501bench.scenario.schema import schema as of_scenario

            return of_scenario()
        case Of.REPORT | Of.BENCHMARK:
            from pytest_2501bench.evidence.model import Record
            from pytest_2501bench.report.model import Benchmark, ScenarioReport

            model: type[Record] = ScenarioReport if of is Of.REPORT else Benchmark
            made = model.model_json_schema(mode="serialization")
            return {"$schema": _DIALECT, **made, "title": f"{of}.json"}
    return _of_table(Table(of.value))


def schema_text(of: Of) -> str:
    """Return :func:`schema` as text: what ``docs/<name>.schema.json`` holds."""
    return json.dumps(schema(of), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _of_table(table: Table) -> dict[str, Any]:
    listed = columns(TABLES[table])
    return {
        "$schema": _DIALECT,
        "title": f"one line of 2501bench export --table {table} --format jsonl",
        "type": "object",
        "properties": {column.name: _property(column) for column in listed},
        "required": [column.name for column in listed],
        "additionalProperties": False,
    }


def _property(column: Column) -> dict[str, Any]:
    found = dict(JSON_TYPES[column.kind])
    if column.optional:
        found["type"] = [found["type"], "null"]
    if column.choices:
        found["enum"] = [*column.choices, *([None] if column.optional else [])]
    unit = f" ({column.unit})" if column.unit else ""
    return found | {"description": f"{column.meaning}{unit}"}
