"""How a playbook ends that does not end by itself: deadline, cancellation, Ctrl-C, a host that vanishes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.playbooks import Run, of_playbooks, parent, processes, wait_for
from support.sshd import Sshd

from pytest_2501bench.evidence.model import PlaybookStatus
from pytest_2501bench.playbooks.run import AnsibleRunner
from pytest_2501bench.sandbox.protocol import Host

pytestmark = [pytest.mark.sshd, pytest.mark.parametrize("way", ["warm", "cold"])]


@pytest.fixture
def asleep() -> Iterator[str]:
    """A sleep that can be told from others. Its end on the host is the sandbox's business: here it is ours."""
    mark = f"sleep 300.{time.monotonic_ns() % 10**9:09d}"
    yield mark
    for pid in processes(mark):
        os.kill(pid, signal.SIGKILL)


def test_the_deadline_ends_everything_on_this_side(run: Run, asleep: str) -> None:
    started = time.monotonic()
    record = run(f"- name: long\n  command: {asleep}", deadline=6.0)
    assert time.monotonic() - started < 60
    assert (record.status, record.failure) == (PlaybookStatus.TIMED_OUT, None)
    assert record.message == "passed its deadline of 6 s in task 'long' on web-01"
    assert of_playbooks() == set()


def test_a_local_task_ends_with_the_deadline_too_and_leaves_no_file(
    run: Run, asleep: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    record = run(f"- name: long\n  delegate_to: localhost\n  shell: trap '' TERM HUP; {asleep} & wait", deadline=3.0)
    assert record.status is PlaybookStatus.TIMED_OUT
    assert processes(asleep) == {}
    assert of_playbooks() == set()
    assert list(tmp_path.glob("ansible_*")) == []


def test_it_ends_even_before_ansible_said_a_word(run: Run, folder: Path, asleep: str) -> None:
    (folder / "password").write_text(f"#!/bin/sh\n{asleep}\n")
    (folder / "password").chmod(0o700)
    (folder / "ansible.cfg").write_text("[defaults]\nvault_password_file = password\n")
    record = run("- raw: 'true'", deadline=2.0)
    assert (record.status, record.message) == (
        PlaybookStatus.TIMED_OUT,
        "passed its deadline of 2 s before its first task",
    )
    assert processes(asleep) == {}


def test_cancellation_ends_it_like_a_deadline(run: Run, asleep: str) -> None:
    record = run(f"- name: long\n  command: {asleep}", cancelled=lambda: bool(processes(asleep)))
    assert (record.status, record.message) == (PlaybookStatus.CANCELLED, "cancelled in task 'long' on web-01")


def test_ctrl_c_passes_and_leaves_nothing(sshd: Sshd, folder: Path, tmp_path: Path, asleep: str, way: str) -> None:
    (folder / "prepare.yml").write_text(f"- hosts: all\n  gather_facts: false\n  tasks: [{{command: {asleep}}}]\n")
    script = textwrap.dedent(f"""
        import signal, sys
        from pathlib import Path
        from pytest_2501bench.errors import Phase
        from pytest_2501bench.playbooks.model import PlaybookRequest
        from pytest_2501bench.playbooks.run import AnsibleRunner
        from pytest_2501bench.sandbox.protocol import Host, SshSettings
        signal.signal(signal.SIGINT, signal.default_int_handler)
        host = {sshd.host()!r}
        runner = AnsibleRunner()
        try:
            playbook, log = Path({str(folder)!r}) / "prepare.yml", Path({str(tmp_path)!r}) / "log"
            runner.run(PlaybookRequest(playbook, Phase.PREPARE, [host], 60, log))
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            sys.exit(7)
    """).replace("PosixPath(", "Path(")
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "BENCH_ANSIBLE": way},
    )
    try:
        wait_for(lambda: processes(asleep) or child.poll() is not None)
        child.send_signal(signal.SIGINT)
        out, error = child.communicate(timeout=15)
    finally:
        child.kill()
    assert (out, error, child.returncode) == ("interrupted\n", "", 7)
    assert of_playbooks() == set()


@pytest.fixture(autouse=True)
def no_masters(runner: AnsibleRunner, host: Host) -> None:
    """End the connection that another test left open, as it should."""
    runner.forget([host])
    wait_for(lambda: not of_playbooks())


def servers_of(mark: str, sshd: Sshd) -> list[int]:
    """Return the sshd processes that serve the session in which *mark* runs."""
    pid = next(iter(processes(mark)))
    found = []
    while pid not in (0, 1, sshd.pid):
        if "sshd" in Path(f"/proc/{pid}/comm").read_text():
            found.append(pid)
        pid = parent(pid)
    return found


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "freezes"])
def test_a_host_that_vanishes_amid_a_task_is_unreachable(
    run: Run, sshd: Sshd, asleep: str, blow: signal.Signals
) -> None:
    struck: list[int] = []

    def strike() -> None:
        wait_for(lambda: processes(asleep))
        struck.extend(servers_of(asleep, sshd))
        for pid in struck:
            os.kill(pid, blow)

    thread = threading.Thread(target=strike)
    thread.start()
    try:
        record = run(f"- name: first\n  raw: 'true'\n- name: long\n  command: {asleep}", deadline=30.0)
    finally:
        thread.join()
        for pid in struck:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)
    assert struck
    assert record.status is PlaybookStatus.UNREACHABLE
    assert record.message.startswith("web-01 is unreachable: ")
    assert "(task 'long')" in record.message
    assert record.seconds < 25
    assert run("- raw: 'true'").status is PlaybookStatus.OK  # the dead connection is not the next playbook's
