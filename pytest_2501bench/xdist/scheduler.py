"""Which xdist worker gets which run, and when; imported only when xdist distributes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from xdist.scheduler import LoadScheduling

from pytest_2501bench.verdict import is_verdict
from pytest_2501bench.xdist.units import unit_of

Estimate = Callable[[Iterable[str]], Mapping[str, float]]
"""From runs (node ids) to the seconds that each will likely take."""


class RunScheduling(LoadScheduling):  # type: ignore[misc]
    """``--dist load`` where there are scenarios: runs go out whole, one at a time, the longest first.

    A worker of xdist starts an item only when it knows the next one, or that there is none: that is how pytest tears
    fixtures down. So the next run is assigned when a worker has one check left, whose work is done already, and not
    before: whatever was assigned earlier could not go to another worker that is idle. A run with a single check
    (``-k compliance``) leaves no such moment; the shortest run then waits behind it, because it waits least in vain.

    All other items are distributed as stock ``load`` does it, after the runs.
    """

    def __init__(self, config: Any, log: Any, estimate: Estimate) -> None:
        super().__init__(config, log)
        self.collection: list[str] | None
        self.maxschedchunk: int | None
        self._estimate = estimate
        self._waiting: list[str] = []  # runs that nobody has, the longest first
        self._items: dict[str, list[int]] = {}
        self._run_of: dict[int, str] = {}
        self._fillers: set[str] = set()  # runs that were given out only because xdist wants to know the next item
        self.lost: list[str] = []
        """The other checks of the run that the last crash interrupted; reported by the controller."""

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left to give out, and no worker has more than its last item."""
        return not self._waiting and bool(super().tests_finished)

    @property
    def has_pending(self) -> bool:
        """Whether anything is left to give out or to finish."""
        return bool(self._waiting) or bool(super().has_pending)

    def schedule(self) -> None:
        """Give every worker its first run; called again when a worker takes the place of a crashed one."""
        collected = next(iter(self.node2collection.values()))
        runs = {index: run for index, item in enumerate(collected) if (run := unit_of(item)) is not None}
        if self.collection is not None or not runs:
            super().schedule()
            return
        if not self._check_nodes_have_same_collection():
            return
        self.collection = collected
        self._run_of = runs
        for index, run in runs.items():
            self._items.setdefault(run, []).append(index)
        seconds = self._estimate(self._items)
        self._waiting = sorted(self._items, key=lambda run: -seconds[run])  # stable: equal ones as collected
        # Verdicts are no work for a worker: the controller gives them, when all runs are over.
        self.pending[:] = [i for i, item in enumerate(collected) if i not in runs and not is_verdict(item)]
        if self.maxschedchunk is None:
            self.maxschedchunk = len(collected)
        for node in self.nodes:
            if self._waiting:
                self._give(node, self._waiting[0])
        for node in self.nodes:
            self.check_schedule(node)

    def check_schedule(self, node: Any, duration: float = 0) -> None:
        """Give *node* what it needs to go on, and no more."""
        has = self.node2pending[node]
        if node.shutting_down or (len(has) > 1 and has[0] in self._run_of):
            return
        while self._waiting and len(has) <= 1:
            self._give(node, self._next(has))
        if self._waiting or (len(has) > 1 and has[0] in self._run_of):
            return
        super().check_schedule(node, duration)
        if not self.pending and len(has) == 1:  # nothing will come after it, and it must not wait for that
            node.shutdown()

    def remove_node(self, node: Any) -> str | None:
        """Forget *node*; if it crashed, return the item that it was at.

        The run in hand is lost: its other checks are in :attr:`lost`. What the worker had not begun goes to others.
        """
        has: list[int] = self.node2pending.pop(node)
        self.lost = []
        if not has:
            return None
        assert self.collection is not None
        first, *others = has
        run = self._run_of.get(first)
        for index in others:
            other = self._run_of.get(index)
            if other is None:
                self.pending.append(index)
            elif other == run:
                self.lost.append(self.collection[index])
            elif other not in self._waiting:
                self._waiting.insert(0, other)
        for left in self.node2pending:
            self.check_schedule(left)
        return str(self.collection[first])

    def _next(self, has: Sequence[int]) -> str:
        """Return the run for a worker that has nothing, or one item."""
        begins = self._run_of.get(has[0]) if has else None
        held_long = begins is not None and len(self._items[begins]) == 1 and begins not in self._fillers
        if not held_long:
            return self._waiting[0]
        self._fillers.add(self._waiting[-1])
        return self._waiting[-1]

    def _give(self, node: Any, run: str) -> None:
        self._waiting.remove(run)
        indices = self._items[run]
        self.node2pending[node].extend(indices)
        node.send_runtest_some(indices)


def guess_missing(known: Mapping[str, float], keys: Mapping[str, str | None]) -> dict[str, float]:
    """Return seconds for every run: what its scenario took last, and more than anything for one never seen.

    A new scenario that turns out long would otherwise begin last, and all workers would wait for it.

    Args:
        known: scenario key → seconds.
        keys: run → key of its scenario.
    """
    longest = max(known.values(), default=0.0) + 1.0
    return {run: known.get(key, longest) if key is not None else longest for run, key in keys.items()}
