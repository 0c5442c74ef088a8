"""What the other modules stand on: reading small files, digests under a key, fingerprints, programs of the host."""
# pathlib, typing and subprocess take longer to import than all of this to run:
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import os
from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_PATH = ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin")


class Key:
    """The key of all digests; set once."""

    value = b""


def digest(data: bytes) -> str:
    """Return a digest that nobody without the key can compare with a guess; the ``#`` marks it as one."""
    return "#" + sha256(Key.value + data).hexdigest()[:20]


def fingerprint(fields: Iterable[tuple[str, object]]) -> str:
    """Return fields in one line; read back by ``host_state.model.fields``."""
    return "; ".join(
        (name + " " + str(value).replace("%", "%25").replace(";", "%3B").replace("\n", "%0A")).rstrip()
        for name, value in fields
    )


def words_of(text: str) -> frozenset[str]:
    """Return the words of a list that is easier to read as one text."""
    return frozenset(text.split())


def clean(name: str) -> str:
    """Return a name of the host's as text that every program can read, whatever bytes it has."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read(path: str) -> str:
    """Return a small file's text; empty if it cannot be read."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    parts = []
    try:
        while part := os.read(number, 1 << 16):  # half the price of a file object, a thousand times
            parts.append(part)
    except OSError:
        pass
    finally:
        os.close(number)
    return b"".join(parts).decode("utf-8", "surrogateescape")


def lines(path: str) -> list[str]:
    """Return a small file's lines; none if it cannot be read."""
    return read(path).splitlines()


def listing(directory: str) -> list[str]:
    """Return the names in a directory, in order; none if it cannot be read."""
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


class Program:
    """A program of the host that runs while we look at other things."""

    def __init__(self, *words: str) -> None:
        self._pid = self._out = -1
        for folder in _PATH:
            if words[0] and os.access(folder + "/" + words[0], os.X_OK):
                self._start(folder + "/" + words[0], words)
                return

    @property
    def exists(self) -> bool:
        """Whether the host has it."""
        return self._pid > 0

    def _start(self, path: str, words: tuple[str, ...]) -> None:
        self._out, end = os.pipe()
        nothing = os.open(os.devnull, os.O_RDWR)
        self._pid = os.posix_spawn(
            path,
            words,
            {"PATH": ":".join(_PATH), "LC_ALL": "C", "SYSTEMD_COLORS": "0"},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, nothing, 0),
                (os.POSIX_SPAWN_DUP2, end, 1),
                (os.POSIX_SPAWN_DUP2, nothing, 2),
            ],
        )
        os.close(nothing)
        os.close(end)

    def output(self) -> list[str]:
        """Wait for its end and return the lines it printed; none if the host does not have it."""
        if not self.exists:
            return []
        with open(self._out, errors="surrogateescape") as out:
            printed = out.read()
        os.waitpid(self._pid, 0)
        return printed.splitlines()


def users_by_id(path: str) -> dict[int, str]:
    """Return id → name from ``/etc/passwd`` or ``/etc/group``; the first of several wins, as it does for ``ls``."""
    names: dict[int, str] = {}
    for line in lines(path):
        parts = line.split(":")
        if len(parts) > 2 and parts[2].isdigit():
            names.setdefault(int(parts[2]), parts[0])
    return names
