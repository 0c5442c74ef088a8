"""Taking the state of hosts: one SSH command for each, all at the same time, and nothing is left there.

The program comes through standard input, so that no process list on the host shows it; see :mod:`.on_host.look`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.host_state.model import KINDS, HostState
from pytest_2501bench.sandbox.protocol import Host
from pytest_2501bench.traces.visit import send

MOST_FILES = 20_000  # per host; more than that is a choice of roots that costs seconds

_PROGRAM = Path(__file__).with_name("on_host")
_MODULES = ("ground", "files", "tables", "services", "look")  # each before those that import it
_KEY = secrets.token_hex(32)  # of this process: nobody who reads a state can guess what a digest was made of

# The modules keep their names, so that they can import each other as they do here.
_LOADER = """\
import sys
def load(name, source):
    module = sys.modules[name] = type(sys)(name)
    if source:
        exec(compile(source, name, "exec"), module.__dict__)
    return module
"""


def take(
    ssh_command: Callable[[Host], Sequence[str]],
    hosts: Sequence[Host],
    roots: Sequence[str],
    *,
    most_files: int = MOST_FILES,
) -> dict[str, HostState]:
    """Return the state of *hosts* by ``host_name``. Changes nothing there.

    Args:
        ssh_command: gives the command that runs a further word on a host, ``PlaybookRunner.ssh_command``.
        hosts: whose state.
        roots: folders whose files are looked at.
        most_files: how many files of a host at most; its state says when there are more.

    Raises:
        BenchError: ``ssh_not_up`` or ``prepare_failed``: a host could not be looked at.
    """
    program = program_of(roots, most_files)
    answers = send(ssh_command, hosts, {host.host_name: program for host in hosts})
    return {name: _state(name, answer) for name, answer in answers.items()}


def program_of(roots: Sequence[str], most_files: int = MOST_FILES) -> str:
    """Return the program that prints a host's state."""
    package = f"{__package__}.on_host"
    parents = [package[: len(package) - len(rest)] for rest in (".host_state.on_host", ".on_host", "")]
    lines = [_LOADER, *(f"load({name!r}, '')" for name in parents)]
    for module in _MODULES:
        source = (_PROGRAM / f"{module}.py").read_text(encoding="utf-8")
        lines.append(f"last = load({f'{package}.{module}'!r}, {source!r})")
    lines.append(f"last.main({list(roots)!r}, {_KEY!r}, {most_files})")
    return "\n".join(lines) + "\n"


def _state(name: str, answer: str) -> HostState:
    try:
        told = json.loads(answer.rpartition("\n")[2])
        entries = {kind: dict(told["entries"].get(kind, {})) for kind in KINDS}
        return HostState(host_name=name, entries=entries, whole=told["whole"], notes=tuple(told["notes"]))
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        message = f"host {name}: its state could not be read: {type(exc).__name__}: {exc}"
        raise BenchError(Cause.PREPARE_FAILED, message) from None
