"""A person's round trip on real hosts: prepare, log in, repair, validate, restore; and a failed run that was kept."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.benchmark import benchmark, environment

from pytest_2501bench.sandbox.namespace import NamespaceProvider

from .conftest import Said, command, run_apart

pytestmark = pytest.mark.namespace

BREAK = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: The gate is shut
      ansible.builtin.file: {path: /srv/shut, state: touch, mode: "0600"}
"""
CHECK = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: The gate is open
      ansible.builtin.command: test ! -e /srv/shut
"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A project with one small scenario."""
    folder = tmp_path / "scenarios" / "gate"
    folder.mkdir(parents=True)
    (folder / "scenario.json").write_text(
        json.dumps(
            {
                "key": "gate-shut",
                "title": "The gate is shut",
                "description": "note",
                "ticket_title": "nobody gets in",
                "ticket_body": "The gate does not open.",
                "hosts": [{"host_name": "gate-01", "template": "debian-base"}],
                "validation": {"job": [{"label": "done", "validator": "job_resolution_status", "pattern": "success"}]},
            }
        )
    )
    (folder / "prepare.yml").write_text(BREAK)
    (folder / "validate.yml").write_text(CHECK)
    (tmp_path / "pytest.ini").write_text("[pytest]\nbench_mode = namespace\n")
    return tmp_path


def bench(project: Path, *words: str) -> Said:
    return run_apart(*words, cwd=project, env=environment())


def shown(said: str, label: str) -> str:
    """The command that stands behind *label*."""
    return next(line.split(None, 1)[1] for line in said.splitlines() if line.split()[:1] == [label])


def owned() -> set[str]:
    return {each.name for each in NamespaceProvider().list_owned()}


def test_prepare_then_log_in_then_repair_then_validate_then_restore(gate: Path) -> None:
    said = bench(gate, "sandbox", "prepare", "-s", "gate-shut")
    assert said.status == 0, said.err
    name = said.out.split("sandbox ")[1].split(",")[0]
    try:
        red = bench(gate, "sandbox", "validate", "-s", "gate-shut")
        assert (red.status, red.out.startswith("red: validate.yml: task 'The gate is open'")) == (1, True), red

        enter = shlex.split(shown(said.out, "enter"))
        subprocess.run([*enter, "rm /srv/shut"], check=True, stdin=subprocess.DEVNULL, timeout=30)
        there = subprocess.run([*enter, "ls -A /srv /tmp /root"], check=True, capture_output=True, text=True)
        assert "gate" not in there.stdout

        green = bench(gate, "sandbox", "validate", "-s", "gate-shut")
        assert (green.status, green.out) == (0, "green: every task of validate.yml holds on gate-01.\n")
        assert "prepared: gate-shut" in bench(gate, "sandbox", "list").out
    finally:
        gone = run_apart(*shlex.split(shown(said.out, "remove"))[1:], cwd=gate, env=environment())
    assert gone.out == f"removed sandbox {name} (prepared: gate-shut).\n"
    assert name not in owned()


def test_a_failed_run_that_was_kept_can_be_entered_and_removed_as_its_summary_says(gate: Path) -> None:
    done = benchmark("scenarios", "--agent", "noop", "--keep-sandbox", "failed", bench_dir=gate / "results", cwd=gate)
    kept = done.output.split("sandboxes kept: 1", 1)[1]
    name = Path(shlex.split(shown(kept, "enter"))[2]).parent.name
    try:
        enter = [*shlex.split(shown(kept, "enter")), "cat /etc/hostname; ls /srv"]
        there = subprocess.run(enter, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30)
        assert there.stdout.split() == ["gate-01", "shut"]
    finally:
        gone = run_apart(*shlex.split(shown(kept, "remove"))[1:], cwd=gate, env=environment())
    assert gone.out == f"removed sandbox {name} (kept: gate-shut run1).\n"
    assert name not in owned()


def test_ctrl_c_while_prepare_plays_leaves_nothing(gate: Path) -> None:
    (gate / "scenarios" / "gate" / "prepare.yml").write_text(BREAK + "    - ansible.builtin.pause: {seconds: 60}\n")
    before = owned()
    process = subprocess.Popen(
        command("sandbox", "prepare", "-s", "gate-shut"),
        cwd=gate,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "playing prepare.yml" in line:
            break
    time.sleep(1)
    os.kill(process.pid, signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait(60) == 130, rest
    assert "Traceback" not in rest
    process.stderr.close()
    assert {name for name in owned() - before if _by(name, process.pid)} == set()


def _by(name: str, pid: int) -> bool:
    return any(each.name == name and each.owner_pid in (0, pid) for each in NamespaceProvider().list_owned())
