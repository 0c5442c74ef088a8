"""Writes an SSH session as an asciicast v2 file while it happens (https://docs.asciinema.org/manual/asciicast/v2/)."""

from __future__ import annotations

import codecs
import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from pytest_2501bench.bastion.redaction import Redaction
from pytest_2501bench.evidence.model import Recording

log = logging.getLogger(__name__)

SUFFIX = ".cast"
MAX_CAST = 8_000_000
"""Bytes of one recording; what comes after that is only counted."""

_WIDTH, _HEIGHT = 80, 24
_END = "end"


class Cast:
    """One file, opened at once and written event by event.

    A disk that takes no more ends the recording, not the session. *session* is the file's name without suffix.
    """

    def __init__(
        self,
        folder: Path,
        host_name: str,
        command: str | None,
        *,
        size: tuple[int, int] | None,
        redaction: Redaction,
    ) -> None:
        """Make the next file in *folder*.

        *size* is that of the terminal, None if there is none; *command* is None for a login shell.

        Raises:
            OSError: it cannot be made.
        """
        self._fd, self.session = _next_file(folder)
        self._begun = time.monotonic()
        self._terminal = size is not None
        self._written = 0
        self._cut = False
        self._decoders = [codecs.getincrementaldecoder("utf-8")("replace") for _ in range(3)]
        self._redactions = [redaction.stream() for _ in range(3)]
        width, height = size if size and all(size) else (_WIDTH, _HEIGHT)
        header: dict[str, object] = {"version": 2, "width": width, "height": height, "timestamp": int(time.time())}
        title = host_name
        if command is not None:
            command = redaction.text(command)
            header["command"] = command[:4096]
            title = f"{host_name}: {command[:120]}"
        self._line(header | {"title": title})

    def output(self, data: bytes, *, stderr: bool = False) -> None:
        """Take what the host sends."""
        if not self._cut:
            self._stream("o", 1 if stderr else 0, self._decoders[1 if stderr else 0].decode(data))

    def input(self, data: bytes) -> None:
        """Take what the agent types, or feeds to a shell."""
        if not self._cut:
            self._stream("i", 2, self._decoders[2].decode(data))

    def resize(self, width: int, height: int) -> None:
        """Take the terminal's new size."""
        self._event("r", f"{width}x{height}")

    def end(self, exit_status: int | None, bytes_in: int, bytes_out: int) -> None:
        """Close the file; harmless when repeated."""
        for code, number in (("o", 0), ("o", 1), ("i", 2)):
            rest = self._redactions[number].feed(self._decoders[number].decode(b"", final=True))
            self._event(code, rest + self._redactions[number].end())
        status = "unknown" if exit_status is None else exit_status
        # Not an event like others: it is written also when the recording was cut.
        self._line([self._moment(), "m", f"{_END}: status {status}, {bytes_in} bytes in, {bytes_out} bytes out"])
        self._close()

    def _stream(self, code: str, number: int, text: str) -> None:
        if code == "o" and not self._terminal:
            text = text.replace("\n", "\r\n")  # as a terminal would have done it, for the replay
        self._event(code, self._redactions[number].feed(text))

    def _event(self, code: str, text: str) -> None:
        if not text or self._cut:
            return
        if self._written + len(text) > MAX_CAST:
            self._cut = True
            code, text = "m", f"cut: only the first {MAX_CAST} bytes are kept"
        self._line([self._moment(), code, text])

    def _moment(self) -> float:
        return round(time.monotonic() - self._begun, 6)

    def _line(self, value: object) -> None:
        if self._fd < 0:
            return
        line = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            log.warning("recording %s ends here: %s", self.session, error)
            self._close()
        self._written += len(line)

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _next_file(folder: Path) -> tuple[int, str]:
    folder.mkdir(parents=True, exist_ok=True)
    number = sum(1 for _ in folder.iterdir()) + 1
    while True:
        name = f"{number:04d}"
        with contextlib.suppress(FileExistsError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            return os.open(folder / (name + SUFFIX), flags, 0o600), name
        number += 1


def recordings_in(folder: Path, host_name: str, relative_to: Path) -> Iterator[Recording]:
    """Yield what the casts of *folder* say, in the order of their beginning; what is no cast is passed over."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            first, *events = path.read_bytes().splitlines()
            header = json.loads(first)
            last = _last_event(events)
            yield Recording(
                host=host_name,
                file=path.relative_to(relative_to).as_posix(),
                started_at=float(header["timestamp"]),
                seconds=last[0] if last else 0.0,
                command=header.get("command"),
                **_ending(last[2] if last and last[1] == "m" else ""),
            )
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            log.warning("%s: no recording: %s", path, error)


def _last_event(events: list[bytes]) -> tuple[float, str, str] | None:
    for line in reversed(events):
        with contextlib.suppress(ValueError):  # a line that a crash cut off
            moment, code, text = json.loads(line)
            return float(moment), str(code), str(text)
    return None


def _ending(marker: str) -> dict[str, int | None]:
    words = marker.replace(",", "").split()
    if words[:2] != [f"{_END}:", "status"] or len(words) != 9:
        return {}
    status, taken, given = words[2], words[3], words[6]
    return {
        "exit_status": None if status == "unknown" else int(status),
        "bytes_in": int(taken),
        "bytes_out": int(given),
    }
