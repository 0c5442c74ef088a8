"""What a junit file says of a run beyond its outcome: ``<property>`` elements, through ``item.user_properties``."""

from __future__ import annotations

from pytest_2501bench.errors import Gate
from pytest_2501bench.matrix import variant_of
from pytest_2501bench.report.model import ScenarioReport
from pytest_2501bench.report.plain import one_line


def properties(report: ScenarioReport, gate: Gate | None) -> list[tuple[str, str]]:
    """Return names and values for the testcase of *gate* (None: of a further check); text only, as xdist needs it.

    What is not known is left out: an absent ``tokens`` is not ``0``. Durations are seconds, ``cost`` US dollars,
    ``compliance_score`` 0 to 1. A phase that ran more than once counts with all its times.
    """
    results = {Gate.TASK_VALIDATION: report.task_validation, Gate.COMPLIANCE: report.compliance}
    result = results[gate] if gate is not None else None
    durations: dict[str, float] = {}
    for phase in report.phases:
        durations[phase.name.value] = durations.get(phase.name.value, 0.0) + phase.seconds
    values: list[tuple[str, object]] = [
        ("key", report.key),
        ("title", report.title),
        ("tags", ",".join(report.tags) or None),
        ("gate", gate),
        ("status", result and result.status),
        ("reason", result and result.reason),
        ("cause", result and result.cause),
        ("iteration", report.iteration),
        ("variant", variant_of(report.nodeid) or None),
        ("mode", report.mode),
        ("gateway", report.gateway),
        ("agent", report.agent),
        ("main_engine", report.main_engine),
        ("secondary_engine", report.secondary_engine),
        ("specialty", report.specialty),
        ("compliance_score", _decimal(report.compliance.score, 4)),
        ("resolution_status", report.resolution_status),
        ("task_count", report.task_count),
        ("duration", _decimal(report.seconds, 3)),
        *((f"duration_{name}", _decimal(value, 3)) for name, value in durations.items()),
        ("tokens", report.tokens),
        ("input_tokens", report.input_tokens),
        ("output_tokens", report.output_tokens),
        ("cost", _decimal(report.cost_usd, 6)),
        ("benchmark_id", report.benchmark_id),
        ("run_id", report.run_id),
        ("evidence", report.evidence or None),
    ]
    return [(name, one_line(str(value))) for name, value in values if value is not None]


def _decimal(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{value:.{digits}f}".rstrip("0").rstrip(".") or "0"
