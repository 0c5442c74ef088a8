"""Distribution over xdist workers; imported only when xdist is active."""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadScopeScheduling


class RunScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """``--dist load`` where there are scenarios: the checks of one run go to one worker, all other tests go one by one.

    Stock ``load`` would give the two gates of a run to two workers, and each would want to make the run.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, found, _ = nodeid.partition("/scenario.json::")
        return nodeid.rsplit("::", 1)[0] if found and file else nodeid


def scheduler(config: Any, log: Any) -> RunScheduling:
    """Return a scheduler for ``--dist load``."""
    return RunScheduling(config, log)
