"""From ``Benchmark`` and ``ScenarioReport`` to table rows."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pytest_2501bench.report.model import Benchmark, ScenarioReport

Row = dict[str, Any]


def storable(value: Any) -> Any:
    """Return JSON *value* with U+FFFD for what PostgreSQL cannot hold: NUL and lone surrogates.

    Agents' commands hold both. The evidence on disk keeps them; both databases get the same.
    """
    match value:
        case str():
            return value.replace("\x00", "\ufffd").encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        case dict():
            return {storable(name): storable(item) for name, item in value.items()}
        case list() | tuple():
            return [storable(item) for item in value]
    return value


def benchmark_row(benchmark: Benchmark) -> Row:
    """Return the row of ``benchmarks``."""
    document = storable(benchmark.model_dump(mode="json"))
    row = dict(document)
    row["user_name"] = row.pop("user")
    return row | {"document": document}


_COPIED = (
    *("run_id", "benchmark_id", "key", "title", "nodeid", "iteration", "tags", "version_key", "evidence"),
    *("mode", "gateway", "agent", "main_engine", "secondary_engine", "specialty"),
    *("status", "failure_cause", "failure_phase", "failure_message", "resolution_status", "task_count"),
    *("input_tokens", "output_tokens", "cost_usd", "started_at", "finished_at"),
)


def report_row(report: ScenarioReport) -> Row:
    """Return the row of ``scenario_reports``."""
    document = storable(report.model_dump(mode="json"))
    row = {name: document[name] for name in _COPIED}
    for gate in ("task_validation", "compliance"):
        row[gate] = document[gate]["status"]
        row[f"{gate}_cause"] = document[gate]["cause"]
    return row | {
        "compliance_score": report.compliance.score,
        "seconds": report.seconds,
        "version_digest": version_digest(report.version_key),
        "document": document,
    }


def rule_rows(report: ScenarioReport) -> list[Row]:
    """Return the rows of ``rule_results``: both gates' rules, in the order of evaluation."""
    rows = []
    for gate in (report.task_validation, report.compliance):
        for position, rule in enumerate(gate.rules):
            row = storable(rule.model_dump(mode="json"))
            row["rule_index"] = row.pop("index")
            rows.append(row | {"run_id": report.run_id, "gate": str(gate.gate), "position": position})
    return rows


def phase_rows(report: ScenarioReport) -> list[Row]:
    """Return the rows of ``phase_durations``."""
    rows = []
    for position, phase in enumerate(report.phases):
        row = storable(phase.model_dump(mode="json"))
        row["phase"] = row.pop("name")
        rows.append(row | {"run_id": report.run_id, "position": position})
    return rows


def version_digest(version_key: dict[str, str]) -> str:
    """Return 16 hex digits for *version_key*: runs that have them in common may be compared."""
    text = json.dumps(version_key, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
