"""Runs a program under the keeper (:mod:`.keeper`) from an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_2501bench.agents import keeper

GRACE_SECONDS = 1.0
"""Seconds between SIGTERM and SIGKILL."""

LAST_WORDS_SECONDS = 1.0
"""Seconds to read what an ended program had still written."""

WITNESSES: set[int] = set()
"""Descriptors that every keeper holds as long as it lives: a lock on one of them tells that none is left."""

_END_SECONDS = GRACE_SECONDS + keeper.SWEEP_SECONDS + 5.0
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended. *left*: pids that could not be killed."""

    exit_status: int | None
    error: str | None
    left: tuple[int, ...]


async def run(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes,
    on_output: Callable[[bytes], None],
    on_errors: Callable[[bytes], None],
) -> Ended:
    """Run *command* to its end, and kill whatever it leaves behind.

    *on_output* gets its standard output as it comes, *on_errors* its standard error. On cancellation the program is
    ended (SIGTERM, a second later SIGKILL) before the ``CancelledError`` goes on.
    """
    control_read, control_write = os.pipe()
    status_read, status_write = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            keeper.__file__,
            str(control_read),
            str(status_write),
            str(GRACE_SECONDS),
            "",
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=cwd,
            env=dict(env),
            start_new_session=True,
            pass_fds=(control_read, status_write, *WITNESSES),
        )
    except BaseException:
        for fd in (control_read, control_write, status_read, status_write):
            os.close(fd)
        raise
    os.close(control_read)
    os.close(status_write)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    feed = asyncio.create_task(_feed(process.stdin, stdin))
    read = asyncio.gather(_read(process.stdout, on_output), _read(process.stderr, on_errors))
    try:
        await process.wait()
        await read
        return _ended(status_read, process.returncode)
    finally:
        os.close(control_write)
        # Also a second cancellation must not leave the program running behind our back.
        await asyncio.shield(_gone(process, read))
        for task in (feed, read):
            task.cancel()
        os.close(status_read)


async def _gone(process: asyncio.subprocess.Process, read: asyncio.Future[Any]) -> None:
    try:
        async with asyncio.timeout(_END_SECONDS):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await asyncio.wait({read}, timeout=LAST_WORDS_SECONDS)


async def _feed(writer: asyncio.StreamWriter, data: bytes) -> None:
    # A program that does not read its standard input is in its right.
    with contextlib.suppress(ConnectionError, BrokenPipeError):
        writer.write(data)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


async def _read(reader: asyncio.StreamReader, on_output: Callable[[bytes], None]) -> None:
    while data := await reader.read(_CHUNK):
        on_output(data)


def _ended(status: int, returncode: int | None) -> Ended:
    text = b""
    while part := os.read(status, _CHUNK):
        text += part
    try:
        report = json.loads(text)
    except ValueError:
        return Ended(None, f"its keeper ended with status {returncode}", ())
    return Ended(report["exit_status"], report["error"], tuple(report["left"]))
