"""The bastion before the hosts of an outside engine: what it is told, what is seen, what becomes a claim."""

from __future__ import annotations

import errno
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.records import started
from support.sshd import Sshd, free_port

from pytest_2501bench.bastion.gateway import RecordedGateway
from pytest_2501bench.bastion.place import Place, on_this_machine
from pytest_2501bench.bastion.session_bastion import SessionBastion
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.log import EvidenceLog, read_evidence
from pytest_2501bench.evidence.model import Command, JobRecord, TaskRecord, TicketRecord
from pytest_2501bench.gateway.protocol import AgentRegistration, Gateway, HostRegistration, TicketSubmission
from pytest_2501bench.sandbox.protocol import SshSettings

AGENT = AgentRegistration("agt_1", "Fixer", "hst_web-01", "ANY")


class OutsideEngine:
    """A gateway to an engine of which only the answers matter."""

    name = "outside"

    def __init__(self) -> None:
        self.hosts: Sequence[HostRegistration] = ()
        self.job: dict[str, Any] = {"status": "in_progress", "finished": False}
        self.task: dict[str, Any] = {"host_id": "hst_web-01", "executed_commands": (Command(command="said"),)}

    def preflight(self) -> None: ...

    def register(self, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> None:
        self.hosts = hosts

    def unregister(self, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> None: ...

    def flush_memory(self, agent_ids: Sequence[str]) -> None: ...

    def submit(self, ticket: TicketSubmission) -> str:
        return "tkt_1"

    def poll(self, reference: str) -> JobRecord | None:
        task = TaskRecord(**{"id": "tsk_1", "status": "completed"} | self.task)
        return JobRecord(**{"id": "job_1", "tasks": (task,)} | self.job)

    def cancel(self, reference: str) -> None: ...

    def fetch(self, reference: str) -> TicketRecord:
        return TicketRecord(id=reference)

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def bastion() -> Iterator[SessionBastion]:
    made = SessionBastion(Place())
    yield made
    made.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EvidenceLog]:
    with EvidenceLog.create(tmp_path / "run", started()) as made:
        yield made


def registration(sshd: Sshd) -> HostRegistration:
    host = sshd.host()
    return HostRegistration(host.host_id, host.host_name, host.ssh)


def ssh(host: HostRegistration, command: str, *, alias: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Go to *host* as an engine would that was told its registration."""
    options = host.ssh.options()
    if not alias:
        options.pop("HostKeyAlias")
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return subprocess.run(
        ["ssh", "-F", "none", *words, host.host_name, command], capture_output=True, check=False, timeout=30
    )


def job_of(gateway: Gateway) -> TaskRecord:
    job = gateway.poll("tkt_1")
    assert job is not None
    assert job.tasks is not None
    return job.tasks[0]


@pytest.mark.sshd
def test_what_was_seen_is_what_was_executed_and_what_the_engine_says_is_a_claim(
    sshd: Sshd, bastion: SessionBastion, log: EvidenceLog
) -> None:
    engine = OutsideEngine()
    gateway = RecordedGateway(engine, log, bastion=bastion)
    assert isinstance(gateway, Gateway)
    gateway.register([registration(sshd)], [AGENT])
    (host,) = engine.hosts
    assert ssh(host, "echo through; exit 4").returncode == 4
    assert ssh(host, "id -u", alias=False).returncode == 0
    task = job_of(gateway)
    assert [(c.command, c.exit_status) for c in task.executed_commands or ()] == [
        ("echo through; exit 4", 4),
        ("id -u", 0),
    ]
    assert [c.command for c in task.claimed_commands or ()] == ["said"]
    assert task.recorded is True
    engine.task["claimed_commands"] = (Command(command="claimed apart"),)
    assert [c.command for c in job_of(gateway).claimed_commands or ()] == ["claimed apart"]
    gateway.close()


@pytest.mark.sshd
def test_the_engine_is_told_nothing_of_the_real_way_and_gets_a_key_for_this_run_only(
    sshd: Sshd, bastion: SessionBastion, log: EvidenceLog
) -> None:
    engine = OutsideEngine()
    gateway = RecordedGateway(engine, log, bastion=bastion)
    gateway.register([registration(sshd)], [AGENT])
    (host,) = engine.hosts
    real = sshd.host().ssh
    assert host.ssh.port != real.port
    assert host.ssh.proxy_command is None
    key = host.ssh.identity_file
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text() != real.identity_file.read_text()
    assert host.ssh.known_hosts.read_text() not in real.known_hosts.read_text()
    gateway.unregister([registration(sshd)], [AGENT])
    assert not key.exists()
    assert ssh(host, "id").returncode == 255


@pytest.mark.sshd
def test_when_the_job_is_over_the_way_is_closed_and_the_recordings_are_evidence(
    sshd: Sshd, bastion: SessionBastion, log: EvidenceLog
) -> None:
    engine = OutsideEngine()
    gateway = RecordedGateway(engine, log, bastion=bastion)
    gateway.register([registration(sshd)], [AGENT])
    (host,) = engine.hosts
    key = host.ssh.identity_file.read_text()
    ssh(host, "echo kept")
    engine.job = {"status": "completed", "finished": True}
    assert [c.command for c in job_of(gateway).executed_commands or ()] == ["echo kept"]
    with socket.socket() as probe:
        assert probe.connect_ex((host.ssh.address, host.ssh.port)) == errno.ECONNREFUSED
    (recording,) = read_evidence(log.path).recordings or ()
    assert (recording.host, recording.file, recording.command) == (
        "web-01",
        "recordings/web-01/0001.cast",
        "echo kept",
    )
    assert (log.run_dir / recording.file).is_file()
    assert key.splitlines()[1] not in "".join(p.read_text() for p in log.run_dir.rglob("*") if p.is_file())
    gateway.unregister([registration(sshd)], [AGENT])
    assert log.path.read_text().count('"type":"recordings"') == 1


def test_an_agent_with_a_way_of_its_own_is_left_alone_and_that_is_said(
    bastion: SessionBastion, log: EvidenceLog, tmp_path: Path
) -> None:
    engine = OutsideEngine()
    gateway = RecordedGateway(engine, log, bastion=bastion)
    host = HostRegistration("hst_web-01", "web-01", SshSettings("root", tmp_path, tmp_path, "web"))
    existing = AgentRegistration("agt_1", "Fixer", "hst_web-01", "ANY", existing=True)
    gateway.register([host], [existing])
    assert engine.hosts == [host]
    task = job_of(gateway)
    assert (task.recorded, task.executed_commands, task.claimed_commands) == (
        False,
        (Command(command="said"),),
        (Command(command="said"),),
    )
    assert read_evidence(log.path).warnings == (
        "what agents do on web-01 is not recorded: the engine's agents there have a way of their own",
    )
    with pytest.raises(BenchError, match="--record always: what agents do on web-01 is not recorded") as error:
        RecordedGateway(engine, log, bastion=bastion, always=True).register([host], [existing])
    assert error.value.cause is Cause.OPTION_INVALID


def test_an_address_that_is_not_here_is_told_in_one_line(tmp_path: Path) -> None:
    elsewhere = SessionBastion(Place.parse("192.0.2.7"))
    host = HostRegistration("hst_1", "web-01", SshSettings("root", tmp_path, tmp_path, "web"))
    with pytest.raises(BenchError, match=r"the bastion cannot listen at 192\.0\.2\.7: Cannot assign") as error:
        elsewhere.open([host], {})
    assert error.value.cause is Cause.OPTION_INVALID
    elsewhere.close()
    assert Place.parse("192.0.2.7").obstacle() == "Cannot assign requested address"
    assert Place().obstacle() is None


@pytest.mark.sshd
def test_only_the_ports_that_were_named_are_used(sshd: Sshd) -> None:
    first = free_port()
    narrow = SessionBastion(Place.parse(f"127.0.0.1:{first}-{first}"))
    way = narrow.open([registration(sshd)], {})
    assert [host.ssh.port for host in way.hosts] == [first]
    with pytest.raises(BenchError, match="enough free ports"):
        narrow.open([registration(sshd)], {})
    narrow.close()


@pytest.mark.parametrize(
    ("text", "address", "ports"),
    [
        ("192.0.2.7", "192.0.2.7", (0,)),
        ("lab-1.example.org:2200-2202", "lab-1.example.org", (2200, 2201, 2202)),
        ("2001:db8::7", "2001:db8::7", (0,)),
        ("[2001:db8::7]:22-22", "2001:db8::7", (22,)),
    ],
)
def test_a_place_is_an_address_and_maybe_ports(text: str, address: str, ports: tuple[int, ...]) -> None:
    assert Place.parse(text) == Place(address, ports)


@pytest.mark.parametrize("text", ["", "0.0.0.0", "::", "a b", "host:22", "host:30-20", "host:0-9", "host:1-70000"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must "):
        Place.parse(text)


def test_an_engine_on_this_machine_is_known_by_its_address() -> None:
    assert [url for url in ("http://127.0.0.1:1", "http://localhost:8", "http://[::1]:8") if on_this_machine(url)] != []
    assert not any(on_this_machine(url) for url in ("https://engine.example.org", "http://10.0.0.1", "none", ""))


@pytest.mark.sshd
def test_nothing_of_it_is_left_when_it_is_closed(sshd: Sshd) -> None:
    before = set(threading.enumerate()), listening()
    short = SessionBastion(Place())
    way = short.open([registration(sshd)], {})
    ssh(way.hosts[0], "true")
    folder = way.hosts[0].ssh.identity_file.parent
    short.close()
    short.close()
    assert not folder.exists()
    assert {thread for thread in threading.enumerate() if thread not in before[0]} == set()
    assert listening() <= before[1]


def listening() -> set[str]:
    """Return the inodes of sockets of this process that listen."""
    own = {str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}
    rows = (line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:])
    return {row[9] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own}
