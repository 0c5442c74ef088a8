"""The agent that knows the answer: it plays the scenario's ``solve.yml``, what a perfect fix looks like.

The playbook runs once, on all hosts of the ticket; each host's task record has the commands that ran on it. Every
``msg`` of an ``ansible.builtin.debug`` task goes into the report, so an investigation is solved by saying what was
found. A first line ``resolution: no_action`` there is how a request that policy forbids is declined.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pytest_2501bench.agents.ansible_report import resolved, said, summary_of, task_names
from pytest_2501bench.agents.protocol import Assignment, Journal, Outcome
from pytest_2501bench.bastion.shelf import note_unreached, recordings_of
from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.evidence.model import PlaybookRecord, PlaybookStatus, ResolutionStatus
from pytest_2501bench.playbooks.model import PlaybookRequest

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_2501bench.playbooks.run import AnsibleRunner

SLACK_SECONDS = 30.0
"""The job's deadline is the engine's to enforce; the playbook's own is a second line."""

_AT_ONCE = 64

_RESOLUTION = {
    PlaybookStatus.OK: ResolutionStatus.SUCCESS,
    PlaybookStatus.TASK_FAILED: ResolutionStatus.AGENTIC_FAILURE,
}


class OracleAgent:
    """Plays the ticket's ``oracle_playbook``."""

    name = "oracle"
    whole_ticket = True

    def __init__(self) -> None:
        self._runner: AnsibleRunner | None = None
        self._lock = threading.Lock()
        # Each ticket keeps a thread busy while Ansible works; the loop's own pool is small.
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="oracle")

    def warm_up(self) -> None:
        """Import what runs playbooks."""
        self._ansible()

    async def work(self, assignment: Assignment, journal: Journal) -> Outcome:
        """Play it. A failed task is ``agentic_failure``; whatever keeps it from running is ``hard_failure``.

        Raises:
            BenchError: ``engine_died``: Ansible itself was lost, which says nothing of the fix.
        """
        playbook = assignment.oracle_playbook
        if playbook is None:
            raise BenchError(Cause.SCENARIO_INVALID, "the oracle has no playbook for this ticket (solve.yml)")
        plan = "\n".join(f"{n}. {name}" for n, name in enumerate(task_names(playbook), 1))
        for task in assignment.tasks:
            log = journal.task(task.task_id)
            log.plan(plan or f"Play {playbook.name}.")
            log.commands(())
        record, output = await self._play(assignment, playbook)
        if record.status is PlaybookStatus.UNREACHABLE:
            for host, folder in recordings_of(assignment).items():
                if host in record.message:
                    note_unreached(folder)
        if record.status is PlaybookStatus.RUNNER_ERROR:
            raise BenchError(Cause.ENGINE_DIED, f"the oracle's {record.name}: {record.message}")
        return self._outcome(assignment, journal, record, output)

    def close(self) -> None:
        """Remove the session's files."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._runner is not None:
            self._runner.close()

    async def _play(self, assignment: Assignment, playbook: Path) -> tuple[PlaybookRecord, str]:
        stop = threading.Event()
        path = assignment.log_directory / f"{assignment.ticket_id}.oracle.log"
        request = PlaybookRequest(
            playbook=playbook,
            phase=Phase.EXECUTE,
            hosts=tuple(task.host for task in assignment.tasks),
            deadline=assignment.deadline_seconds + SLACK_SECONDS,
            log=path,
            extra_inventory=assignment.oracle_inventory,
            cancelled=stop.is_set,
        )
        playing = asyncio.get_running_loop().run_in_executor(self._threads, lambda: self._ansible().run(request))
        try:
            record = await asyncio.shield(playing)
        except asyncio.CancelledError:
            stop.set()
            # When this method is left, no Ansible may be at work any more.
            await asyncio.wait({playing})
            raise
        return record, path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def _outcome(self, assignment: Assignment, journal: Journal, record: PlaybookRecord, output: str) -> Outcome:
        from pytest_2501bench.playbooks.commands import executed_commands

        claimed, report = resolved(tuple(said(output)))
        names = frozenset(task.host.host_name for task in assignment.tasks)
        commands = executed_commands(record)
        summaries: dict[str, str] = {}
        for task in assignment.tasks:
            host, log = task.host.host_name, journal.task(task.task_id)
            log.commands(tuple(c for c in commands if c.host == host))
            for done in record.tasks:
                if done.host == host:
                    log.message(f"{done.task}: {done.status}")
            summaries[task.task_id] = summary_of(host, record, report, names)
        if record.failure is not None:
            failure = record.failure
            why = f"Task {failure.task!r} failed on {failure.host}: {failure.message}"
        else:
            why = f"{record.name}: {record.message}" if record.status is not PlaybookStatus.OK else ""
        if why:
            summaries = {task_id: f"{text}\n\n{why}" for task_id, text in summaries.items()}
        whole = "\n\n".join(
            f"{task.host.host_name}: {summaries[task.task_id]}" if len(names) > 1 else summaries[task.task_id]
            for task in assignment.tasks
        )
        status = _RESOLUTION.get(record.status, ResolutionStatus.HARD_FAILURE)
        if status is ResolutionStatus.SUCCESS and claimed is not None:
            status = claimed
        return Outcome(status, whole, summaries)

    def _ansible(self) -> AnsibleRunner:
        with self._lock:
            if self._runner is None:
                from pytest_2501bench.playbooks.run import AnsibleRunner

                self._runner = AnsibleRunner()
            return self._runner
