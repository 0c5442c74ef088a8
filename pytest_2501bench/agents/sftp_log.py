"""What an SFTP session did to files, from the packets that pass (SFTP version 3, as OpenSSH speaks it)."""

from __future__ import annotations

import struct
from collections.abc import Callable

_OPEN, _SETSTAT, _REMOVE, _MKDIR, _RMDIR, _RENAME, _SYMLINK, _EXTENDED = 3, 9, 13, 14, 15, 18, 20, 200
_STATUS, _HANDLE = 101, 102
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


class SftpLog:
    """Watches both directions of one session; tells each operation that changes or moves a file, and its status.

    *on_request* is called with ``sftp: put /path`` and the like and returns what *on_status* is called with later,
    next to the SFTP status (0: success).
    """

    def __init__(self, on_request: Callable[[str], int], on_status: Callable[[int, int], None]) -> None:
        self._on_request = on_request
        self._on_status = on_status
        self._open: dict[int, int] = {}
        self._up = _Packets(self._request)
        self._down = _Packets(self._answer)

    def client(self, data: bytes) -> None:
        """Take bytes from the client."""
        self._up.feed(data)

    def server(self, data: bytes) -> None:
        """Take bytes from the server."""
        self._down.feed(data)

    def _request(self, packet: bytes) -> None:
        if len(packet) < 5:
            return
        kind, number = packet[0], struct.unpack(">I", packet[1:5])[0]
        text = _describe(kind, packet[5:])
        if text:
            self._open[number] = self._on_request(f"sftp: {text}")

    def _answer(self, packet: bytes) -> None:
        if len(packet) < 5:
            return
        kind, number = packet[0], struct.unpack(">I", packet[1:5])[0]
        if kind < _STATUS:  # the version packet has no request number
            return
        mark = self._open.pop(number, None)
        if mark is None:
            return
        if kind == _HANDLE:
            self._on_status(mark, 0)
        elif kind == _STATUS and len(packet) >= 9:
            self._on_status(mark, struct.unpack(">I", packet[5:9])[0])


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
    if len(data) < 4:
        return "", b""
    length = struct.unpack(">I", data[:4])[0]
    return data[4 : 4 + length].decode("utf-8", "replace"), data[4 + length :]
