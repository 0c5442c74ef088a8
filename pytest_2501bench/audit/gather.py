"""Reading stored runs for an audit: folders to accounts, accounts to the document's content."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_2501bench.audit.account import account
from pytest_2501bench.audit.chain import benchmark_root, broken_at, join, make_chain
from pytest_2501bench.audit.exhibits import events, exhibits
from pytest_2501bench.audit.model import FORMAT, Audit, BenchmarkAccount, Maker, RunAccount
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.folder import (
    EVIDENCE_FILE,
    REPORT_FILE,
    benchmark_dir,
    read_benchmark,
    read_report,
)
from pytest_2501bench.evidence.owner import owner_alive
from pytest_2501bench.evidence.read import read_evidence
from pytest_2501bench.store.rows import storable

if TYPE_CHECKING:
    from pytest_2501bench.evidence.model import Record
    from pytest_2501bench.report.model import ScenarioReport


def gather(
    bench_dir: Path, reports: Sequence[ScenarioReport], *, asked_for: Sequence[str], made_by: Maker, at: float
) -> Audit:
    """Return the document's content for runs, as the database names them.

    Raises:
        BenchError: ``evidence_missing``: a file is not there or unreadable; ``option_invalid``: a run still goes on.
    """
    ordered = sorted(reports, key=lambda report: (report.benchmark_id, report.evidence))
    accounts = []
    for benchmark_id, each in groupby(ordered, key=lambda report: report.benchmark_id):
        found = benchmark_dir(bench_dir, benchmark_id)
        if owner_alive(found) and read_benchmark(found).finished_at is None:
            raise BenchError(Cause.OPTION_INVALID, f"{benchmark_id} still runs.", remedy="Audit it when it is over.")
        of_it = {report.evidence: report for report in each}
        runs = [run_account(bench_dir / folder, bench_dir, stored=stored) for folder, stored in of_it.items()]
        accounts.append(benchmark_account(found, runs, whole=_all_there(found, of_it)))
    root = join(FORMAT, *(each.root for each in accounts))
    return Audit(made_at=at, made_by=made_by, asked_for=tuple(asked_for), benchmarks=tuple(accounts), root=root)


def run_account(folder: Path, bench_dir: Path, *, stored: ScenarioReport | None) -> RunAccount:
    """Return the account of the run in *folder*; *stored* is its report in the database, None: not compared.

    Raises:
        BenchError: ``evidence_missing``.
    """
    evidence, report = read_evidence(folder / EVIDENCE_FILE), read_report(folder)
    # Of a folder that was moved, the document says where it was.
    report = report.model_copy(update={"evidence": folder.relative_to(bench_dir).as_posix()})
    return account(
        evidence,
        report,
        make_chain(report.run_id, exhibits(folder, deep=True)),
        broken=broken_at(events((folder / EVIDENCE_FILE).read_bytes())),
        stored_alike=stored is None or _same(stored, report),
    )


def benchmark_account(folder: Path, runs: Sequence[RunAccount], *, whole: bool) -> BenchmarkAccount:
    """Return the account of the benchmark in *folder* with *runs* of it. Raises ``evidence_missing``."""
    benchmark = read_benchmark(folder)
    names = {Path(run.folder).name for run in runs}
    files = make_chain(benchmark.id, exhibits(folder, deep=whole, without=names))
    account = BenchmarkAccount(benchmark=benchmark, whole=whole, files=files, runs=tuple(runs), root="")
    return account.model_copy(update={"root": benchmark_root(account)})


def _all_there(folder: Path, reports: Mapping[str, ScenarioReport]) -> bool:
    named: Collection[str] = {Path(evidence).name for evidence in reports}
    return all(path.name in named for path in folder.iterdir() if _is_run(path))


def _is_run(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".") and (path / REPORT_FILE).is_file()


def _same(one: Record, other: Record) -> bool:
    return bool(storable(one.model_dump(mode="json")) == storable(other.model_dump(mode="json")))
