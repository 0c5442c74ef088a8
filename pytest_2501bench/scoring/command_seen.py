"""Single commands where they were seen, and what command patterns find among them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, cast

import regex  # type: ignore[import-untyped]

from pytest_2501bench.evidence.model import Command, CommandKind, Evidence
from pytest_2501bench.scoring.command_ties import Ties, moved, ties_of
from pytest_2501bench.scoring.patterns import PatternError, PatternTimeoutError
from pytest_2501bench.shell.parse import parse
from pytest_2501bench.shell.ran import Ran

_TEXT_KINDS: Final = frozenset({CommandKind.EXEC, CommandKind.SHELL_LINE, CommandKind.SCRIPT_LINE})
_ONE_SHELL: Final = frozenset({CommandKind.SHELL_LINE, CommandKind.SCRIPT_LINE})


@dataclass(frozen=True, slots=True)
class Seen:
    """One simple command where it was seen. *place* is its place in its line, *line* that of the line."""

    ran: Ran
    place: int
    line: int
    source: str
    host: str
    command: Command
    folder: str | None = None  # where it ran, if a `cd` before it tells that


def seen_in(evidence: Evidence) -> tuple[list[Seen], list[tuple[str | None, str]]]:
    """Return the commands in the order in which they ran; and, by host (None: all), why others are not known."""
    tasks = evidence.job.tasks if evidence.job is not None else None
    if tasks is None:
        why = "there is no job" if evidence.job is None else "the engine gave no tasks"
        return [], [(None, why)]
    absent: list[tuple[str | None, str]] = []
    lines: list[tuple[float, str, str, Command]] = []
    timed = all(c.started_at is not None for task in tasks for c in task.executed_commands or ())
    for number, task in enumerate(tasks):
        own = task.host_name or task.host_id or f"host of task {number + 1}"
        if task.executed_commands is None or task.recorded is False:
            absent.append((task.host_name, f"nobody recorded what ran in task {number + 1}"))
        for index, command in enumerate(task.executed_commands or ()):
            if command.seen is None or command.seen.kind in _TEXT_KINDS:
                place = f"tasks[{number}].executed_commands[{index}]"
                lines.append((command.started_at or 0, command.host or own, place, command))
    if timed:
        lines.sort(key=lambda line: line[0])
    seen = []
    folders: dict[str, str | None] = {}  # of hosts: a shell that is typed into stays where it is
    for line, (_, host, source, command) in enumerate(lines):
        typed = command.seen is not None and command.seen.kind in _ONE_SHELL
        folder = folders.get(host) if typed else None
        for at, ran in enumerate(_parsed(command.command, command.exit_status)):
            seen.append(Seen(ran, at, line, source, host, command, folder))
            folder = moved(folder, ran.words) if ran.program in {"cd", "pushd"} else folder
        if typed:
            folders[host] = folder
    return seen, absent


@lru_cache(maxsize=4096)
def _parsed(text: str, status: int | None) -> tuple[Ran, ...]:
    return parse(text, status)


def compile_command_pattern(pattern: str) -> Any:
    """Return *pattern* compiled: with regard to case, to be matched from the start of a command.

    Raises:
        PatternError: it is no regular expression.
    """
    return _compiled(pattern)


def matching(patterns: Sequence[str], unless: Sequence[str], seen: Sequence[Seen], seconds: float) -> list[Seen]:
    """Return the commands that one of *patterns* matches and none of *unless*."""
    return [each for each in seen if matches(patterns, each.ran, seconds) and not matches(unless, each.ran, seconds)]


def matches(patterns: Sequence[str], ran: Ran, seconds: float) -> bool:
    """Tell whether one of *patterns* matches.

    Raises:
        PatternError: a pattern is no regular expression.
        PatternTimeoutError: a pattern took longer than *seconds*.
    """
    return next(_all_matches(patterns, ran, seconds), None) is not None


def _all_matches(patterns: Sequence[str], ran: Ran, seconds: float) -> Iterator[Any]:
    try:
        for pattern in patterns:
            compiled = _compiled(pattern)
            for text in ran.texts:
                if (match := compiled.match(text, timeout=seconds)) is not None:
                    yield match
    except TimeoutError as error:
        raise PatternTimeoutError(f"no verdict within {seconds:g} s") from error


@lru_cache(maxsize=16_384)
def _compiled(pattern: str) -> Any:
    try:
        return cast(Any, regex.compile(pattern, regex.VERSION0 | regex.DOTALL, cache_pattern=False))
    except regex.error as error:
        raise PatternError(pattern, error.msg, error.pos) from error
    except (ValueError, OverflowError, MemoryError, RecursionError) as error:
        raise PatternError(pattern, str(error) or "too large", None) from error


def tied(patterns: Sequence[str], seen: Sequence[Seen], seconds: float) -> dict[int, list[Ties]]:
    """Return, by the id of each command that matches, what the named groups took in each of its matches."""
    return {
        id(each): found
        for each in seen
        if (found := [ties_of(match, each.folder) for match in _all_matches(patterns, each.ran, seconds)])
    }
