"""An engine that is killed goes on where it was: no ticket is lost, none is worked twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from support.engines import agent, agent_body, host, host_body, registrations, submission, ticket_body, ticket_in
from support.postgres import PostgresServer
from support.processes import python

from pytest_2501bench.agents.noop import NoopAgent
from pytest_2501bench.engine.database import DatabaseRepository
from pytest_2501bench.engine.location import target_of
from pytest_2501bench.engine.orchestrator import RESTARTED, Orchestrator
from pytest_2501bench.engine.premises import premises
from pytest_2501bench.engine.process import LocalEngine
from pytest_2501bench.engine.state import StoredHost, StoredTicket
from pytest_2501bench.errors import BenchError
from pytest_2501bench.evidence.model import JobRecord, ResolutionStatus
from pytest_2501bench.gateway.runner import RunnerGateway

COUNTING = 'echo "$$" >> {folder}/begun-$(sed -n "s/^# //p" ticket.md); setsid sleep {marker} & sleep {pause}'


def counting(folder: Path, marker: str, pause: float) -> list[str]:
    """An agent that notes each time it is begun, under the ticket's title."""
    return ["/bin/sh", "-c", COUNTING.format(folder=folder, marker=marker, pause=pause)]


def running(marker: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().split(b"\0")[:2] == [b"sleep", marker.encode()]:
                return True
        except OSError:
            continue
    return False


def finished(gateway: RunnerGateway, reference: str) -> JobRecord:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        job = gateway.poll(reference)
        if job is not None and job.finished:
            return job
    raise AssertionError(reference)


def test_after_kill_9_a_running_job_is_a_hard_failure_and_the_engine_goes_on(tmp_path: Path) -> None:
    marker = f"71{time.monotonic_ns()}"
    engine = LocalEngine("command", counting(tmp_path, marker, 300), tmp_path / "work")
    endpoint = engine.start()
    gateway = RunnerGateway(endpoint.url, endpoint.key, local=True)
    try:
        gateway.register(*registrations(tmp_path))
        reference = gateway.submit(submission(1, title="running"))
        while not (tmp_path / "begun-running").exists() or not running(marker):
            time.sleep(0.02)
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        assert engine.restart() == endpoint
        assert not running(marker)
        job = finished(gateway, reference)
        assert (job.status, job.resolution_status) == ("failed", ResolutionStatus.HARD_FAILURE)
        assert job.resolution_summary == RESTARTED == "The engine was restarted while the job was under way."
        assert [task.status for task in job.tasks or ()] == ["failed"]
        assert gateway.submit(submission(1, title="running")) == reference  # the same ticket, not another one
        ticket = gateway.fetch(reference)
        assert (ticket.status, ticket.summary) == ("in_progress", RESTARTED)
        assert len((tmp_path / "begun-running").read_text().split()) == 1
        # It works on: hosts, agents and their keys are there.
        again = gateway.submit(submission(1, title="later", correlation_id="c-2"))
        while not (tmp_path / "begun-later").exists():
            time.sleep(0.02)
        gateway.cancel(again)
    finally:
        gateway.close()
        engine.stop()
    assert not running(marker)


def test_killed_at_any_moment_nothing_is_lost_and_nothing_is_done_twice(tmp_path: Path) -> None:
    chance = random.Random(2501)
    engine = LocalEngine("command", counting(tmp_path, "0", 0.05), tmp_path / "work")
    endpoint = engine.start()
    gateway = RunnerGateway(endpoint.url, endpoint.key, local=True, patience=20)
    references: list[str] = []
    try:
        gateway.register(*registrations(tmp_path))
        for kill in range(6):
            for n in range(3):
                name = f"{kill}-{n}"
                references.append(gateway.submit(submission(1, title=name, correlation_id=f"c-{name}")))
            time.sleep(chance.random() * 1.6)
            assert engine.pid is not None
            os.kill(engine.pid, signal.SIGKILL)
            engine.restart()
        jobs = [finished(gateway, reference) for reference in references]
    finally:
        gateway.close()
        engine.stop()
    assert len(set(references)) == 18
    for reference, job in zip(references, jobs, strict=True):
        if job.resolution_status is not ResolutionStatus.SUCCESS:
            assert job.resolution_summary == RESTARTED, reference
    begun = {path.name: len(path.read_text().split()) for path in tmp_path.glob("begun-*")}
    assert set(begun.values()) == {1}
    # Whoever succeeded was begun, and whoever was not begun is one that was caught on the way to it.
    assert len(begun) >= sum(job.resolution_status is ResolutionStatus.SUCCESS for job in jobs)
    assert {job.resolution_status for job in jobs} == {ResolutionStatus.SUCCESS, ResolutionStatus.HARD_FAILURE}


def recovered(url: str, folder: Path, *, planned: bool) -> tuple[JobRecord, StoredTicket, str | None]:
    """Leave a ticket as a dead engine would that had not begun it; return what another one makes of it."""
    ticket = StoredTicket("tkt_1", ticket_in(1), created_at=time.time())

    async def die() -> str | None:
        repository = DatabaseRepository(target_of(url, folder), "one", folder)
        repository.put_host(StoredHost(host(1), ""))
        repository.put_agent(agent(1))
        repository.put_ticket(ticket)
        job_id = None
        if planned:
            orchestrator = Orchestrator(repository, NoopAgent(), folder)
            docket = orchestrator._docket("tkt_1")
            job_id = docket.take().id
            from pytest_2501bench.engine.planning import tasks_for

            docket.plan(tasks_for(repository, ticket.submission), (None, None))
        await repository.settle(10)
        repository.close()
        return job_id

    async def live() -> tuple[JobRecord, StoredTicket]:
        repository = DatabaseRepository(target_of(url, folder), "one", folder)
        Orchestrator(repository, NoopAgent(), folder).recover()
        job = await repository.wait_for_job("tkt_1", 10_000, 10)
        stored = repository.ticket("tkt_1")
        assert job is not None
        assert stored is not None
        await repository.settle(10)
        repository.close()
        return job.record, stored

    job_id = asyncio.run(die())
    return *asyncio.run(live()), job_id


@pytest.mark.parametrize("planned", [False, True])
def test_a_job_that_had_not_begun_is_begun_once(state_url: str, tmp_path: Path, planned: bool) -> None:
    job, ticket, job_id = recovered(state_url, tmp_path, planned=planned)
    assert (job.status, job.resolution_status) == ("completed", ResolutionStatus.NO_ACTION)
    assert job_id in {None, job.id}
    assert len(job.tasks or ()) == 1
    assert sum("took the ticket" in comment for comment in ticket.comments) == 1


@pytest.mark.postgres
def test_another_process_in_the_same_state_directory_goes_on_with_a_postgresql(
    engine_postgres: PostgresServer, tmp_path: Path
) -> None:
    url = engine_postgres.url(engine_postgres.new_database())
    state = tmp_path / "state"

    def started() -> tuple[LocalEngine, httpx.Client]:
        engine = LocalEngine("noop", None, tmp_path / "work", state_dir=state, database_url=url)
        endpoint = engine.start()
        headers = {"Authorization": f"Bearer {endpoint.key}"}
        return engine, httpx.Client(base_url=f"{endpoint.url}/api/v1", headers=headers, trust_env=False)

    engine, api = started()
    with api:
        assert api.post("/hosts", json=host_body(1)).status_code == 201
        assert api.post("/agents", json=agent_body(1)).status_code == 201
        reference = api.post("/tickets", json=ticket_body(1)).json()["id"]
    with pytest.raises(BenchError, match="another engine works there"):
        LocalEngine("noop", None, tmp_path / "work", state_dir=state, database_url=url).start()
    engine.stop()
    assert [path.name for path in state.rglob("*") if b"CANARY" in (path.read_bytes() if path.is_file() else b"")] == [
        "key"
    ]
    engine, api = started()
    with api:
        assert api.get(f"/tickets/{reference}/job", params={"wait": 10}).json()["resolution_status"] == "no_action"
        assert api.get("/agents").json()["agents"][0]["agent_id"] == "agt_1"
    engine.stop()
    dumped = subprocess.run(
        [str(engine_postgres.bin / "pg_dump"), url], capture_output=True, text=True, check=True
    ).stdout
    assert "bench2501_engine.tickets" in dumped
    assert "CANARY" not in dumped
    log = engine.log.read_text()
    assert "s3cret" not in log


HOLDER = """
    import asyncio, os, sys
    from pathlib import Path
    from pytest_2501bench.agents import supervised
    from pytest_2501bench.engine.premises import premises

    async def work(marker):
        command = ["/bin/sh", "-c", f"trap '' TERM; sleep {marker}; sleep {marker}"]
        nothing = lambda _: None
        await supervised.run(
            command, cwd=Path("/"), env=dict(os.environ), stdin=b"", on_output=nothing, on_errors=nothing
        )

    with premises(Path(sys.argv[1])):
        asyncio.run(work(sys.argv[2]))
"""


def test_a_state_directory_is_free_only_when_the_agents_of_the_dead_engine_are_gone(tmp_path: Path) -> None:
    marker = f"73{time.monotonic_ns()}"
    holder = python(HOLDER, str(tmp_path / "state"), marker)
    while not running(marker):
        assert holder.poll() is None, holder.communicate()
        time.sleep(0.02)
    holder.kill()
    before = time.monotonic()
    with premises(tmp_path / "state"):
        assert not running(marker)
    assert time.monotonic() - before > 0.5  # it had a second to end by itself
    holder.communicate()


def test_in_the_foreground_the_state_stays_in_its_directory_and_agents_of_a_dead_engine_end_first(
    tmp_path: Path,
) -> None:
    marker = f"72{time.monotonic_ns()}"
    command = f"/bin/sh -c 'trap \"\" TERM; sleep {marker}; sleep {marker}'"
    line = [sys.executable, "-m", "pytest_2501bench.engine", "--port", "0", "--agent-command", command]
    line += ["--state-dir", str(tmp_path / "state")]
    scratch = tmp_path / "t"
    scratch.mkdir()
    env = os.environ | {"ENGINE_API_KEY": "k" * 20, "TMPDIR": str(scratch)}
    root = Path(__file__).resolve().parents[2]

    def started() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=env, cwd=root)
        stack.callback(process.kill)
        assert process.stderr is not None
        url = next(text.split(" on ")[1].strip() for text in process.stderr if "engine with agent" in text)
        return process, url

    headers = {"Authorization": f"Bearer {'k' * 20}"}
    with contextlib.ExitStack() as stack, httpx.Client(headers=headers, trust_env=False) as client:
        process, url = started()
        client.post(f"{url}/hosts", json=host_body(1))
        client.post(f"{url}/agents", json=agent_body(1))
        reference = client.post(f"{url}/tickets", json=ticket_body(1)).json()["id"]
        end = time.monotonic() + 20
        while not running(marker):
            assert time.monotonic() < end
            time.sleep(0.02)
        process.kill()
        process.communicate()
        process, url = started()
        assert not running(marker)
        assert client.get(f"{url}/tickets/{reference}/job").json()["resolution_summary"] == RESTARTED
        process.send_signal(signal.SIGTERM)
        process.communicate()
        assert process.returncode == 0
    assert list(scratch.iterdir()) == []  # of the dead one, too
