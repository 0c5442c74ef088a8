"""What an agent says it ran, from the file that it leaves."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from support.recorded_ssh import Journal, assignment
from support.sshd import Sshd

from pytest_2501bench.agents.claims import claimed
from pytest_2501bench.agents.command import CommandAgent
from pytest_2501bench.agents.protocol import Outcome


def work(sshd: Sshd, folder: Path, text: str, **environment: str) -> tuple[Outcome, Journal]:
    """Let a shell script work a ticket."""
    program = folder / "agent.sh"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    journal = Journal()
    agent = CommandAgent([str(program)], {"PATH": os.environ["PATH"], **environment})
    return asyncio.run(agent.work(assignment([sshd.host()], folder), journal)), journal


def test_markdown_of_every_habit_gives_the_same_commands(tmp_path: Path) -> None:
    text = "Some\n\n```sh\n$ nginx -t\n```\n- `systemctl restart nginx`\n2. df -h\n* `a` and `b`\n# Notes\nuptime\n"
    (tmp_path / "commands.md").write_text(text)
    lines = ["Some", "nginx -t", "systemctl restart nginx", "df -h", "a` and `b", "uptime"]
    assert claimed(tmp_path, ["web-01"]) == {"web-01": lines}


def test_headings_say_for_which_host(tmp_path: Path) -> None:
    (tmp_path / "claimed_commands").write_text("uptime\n# web-01\n- odd\n## `db-01`:\ndf\n")
    assert claimed(tmp_path, ["web-01", "db-01"]) == {"web-01": ["uptime", "- odd"], "db-01": ["uptime", "df"]}


def test_no_file_is_not_an_empty_one(tmp_path: Path) -> None:
    assert claimed(tmp_path, ["web-01"]) is None
    (tmp_path / "claimed_commands").write_text("")
    assert claimed(tmp_path, ["web-01"]) == {"web-01": []}


def test_the_command_agents_claims_and_recordings_stand_beside_what_was_seen(sshd: Sshd, tmp_path: Path) -> None:
    text = "ssh web-01 'echo $MY_KEY'; printf 'echo %s\\nrm -rf /\\n' $MY_KEY > claimed_commands"
    _, journal = work(sshd, tmp_path, text, MY_KEY="sk-canary-123", BENCH_AGENT_ENV="MY_KEY")
    log = journal.logs["tsk_0"]
    assert log.claims is not None
    assert [(claim.command, claim.host, claim.seen) for claim in log.claims] == [
        ("echo [MY_KEY]", "web-01", None),
        ("rm -rf /", "web-01", None),
    ]
    host_id = assignment([sshd.host()], tmp_path).tasks[0].host.host_id
    (cast,) = (tmp_path / "recordings" / host_id).glob("*.cast")
    assert "canary" not in cast.read_text()


def test_without_a_file_nothing_is_claimed(sshd: Sshd, tmp_path: Path) -> None:
    _, journal = work(sshd, tmp_path, "ssh web-01 true")
    assert journal.logs["tsk_0"].claims is None
