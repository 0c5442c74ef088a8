"""Which files an ``scp`` of the old protocol moved: ``scp -t`` and ``scp -f`` on the host, read from what passes."""

from __future__ import annotations

import re

from pytest_2501bench.evidence.model import Transfer

_REMOTE_END = re.compile(r"^\s*(?:\S*/)?scp\s(?:.*\s)?-[a-zA-Z]*([tf])[a-zA-Z]*\s(?:.*\s)?(\S+)\s*$", re.DOTALL)
_MAX_LINE = 8192


def is_scp(command: str | None) -> bool:
    """Say whether *command* is the host's end of an old scp."""
    return command is not None and len(command) < _MAX_LINE and _REMOTE_END.match(command) is not None


class ScpLog:
    """Watches both directions of one session; *files* grows."""

    def __init__(self, command: str) -> None:
        """Take the *command* that runs on the host."""
        found = _REMOTE_END.match(command)
        self._to_host = bool(found and found[1] == "t")
        self._target = found[2].strip("'\"") if found else ""
        # With -r or -d the target is a folder; else it may be one, which cannot be seen.
        self._in_folder = re.search(r"\s-[a-zA-Z]*[rd]", command) is not None
        self._folders: list[str] = []
        self._line = bytearray()
        self._left = 0
        self.files: list[Transfer] = []

    def client(self, data: bytes) -> None:
        """Take bytes for the host."""
        if self._to_host:
            self._feed(data)

    def server(self, data: bytes) -> None:
        """Take bytes from the host."""
        if not self._to_host:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            if self._left:
                passed = min(self._left, len(view))
                self._left -= passed
                view = view[passed:]
                continue
            head = bytes(view[:_MAX_LINE])
            end = head.find(b"\n")
            if end < 0:
                if len(self._line) < _MAX_LINE:
                    self._line += head
                view = view[len(head) :]
                continue
            self._line += head[:end]
            view = view[end + 1 :]
            line = bytes(self._line).lstrip(b"\0").decode("utf-8", "replace")
            self._line.clear()
            self._take(line)

    def _take(self, line: str) -> None:
        kind, rest = line[:1], line[1:].split(" ", 2)
        if kind == "E":
            del self._folders[-1:]
        elif kind in {"C", "D"} and len(rest) == 3 and rest[1].isdigit():
            name = rest[2]
            if kind == "D":
                self._folders.append(name)
                return
            self._left = int(rest[1])
            path = "/".join([self._target, *self._folders, name]) if self._in_folder else self._target
            self.files.append(Transfer(path=path, to_host=self._to_host, bytes=self._left))
