"""Who gets which run and when; how many workers there are; what is shown of them. Without any worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_2501bench.errors import Phase
from pytest_2501bench.report.progress import FIRST_LINE_AFTER, THEN_EVERY, PhaseProgress
from pytest_2501bench.xdist.scheduler import RunScheduling, guess_missing
from pytest_2501bench.xdist.units import file_of, unit_of
from pytest_2501bench.xdist.workers import Outlook, number_of_workers

CHECKS = ("task_validation", "compliance")


class Node:
    """As much of a worker as a scheduler sees."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.sent: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.sent += indices

    def shutdown(self) -> None:
        self.shutting_down = True


class Session:
    """A scheduler and its workers; runs are named by how long they take."""

    def __init__(
        self, workers: int, runs: Mapping[str, float], plain: int = 0, checks: tuple[str, ...] = CHECKS
    ) -> None:
        self.items = [f"s/{name}/scenario.json::run1::{check}" for name in runs for check in checks]
        self.items += [f"test_plain.py::test_{number}" for number in range(plain)]
        option = {"maxschedchunk": None, "tx": ["popen"] * workers}
        config = SimpleNamespace(
            getoption=option.__getitem__,
            getvalue=option.__getitem__,
            hook=SimpleNamespace(pytest_collectreport=lambda report: None),
        )

        def estimate(found: Iterable[str]) -> Mapping[str, float]:
            return {run: runs[run.split("/")[1]] for run in found}

        self.scheduler = RunScheduling(config, None, estimate)
        self.nodes = [Node(f"gw{number}") for number in range(workers)]
        for node in self.nodes:
            self.scheduler.add_node(node)
            self.scheduler.add_node_collection(node, self.items)
        self.scheduler.schedule()

    def has(self, node: Node) -> list[str]:
        """What a worker has been given, in its order."""
        names = [self.items[index].split("::")[0] for index in node.sent]
        return list(dict.fromkeys(name.split("/")[1] if "/" in name else name for name in names))

    def finish(self, node: Node, items: int = 1) -> None:
        """Let a worker end its next *items*."""
        for _ in range(items):
            self.scheduler.mark_test_complete(node, self.scheduler.node2pending[node][0])


RUNS = {"a": 1.0, "b": 5.0, "c": 3.0, "d": 4.0, "e": 2.0}


def test_the_longest_runs_go_first_one_to_each_worker() -> None:
    session = Session(2, RUNS)
    assert [session.has(node) for node in session.nodes] == [["b"], ["d"]]


def test_the_next_run_is_given_when_only_the_last_check_is_left() -> None:
    session = Session(2, RUNS)
    first, second = session.nodes
    session.finish(second)
    assert session.has(second) == ["d", "c"]
    session.finish(second)  # the last check of d
    assert session.has(second) == ["d", "c"]
    session.finish(second)
    assert session.has(second) == ["d", "c", "e"]
    assert session.has(first) == ["b"]


def test_a_worker_that_gets_nothing_more_is_told_before_its_last_check() -> None:
    session = Session(1, {"a": 1.0})
    (node,) = session.nodes
    before = node.shutting_down
    session.finish(node)
    assert (before, node.shutting_down) == (False, True)
    assert session.scheduler.tests_finished
    session.finish(node)
    assert not session.scheduler.has_pending


def test_more_workers_than_runs_end_at_once() -> None:
    session = Session(3, {"a": 1.0, "b": 2.0})
    assert [node.shutting_down for node in session.nodes] == [False, False, True]


def test_a_run_with_one_check_is_followed_by_the_shortest() -> None:
    session = Session(2, RUNS, checks=("compliance",))
    first, second = session.nodes
    assert [session.has(node) for node in session.nodes] == [["b", "a"], ["d", "e"]]
    session.finish(second)
    assert session.has(second) == ["d", "e", "c"]
    session.finish(first)
    assert first.shutting_down


def test_ordinary_items_follow_the_runs() -> None:
    session = Session(2, {"a": 1.0}, plain=20)
    first, second = session.nodes
    assert session.has(first) == ["a"]
    assert len(second.sent) > 1
    session.finish(first)
    assert session.has(first) == ["a", "test_plain.py"]
    while session.scheduler.has_pending and not session.scheduler.tests_finished:
        for node in session.nodes:
            if session.scheduler.node2pending[node]:
                session.finish(node)
    assert sorted(first.sent + second.sent) == list(range(22))


@pytest.mark.parametrize("plain", [1, 2, 3])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_no_worker_is_left_waiting_for_an_item_that_never_comes(workers: int, plain: int) -> None:
    session = Session(workers, {"a": 1.0}, plain=plain)
    for _ in range(10):
        for node in session.nodes:
            has = session.scheduler.node2pending[node]
            if len(has) > 1 or (has and node.shutting_down):  # else xdist does not begin it
                session.finish(node)
    assert not session.scheduler.has_pending


def test_without_runs_it_is_stock_load() -> None:
    session = Session(2, {}, plain=40)
    assert [len(node.sent) for node in session.nodes] == [5, 5]


def test_a_crash_loses_the_run_in_hand_and_nothing_else() -> None:
    session = Session(2, RUNS, checks=(*CHECKS, "cost"))
    first, second = session.nodes
    session.finish(first)
    assert session.scheduler.remove_node(first) == "s/b/scenario.json::run1::compliance"
    assert session.scheduler.lost == ["s/b/scenario.json::run1::cost"]
    replacement = Node("gw2")
    session.scheduler.add_node(replacement)
    session.scheduler.add_node_collection(replacement, session.items)
    session.scheduler.schedule()
    assert session.has(replacement) == ["c"]
    assert session.has(second) == ["d"]


def test_a_run_that_a_dead_worker_had_not_begun_is_given_to_another() -> None:
    session = Session(1, {"a": 1.0, "b": 2.0}, checks=("compliance",))
    (first,) = session.nodes
    assert session.has(first) == ["b", "a"]
    assert session.scheduler.remove_node(first) == "s/b/scenario.json::run1::compliance"
    assert session.scheduler.lost == []
    assert session.scheduler.has_pending
    replacement = Node("gw1")
    session.scheduler.add_node(replacement)
    session.scheduler.add_node_collection(replacement, session.items)
    session.scheduler.schedule()
    assert session.has(replacement) == ["a"]


def test_scenarios_never_seen_are_taken_for_the_longest() -> None:
    guessed = guess_missing({"key/1": 10.0, "key/2": 20.0}, {"x": "key/1", "y": "key/3", "z": None})
    assert guessed == {"x": 10.0, "y": 21.0, "z": 21.0}


@pytest.mark.parametrize(
    ("nodeid", "run"),
    [
        ("scenarios/a/scenario.json::run1::compliance", "scenarios/a/scenario.json::run1"),
        ("scenario.json::run2::compliance", "scenario.json::run2"),
        ("tests/test_a.py::TestB::test_c", None),
        ("tests/my-scenario.json::TestB::test_c", None),
        ("scenarios/a/scenario.json", None),
    ],
)
def test_runs_are_told_by_their_node_ids(nodeid: str, run: str | None) -> None:
    assert unit_of(nodeid) == run
    assert file_of(nodeid) == (run.split("::")[0] if run else None)


@pytest.mark.parametrize(
    ("outlook", "expected"),
    [
        (Outlook((1.0,) * 3, cpus=8, free_gb=64), (3, "there are 3 runs")),
        (Outlook((1.0,) * 30, cpus=2, free_gb=64), (8, "2 processors, 4 runs each")),
        (Outlook((1.0,) * 30, cpus=1, free_gb=64), (4, "1 processor, 4 runs each")),
        (Outlook((1.0,) * 30, cpus=8, free_gb=8), (6, "8 GB are free, up to 1 GB per run")),
        (Outlook((4.0, 4.0, 1.0, 1.0), cpus=8, cap_gb=9), (3, "9 GB for all runs, up to 4 GB each")),
        (Outlook((0.0,) * 30, cpus=8, hosts=3), (3, "3 registered hosts take part")),
        (Outlook((2.0,), cpus=8, free_gb=1), (1, "1 GB are free, up to 2 GB per run")),
        (Outlook((1.0,) * 9, cpus=4), (9, "there are 9 runs")),
    ],
)
def test_the_number_of_workers_and_its_reason(outlook: Outlook, expected: tuple[int, str]) -> None:
    assert number_of_workers(outlook) == expected


# ---- the display ----------------------------------------------------------------------------------------------------


class Watched:
    """A display and what it wrote, at a clock of ours."""

    def __init__(self, *, isatty: bool, rows: int = 10) -> None:
        self.written: list[str] = []
        self.now = 100.0
        arguments: dict[str, Any] = {"interval": 3600, "columns": lambda: 60, "rows": lambda: rows}
        self.progress = PhaseProgress(self.written.append, isatty=isatty, clock=lambda: self.now, **arguments)

    def last(self) -> list[str]:
        """The live lines as last drawn."""
        return [part.split("\x1b8")[0] for part in self.written[-1].split("\x1b[2K")[1:]]


def test_each_worker_has_a_live_line_and_the_rest_is_counted() -> None:
    watched = Watched(isatty=True)
    watched.progress.expect(5)
    watched.progress.phase("key/1 run1", Phase.EXECUTE, "gw0")
    watched.now += 4
    watched.progress.phase("key/2 run1", Phase.PROVISION, "gw1")
    watched.progress.detail("waiting for memory", "gw1")
    strip = [line.removesuffix("\x1b[B\r") for line in watched.last()]
    assert strip == [
        "key/1 run1 · execute 4 s",
        "key/2 run1 · provision 0 s · waiting for memory",
        "2 running, 3 waiting, 0 done",
    ]
    watched.progress.done("gw0")
    strip = [line.removesuffix("\x1b[B\r") for line in watched.last()]
    assert strip == [
        "key/2 run1 · provision 0 s · waiting for memory",
        "1 running, 3 waiting, 1 done",
        "",  # a line less than before: it is blanked
    ]
    watched.progress.close()


def test_more_runs_than_lines_are_counted() -> None:
    watched = Watched(isatty=True, rows=1)
    for number in range(3):
        watched.now += 1
        watched.progress.phase(f"key/{number} run1", Phase.EXECUTE, f"gw{number}")
    strip = [line.removesuffix("\x1b[B\r") for line in watched.last()]
    assert strip == ["key/0 run1 · execute 2 s", "3 running (2 not shown), 0 waiting, 0 done"]
    watched.progress.close()


def test_live_lines_come_back_after_something_was_written() -> None:
    watched = Watched(isatty=True)
    watched.progress.phase("key/1 run1", Phase.EXECUTE, "gw0")
    watched.progress.hide()
    assert watched.last()[0].removesuffix("\x1b[B\r") == ""
    watched.progress.show()
    assert "key/1 run1 · execute 0 s" in watched.written[-1]
    watched.progress.close()


def test_a_log_hears_of_each_run_less_often_the_more_there_are() -> None:
    watched = Watched(isatty=False)
    for number in range(2):
        watched.progress.phase(f"key/{number} run1", Phase.EXECUTE, f"gw{number}")
    watched.now += FIRST_LINE_AFTER
    watched.progress.tick()
    assert watched.written == ["key/0 run1 · execute 10 s\n", "key/1 run1 · execute 10 s\n"]
    watched.now += THEN_EVERY
    watched.progress.tick()
    assert len(watched.written) == 2
    watched.now += THEN_EVERY
    watched.progress.tick()
    assert len(watched.written) == 4
    watched.progress.close()
