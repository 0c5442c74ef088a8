"""Secrets with a recognisable value, and a search for them in everything that a session leaves or shows."""

from __future__ import annotations

import base64
import os
import re
import secrets
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

BEGIN, END = "Zc4nary", "yran4cZ"
_KEY = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\\rn]+[A-Za-z0-9+/=]{16}")


def canary(name: str) -> str:
    """Return a secret; the characters in its middle are written otherwise in URLs, JSON and shells."""
    return f"{BEGIN}-{name}-{secrets.token_hex(4)}/+%\"'&-{END}"


def _marks() -> re.Pattern[bytes]:
    forms: set[bytes] = set()
    for word in (BEGIN.encode(), END.encode()):
        forms |= {word, word.hex().encode(), word.hex().upper().encode()}
        for before in range(3):
            whole = base64.b64encode(bytes(before) + word)
            forms.add(whole[(0, 2, 3)[before] : (before + len(word)) * 8 // 6])
    return re.compile(b"|".join(re.escape(form) for form in sorted(forms)))


_MARKS = _marks()


def found_in(what: str, content: bytes) -> list[str]:
    """Return where and in what surroundings *content* has a canary, or a private key."""
    hits = [*_MARKS.finditer(content), *_KEY.finditer(content)]
    return [f"{what}: …{content[max(hit.start() - 60, 0) : hit.end() + 40]!r}…" for hit in hits]


def found_below(*folders: Path) -> list[str]:
    """Search names and contents of all files; links are not followed."""
    hits: list[str] = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            hits += found_in(f"name of {path}", str(path.relative_to(folder)).encode())
            if path.is_file() and not path.is_symlink():
                hits += found_in(str(path), path.read_bytes())
    return hits


class Watch:
    """Looks at the processes of the machine again and again.

    Args:
        nowhere: values that may be in no arguments of any process and in no environment of an engine, an agent, a
            playbook or a sandbox.
        engines: values that only an engine may have, beside the session itself.
        agents: values that an engine and its agents may have.
        not_in: processes that are not looked at.
    """

    def __init__(
        self,
        nowhere: Iterable[str],
        *,
        engines: Iterable[str] = (),
        agents: Iterable[str] = (),
        not_in: Iterable[int] = (),
    ) -> None:
        anywhere, of_engines, of_agents = ([value.encode() for value in group] for group in (nowhere, engines, agents))
        self._in_arguments = anywhere + of_engines
        self._forbidden = {
            "engine": anywhere,
            "agent": anywhere + of_engines,
            "playbook": anywhere + of_engines + of_agents,
            "sandbox": anywhere + of_engines + of_agents,
        }
        self._not_in = {os.getpid(), *not_in}
        self._own_space = Path("/proc/self/ns/pid").readlink()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.found: set[str] = set()
        self.seen: set[str] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.1):
            for process in Path("/proc").glob("[0-9]*"):
                if int(process.name) not in self._not_in:
                    try:
                        self._look(process)
                    except OSError:  # it has ended meanwhile
                        continue

    def _look(self, process: Path) -> None:
        arguments, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        told = arguments.replace(b"\0", b" ").decode(errors="replace")[:200]
        self.found |= {f"arguments of {told}" for value in self._in_arguments if value in arguments}
        kind = self._kind(process, arguments, environment)
        if kind:
            self.seen.add(kind)
            forbidden = self._forbidden[kind]
            self.found |= {f"environment of {told} ({kind})" for value in forbidden if value in environment}

    def _kind(self, process: Path, arguments: bytes, environment: bytes) -> str:
        if (process / "ns" / "pid").readlink() != self._own_space:
            return "sandbox"
        if b"PYTEST_2501BENCH_PLAYBOOK=" in environment:
            return "playbook"
        if b"BENCH_TICKET=" in environment:
            return "agent"
        return "engine" if b"serve_managed" in arguments else ""
