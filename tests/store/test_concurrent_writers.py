"""Several processes write at once: nothing is lost, nothing is there twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from support.processes import python, results
from support.records import benchmark, report

from pytest_2501bench.store.aggregate import groups
from pytest_2501bench.store.model import RegisteredHost
from pytest_2501bench.store.repository import Store, dump_rows

WRITE = """
    import sys
    from pathlib import Path
    from support.records import report
    from pytest_2501bench.store.repository import Store
    with Store.open(sys.argv[1], Path(sys.argv[2])) as store:
        for number in range(int(sys.argv[4])):
            store.save_report(report(f"run_{sys.argv[3]}{number}"))
"""

WRITE_BOTH = """
    import sys
    from pathlib import Path
    from support.records import report
    from pytest_2501bench.store.repository import Store
    with Store.open(sys.argv[1], Path(sys.argv[2])) as store:
        own, shared = int(sys.argv[4]), int(sys.argv[5])
        for number in range(max(own, shared)):
            if number < own:
                store.save_report(report(f"run_{sys.argv[3]}{number}"))
            if number < shared:
                store.save_report(report(f"run_same{number}"))
"""


def test_four_writers_of_25_reports_each(database_url: str, tmp_path: Path) -> None:
    with Store.open(database_url, tmp_path) as store:
        store.save_benchmark(benchmark())
        results([python(WRITE, database_url, str(tmp_path), name, "25") for name in "abcd"])
        rows = dump_rows(store)
        assert len(rows["scenario_reports"]) == 100
        assert len(rows["rule_results"]) == 200
        assert len(rows["phase_durations"]) == 200
        assert {one.run_id for one in store.reports()} == {f"run_{name}{n}" for name in "abcd" for n in range(25)}


def test_four_writers_of_the_same_runs(database_url: str, tmp_path: Path) -> None:
    with Store.open(database_url, tmp_path) as store:
        store.save_benchmark(benchmark())
        results([python(WRITE, database_url, str(tmp_path), "same", "25") for _ in range(4)])
        rows = dump_rows(store)
        assert len(rows["scenario_reports"]) == 25
        assert len(rows["rule_results"]) == 50
        assert len(rows["phase_durations"]) == 50
        assert store.report("run_same7") == report("run_same7")


def test_eight_writers_of_runs_of_their_own_and_of_the_same_runs(database_url: str, tmp_path: Path) -> None:
    names = "abcdefgh"
    own, shared = 15, 10
    with Store.open(database_url, tmp_path) as store:
        store.save_benchmark(benchmark())
        results([python(WRITE_BOTH, database_url, str(tmp_path), name, str(own), str(shared)) for name in names])
        rows = dump_rows(store)
        expected = {f"run_{name}{n}" for name in names for n in range(own)} | {f"run_same{n}" for n in range(shared)}
        stored = [row["run_id"] for row in rows["scenario_reports"]]
        assert sorted(stored) == sorted(expected)
        for table in ("rule_results", "phase_durations"):
            assert Counter(row["run_id"] for row in rows[table]) == dict.fromkeys(expected, 2), table
        assert sum(group.runs for group in groups(store)) == len(expected)


def test_writers_that_look_before_they_write_wait_for_their_turn(database_url: str, tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from pytest_2501bench.store.model import RegisteredAgent
        from pytest_2501bench.store.repository import Store
        with Store.open(sys.argv[1], Path(sys.argv[2])) as store:
            for number in range(50):
                name = f"agt_{sys.argv[3]}{number}"
                store.register_agent(RegisteredAgent(agent_id=name, agent_name=name, host_id="hst_1"))
    """
    with Store.open(database_url, tmp_path) as store:
        store.register_host(RegisteredHost(host_id="hst_1", host_name="web-01"))
        results([python(code, database_url, str(tmp_path), name) for name in "abcd"])
        assert len(store.agents()) == 200
