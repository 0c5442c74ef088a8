"""Evidence of one's own making."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_2501bench.evidence.model import Evidence, JobRecord, RunStarted, TaskRecord, TicketRecord
from pytest_2501bench.scenario.model import Scenario


@pytest.fixture(scope="session")
def evidence_of() -> Callable[..., Evidence]:
    """Return evidence of a run: by default a job that succeeded with the tasks given as dictionaries."""

    def make(
        *tasks: dict[str, Any],
        job: dict[str, Any] | None = None,
        ticket: dict[str, Any] | None = None,
        no_job: bool = False,
        no_tasks: bool = False,
        **rest: Any,
    ) -> Evidence:
        run = RunStarted(
            run_id="run_1",
            benchmark_id="bmk_1",
            key="k",
            nodeid="n",
            iteration=1,
            mode="namespace",
            gateway="runner",
            agent="oracle",
            started_at=0,
            scenario={},
            version_key={},
        )
        records = [
            TaskRecord.model_validate(
                {"id": f"tsk_{index}", "status": "completed"}
                | task
                | {
                    name: [{"command": text} for text in task[name]]
                    for name in ("executed_commands", "claimed_commands")
                    if task.get(name) is not None
                }
            )
            for index, task in enumerate(tasks)
        ]
        record = JobRecord.model_validate(
            {"id": "job_1", "status": "completed", "finished": True, "tasks": None if no_tasks else records}
            | (job or {})
        )
        return Evidence(
            run=run,
            job=None if no_job else record,
            ticket=None if ticket is None else TicketRecord.model_validate({"id": "tkt_1"} | ticket),
            **rest,
        )

    return make


@pytest.fixture(scope="session")
def scenario_of() -> Callable[..., Scenario]:
    """Return a scenario with the given ``validation`` and ``bench``."""

    def make(*, validation: dict[str, Any] | None = None, bench: dict[str, Any] | None = None) -> Scenario:
        return Scenario.model_validate(
            {
                "key": "k",
                "title": "t",
                "description": "d",
                "ticket_title": "t",
                "ticket_body": "b",
                "validation": validation or {},
                "bench": bench or {},
            }
        )

    return make
