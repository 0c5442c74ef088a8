"""Results of several sessions in one file: repetitions of unchanged scenarios add up, over nights and interruptions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from pytest_2501bench.scenario.digests import every_file
from pytest_2501bench.scenario.model import LoadedScenario

_FIELDS: Final = ("key", "claim", "column", "status", "mode", "digest", "times", "seconds", "session", "finished_at")
_BEGINNING: Final = '{"key": '


def selfcheck_digest(loaded: LoadedScenario) -> str:
    """Return 16 hexadecimal digits that change with anything a claim depends on: any file of the folder, any policy.

    Raises:
        OSError: a file cannot be read.
    """
    whole = hashlib.sha256(loaded.digests.get("rules", "").encode())
    for name, content in every_file(loaded.directory):
        whole.update(name.encode(errors="surrogateescape") + b"\0" + content)
    return whole.hexdigest()[:16]


def read_results(file: Path) -> list[dict[str, Any]]:
    """Return the results in *file*, in order; none if there is no such file.

    A line that was cut off, by a machine that went down, is left out.

    Raises:
        ValueError: ``FILE:LINE: …``: something else is in it.
        OSError: it cannot be read.
    """
    if not file.exists():
        return []
    found = []
    for number, text in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        try:
            result = json.loads(text)
        except ValueError:
            if text.startswith(_BEGINNING):
                continue
            result = None
        missing = [name for name in _FIELDS if name not in result] if isinstance(result, dict) else None
        if missing != []:
            why = f"it has no {missing[0]}" if missing else "it is no JSON object"
            raise ValueError(f"{file}:{number}: not a result of --selfcheck: {why}. Name another file, or remove it.")
        found.append(result)
    return found


def append_line(file: Path, text: str) -> None:
    """Append a line to *file*; after one that was cut off, on a line of its own.

    Raises:
        OSError: it cannot be written.
    """
    with file.open("a+b") as opened:
        if opened.tell():
            opened.seek(-1, 2)
            if opened.read(1) != b"\n":
                opened.write(b"\n")
        opened.write(text.encode() + b"\n")


def current(results: Iterable[dict[str, Any]], mode: str) -> list[dict[str, Any]]:
    """Return the results in *mode*, of each scenario only those of its latest state."""
    kept = [result for result in results if result["mode"] == mode]
    latest = {result["key"]: result["digest"] for result in kept}
    return [result for result in kept if result["digest"] == latest[result["key"]]]


def origin(results: Sequence[dict[str, Any]]) -> str:
    """Return where *results* come from: ``one session, 2026-11-30``, ``12 sessions, 2026-11-30 to 2026-12-02``."""
    sessions = len({result["session"] for result in results})
    days = sorted(result["finished_at"][:10] for result in results)
    when = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    return f"{'one session' if sessions == 1 else f'{sessions} sessions'}, {when}"
