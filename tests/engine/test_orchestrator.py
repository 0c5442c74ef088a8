"""From ticket to resolution, with agents written for the test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from support.engines import agent, host, ticket_in

from pytest_2501bench.agents.noop import NoopAgent
from pytest_2501bench.agents.protocol import Agent, Assignment, Journal, Outcome
from pytest_2501bench.engine import orchestrator as module
from pytest_2501bench.engine.journal import MAX_MESSAGES
from pytest_2501bench.engine.memory import MemoryRepository
from pytest_2501bench.engine.orchestrator import Orchestrator, StillWorkingError
from pytest_2501bench.engine.resolution import combined
from pytest_2501bench.engine.state import StoredHost, StoredTicket
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import Command, JobRecord, ResolutionStatus

SUCCESS = ResolutionStatus.SUCCESS
Work = Callable[[Assignment, Journal], Coroutine[Any, Any, Outcome]]


class Scripted:
    """An agent that does what the test says."""

    name = "scripted"

    def __init__(self, work: Work, *, whole_ticket: bool = False) -> None:
        self._work = work
        self.whole_ticket = whole_ticket

    def warm_up(self) -> None:
        pass

    async def work(self, assignment: Assignment, journal: Journal) -> Outcome:
        return await self._work(assignment, journal)

    def close(self) -> None:
        pass


class Bench:
    """An orchestrator whose hosts 1 to *count* have an agent each."""

    def __init__(self, agent_: Agent, folder: Path, count: int = 2, grace: float = 0.0) -> None:
        self.repository = MemoryRepository()
        self.orchestrator = Orchestrator(self.repository, agent_, folder, deadline_grace=grace)
        for n in range(1, count + 1):
            self.repository.put_host(StoredHost(host(n), ""))
            self.repository.put_agent(agent(n))

    def start(self, *hosts: int, deadline: float = 30.0) -> None:
        ticket = StoredTicket("tkt_1", ticket_in(*hosts, deadline_seconds=deadline))
        self.repository.put_ticket(ticket)
        self.orchestrator.start(ticket)

    async def finish(self) -> JobRecord:
        for _ in range(500):
            job = await self.repository.wait_for_job("tkt_1", 10_000, 10.0)
            if job is not None and job.record.finished:
                return job.record
        raise AssertionError

    @property
    def ticket(self) -> StoredTicket:
        ticket = self.repository.ticket("tkt_1")
        assert ticket is not None
        return ticket


def run(
    agent_: Agent, folder: Path, *hosts: int, count: int = 2, deadline: float = 30.0
) -> tuple[JobRecord, StoredTicket]:
    async def whole() -> tuple[JobRecord, StoredTicket]:
        bench = Bench(agent_, folder, count)
        bench.start(*hosts, deadline=deadline)
        return await bench.finish(), bench.ticket

    return asyncio.run(whole())


async def succeed(assignment: Assignment, journal: Journal) -> Outcome:
    for task in assignment.tasks:
        log = journal.task(task.task_id)
        log.plan("Repair it.")
        log.message("Looking.")
        log.commands([Command(command="id", exit_status=0)])
        log.cost(input_tokens=3, output_tokens=4, cost_usd=0.5)
    return Outcome(SUCCESS, "Repaired " + ", ".join(task.host.host_name for task in assignment.tasks) + ".")


def test_one_task_per_host_in_the_tickets_order_one_after_the_other(tmp_path: Path) -> None:
    active: list[str] = []

    async def work(assignment: Assignment, journal: Journal) -> Outcome:
        (task,) = assignment.tasks
        assert not active
        active.append(task.task_id)
        await asyncio.sleep(0.01)
        active.remove(task.task_id)
        return await succeed(assignment, journal)

    job, ticket = run(Scripted(work), tmp_path, 2, 1)
    assert job.tasks is not None
    assert [(t.host_name, t.agent_id, t.status) for t in job.tasks] == [
        ("web-02", "agt_2", "completed"),
        ("web-01", "agt_1", "completed"),
    ]
    assert [t.summary for t in job.tasks] == ["Repaired web-02.", "Repaired web-01."]
    assert (job.status, job.resolution_status) == ("completed", SUCCESS)
    assert job.resolution_summary == "Repaired web-02.\n\nRepaired web-01."
    assert job.plan == "1. web-02: Fixer 2\n2. web-01: Fixer 1"
    first = job.tasks[0]
    assert (first.plan, first.agent_messages, first.operational_rules) == ("Repair it.", ("Looking.",), ())
    assert first.executed_commands == (Command(command="id", exit_status=0),)
    assert (first.input_tokens, first.output_tokens, first.cost_usd) == (3, 4, 0.5)
    assert job.started_at is not None
    assert first.started_at is not None
    assert first.finished_at is not None
    assert job.started_at <= first.started_at <= first.finished_at
    assert (ticket.status, ticket.summary) == ("resolved", job.resolution_summary)
    assert ticket.comments[0] == f"Job {job.id} took the ticket."
    assert ticket.comments[-1].startswith("Resolution: success.")


def test_an_agent_for_whole_tickets_is_called_once_with_all_tasks(tmp_path: Path) -> None:
    calls: list[int] = []

    async def work(assignment: Assignment, journal: Journal) -> Outcome:
        calls.append(len(assignment.tasks))
        return await succeed(assignment, journal)

    job, _ = run(Scripted(work, whole_ticket=True), tmp_path, 1, 2)
    assert calls == [2]
    assert job.tasks is not None
    assert [t.summary for t in job.tasks] == ["Repaired web-01, web-02."] * 2


def test_noop_takes_no_action_and_leaves_the_ticket_open(tmp_path: Path) -> None:
    job, ticket = run(NoopAgent(), tmp_path, 1)
    assert (job.status, job.resolution_status) == ("completed", ResolutionStatus.NO_ACTION)
    assert job.tasks is not None
    assert job.tasks[0].executed_commands == ()
    assert job.tasks[0].summary == "No action was taken."
    assert ticket.status == "in_progress"


def test_five_tasks_are_the_ceiling(tmp_path: Path) -> None:
    job, _ = run(NoopAgent(), tmp_path, 1, 2, 3, 4, 5, count=6)
    assert job.tasks is not None
    assert len(job.tasks) == 5
    job, ticket = run(NoopAgent(), tmp_path, 1, 2, 3, 4, 5, 6, count=6)
    assert (job.status, job.resolution_status, job.tasks) == ("failed", ResolutionStatus.HARD_FAILURE, ())
    assert job.resolution_summary == "The ticket needs 6 tasks; a job has 5 at most."
    assert ticket.status == "in_progress"


def test_a_ticket_without_an_agent_creates_no_tasks(tmp_path: Path) -> None:
    job, _ = run(NoopAgent(), tmp_path)
    assert (job.status, job.resolution_status, job.tasks) == ("failed", ResolutionStatus.NO_TASKS_CREATED, ())


def test_an_agent_that_cannot_be_put_to_work_is_a_hard_failure_with_the_reason(tmp_path: Path) -> None:
    async def work(assignment: Assignment, journal: Journal) -> Outcome:
        raise BenchError(Cause.TOOL_MISSING, "no such model")

    job, _ = run(Scripted(work), tmp_path, 1, 2)
    assert (job.status, job.resolution_status) == ("failed", ResolutionStatus.HARD_FAILURE)
    assert job.resolution_summary == "no such model"
    assert job.tasks is not None
    assert [t.status for t in job.tasks] == ["failed", "failed"]


def test_a_fault_in_an_agents_adapter_is_a_hard_failure_too(tmp_path: Path) -> None:
    async def work(assignment: Assignment, journal: Journal) -> Outcome:
        raise ZeroDivisionError("secret")

    job, _ = run(Scripted(work), tmp_path, 1)
    assert job.resolution_status is ResolutionStatus.HARD_FAILURE
    assert job.resolution_summary == "The adapter of agent scripted failed; see the engine's log."


def test_after_its_deadline_a_job_is_stopped(tmp_path: Path) -> None:
    ended: list[str] = []

    async def work(assignment: Assignment, journal: Journal) -> Outcome:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("ended")
        return Outcome(SUCCESS, "")

    job, _ = run(Scripted(work), tmp_path, 1, 2, deadline=0.1)
    assert ended == ["ended"]
    assert (job.status, job.resolution_status) == ("failed", ResolutionStatus.HARD_FAILURE)
    assert job.tasks is not None
    assert [t.status for t in job.tasks] == ["expired", "expired"]


def test_cancel_returns_when_the_agent_has_ended(tmp_path: Path) -> None:
    ended: list[str] = []

    async def work(assignment: Assignment, journal: Journal) -> Outcome:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.2)
            ended.append("ended")
            raise
        return Outcome(SUCCESS, "")

    async def whole() -> tuple[JobRecord, StoredTicket]:
        bench = Bench(Scripted(work), tmp_path)
        bench.start(1)
        await bench.repository.wait_for_job("tkt_1", 2, 5.0)
        assert bench.orchestrator.is_working("tkt_1")
        await bench.orchestrator.cancel("tkt_1")
        assert ended == ["ended"]
        assert not bench.orchestrator.is_working("tkt_1")
        await bench.orchestrator.cancel("tkt_1")
        return await bench.finish(), bench.ticket

    job, ticket = asyncio.run(whole())
    assert (job.status, job.resolution_status) == ("cancelled", ResolutionStatus.HARD_FAILURE)
    assert job.tasks is not None
    assert job.tasks[0].status == "cancelled"
    assert ticket.status == "cancelled"


def test_a_ticket_cancelled_before_its_job_began_is_cancelled(tmp_path: Path) -> None:
    async def whole() -> tuple[JobRecord, StoredTicket]:
        bench = Bench(NoopAgent(), tmp_path)
        bench.start(1)
        await bench.orchestrator.cancel("tkt_1")
        return await bench.finish(), bench.ticket

    job, ticket = asyncio.run(whole())
    assert (job.status, ticket.status) == ("cancelled", "cancelled")


def test_a_finished_job_is_not_cancelled_afterwards(tmp_path: Path) -> None:
    async def whole() -> tuple[JobRecord, StoredTicket]:
        bench = Bench(Scripted(succeed), tmp_path)
        bench.start(1)
        await bench.finish()
        await bench.orchestrator.cancel("tkt_1")
        return await bench.finish(), bench.ticket

    job, ticket = asyncio.run(whole())
    assert (job.status, ticket.status) == ("completed", "resolved")


def test_an_agent_that_does_not_end_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CANCEL_PATIENCE", 0.1)

    async def work(assignment: Assignment, journal: Journal) -> Outcome:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.4)
        return Outcome(SUCCESS, "done after all")

    async def whole() -> JobRecord:
        bench = Bench(Scripted(work), tmp_path)
        bench.start(1)
        await bench.repository.wait_for_job("tkt_1", 2, 5.0)
        with pytest.raises(StillWorkingError):
            await bench.orchestrator.cancel("tkt_1")
        return await bench.finish()

    assert asyncio.run(whole()).finished


def test_waiting_ends_with_a_change_of_status_and_not_with_every_message(tmp_path: Path) -> None:
    async def work(assignment: Assignment, journal: Journal) -> Outcome:
        for n in range(20):
            journal.task(assignment.tasks[0].task_id).message(str(n))
            await asyncio.sleep(0.01)
        return Outcome(SUCCESS, "")

    async def whole() -> list[tuple[int, str]]:
        bench = Bench(Scripted(work), tmp_path)
        bench.start(1)
        seen = 0
        steps: list[tuple[int, str]] = []
        while not steps or steps[-1][1] != "completed":
            job = await bench.repository.wait_for_job("tkt_1", seen, 5.0)
            assert job is not None
            seen = job.revision
            steps.append((seen, job.record.status))
        return steps

    steps = asyncio.run(whole())
    assert len(steps) <= 5
    assert [s for s, _ in steps] == sorted({s for s, _ in steps})


def test_endless_messages_are_cut_and_say_so(tmp_path: Path) -> None:
    async def work(assignment: Assignment, journal: Journal) -> Outcome:
        for n in range(MAX_MESSAGES + 50):
            journal.task(assignment.tasks[0].task_id).message(str(n))
        return Outcome(SUCCESS, "")

    job, _ = run(Scripted(work), tmp_path, 1)
    assert job.tasks is not None
    messages = job.tasks[0].agent_messages
    assert messages is not None
    assert len(messages) == MAX_MESSAGES + 1
    assert messages[-1] == f"… only the first {MAX_MESSAGES} messages are kept"


@pytest.mark.parametrize(
    ("tasks", "job"),
    [
        ("success success", "success"),
        ("success no_action", "partial"),
        ("partial hard_failure", "partial"),
        ("agentic_failure no_action", "agentic_failure"),
        ("agentic_failure hard_failure", "hard_failure"),
        ("no_action no_action", "no_action"),
        ("", "no_tasks_created"),
    ],
)
def test_the_tasks_resolutions_make_the_jobs(tasks: str, job: str) -> None:
    assert combined([ResolutionStatus(word) for word in tasks.split()]).value == job


def working(
    agent_: Agent, folder: Path, *hosts: int, engine_parallel: bool = False, **ticket: Any
) -> tuple[JobRecord, MemoryRepository]:
    """Work one ticket with hosts 1 to 3, of which the third one's agent may only investigate."""

    async def whole() -> tuple[JobRecord, MemoryRepository]:
        bench = Bench(agent_, folder, 3)
        bench.orchestrator = Orchestrator(
            bench.repository, agent_, folder, deadline_grace=0.0, parallel=engine_parallel
        )
        careful = agent(3).model_copy(update={"specialty_key": "INVESTIGATOR", "main_engine": "own/3"})
        bench.repository.put_agent(careful)
        stored = StoredTicket("tkt_1", ticket_in(*hosts, **ticket))
        bench.repository.put_ticket(stored)
        bench.orchestrator.start(stored)
        return await bench.finish(), bench.repository

    return asyncio.run(whole())


@pytest.mark.parametrize(
    ("engine", "ticket", "at_once"), [(False, True, 2), (True, None, 2), (True, False, 1), (False, None, 1)]
)
def test_hosts_are_worked_at_the_same_time_if_engine_or_ticket_say_so(
    tmp_path: Path, engine: bool, ticket: bool | None, at_once: int
) -> None:
    active: set[str] = set()
    most: list[int] = []

    async def work(assignment: Assignment, journal: Journal) -> Outcome:
        active.add(assignment.tasks[0].task_id)
        await asyncio.sleep(0.05)
        most.append(len(active))
        active.clear()
        return await succeed(assignment, journal)

    job, _ = working(Scripted(work), tmp_path, 1, 2, engine_parallel=engine, parallel=ticket)
    assert max(most) == at_once
    assert job.resolution_summary == "Repaired web-01.\n\nRepaired web-02."
    assert [(t.host_name, t.input_tokens) for t in job.tasks or ()] == [("web-01", 3), ("web-02", 3)]


def test_when_one_of_several_at_once_cannot_be_put_to_work_the_others_are_stopped(tmp_path: Path) -> None:
    ended: list[str] = []

    async def work(assignment: Assignment, journal: Journal) -> Outcome:
        if assignment.tasks[0].host.host_name == "web-02":
            raise BenchError(Cause.TOOL_MISSING, "no such model")
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("ended")
        return Outcome(SUCCESS, "")

    job, _ = working(Scripted(work), tmp_path, 1, 2, engine_parallel=True)
    assert ended == ["ended"]
    assert (job.resolution_status, job.resolution_summary) == (ResolutionStatus.HARD_FAILURE, "no such model")


def test_a_task_that_may_only_investigate_makes_a_repair_partial(tmp_path: Path) -> None:
    seen: list[tuple[str | None, str | None, str | None]] = []

    async def work(assignment: Assignment, journal: Journal) -> Outcome:
        seen.append((assignment.intent, assignment.tasks[0].intent, assignment.main_engine))
        return await succeed(assignment, journal)

    job, _ = working(Scripted(work), tmp_path, 1, 3)
    assert seen == [(None, None, None), ("investigate", "investigate", "own/3")]
    assert [t.status for t in job.tasks or ()] == ["completed", "incomplete"]
    assert job.resolution_status is ResolutionStatus.PARTIAL
    assert job.main_engine == "own/3"
    job, _ = working(Scripted(work), tmp_path, 1, 3, body="@2501:investigate", main_engine="for/all")
    assert seen[2:] == [("investigate", "investigate", "for/all")] * 2
    assert (job.resolution_status, job.main_engine) == (SUCCESS, "for/all")
    job, _ = working(Scripted(succeed, whole_ticket=True), tmp_path, 1, 3)
    assert job.resolution_status is ResolutionStatus.PARTIAL
    assert [t.status for t in job.tasks or ()] == ["completed", "incomplete"]


def test_what_the_agents_of_a_whole_ticket_remember_is_theirs_together(tmp_path: Path) -> None:
    async def work(assignment: Assignment, journal: Journal) -> Outcome:
        assert assignment.memory == ""
        return Outcome(SUCCESS, "", memory="web-01 is slow")

    _, repository = working(Scripted(work, whole_ticket=True), tmp_path, 1, 2)
    assert [repository.memory(f"agt_{n}").text for n in (1, 2, 3)] == ["web-01 is slow", "web-01 is slow", ""]


def test_attachments_are_there_while_the_agent_works_and_not_longer(tmp_path: Path) -> None:
    paths: list[Path] = []

    async def work(assignment: Assignment, journal: Journal) -> Outcome:
        (path,) = assignment.attachments
        assert (path.name, path.read_bytes()) == ("a b.txt", b"hello")
        paths.append(path)
        return Outcome(SUCCESS, "")

    job, _ = working(Scripted(work), tmp_path, 1, attachments=[{"name": "a b.txt", "content": "aGVsbG8="}])
    assert job.resolution_status is SUCCESS
    assert not paths[0].parent.exists()
