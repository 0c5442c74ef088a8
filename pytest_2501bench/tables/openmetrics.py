"""Rates of stored runs as OpenMetrics text: for GitLab's metrics reports, and for whatever scrapes files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, Final

from pytest_2501bench.tables.records import StoredRun

_RATES: Final = {
    "task_validation": "bench2501_pass_rate",
    "compliance": "bench2501_compliance_rate",
    "status": "bench2501_both_gates_rate",
}


@dataclass(frozen=True, slots=True)
class _Family:
    name: str
    help: str
    unit: str = ""


_FAMILIES: Final = (
    _Family("bench2501_runs", "Runs, also those without a verdict."),
    _Family("bench2501_lost_runs", "Runs without a verdict."),
    _Family("bench2501_pass_rate", "Passed task validations of those with a verdict."),
    _Family("bench2501_compliance_rate", "Passed compliance gates of those with a verdict."),
    _Family("bench2501_both_gates_rate", "Runs that passed both gates of those with a verdict."),
    _Family("bench2501_run_duration_seconds", "Mean wall time of a run.", "seconds"),
    _Family("bench2501_tokens", "Tokens of the runs whose engine said."),
    _Family("bench2501_cost_usd", "US dollars of the runs whose engine said."),
)


def write_openmetrics(target: BinaryIO, runs: Iterable[StoredRun]) -> int:
    """Write gauges over all runs, and for each scenario with the label ``scenario``; return how many runs.

    A rate whose denominator is 0 is left out, and so are tokens and cost when no engine said.
    """
    all_runs = list(runs)
    by_key: dict[str, list[StoredRun]] = {}
    for run in all_runs:
        by_key.setdefault(run.key, []).append(run)
    values = {"": _values(all_runs)} | {key: _values(by_key[key]) for key in sorted(by_key)}
    lines: list[str] = []
    for family in _FAMILIES:
        samples = [
            f"{family.name}{_label(scenario)} {_number(told[family.name])}"
            for scenario, told in values.items()
            if family.name in told
        ]
        if samples:
            lines += [f"# TYPE {family.name} gauge", *([f"# UNIT {family.name} {family.unit}"] if family.unit else [])]
            lines += [f"# HELP {family.name} {family.help}", *samples]
    target.write("".join(f"{line}\n" for line in (*lines, "# EOF")).encode())
    return len(all_runs)


def _values(runs: list[StoredRun]) -> dict[str, float]:
    found: dict[str, float] = {
        "bench2501_runs": len(runs),
        "bench2501_lost_runs": sum(run.status == "error" for run in runs),
    }
    for verdict, name in _RATES.items():
        scored = [getattr(run, verdict) == "passed" for run in runs if getattr(run, verdict) != "error"]
        if scored:
            found[name] = sum(scored) / len(scored)
    if runs:
        found["bench2501_run_duration_seconds"] = sum(run.seconds for run in runs) / len(runs)
    tokens = [
        (run.input_tokens or 0) + (run.output_tokens or 0)
        for run in runs
        if run.input_tokens is not None or run.output_tokens is not None
    ]
    cost = [run.cost_usd for run in runs if run.cost_usd is not None]
    if tokens:
        found["bench2501_tokens"] = sum(tokens)
    if cost:
        found["bench2501_cost_usd"] = sum(cost)
    return found


def _label(scenario: str) -> str:
    return f'{{scenario="{scenario}"}}' if scenario else ""


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
