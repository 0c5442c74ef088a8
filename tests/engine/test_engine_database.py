"""The engine's state in a database: SQLite and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from support.engines import agent, host, ticket_in
from support.postgres import PostgresServer

from pytest_2501bench.agents.noop import NoopAgent
from pytest_2501bench.agents.protocol import Assignment, Journal, Outcome
from pytest_2501bench.engine import database, durable, tables
from pytest_2501bench.engine.app import create_app
from pytest_2501bench.engine.database import Batch, DatabaseRepository
from pytest_2501bench.engine.desk import Desk
from pytest_2501bench.engine.location import engine_name, target_of
from pytest_2501bench.engine.orchestrator import Orchestrator
from pytest_2501bench.engine.recollection import flush, recall, remember
from pytest_2501bench.engine.state import NotDurableError, Remembered, StoredHost, StoredTicket
from pytest_2501bench.engine.wire_rules import RuleOut, SpecialtyOut
from pytest_2501bench.errors import BenchError
from pytest_2501bench.evidence.model import Command, JobRecord, ResolutionStatus, TaskRecord

ODD = "\x00 \U0001f600 'quote\" \\u0000 – ü"
DONE = ResolutionStatus.SUCCESS


def opened(url: str, folder: Path, name: str = "one") -> DatabaseRepository:
    return DatabaseRepository(target_of(url, folder), name, folder)


def within(url: str, folder: Path, work: Callable[[DatabaseRepository], Awaitable[Any]], name: str = "one") -> Any:
    """Do *work* with a repository of its own, and let it settle."""

    async def whole() -> Any:
        repository = opened(url, folder, name)
        try:
            result = await work(repository)
            await repository.settle(10)
            return result
        finally:
            repository.close()

    return asyncio.run(whole())


def ticket(n: int, **more: Any) -> StoredTicket:
    return StoredTicket(f"tkt_{n}", ticket_in(1, correlation_id=f"c-{n}"), created_at=1.5, **more)


def job(n: int, *, finished: bool = False, tasks: int = 1, message: str = ODD) -> JobRecord:
    return JobRecord(
        id=f"job_{n}",
        status="completed" if finished else "in_progress",
        finished=finished,
        resolution_status=DONE if finished else None,
        tasks=tuple(
            TaskRecord(
                id=f"tsk_{n}_{t}",
                status="queued",
                agent_id=f"agt_{t}",
                agent_messages=(message,),
                executed_commands=(Command(command="id", exit_status=0, duration=0.1),),
                operational_rules=("Be kind.",),
                input_tokens=3_000_000_000,
                cost_usd=0.25,
            )
            for t in range(tasks)
        ),
    )


def test_everything_is_there_again_after_reopening(state_url: str, tmp_path: Path) -> None:
    async def fill(repository: DatabaseRepository) -> list[object]:
        for n in (3, 1, 2):
            repository.put_host(StoredHost(host(n), f"print-{n}"))
            repository.put_agent(agent(n))
        repository.put_host(StoredHost(host(3), "changed"))
        repository.remove_host("hst_2")
        repository.put_rule(RuleOut(rule_id="rul_1", rule=ODD, tags=("a",)))
        repository.put_rule(RuleOut(rule_id="rul_2", rule="gone"))
        repository.put_specialty(SpecialtyOut(specialty_key="CAREFUL", investigate_only=True))
        repository.put_specialty(SpecialtyOut(specialty_key="INVESTIGATOR", investigate_only=False))
        repository.put_memory(Remembered("agt_1", ODD, 2))
        repository.put_ticket(ticket(1, comments=(ODD, "two")))
        repository.put_job("tkt_1", job(1, tasks=3))
        repository.put_ticket(ticket(2))
        await repository.settle(10)
        repository.remove_rule("rul_2")
        return seen(repository)

    async def look(repository: DatabaseRepository) -> list[object]:
        return seen(repository)

    def seen(repository: DatabaseRepository) -> list[object]:
        return [
            [(h.host.host_id, h.host.host_name, h.host.ssh.port, h.fingerprint) for h in repository.hosts()],
            repository.agents(),
            repository.rules(),
            repository.specialties(),
            repository.memory("agt_1"),
            repository.ticket("tkt_1"),
            repository.ticket_by_correlation("c-2"),
            repository.job("tkt_1"),
            repository.jobs_of("agt_2"),
            repository.unfinished(),
            repository.tickets(10),
        ]

    before = within(state_url, tmp_path, fill)
    assert before[0] == [("hst_3", "web-03", 22, "changed"), ("hst_1", "web-01", 22, "print-1")]
    after = within(state_url, tmp_path, look)
    assert after == before
    assert [len(part) for part in (after[8], after[9], after[10])] == [1, 2, 2]
    assert within(state_url, tmp_path, look, "another engine") != before


def test_the_keys_of_hosts_are_where_they_were_and_not_in_the_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"

    async def fill(repository: DatabaseRepository) -> None:
        repository.put_host(StoredHost(host(1), "x"))

    async def look(repository: DatabaseRepository) -> Path:
        (stored,) = repository.hosts()
        return stored.host.ssh.identity_file

    within(url, tmp_path, fill)
    assert within(url, tmp_path, look) == tmp_path / "hosts" / "hst_1" / "key"
    assert ((tmp_path / "state.db").stat().st_mode & 0o777) == 0o600


def test_finished_tickets_leave_memory_and_are_found_nevertheless(
    state_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "KEPT", 3)

    async def fill(repository: DatabaseRepository) -> tuple[int, object, object, int]:
        for n in range(10):
            repository.put_ticket(ticket(n))
            repository.put_job(f"tkt_{n}", job(n, finished=n != 4))
            await repository.settle(10)
        in_memory = len(repository._tickets)
        return in_memory, repository.ticket("tkt_0"), repository.job("tkt_0"), len(repository.jobs_of("agt_0"))

    in_memory, old, its_job, count = within(state_url, tmp_path, fill)
    assert in_memory == 3
    assert old == ticket(0)
    assert its_job.record == job(0, finished=True)
    assert count == 10


def test_what_is_written_often_is_gathered_and_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    batches: list[int] = []

    async def fill(repository: DatabaseRepository) -> None:
        write = repository._write

        def counted(batch: Batch, position: int) -> None:
            batches.append(len(batch))
            write(batch, position)

        monkeypatch.setattr(repository, "_write", counted)
        repository.put_ticket(ticket(1))
        for n in range(200):
            repository.put_job("tkt_1", job(1, message=str(n)))
            await asyncio.sleep(0.001)

    async def look(repository: DatabaseRepository) -> str:
        stored = repository.job("tkt_1")
        assert stored is not None
        assert stored.record.tasks is not None
        return str(stored.record.tasks[0].agent_messages)

    within(url, tmp_path, fill)
    assert len(batches) < 15
    assert within(url, tmp_path, look) == "('199',)"


@pytest.mark.postgres
def test_a_database_that_goes_away_holds_answers_back_and_loses_nothing(
    engine_postgres: PostgresServer, tmp_path: Path
) -> None:
    url = engine_postgres.url(engine_postgres.new_database())

    async def outage(repository: DatabaseRepository) -> None:
        repository.put_ticket(ticket(1))
        await repository.settle(10)
        engine_postgres.stop()
        try:
            repository.put_ticket(ticket(2))
            with pytest.raises(NotDurableError, match="does not answer"):
                await repository.settle(0.5)
            repository.put_ticket(ticket(2, summary="newer"))
        finally:
            engine_postgres.start()  # in this thread: the server ends with the one that started it
        await repository.settle(15)

    async def look(repository: DatabaseRepository) -> list[str | None]:
        return [stored.summary for stored in repository.unfinished()]

    within(url, tmp_path, outage)
    assert within(url, tmp_path, look) == [None, "newer"]


def test_an_erased_engine_leaves_the_others_alone(state_url: str, tmp_path: Path) -> None:
    async def fill(repository: DatabaseRepository) -> None:
        repository.put_ticket(ticket(1))

    async def erase(repository: DatabaseRepository) -> None:
        repository.erase()

    async def count(repository: DatabaseRepository) -> int:
        return len(repository.tickets(10))

    for name in ("one", "two"):
        within(state_url, tmp_path, fill, name)
    within(state_url, tmp_path, erase, "one")
    assert [within(state_url, tmp_path, count, name) for name in ("one", "two")] == [0, 1]


def test_tables_of_another_version_are_refused_in_one_line(state_url: str, tmp_path: Path) -> None:
    async def change(repository: DatabaseRepository) -> None:
        with repository._engine.begin() as connection:
            connection.execute(sa.update(tables.version).values(version=99))

    within(state_url, tmp_path, change)
    with pytest.raises(BenchError, match="tables are of version 99; this version of the plugin") as error:
        opened(state_url, tmp_path)
    assert "\n" not in str(error.value)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("url", ["mysql://u:s3cret@h/d", "nonsense", "sqlite:////no/such/folder/x.db"])
def test_a_database_that_cannot_be_is_told_in_one_line(url: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError) as error:
        opened(url, tmp_path)
    assert "\n" not in str(error.value)
    assert "s3cret" not in str(error.value)


def test_an_agent_is_put_to_work_only_when_the_database_knows_it(tmp_path: Path) -> None:
    found: list[tuple[str, str]] = []

    class Looking(NoopAgent):
        async def work(self, assignment: Assignment, journal: Journal) -> Outcome:
            with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as connection:
                found.extend(connection.execute("SELECT task_id, status FROM tasks"))
            return await super().work(assignment, journal)

    async def whole(repository: DatabaseRepository) -> list[tuple[str, str]]:
        repository.put_host(StoredHost(host(1), ""))
        repository.put_agent(agent(1))
        repository.put_ticket(ticket(1))
        Orchestrator(repository, Looking(), tmp_path).start(ticket(1))
        done = await repository.wait_for_job("tkt_1", 100, 10)
        assert done is not None
        return [(task.id, "in_progress") for task in done.record.tasks or ()]

    assert within(f"sqlite:///{tmp_path / 'x.db'}", tmp_path, whole) == found != []


def test_nothing_is_answered_that_is_not_in_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "PATIENCE", 0.3)

    async def whole(repository: DatabaseRepository) -> list[int]:
        write = repository._write

        def away(_batch: Batch, _position: int) -> None:
            raise sa.exc.OperationalError("", {}, Exception("away"))

        app = create_app(Desk(repository, Orchestrator(repository, NoopAgent(), tmp_path), tmp_path, True), "k" * 20)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://engine/api/v1",
            headers={"Authorization": "Bearer " + "k" * 20},
        ) as client:
            monkeypatch.setattr(repository, "_write", away)
            rule = {"rule_id": "rul_1", "rule": "Be kind."}
            statuses = [(await client.post("/operational-rules", json=rule)).status_code]
            refused = await client.get("/operational-rules/rul_1")
            assert refused.json() == {"detail": "the engine's database does not answer"}
            statuses += [refused.status_code, (await client.get("/health")).status_code]
            monkeypatch.setattr(repository, "_write", write)
            await repository.settle(10)
            return [*statuses, (await client.post("/operational-rules", json=rule)).status_code]

    assert within(f"sqlite:///{tmp_path / 'x.db'}", tmp_path, whole) == [503, 503, 200, 200]


def test_an_engines_name_comes_from_its_folder(tmp_path: Path) -> None:
    assert engine_name(tmp_path) == engine_name(tmp_path / "x" / "..")
    assert engine_name(tmp_path) != engine_name(tmp_path / "x")


def test_what_was_flushed_during_a_job_is_not_remembered_after_it(tmp_path: Path) -> None:
    async def whole(repository: DatabaseRepository) -> list[str]:
        repository.put_agent(agent(1))
        remember(repository, recall(repository, ["agt_1"]), "first")
        texts = [recall(repository, ["agt_1"]).text]
        before = recall(repository, ["agt_1"])
        assert flush(repository, "agt_1") == 1
        assert flush(repository, "agt_1") == 0
        remember(repository, before, "late")
        texts.append(recall(repository, ["agt_1"]).text)
        remember(repository, recall(repository, ["agt_1"]), "new")
        remember(repository, recall(repository, ["agt_1"]), None)
        return [*texts, recall(repository, ["agt_1", "agt_1"]).text]

    assert within(f"sqlite:///{tmp_path / 'x.db'}", tmp_path, whole) == ["first", "", "new"]
