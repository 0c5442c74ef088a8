"""What a crash left on disk gets into the database; nothing is made up, or taken from a living session."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.processes import python, results
from support.records import START, benchmark, phase, report, started, write_run

from pytest_2501bench.errors import Cause, Phase
from pytest_2501bench.evidence.folder import read_report, run_dir, write_benchmark, write_report
from pytest_2501bench.evidence.log import EvidenceLog
from pytest_2501bench.evidence.model import FailureRecord
from pytest_2501bench.scoring.model import Status
from pytest_2501bench.store.repository import Store, dump_rows
from pytest_2501bench.store.sync import SyncResult, sync


def left_behind(run: Path) -> Path:
    """Make the run one whose owner is gone."""
    owner = run / "owner.json"
    owner.write_text(json.dumps(json.loads(owner.read_text()) | {"started": "long ago"}))
    return run


def interrupted_run(bench_dir: Path, *phases: Phase) -> Path:
    """Leave a run that a crash cut off after *phases*."""
    write_benchmark(bench_dir, benchmark())
    with EvidenceLog.create(run_dir(bench_dir, "bmk_1", "nginx/001", 1), started()) as log:
        for position, name in enumerate(phases):
            log.phase(phase(name, float(position)))
    return left_behind(log.run_dir)


@pytest.fixture
def bench_dir(tmp_path: Path) -> Path:
    """A bench directory with nothing in it."""
    return tmp_path / "bench"


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Store]:
    """A store of the quick kind."""
    with Store.open(None, tmp_path) as store:
        yield store


def test_nothing_on_disk_is_nothing_to_do(sqlite: Store, bench_dir: Path) -> None:
    assert sync(bench_dir, sqlite) == SyncResult()


def test_a_report_that_did_not_reach_the_database_is_imported(store: Store, bench_dir: Path) -> None:
    write_benchmark(bench_dir, benchmark(finished_at=START + 60))
    place = run_dir(bench_dir, "bmk_1", "nginx/001", 1)
    write_run(place)
    write_report(place, report(evidence="runs/bmk_1/nginx+001+run1"))
    assert sync(bench_dir, store) == SyncResult(imported=("runs/bmk_1/nginx+001+run1",))
    assert store.reports() == (report(evidence="runs/bmk_1/nginx+001+run1"),)
    assert store.benchmarks() == (benchmark(finished_at=START + 60),)
    rows = dump_rows(store)
    assert sync(bench_dir, store) == SyncResult(already=1)
    assert dump_rows(store) == rows


def test_finished_evidence_without_a_report_is_scored(store: Store, bench_dir: Path) -> None:
    write_benchmark(bench_dir, benchmark())
    place = run_dir(bench_dir, "bmk_1", "nginx/001", 1)
    write_run(place)
    left_behind(place)
    assert sync(bench_dir, store) == SyncResult(imported=("runs/bmk_1/nginx+001+run1",))
    (found,) = store.reports()
    assert found.status is Status.PASSED
    assert found.compliance.score == 1.0
    assert found.compliance.rules[0].span is not None
    assert found.evidence == "runs/bmk_1/nginx+001+run1"
    assert found.finished_at == START + 10
    assert read_report(place) == found


def test_a_run_that_was_validated_is_scored_though_its_restore_was_cut_off(sqlite: Store, bench_dir: Path) -> None:
    write_benchmark(bench_dir, benchmark())
    place = run_dir(bench_dir, "bmk_1", "nginx/001", 1)
    write_run(place, finish=False)
    left_behind(place)
    assert sync(bench_dir, sqlite).incomplete == ()
    assert sqlite.reports()[0].status is Status.PASSED


@pytest.mark.parametrize(
    ("phases", "at"),
    [
        ((), Phase.PROVISION),
        ((Phase.PROVISION,), Phase.PREPARE),
        ((Phase.PROVISION, Phase.PREPARE, Phase.FLUSH), Phase.EXECUTE),
        ((Phase.PROVISION, Phase.PREPARE, Phase.FLUSH, Phase.EXECUTE), Phase.VALIDATE),
    ],
)
def test_a_run_that_a_crash_cut_off_is_an_error_and_not_the_agents(
    store: Store, bench_dir: Path, phases: tuple[Phase, ...], at: Phase
) -> None:
    interrupted_run(bench_dir, *phases)
    name = "runs/bmk_1/nginx+001+run1"
    assert sync(bench_dir, store) == SyncResult(imported=(name,), incomplete=(name,))
    (found,) = store.reports()
    assert (found.status, found.failure_cause, found.failure_phase) == (Status.ERROR, Cause.INTERRUPTED, at)
    assert found.failure_message == f"the session ended before the run did: nothing is recorded of {at} or later"
    for gate in (found.task_validation, found.compliance):
        assert (gate.status, gate.cause, gate.score) == (Status.ERROR, Cause.INTERRUPTED, None)
    assert [one.name for one in found.phases] == list(phases)
    assert found.finished_at == START + (len(phases) + 0.5 if phases else 0)
    assert sync(bench_dir, store) == SyncResult(already=1)


def test_a_failure_that_was_recorded_before_the_crash_keeps_its_cause(sqlite: Store, bench_dir: Path) -> None:
    write_benchmark(bench_dir, benchmark())
    with EvidenceLog.create(run_dir(bench_dir, "bmk_1", "nginx/001", 1), started()) as log:
        log.failure(FailureRecord(cause=Cause.PREPARE_FAILED, phase=Phase.PREPARE, message="prepare.yml: no nginx"))
    left_behind(log.run_dir)
    assert sync(bench_dir, sqlite).incomplete == ()
    (found,) = sqlite.reports()
    assert (found.status, found.failure_cause) == (Status.ERROR, Cause.PREPARE_FAILED)
    assert found.compliance.cause is Cause.PREPARE_FAILED


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run in a bench directory, its owner gone."""
    place = tmp_path_factory.mktemp("whole")
    write_benchmark(place, benchmark())
    run = run_dir(place, "bmk_1", "nginx/001", 1)
    write_run(run)
    return left_behind(run)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_cut_off_anywhere_the_run_is_recorded(
    whole_run: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    bench_dir = tmp_path_factory.mktemp("cut")
    shutil.copytree(whole_run.parents[2], bench_dir, dirs_exist_ok=True)
    path = bench_dir / whole_run.relative_to(whole_run.parents[2]) / "evidence.jsonl"
    content = path.read_bytes()
    length = data.draw(st.integers(content.index(b"\n"), len(content)))
    path.write_bytes(content[:length])
    validated = b'"name":"validate"' in b"".join(content[: length + 1].splitlines(keepends=True)[:-1])
    with Store.open(None, bench_dir) as store:
        result = sync(bench_dir, store)
        assert result.problems == ()
        assert len(result.imported) == 1
        (found,) = store.reports()
    if found.failure_cause is Cause.INTERRUPTED:
        assert found.status is Status.ERROR
        assert not validated
    else:
        assert found.status is Status.PASSED


def test_a_run_whose_session_lives_is_left_alone(sqlite: Store, bench_dir: Path) -> None:
    write_benchmark(bench_dir, benchmark())
    with EvidenceLog.create(run_dir(bench_dir, "bmk_1", "nginx/001", 1), started()):
        assert sync(bench_dir, sqlite) == SyncResult(running=("runs/bmk_1/nginx+001+run1",))
    assert sqlite.reports() == ()


def test_a_session_that_is_killed_loses_no_run(sqlite: Store, bench_dir: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from pytest_2501bench.errors import Phase
        from pytest_2501bench.evidence.folder import run_dir, write_benchmark, write_report
        from pytest_2501bench.evidence.log import EvidenceLog
        from support.records import benchmark, phase, report, started, write_run
        bench = Path(sys.argv[1])
        write_benchmark(bench, benchmark())
        write_run(run_dir(bench, "bmk_1", "a", 1), started("run_a"))
        write_report(run_dir(bench, "bmk_1", "a", 1), report("run_a", evidence="runs/bmk_1/a+run1"))
        write_run(run_dir(bench, "bmk_1", "b", 1), started("run_b"))
        log = EvidenceLog.create(run_dir(bench, "bmk_1", "c", 1), started("run_c"))
        log.phase(phase(Phase.PROVISION, 0))
        print("in the middle", flush=True)
        sys.stdin.readline()
    """
    process = python(code, str(bench_dir))
    assert process.stdout is not None
    assert process.stdout.readline() == "in the middle\n"
    alive = sync(bench_dir, sqlite)
    assert alive == SyncResult(imported=("runs/bmk_1/a+run1",), running=("runs/bmk_1/b+run1", "runs/bmk_1/c+run1"))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    result = sync(bench_dir, sqlite)
    assert result == SyncResult(
        imported=("runs/bmk_1/b+run1", "runs/bmk_1/c+run1"), incomplete=("runs/bmk_1/c+run1",), already=1
    )
    assert {one.run_id: one.status for one in sqlite.reports()} == {
        "run_a": Status.FAILED,
        "run_b": Status.PASSED,
        "run_c": Status.ERROR,
    }


def test_a_session_taken_for_dead_has_the_last_word_on_its_run(sqlite: Store, bench_dir: Path) -> None:
    place = interrupted_run(bench_dir, Phase.PROVISION)
    sync(bench_dir, sqlite)
    late = report(evidence="runs/bmk_1/nginx+001+run1")
    write_report(place, late)
    sqlite.save_report(late)
    assert sqlite.reports() == (late,)


def test_one_unreadable_run_is_named_and_the_others_are_imported(sqlite: Store, bench_dir: Path) -> None:
    write_benchmark(bench_dir, benchmark())
    for name in ("a", "b", "c", "d"):
        write_run(run_dir(bench_dir, "bmk_1", name, 1), started(f"run_{name}"))
        left_behind(run_dir(bench_dir, "bmk_1", name, 1))
    (run_dir(bench_dir, "bmk_1", "a", 1) / "evidence.jsonl").write_text("gossip\n")
    (run_dir(bench_dir, "bmk_1", "b", 1) / "evidence.jsonl").unlink()
    (run_dir(bench_dir, "bmk_1", "c", 1) / "report.json").write_text("{}")
    result = sync(bench_dir, sqlite)
    assert result.imported == ("runs/bmk_1/d+run1",)
    assert len(result.problems) == 3
    for problem, part in zip(
        result.problems,
        ("evidence.jsonl:1: not a line of", "evidence.jsonl: No such file", "/run_id: Field"),
        strict=True,
    ):
        assert part in problem
        assert "\n" not in problem


def test_evidence_whose_scenario_cannot_be_read_any_more_is_named(sqlite: Store, bench_dir: Path) -> None:
    write_benchmark(bench_dir, benchmark())
    place = run_dir(bench_dir, "bmk_1", "a", 1)
    write_run(place, started(scenario={"key": "a"}))
    left_behind(place)
    (problem,) = sync(bench_dir, sqlite).problems
    assert "the scenario in its evidence cannot be read" in problem
    assert "\n" not in problem


@pytest.mark.parametrize("content", [None, "{"])
def test_a_run_counts_more_than_its_lost_benchmark(sqlite: Store, bench_dir: Path, content: str | None) -> None:
    place = interrupted_run(bench_dir)
    path = place.parent / "benchmark.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    result = sync(bench_dir, sqlite)
    assert len(result.imported) == 1
    (problem,) = result.problems
    assert problem.startswith(str(path))
    assert problem.endswith("benchmark.json is made up from the run runs/bmk_1/nginx+001+run1.")
    (stored,) = sqlite.benchmarks()
    assert (stored.id, stored.user, stored.mode) == ("bmk_1", "unknown", "namespace")


def test_a_run_in_the_folder_of_another_benchmark_is_named(sqlite: Store, bench_dir: Path) -> None:
    write_benchmark(bench_dir, benchmark())
    place = run_dir(bench_dir, "bmk_1", "a", 1)
    place.mkdir()
    write_report(place, report(benchmark_id="bmk_2"))
    (problem,) = sync(bench_dir, sqlite).problems
    assert "the run is of benchmark bmk_2, its folder of bmk_1" in problem
    assert sqlite.benchmarks() == ()


def test_the_end_of_a_benchmark_that_did_not_reach_the_database_is_imported(sqlite: Store, bench_dir: Path) -> None:
    sqlite.save_benchmark(benchmark())
    interrupted_run(bench_dir)
    write_benchmark(bench_dir, benchmark(finished_at=START + 60))
    sync(bench_dir, sqlite)
    assert sqlite.benchmarks() == (benchmark(finished_at=START + 60),)


def test_several_syncs_at_once_import_each_run_once(store: Store, bench_dir: Path) -> None:
    write_benchmark(bench_dir, benchmark())
    for number in range(12):
        write_run(run_dir(bench_dir, "bmk_1", "a", number + 1), started(f"run_{number}", iteration=number + 1))
        left_behind(run_dir(bench_dir, "bmk_1", "a", number + 1))
    code = """
        import sys
        from pathlib import Path
        from pytest_2501bench.store.repository import Store
        from pytest_2501bench.store.sync import sync
        with Store.open(sys.argv[1], Path(sys.argv[2])) as store:
            result = sync(Path(sys.argv[2]), store)
        assert not result.problems, result.problems
    """
    url = store.target.url.render_as_string(hide_password=False)
    results([python(code, url, str(bench_dir)) for _ in range(3)])
    rows = dump_rows(store)
    assert len(rows["scenario_reports"]) == 12
    assert len(rows["rule_results"]) == 12
    assert len(rows["phase_durations"]) == 72
