"""Runs the programs that build and remove: our own shell scripts, in the right namespaces, with a clean environment."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from pytest_2501bench.sandbox.namespace.machine import search_path
from pytest_2501bench.sandbox.protocol import Progress

SCRIPTS = Path(__file__).with_name("scripts")
STOP_SECONDS = 10.0
TICK = 5.0  # seconds without a new line after which a long step reports again


def as_root() -> list[str]:
    """Return the command prefix that gives root over the files of a root filesystem: none for root."""
    return [] if os.geteuid() == 0 else ["unshare", "--user", "--map-auto", "--map-root-user", "--"]


def environment(**more: str) -> dict[str, str]:
    """Return a clean environment: what is in ours (keys, tokens) could be read inside a sandbox from /proc."""
    kept = {name: os.environ[name] for name in ("HOME", "TMPDIR") if name in os.environ}
    return {"PATH": search_path(), "LC_ALL": "C.UTF-8", **kept, **more}


def run_watched(
    argv: Sequence[str | Path],
    *,
    step: str,
    log: Path,
    progress: Progress,
    env: dict[str, str],
    prefix: str = "",
) -> int:
    """Run *argv* with its output in *log*, and tell *progress* each line that starts with *prefix* and the time passed.

    Returns the exit status. The child is killed if we are interrupted.
    """
    started = time.monotonic()
    latest = ["starting"]
    stop = threading.Event()

    def say() -> None:
        progress(f"{step}: {latest[0]}… {time.monotonic() - started:.0f} s")

    def tick() -> None:
        while not stop.wait(TICK):
            say()

    ticker = threading.Thread(target=tick, daemon=True)
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=env,
        ) as process,
    ):
        ticker.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                file.write(line)
                file.flush()
                if line.startswith(prefix) and line.strip():
                    latest[0] = line.removeprefix(prefix).strip().rstrip(".")[:100]
                    if prefix and "tempdir" not in line:
                        say()
            return process.wait()
        except BaseException:
            process.terminate()  # mmdebstrap cleans up behind itself
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
        finally:
            stop.set()


def last_lines(log: Path, *, marks: tuple[str, ...] = ("E:", "error", "cannot", "failed")) -> str:
    """Return the line of *log* that says best what went wrong."""
    try:
        lines = [
            line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
        ]
    except OSError:
        return "no log"
    telling = [line for line in lines if any(mark in line for mark in marks)]
    return (telling or lines or ["no output"])[-1]
