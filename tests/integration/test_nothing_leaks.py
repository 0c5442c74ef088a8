"""However a session ends, nothing of it stays on the machine: processes, namespaces, mounts, cgroups, leases, files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.census import NOTHING, Census, census
from support.processes import python

from pytest_2501bench.evidence.folder import runs_in
from pytest_2501bench.evidence.log import read_report
from pytest_2501bench.sandbox.namespace import NamespaceProvider

pytestmark = pytest.mark.namespace
TRIVIAL = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.raw: 'true'\n"
ENDLESS = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.command: sleep 4711\n"


@pytest.fixture
def machine() -> Iterator[Census]:
    """What the test's sessions have on the machine; nothing yet."""
    with census() as taken:
        assert taken.count() == NOTHING
        yield taken


def _causes(machine: Census) -> list[str | None]:
    return [read_report(run.path).failure_cause for run in runs_in(machine.bench_dir)]


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [pytest.param((), 2, id="to its end"), pytest.param(("-x",), 1, id="-x")],
)
def test_a_session_that_ends_by_itself(machine: Census, arguments: tuple[str, ...], runs: int) -> None:
    machine.scenario("a", seconds=0.1)
    machine.scenario("b", seconds=0.1)

    output = machine.run(*arguments)

    assert len(_causes(machine)) == runs, output
    assert "not met" in output or "FAILED" in output
    assert machine.left(2) == NOTHING


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_session_that_is_interrupted(machine: Census, number: signal.Signals, workers: int) -> None:
    machine.scenario("a")
    machine.scenario("b")
    session = machine.start(*(["-n", str(workers)] if workers else []))
    before = machine.working(session, agents=workers or 1)
    assert len(before.leases) == len(before.sandboxes) == (workers or 1)
    assert before.processes
    assert before.namespaces
    assert before.temporary
    assert before.cgroups or os.geteuid() != 0

    if number == signal.SIGINT:
        os.killpg(session.pid, number)  # as the terminal does it
    else:
        session.send_signal(number)
    output = session.communicate(timeout=60)[0]

    assert session.returncode == 2, output
    assert "Traceback" not in output
    assert machine.left() == NOTHING
    assert _causes(machine) == ["interrupted"] * (workers or 1), output


@pytest.mark.parametrize("workers", [0, 2])
def test_an_impatient_user_who_interrupts_twice(machine: Census, workers: int) -> None:
    machine.scenario("a")
    machine.scenario("b")
    session = machine.start(*(["-n", str(workers)] if workers else []))
    machine.working(session, agents=workers or 1)

    os.killpg(session.pid, signal.SIGINT)
    time.sleep(0.1)
    os.killpg(session.pid, signal.SIGINT)
    output = session.communicate(timeout=60)[0]

    if machine.left(5) != NOTHING:  # then it said so, and the next start does it
        assert "left" in output
        machine.scenario("c", seconds=0.1)
        machine.run(scenarios="scenarios/c")
    assert machine.left() == NOTHING, output


def test_an_interrupt_while_a_playbook_runs(machine: Census) -> None:
    machine.scenario("a", prepare=ENDLESS)
    session = machine.start()
    machine.wait(session, lambda: any("sleep 4711" in process for process in machine.count().processes))
    assert machine.count().sockets, "a connection is kept open for the next playbook"

    os.killpg(session.pid, signal.SIGINT)
    output = session.communicate(timeout=60)[0]

    assert machine.left() == NOTHING
    assert _causes(machine) == ["interrupted"], output


def test_a_worker_that_is_killed(machine: Census) -> None:
    machine.scenario("a")
    machine.scenario("b")
    session = machine.start("-n", "2")
    machine.working(session, agents=2)
    (worker, *_) = _workers(session.pid)

    os.kill(worker, signal.SIGKILL)
    machine.wait(session, lambda: len(machine.count().leases) == 1)  # before the session ends
    session.send_signal(signal.SIGTERM)
    output = session.communicate(timeout=60)[0]

    assert machine.left() == NOTHING
    assert sorted(map(str, _causes(machine))) == ["interrupted", "worker_died"], output


@pytest.mark.parametrize("workers", [0, 2])
def test_a_session_that_is_killed_leaves_nothing_after_the_next_start(machine: Census, workers: int) -> None:
    machine.scenario("a", prepare=TRIVIAL)
    machine.scenario("b", prepare=TRIVIAL)
    session = machine.start(*(["-n", str(workers)] if workers else []))
    machine.working(session, agents=workers or 1)

    session.kill()
    session.communicate(timeout=60)
    machine.scenario("c", seconds=0.1)
    output = machine.run(scenarios="scenarios/c")

    assert machine.left() == NOTHING, output
    if not workers:  # they notice that their controller is gone, and clean up themselves
        assert "left behind by a session that died" in output


def _workers(controller: int) -> list[int]:
    children = Path(f"/proc/{controller}/task/{controller}/children").read_text().split()
    return [int(pid) for pid in children if "exec(eval" in Path(f"/proc/{pid}/cmdline").read_text()]


# The steps of a start, in order: what is there when the power goes. The first three are before anything runs.
STEPS = ("launch.write_hosts", "launch.start", "launch.wait_booted", "launch.wait_ssh")
_CUT = """
import os, signal, sys
from pathlib import Path
from pytest_2501bench.sandbox.namespace import NamespaceProvider, launch
from pytest_2501bench.sandbox.protocol import HostSpec
def cut(*_args, **_more):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(launch, sys.argv[2].removeprefix("launch."), cut)
NamespaceProvider(Path(sys.argv[1])).create([HostSpec("web-01")])
"""


@pytest.mark.parametrize("step", STEPS)
def test_a_start_that_is_cut_off_in_the_middle(machine: Census, step: str) -> None:
    with python(_CUT, str(machine.provider.cache_dir), step) as owner:
        owner.communicate(timeout=30)
    assert owner.returncode == -signal.SIGKILL
    (name,) = machine.count().leases

    assert machine.provider.reap() == [name]
    assert machine.left() == NOTHING


def test_what_a_power_cut_left_is_removed_after_the_reboot(machine: Census) -> None:
    """Directory and row are there, processes and cgroup are not, and the pids belong to others now."""
    with python(_CUT, str(machine.provider.cache_dir), "launch.wait_ssh") as owner:
        owner.communicate(timeout=30)
    (row,) = machine.provider.ledger.directory.glob("*.json")
    directory = machine.provider.cache_dir / "namespace" / "sandboxes" / row.stem
    saved = {path: path.read_text() for path in [*directory.rglob("*.stat"), row]}
    keys = {path: path.read_bytes() for path in directory.glob("key*")}
    assert machine.provider.reap() == [row.stem]
    with subprocess.Popen(["sleep", "60"]) as stranger:
        for path, text in saved.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            pid = text.split(" ", 1)[0]
            path.write_text(text.replace(pid, str(stranger.pid), 1) if path != row else _rebooted(text, stranger.pid))
        for path, content in keys.items():
            path.write_bytes(content)

        assert NamespaceProvider(machine.provider.cache_dir).reap() == [row.stem]

        assert machine.left() == NOTHING
        assert stranger.poll() is None
        stranger.kill()


def _rebooted(row: str, pid: int) -> str:
    lease = json.loads(row)
    lease["owner"] |= {"world": "another-boot pid:[4026531836]", "pid": pid}
    return json.dumps(lease)


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a mount on the machine, which needs root")
def test_what_cannot_be_removed_is_named_with_the_command_that_removes_it(machine: Census) -> None:
    machine.scenario("a")
    session = machine.start()
    (name,) = machine.working(session).leases
    busy = machine.provider.cache_dir / "namespace" / "sandboxes" / name / "1" / "upper" / "busy"
    busy.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(busy)], check=True)
    try:
        os.killpg(session.pid, signal.SIGINT)
        output = session.communicate(timeout=60)[0]
        left = machine.count()
    finally:
        subprocess.run(["umount", str(busy)], check=True)

    assert left.leases == left.sandboxes == (name,)
    assert left.processes == left.namespaces == left.temporary == (), left
    (command,) = re.findall(r"[Rr]emove it with `([^`]+)`", " ".join(output.split())) or [output]
    assert name in command
    assert subprocess.run(command, shell=True, check=False).returncode == 0
    assert machine.left() == NOTHING
