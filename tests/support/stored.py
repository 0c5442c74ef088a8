"""Two sessions in a store, one of another engine, with rows and evidence as a session leaves them."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

from support import records, reports

from pytest_2501bench.evidence.folder import write_benchmark, write_report
from pytest_2501bench.evidence.log import EvidenceLog
from pytest_2501bench.evidence.model import PhaseRecord
from pytest_2501bench.report.model import Benchmark, ScenarioReport
from pytest_2501bench.store.repository import Store

DAY = 86_400.0
OLD, NEW = "bmk_2222222222bb", "bmk_3333333333cc"
COMMANDS = ("systemctl status nginx", "=cmd|' /C calc'!A0", "echo \x00 \udcff")


@dataclasses.dataclass(frozen=True)
class Planned:
    """One run of :func:`fill`."""

    run_id: str
    benchmark_id: str
    report: ScenarioReport


def planned(now: float) -> list[Planned]:
    """The runs: two of the old session (100 days ago), three of the new one (an hour ago)."""
    found = []
    for run_id, benchmark_id, report, when, engine in (
        ("run_aaaa", OLD, reports.make_report(), now - 100 * DAY, "gpt-a"),
        ("run_bbbb", OLD, reports.noncompliant(), now - 100 * DAY + 10, "gpt-a"),
        ("run_cccc", NEW, reports.make_report(), now - 3600, "gpt-b"),
        ("run_dddd", NEW, reports.undecided(), now - 3500, "gpt-b"),
        ("run_eeee", NEW, reports.lost(), now - 3400, "gpt-b"),
    ):
        changed = _moved(report, when).model_copy(
            update={
                "run_id": run_id,
                "benchmark_id": benchmark_id,
                "main_engine": engine,
                "evidence": f"runs/{benchmark_id}/{report.key.replace('/', '+')}+{run_id}",
            }
        )
        found.append(Planned(run_id, benchmark_id, changed))
    return found


def _moved(report: ScenarioReport, to: float) -> ScenarioReport:
    by = to - report.started_at

    def moved(phase: PhaseRecord) -> PhaseRecord:
        return phase.model_copy(update={"started_at": phase.started_at + by})

    return report.model_copy(
        update={
            "started_at": report.started_at + by,
            "finished_at": report.finished_at + by,
            "phases": tuple(map(moved, report.phases)),
        }
    )


def session(benchmark_id: str, started_at: float, machine: str = "bench-01") -> Benchmark:
    return reports.make_benchmark(
        id=benchmark_id, started_at=started_at, finished_at=started_at + 600, machine=machine, tenant_id="ten_1"
    )


def fill(store: Store, bench_dir: Path) -> list[Planned]:
    """Store both sessions with evidence, whose processes are gone."""
    now = time.time()
    runs = planned(now)
    for benchmark_id, started_at in ((OLD, now - 100 * DAY), (NEW, now - 3600)):
        head = session(benchmark_id, started_at)
        abandon(write_benchmark(bench_dir, head))
        store.save_benchmark(head)
    for each in runs:
        place = bench_dir / each.report.evidence
        with EvidenceLog.create(place, records.started(each.run_id, benchmark_id=each.benchmark_id)) as log:
            log.job(records.job(*COMMANDS))
            log.finish(each.report.finished_at)
        abandon(place)
        write_report(place, each.report)
        store.save_report(each.report)
    return runs


def abandon(folder: Path) -> None:
    """Make the folder one whose owner is gone."""
    owner = folder / "owner.json"
    owner.write_text(json.dumps(json.loads(owner.read_text()) | {"started": "long ago"}))
