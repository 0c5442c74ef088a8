"""The command agent: real programs, a real sshd, the engine's own journal."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from support.recorded_ssh import Journal, assignment
from support.sshd import Sshd

from pytest_2501bench.agents.command import CommandAgent
from pytest_2501bench.agents.invocation import check_agent_command
from pytest_2501bench.agents.protocol import Outcome
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import ResolutionStatus
from pytest_2501bench.sandbox.protocol import Host

pytestmark = pytest.mark.sshd


def script(folder: Path, text: str) -> str:
    path = folder / "agent.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def work(
    hosts: Sequence[Host],
    folder: Path,
    text: str,
    environment: Mapping[str, str] | None = None,
    cancel_after: float | None = None,
) -> tuple[Outcome | None, Journal]:
    """Let a shell script work a ticket; the outcome is None if it was cancelled."""
    journal = Journal()
    agent = CommandAgent([script(folder, text)], {"PATH": os.environ["PATH"], **(environment or {})})

    async def run() -> Outcome | None:
        task = asyncio.create_task(agent.work(assignment(hosts, folder, main_engine="m/1"), journal))
        await asyncio.wait({task}, timeout=cancel_after or 60)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        return None if task.cancelled() else task.result()

    return asyncio.run(run()), journal


def running(marker: str) -> list[int]:
    """Return the pids whose command line has *marker*."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
            state = path.with_name("stat").read_bytes().rpartition(b")")[2].split()[0]
        except OSError:
            continue
        if marker.encode() in line and state != b"Z":
            found.append(int(path.parent.name))
    return found


def test_the_ticket_comes_on_stdin_and_in_files(sshd: Sshd, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome, _ = work(
        [sshd.host()],
        tmp_path,
        f'mkdir {out}; cat > {out}/stdin; cp "$BENCH_TICKET" "$BENCH_TICKET_JSON" {out}; env > {out}/env; pwd >{out}/d',
    )
    assert outcome is not None
    assert outcome.resolution is ResolutionStatus.SUCCESS
    text = (out / "stdin").read_text()
    assert text == "# The site is down\n\nVisitors get an error.\n\nHosts: web-01\n"
    assert (out / "ticket.md").read_text() == text
    ticket = json.loads((out / "ticket.json").read_text())
    assert (ticket["title"], ticket["body"], ticket["hosts"]) == (
        "The site is down",
        "Visitors get an error.",
        ["web-01"],
    )
    env = dict(line.split("=", 1) for line in (out / "env").read_text().splitlines())
    directory = Path((out / "d").read_text().strip())
    assert env["HOME"] == str(directory)
    assert env["BENCH_HOSTS"] == "web-01"
    assert env["BENCH_MAIN_ENGINE"] == "m/1"
    assert not directory.exists()


def test_only_what_is_handed_over_of_the_environment_reaches_the_agent(sshd: Sshd, tmp_path: Path) -> None:
    out = tmp_path / "env"
    work(
        [sshd.host()],
        tmp_path,
        f"env > {out}",
        {"CANARY": "secret-1", "MY_KEY": "secret-2", "BENCH_AGENT_ENV": "MY_KEY, OTHER", "LANG": "C.UTF-8"},
    )
    text = out.read_text()
    assert "secret-1" not in text
    assert "MY_KEY=secret-2" in text
    assert "LANG=C.UTF-8" in text


def test_the_working_directory_is_private_and_its_name_says_nothing(sshd: Sshd, tmp_path: Path) -> None:
    outcome, journal = work([sshd.host()], tmp_path, "stat -c %a .; pwd; stat -c %a .ssh/id_ed25519")
    assert outcome is not None
    mode, path, key = journal.logs["tsk_0"].messages
    assert (mode, key) == ("700", "600")
    assert "site" not in path


def test_report_plan_and_messages_are_taken(sshd: Sshd, tmp_path: Path) -> None:
    outcome, journal = work(
        [sshd.host()],
        tmp_path,
        "echo 1. look > plan.md; echo thinking; echo; echo done; echo The disk was full. > report.md",
    )
    assert outcome is not None
    assert outcome.summary == "The disk was full."
    log = journal.logs["tsk_0"]
    assert log.plans == ["1. look"]
    assert log.messages == ["thinking", "done"]
    assert log.seen == ()


def test_without_a_report_the_end_of_the_output_is_the_summary(sshd: Sshd, tmp_path: Path) -> None:
    outcome, _ = work([sshd.host()], tmp_path, "seq 1 20000; printf 'the last line'")
    assert outcome is not None
    assert outcome.summary.endswith("20000\nthe last line")
    assert len(outcome.summary) < 40_000


def test_a_report_that_is_a_link_or_a_pipe_is_not_followed(sshd: Sshd, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("canary")
    outcome, _ = work([sshd.host()], tmp_path, f"ln -s {canary} report.md; mkfifo plan.md; echo said")
    assert outcome is not None
    assert outcome.summary == "said"


@pytest.mark.parametrize(
    ("text", "resolution", "summary"),
    [
        ("echo oops >&2; exit 3", "agentic_failure", "The agent's program ended with status 3. oops"),
        ("echo no_action > resolution", "no_action", ""),
        ("echo partial > resolution; exit 1", "partial", "The agent's program ended with status 1."),
        ("echo success > resolution; exit 1", "agentic_failure", "The agent's program ended with status 1."),
        (
            "echo fine > resolution",
            "agentic_failure",
            "The file 'resolution' says 'fine', which is no resolution status.",
        ),
        ("kill -9 $$", "agentic_failure", "The agent's program ended with status 137."),
    ],
)
def test_status_and_resolution_file_decide(
    sshd: Sshd, tmp_path: Path, text: str, resolution: str, summary: str
) -> None:
    outcome, _ = work([sshd.host()], tmp_path, text)
    assert outcome is not None
    assert (outcome.resolution.value, outcome.summary) == (resolution, summary)


def test_commands_are_recorded_for_the_host_on_which_they_ran(sshd: Sshd, tmp_path: Path) -> None:
    hosts = [sshd.host("web-01"), sshd.host("db-01")]
    outcome, journal = work(hosts, tmp_path, "ssh web-01 'echo a'; ssh db-01 'exit 2'; ssh web-01 'echo b'; echo said")
    assert outcome is not None
    web, db = journal.logs["tsk_0"].seen, journal.logs["tsk_1"].seen
    assert web is not None
    assert db is not None
    assert [(c.command, c.exit_status, c.host) for c in web] == [("echo a", 0, "web-01"), ("echo b", 0, "web-01")]
    assert [(c.command, c.exit_status, c.host) for c in db] == [("exit 2", 2, "db-01")]
    assert journal.logs["tsk_0"].messages == journal.logs["tsk_1"].messages


def test_handed_over_secrets_do_not_reach_the_record(sshd: Sshd, tmp_path: Path) -> None:
    outcome, journal = work(
        [sshd.host()],
        tmp_path,
        'echo "key $MY_KEY"; echo $MY_KEY > plan.md; ssh web-01 "echo $MY_KEY"; echo "$MY_KEY" > report.md; exit 0',
        {"MY_KEY": "sk-canary-123", "BENCH_AGENT_ENV": "MY_KEY"},
    )
    assert outcome is not None
    assert outcome.summary == "[MY_KEY]"
    log = journal.logs["tsk_0"]
    assert log.seen is not None
    assert "canary" not in repr([outcome, log.messages, log.plans, log.seen])
    assert log.seen[0].command == "echo [MY_KEY]"


def test_at_the_deadline_everything_of_the_agent_is_killed(sshd: Sshd, tmp_path: Path) -> None:
    marker = f"54{time.monotonic_ns()}"
    text = (
        f"trap '' TERM; setsid sleep {marker} & (sleep {marker} &) ; nohup sleep {marker} & touch ready; sleep {marker}"
    )
    began = time.monotonic()
    outcome, _ = work([sshd.host()], tmp_path, text, cancel_after=1.5)
    assert outcome is None
    assert time.monotonic() - began < 30
    assert running(marker) == []


def test_what_an_agent_leaves_behind_is_killed_when_it_ends(sshd: Sshd, tmp_path: Path) -> None:
    marker = f"54{time.monotonic_ns()}"
    began = time.monotonic()
    outcome, _ = work([sshd.host()], tmp_path, f"setsid setsid sleep {marker} & sleep 0.2; echo said")
    assert outcome is not None
    assert outcome.summary == "said"
    assert time.monotonic() - began < 30
    assert running(marker) == []


def test_an_agent_that_reads_nothing_and_writes_much_is_no_problem(sshd: Sshd, tmp_path: Path) -> None:
    outcome, journal = work([sshd.host()], tmp_path, "exec 0<&-; head -c 3000000 /dev/zero; head -c 100 /dev/urandom")
    assert outcome is not None
    assert "\x00" not in repr(journal.logs["tsk_0"].messages)
    assert "\x00" not in outcome.summary


def test_a_directory_without_write_permission_is_removed_too(sshd: Sshd, tmp_path: Path) -> None:
    outcome, journal = work([sshd.host()], tmp_path, "mkdir -p a/b; touch a/b/c; chmod 500 a/b; chmod 500 a; pwd")
    assert outcome is not None
    assert not Path(journal.logs["tsk_0"].messages[0]).exists()


def test_a_program_that_vanished_is_an_error_and_not_the_agents_failure(sshd: Sshd, tmp_path: Path) -> None:
    agent = CommandAgent([script(tmp_path, "true")], {})
    (tmp_path / "agent.sh").unlink()
    with pytest.raises(BenchError, match=r"could not be run: .*agent\.sh: No such file"):
        asyncio.run(agent.work(assignment([sshd.host()], tmp_path), Journal()))


def test_a_command_line_is_made_independent_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "fix.py").write_text("")
    (tmp_path / "run").mkdir()
    python, *rest = check_agent_command(["python3", "fix.py", "--fast", "run", "https://x/y"], tmp_path)
    assert Path(python).is_absolute()
    assert rest == [str(tmp_path / "fix.py"), "--fast", "run", "https://x/y"]
    (tmp_path / "fix.py").chmod(0o755)
    assert check_agent_command(["./fix.py"], tmp_path) == (str(tmp_path / "fix.py"),)
    assert stat.S_IMODE((tmp_path / "fix.py").stat().st_mode) == 0o755


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ([], "--agent-command: is empty. Give a program."),
        (["no-such-program"], "--agent-command: no-such-program: not found in PATH. Install it, or give its path."),
        (["./gone.sh"], "--agent-command: ./gone.sh: no such file."),
        (
            ["./plain.txt"],
            "--agent-command: ./plain.txt: not executable. Make it so with chmod +x, or name its interpreter.",
        ),
        (["plain.txt"], "--agent-command: plain.txt: not found in PATH. Did you mean ./plain.txt?"),
    ],
)
def test_a_program_that_cannot_be_run_is_a_usage_error(tmp_path: Path, command: list[str], message: str) -> None:
    (tmp_path / "plain.txt").write_text("")
    with pytest.raises(BenchError) as error:
        check_agent_command(command, tmp_path)
    assert (error.value.cause, str(error.value)) == (Cause.OPTION_INVALID, message)
