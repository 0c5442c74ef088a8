"""``2501bench sandbox enter`` and ``record``: a repair by hand, on a terminal, becomes a solve.yml that works."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pytest
from support.benchmark import benchmark, environment
from support.plugin_project import TESTS

from pytest_2501bench.bastion.cast import Cast
from pytest_2501bench.bastion.redaction import Redaction
from pytest_2501bench.keeping import Book
from pytest_2501bench.scoring.model import Status

from .conftest import Bench, Said, command, run_apart

PROMPT = rb"\x1b\]2501;p;[^\x07]*\x07"


@pytest.fixture
def prepared(bench: Bench) -> Bench:
    """A prepared sandbox with two hosts, on paper."""
    bench.project.scenario("disk-full", hosts=[{"host_name": "app"}, {"host_name": "db"}])
    assert bench("sandbox", "prepare", "-s", "disk-full").status == 0
    return bench


def recorded(bench: Bench, host: str, line: str) -> Path:
    (entry,) = Book(bench.root / ".2501bench").entries()
    folder = Book(bench.root / ".2501bench").recordings(entry.name)
    Cast(folder / host, host, line, size=None, redaction=Redaction()).end(0, 0, 0)
    return folder


def test_prepare_names_the_way_that_is_recorded(bench: Bench) -> None:
    bench.project.scenario("disk-full")
    assert "  record    2501bench sandbox enter -s disk-full\n" in bench("sandbox", "prepare", "-s", "disk-full").out


def test_one_of_several_hosts_must_be_named(prepared: Bench) -> None:
    said = prepared("sandbox", "enter", "-s", "disk-full")
    assert (said.status, said.err.endswith("has 2 hosts: name one of app, db.\n")) == (2, True), said.err
    said = prepared("sandbox", "enter", "-s", "disk-full", "dv")
    assert "no host 'dv'. Its hosts: app, db." in said.err or "Did you mean 'db'?" in said.err


def test_nothing_recorded_is_told_with_the_way_to_it(prepared: Bench) -> None:
    said = prepared("record", "-s", "disk-full")
    assert said.status == 2
    assert "nothing is recorded of" in said.err
    assert "Enter it: 2501bench sandbox enter -n" in said.err
    assert "record: needs -s KEY or -n NAME" in prepared("record").err


def test_a_draft_is_printed_or_written_and_a_file_is_kept_without_force(prepared: Bench) -> None:
    recorded(prepared, "app", "df -h")
    printed = prepared("record", "-s", "disk-full")
    assert printed.out.startswith("# Drafted by `2501bench record` from 1 session.")
    assert printed.err == "1 lines entered: 1 tasks.\n"
    assert prepared("record", "-s", "disk-full", "-o", "solve.yml").out == ""
    assert Path("solve.yml").read_text() == printed.out
    kept = prepared("record", "-s", "disk-full", "-o", "solve.yml")
    assert (kept.status, "solve.yml: is there already; --force overwrites it." in kept.err) == (2, True)
    recorded(prepared, "db", "top")
    again = prepared("record", "-s", "disk-full", "-o", "solve.yml", "--force", "--report", "All is well.")
    assert again.err.splitlines() == [
        "2 lines entered: 1 tasks in solve.yml, 1 left out.",
        "  left out: top (it needs a screen (cat, or the like, shows the same))",
    ]
    assert Path("solve.yml").read_text().count("msg: All is well.") == 2


def test_recordings_go_with_the_sandbox(prepared: Bench) -> None:
    folder = recorded(prepared, "app", "df -h")
    assert prepared("sandbox", "restore", "-s", "disk-full").status == 0
    assert not folder.exists()


# ---- for real -------------------------------------------------------------------------------------------------------

BREAK = """\
- hosts: gate-01
  gather_facts: false
  tasks:
    - name: The gate is shut
      ansible.builtin.shell: mkdir -p /srv/gate; echo shut > /srv/gate/state; echo 7 > /srv/gate/count
"""
CHECK = """\
- hosts: gate-01
  gather_facts: false
  tasks:
    - name: The gate is open, and was opened by hand once
      ansible.builtin.shell: grep -x open /srv/gate/state && grep -x 8 /srv/gate/count
"""


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A project with a prepared sandbox of its one scenario."""
    folder = tmp_path / "scenarios" / "gate"
    folder.mkdir(parents=True)
    scenario = {
        "key": "gate-shut",
        "title": "The gate is shut",
        "description": "note",
        "ticket_title": "nobody gets in",
        "ticket_body": "The gate does not open.",
        "hosts": [{"host_name": "gate-01"}],
        "validation": {"job": [{"label": "done", "validator": "job_resolution_status", "pattern": "success"}]},
    }
    (folder / "scenario.json").write_text(json.dumps(scenario))
    (folder / "prepare.yml").write_text(BREAK)
    (folder / "validate.yml").write_text(CHECK)
    (tmp_path / "pytest.ini").write_text("[pytest]\nbench_mode = namespace\n")
    assert apart(tmp_path, "sandbox", "prepare", "-s", "gate-shut").status == 0
    try:
        yield tmp_path
    finally:
        apart(tmp_path, "sandbox", "restore", "-s", "gate-shut")


def apart(project: Path, *words: str) -> Said:
    return run_apart(*words, cwd=project, env=environment())


def by_hand(project: Path, *entries: str) -> None:
    """Open the recorded shell on a terminal and enter lines; one without a return asks for a password."""
    program, *arguments = command("sandbox", "enter", "-s", "gate-shut")
    env = environment() | {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(TESTS), "TERM": "xterm"}
    shell = pexpect.spawn(program, arguments, cwd=str(project), env=env, timeout=120, dimensions=(40, 120))
    assert program == sys.executable
    shell.expect(PROMPT)
    for entry in entries:
        shell.send(entry)
        shell.expect(PROMPT if entry.endswith("\r") else rb"\rPassword: ")
    shell.sendline("exit")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 0


@pytest.mark.namespace
def test_what_was_repaired_by_hand_in_two_sessions_is_a_solve_that_the_oracle_plays(gate: Path) -> None:
    by_hand(gate, "ls -l /srv/ga\t\r", "cd /srv/gate\r", "cat stat\r", "sudo -n true\r")
    by_hand(gate, "cd /srv/gate\r", "read -s -p 'Password: ' it\n", "hunter2\r", "sed -i s/shut/open/ state\r")
    line = apart(gate, "sandbox", "enter", "-s", "gate-shut", "-c", "sed -i s/7/8/ /srv/gate/count && exit 3")
    assert line.status == 3

    solve = gate / "scenarios" / "gate" / "solve.yml"
    made = apart(gate, "record", "-s", "gate-shut", "-o", str(solve), "--report", "The gate is open.")

    assert made.status == 0, made.err
    text = solve.read_text()
    assert "command: ls -l /srv/gate" in text
    assert "chdir: /srv/gate" in text
    assert "hunter2" not in text
    everything = b"".join(path.read_bytes() for path in (gate / ".2501bench" / "sandboxes").rglob("*.cast"))
    assert b"hunter2" not in everything
    done = benchmark("scenarios", "--agent", "oracle", bench_dir=gate / "results", cwd=gate)
    (report,) = done.reports.values()
    assert report.status is Status.PASSED, done.output
