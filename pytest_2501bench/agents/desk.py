"""The working directory of one invocation of a command agent: its ticket, its way to the hosts, its report."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pytest_2501bench.agents.protocol import Assignment
from pytest_2501bench.bastion.door import LOOPBACK, Door

MAX_FILE = 1_000_000
"""Bytes that are read of a file that the agent wrote."""

MEMORY = "memory.md"
"""What the agent finds of former jobs, and leaves for later ones."""

PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "LANGUAGE", "TERM", "TZ")
SSH_PROGRAMS = ("ssh", "scp", "sftp")


@contextlib.contextmanager
def working_directory() -> Iterator[Path]:
    """Give a private directory under an opaque name, and remove it with everything in it."""
    directory = Path(tempfile.mkdtemp(prefix="2501-")).resolve()
    try:
        yield directory
    finally:
        _make_removable(directory)
        shutil.rmtree(directory, ignore_errors=True)


def furnish(directory: Path, assignment: Assignment, doors: Sequence[Door], client_key: str) -> None:
    """Write what the agent needs into *directory*."""
    (directory / "ticket.md").write_text(ticket_text(assignment))
    hosts = [task.host.host_name for task in assignment.tasks]
    ticket: dict[str, object] = {
        "title": assignment.title,
        "body": assignment.body,
        "hosts": hosts,
        "deadline_seconds": assignment.deadline_seconds,
        "main_engine": assignment.main_engine,
        "secondary_engine": assignment.secondary_engine,
        "specialty": assignment.specialty,
    }
    if assignment.intent:
        ticket["intent"] = assignment.intent
    for name in ("priority", "assignment_group", "environment"):
        if (value := getattr(assignment, name)) is not None:
            ticket[name] = value
    if assignment.operational_rules:
        ticket["operational_rules"] = list(assignment.operational_rules)
        (directory / "rules.md").write_text(rules_text(assignment))
    if assignment.attachments:
        ticket["attachments"] = [f"attachments/{path.name}" for path in assignment.attachments]
        (directory / "attachments").mkdir(mode=0o700)
        for path in assignment.attachments:
            shutil.copyfile(path, directory / "attachments" / path.name)
    if assignment.memory:
        (directory / MEMORY).write_text(assignment.memory.rstrip() + "\n")
    (directory / "ticket.json").write_text(json.dumps(ticket, indent=2, ensure_ascii=False) + "\n")
    (directory / "tmp").mkdir(mode=0o700)
    ssh = directory / ".ssh"
    ssh.mkdir(mode=0o700)
    key = ssh / "id_ed25519"
    key.touch(mode=0o600)
    key.write_text(client_key)
    (ssh / "known_hosts").write_text(
        "".join(f"[{LOOPBACK}]:{d.port},{d.host_name} {_without_comment(d.host_key)}\n" for d in doors)
    )
    (ssh / "config").write_text("".join(_stanza(door, ssh) for door in doors))
    _wrap_ssh_programs(directory / "bin", ssh / "config")


def environment(
    directory: Path, assignment: Assignment, inherited: Mapping[str, str], handed_over: Mapping[str, str]
) -> dict[str, str]:
    """Return the agent's environment: little of ours, what the user hands over, and where things are."""
    env = {name: inherited[name] for name in PASSED_ON if name in inherited}
    env |= handed_over
    ours = {
        "HOME": str(directory),
        "TMPDIR": str(directory / "tmp"),
        "PATH": f"{directory / 'bin'}{os.pathsep}{env.get('PATH', os.defpath)}",
        "BENCH_TICKET": str(directory / "ticket.md"),
        "BENCH_TICKET_JSON": str(directory / "ticket.json"),
        "BENCH_SSH_CONFIG": str(directory / ".ssh" / "config"),
        "BENCH_HOSTS": " ".join(task.host.host_name for task in assignment.tasks),
        "BENCH_REPORT": str(directory / "report.md"),
        "BENCH_DEADLINE": str(int(time.time() + assignment.deadline_seconds)),
        "BENCH_MAIN_ENGINE": assignment.main_engine or "",
        "BENCH_SECONDARY_ENGINE": assignment.secondary_engine or "",
        "BENCH_SPECIALTY": assignment.specialty or "",
    }
    return env | {name: value for name, value in ours.items() if value}


def ticket_text(assignment: Assignment) -> str:
    """Return the ticket as the agent reads it."""
    hosts = ", ".join(task.host.host_name for task in assignment.tasks)
    parts = [f"# {assignment.title}", assignment.body.rstrip(), f"Hosts: {hosts}"]
    if assignment.operational_rules:
        parts.append(f"Operational rules:\n\n{rules_text(assignment)}".rstrip())
    return "\n\n".join(parts) + "\n"


def rules_text(assignment: Assignment) -> str:
    """Return the operational rules as a list in Markdown."""
    return "".join("- " + rule.strip().replace("\n", "\n  ") + "\n" for rule in assignment.operational_rules)


def kept_memory(directory: Path, assignment: Assignment) -> str | None:
    """Return what the agent wants to remember; None if it left that as it was."""
    text = read_text(directory / MEMORY) or ""
    return None if text == assignment.memory.strip() else text


def read_text(path: Path) -> str | None:
    """Return what the agent wrote to *path*, or None if there is no such regular file.

    A link is not followed and a pipe not waited for: the agent must not make us read something else.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        return file.read(MAX_FILE).decode("utf-8", "replace").replace("\x00", "�").strip()


def _stanza(door: Door, ssh: Path) -> str:
    options = {
        "HostName": LOOPBACK,
        "Port": str(door.port),
        "User": door.user,
        "IdentityFile": f'"{ssh / "id_ed25519"}"',
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "UserKnownHostsFile": f'"{ssh / "known_hosts"}"',
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": door.host_name,
        "StrictHostKeyChecking": "yes",
        "PasswordAuthentication": "no",
        "BatchMode": "yes",
        "LogLevel": "ERROR",
    }
    return f"Host {door.host_name}\n" + "".join(f"  {name} {value}\n" for name, value in options.items()) + "\n"


def _wrap_ssh_programs(folder: Path, config: Path) -> None:
    """OpenSSH takes the home directory from the user database, not from HOME, so plain ``ssh host`` needs a wrapper."""
    folder.mkdir(mode=0o700)
    for name in SSH_PROGRAMS:
        program = shutil.which(name)
        if program:
            wrapper = folder / name
            wrapper.write_text(f'#!/bin/sh\nexec {shlex.quote(program)} -F {shlex.quote(str(config))} "$@"\n')
            wrapper.chmod(0o700)


def _without_comment(key: str) -> str:
    return " ".join(key.split()[:2])


def _make_removable(directory: Path) -> None:
    """Undo what would keep us from removing it: folders without write permission."""
    for folder, folders, _files in os.walk(directory):
        for name in folders:
            path = Path(folder, name)
            if not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.chmod(0o700)
