"""What an SFTP session did to files, from the packets that pass (SFTP version 3, as OpenSSH speaks it)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from pytest_2501bench.evidence.model import Transfer

_CLOSE, _READ, _WRITE = 4, 5, 6
_OPEN, _SETSTAT, _REMOVE, _MKDIR, _RMDIR, _RENAME, _SYMLINK, _EXTENDED = 3, 9, 13, 14, 15, 18, 20, 200
_STATUS, _HANDLE, _DATA = 101, 102, 103
_ONE_PATH = {_SETSTAT: "setstat", _REMOVE: "rm", _MKDIR: "mkdir", _RMDIR: "rmdir"}
_TWO_PATHS = {_RENAME: "rename", _SYMLINK: "symlink"}
_WRITES = 0x02 | 0x04 | 0x08 | 0x10  # WRITE, APPEND, CREAT, TRUNC
_HEAD = 4096
"""Bytes of a packet that are looked at: enough for a name; the data of a WRITE passes unseen."""


class _Packets:
    """Cuts a stream into packets, keeping only the head of each."""

    def __init__(self, on_packet: Callable[[bytes], None]) -> None:
        self._on_packet = on_packet
        self._head = bytearray()
        self._length: int | None = None
        self._passed = 0

    def feed(self, data: bytes) -> None:
        """Take the next piece of the stream."""
        view = memoryview(data)
        while view:
            if self._length is None:
                take = 4 - len(self._head)
                self._head += view[:take]
                view = view[take:]
                if len(self._head) == 4:
                    self._length = struct.unpack(">I", self._head)[0]
                    self._head.clear()
                    self._passed = 0
            else:
                take = min(self._length - self._passed, len(view))
                self._head += view[: min(take, max(_HEAD - len(self._head), 0))]
                self._passed += take
                view = view[take:]
            if self._length is not None and self._passed >= self._length:
                self._on_packet(bytes(self._head))
                self._head.clear()
                self._length = None


@dataclass(slots=True)
class _File:
    mark: int
    path: str
    to_host: bool
    bytes: int = 0
    failed: int = 0  # the first status that a write gave and that is not 0

    def transfer(self) -> Transfer:
        return Transfer(path=self.path, to_host=self.to_host, bytes=self.bytes)


class SftpLog:
    """Watches both directions of one session; tells each operation that changes or moves a file, and its status.

    *on_request* is called with ``sftp: put /path`` and the like and returns a mark. *on_end* is called later with that
    mark, the SFTP status (0: success; None: not known) and, where a file was opened, what went through it.
    """

    def __init__(
        self, on_request: Callable[[str], int], on_end: Callable[[int, int | None, Transfer | None], None]
    ) -> None:
        self._on_request = on_request
        self._on_end = on_end
        self._asked: dict[int, int] = {}  # number of a request → mark
        self._opening: dict[int, _File] = {}
        self._moving: dict[int, _File] = {}  # reads and writes
        self._closing: dict[int, _File] = {}
        self._files: dict[bytes, _File] = {}  # by handle
        self._up = _Packets(self._request)
        self._down = _Packets(self._answer)

    def client(self, data: bytes) -> None:
        """Take bytes from the client."""
        self._up.feed(data)

    def server(self, data: bytes) -> None:
        """Take bytes from the server."""
        self._down.feed(data)

    def end(self) -> None:
        """Take the session's end: what was not closed has no status."""
        for file in (*self._opening.values(), *self._files.values(), *self._closing.values()):
            self._on_end(file.mark, None, file.transfer())
        for mark in self._asked.values():
            self._on_end(mark, None, None)

    def _request(self, packet: bytes) -> None:
        if len(packet) < 5:
            return
        kind, number = packet[0], struct.unpack(">I", packet[1:5])[0]
        if kind in (_READ, _WRITE, _CLOSE):
            self._of_file(kind, number, packet[5:])
            return
        text = _describe(kind, packet[5:])
        if text is None:
            return
        mark = self._on_request(f"sftp: {text}")
        if kind == _OPEN:
            word, _, path = text.partition(" ")
            self._opening[number] = _File(mark, path, word == "put")
        else:
            self._asked[number] = mark

    def _of_file(self, kind: int, number: int, rest: bytes) -> None:
        handle, rest = _bytes(rest)
        file = self._files.get(handle)
        if file is None:
            return
        if kind == _CLOSE:
            self._closing[number] = self._files.pop(handle)
            return
        self._moving[number] = file
        if kind == _WRITE and file.to_host and len(rest) >= 12:
            file.bytes += struct.unpack(">I", rest[8:12])[0]

    def _answer(self, packet: bytes) -> None:
        if len(packet) < 9 or packet[0] < _STATUS:  # the version packet has no request number
            return
        kind, number, word = packet[0], *struct.unpack(">II", packet[1:9])
        status = word if kind == _STATUS else 0
        if file := self._opening.pop(number, None):
            if kind == _HANDLE:
                self._files[_bytes(packet[5:])[0]] = file
            else:
                self._on_end(file.mark, status, None)
        elif file := self._moving.pop(number, None):
            if kind == _DATA and not file.to_host:
                file.bytes += word
            elif file.to_host:
                file.failed = file.failed or status
        elif file := self._closing.pop(number, None):
            self._on_end(file.mark, file.failed or status, file.transfer())
        elif (mark := self._asked.pop(number, None)) is not None:
            self._on_end(mark, status, None)


def _describe(kind: int, rest: bytes) -> str | None:
    first, rest = _string(rest)
    if kind == _OPEN:
        flags = struct.unpack(">I", rest[:4])[0] if len(rest) >= 4 else 0
        return f"{'put' if flags & _WRITES else 'get'} {first}"
    if kind in _ONE_PATH:
        return f"{_ONE_PATH[kind]} {first}"
    if kind in _TWO_PATHS:
        return f"{_TWO_PATHS[kind]} {first} {_string(rest)[0]}"
    if kind == _EXTENDED and first in {"posix-rename@openssh.com", "hardlink@openssh.com"}:
        source, rest = _string(rest)
        return f"{first.partition('@')[0].removeprefix('posix-')} {source} {_string(rest)[0]}"
    return None


def _string(data: bytes) -> tuple[str, bytes]:
    text, rest = _bytes(data)
    return text.decode("utf-8", "replace"), rest


def _bytes(data: bytes) -> tuple[bytes, bytes]:
    if len(data) < 4:
        return b"", b""
    length = struct.unpack(">I", data[:4])[0]
    return data[4 : 4 + length], data[4 + length :]
