"""One look at all hosts of a run at once, over SSH: nothing of ours may be there while the agent works.

What happens on a host is in :mod:`.on_host`; this module gets it there and makes sense of the answer. A visit is one
SSH command per host. Its program comes through standard input, so that no process list on the host shows it.
"""

from __future__ import annotations

import ast
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import LeftRunning
from pytest_2501bench.sandbox.protocol import Host

SECONDS = 30.0  # a visit needs a tenth of a second; a host this late is not well
_SSH_FAILED = 255  # ssh's own exit status; any other is the command's
_SCRIPT = Path(__file__).with_name("on_host.py")

SshCommand = Callable[[Host], Sequence[str]]
"""Gives the command that runs the word that is appended to it on a host."""

Processes = tuple[tuple[int, str], ...]
"""(pid, start) of everything that runs on a host."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was on a registered host before we began: Ansible files of others, how far its text logs went, what ran."""

    had: tuple[str, ...] = ()
    logs: Mapping[str, int] = field(default_factory=dict)
    processes: Processes = ()


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """How a host was handed to the agent.

    Attributes:
        processes: what ran.
        busy: paths of Ansible's that could not be removed because a process still uses them.
    """

    processes: Processes
    busy: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Visitor:
    """Visits the hosts of one run.

    Attributes:
        ssh: how to reach a host; a connection that is open already makes a visit ten times quicker.
    """

    ssh: SshCommand

    def survey(self, hosts: Sequence[Host]) -> dict[str, Survey]:
        """Return by ``host_name`` what is there already. Changes nothing.

        Raises:
            BenchError: ``ssh_not_up`` or ``prepare_failed``: a host could not be visited.
        """
        answers = self._all(hosts, {host.host_name: ("survey",) for host in hosts})
        return {
            name: Survey(tuple(answer["had"]), answer["logs"], _processes(answer)) for name, answer in answers.items()
        }

    def scrub(self, hosts: Sequence[Host], surveys: Mapping[str, Survey]) -> dict[str, Scrubbed]:
        """Remove what Ansible left on the hosts since *surveys*; without one, whatever of Ansible's is there.

        Raises:
            BenchError: ``prepare_failed``: it could not be removed; or as :meth:`survey`.
        """
        asked = {}
        for host in hosts:
            survey = surveys.get(host.host_name, Survey())
            asked[host.host_name] = ("scrub", list(survey.had), dict(survey.logs))
        answers = self._all(hosts, asked)
        for name, answer in answers.items():
            for path, why in answer["failed"]:
                raise BenchError(
                    Cause.PREPARE_FAILED,
                    f"host {name}: {path}, which Ansible left, could not be removed: {why}.",
                    remedy="The agent must not see it. Does the incident make a folder of temporary files read-only?",
                )
        return {name: Scrubbed(_processes(answer), tuple(answer["busy"])) for name, answer in answers.items()}

    def look(
        self, hosts: Sequence[Host], before: Mapping[str, Survey | Scrubbed], *, end: Sequence[str]
    ) -> tuple[LeftRunning, ...]:
        """Return what runs on the hosts since *before* and is no service; end processes whose kind is in *end*.

        Raises:
            BenchError: as :meth:`survey`.
        """
        asked = {host.host_name: ("look", list(before[host.host_name].processes), list(end)) for host in hosts}
        answers = self._all(hosts, asked)
        return tuple(
            LeftRunning(host=name, pid=pid, kind=kind, ended=ended, command=command)
            for name, answer in answers.items()
            for pid, kind, ended, command in answer["processes"]
        )

    def _all(self, hosts: Sequence[Host], asked: Mapping[str, tuple[Any, ...]]) -> dict[str, dict[str, Any]]:
        """Send the program to all hosts at the same time, and return the answers by ``host_name``."""
        source = _SCRIPT.read_text(encoding="utf-8").partition('\nif __name__ == "__main__":')[0]
        programs = {name: f"{source}\nmain(*{words!r})\n" for name, words in asked.items()}
        answers = {}
        for name, text in send(self.ssh, hosts, programs).items():
            try:
                answer = ast.literal_eval(text.rpartition("\n")[2])
            except (ValueError, SyntaxError):
                answer = None
            if not isinstance(answer, dict):
                raise BenchError(Cause.PREPARE_FAILED, f"host {name}: it could not be looked at: no answer was read")
            answers[name] = answer
        return answers


def send(ssh: SshCommand, hosts: Sequence[Host], programs: Mapping[str, str]) -> dict[str, str]:
    """Run a Python program on each host, as root where that can be had, all at the same time.

    Args:
        ssh: how to reach a host.
        hosts: where.
        programs: by ``host_name``; they come through standard input.

    Returns:
        What they printed, by ``host_name``, without white space around it.

    Raises:
        BenchError: ``ssh_not_up`` or ``prepare_failed``: a program did not come to its end.
    """
    # Nothing of our environment: a control master that this starts would keep it in sight for a minute.
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
    visits: dict[Host, subprocess.Popen[str]] = {}
    try:
        for host in hosts:
            with tempfile.TemporaryFile("w+", encoding="utf-8") as program:
                program.write(programs[host.host_name])
                program.seek(0)
                visits[host] = subprocess.Popen(
                    [*ssh(host), _command(host)],
                    stdin=program,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                    env=environment,
                    start_new_session=True,
                )
        return {host.host_name: _answer(host, visit) for host, visit in visits.items()}
    finally:
        for visit in visits.values():
            if visit.poll() is None:
                visit.kill()
                visit.communicate()


def _command(host: Host) -> str:
    python = f"{shlex.quote(host.python)} -I -S -"
    if host.ssh.user == "root":
        return f"exec {python}"
    # What other users left is for root to remove; whoever may not become root sees to their own.
    return f"if sudo -n true 2>/dev/null; then exec sudo -n {python}; else exec {python}; fi"


def _answer(host: Host, visit: subprocess.Popen[str]) -> str:
    try:
        out, err = visit.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise BenchError(Cause.SSH_NOT_UP, f"host {host.host_name}: no answer within {SECONDS:g} s") from None
    if visit.returncode != 0 or not out.strip():
        why = err.strip().rpartition("\n")[2] or f"exit status {visit.returncode}"
        cause = Cause.SSH_NOT_UP if visit.returncode == _SSH_FAILED else Cause.PREPARE_FAILED
        raise BenchError(cause, f"host {host.host_name}: it could not be looked at: {why}")
    return out.strip()


def _processes(answer: Mapping[str, Any]) -> Processes:
    return tuple((int(pid), str(start)) for pid, start in answer["processes"])
