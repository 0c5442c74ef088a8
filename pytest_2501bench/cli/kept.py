"""Which of the sandboxes that outlive their session a command line means, and what is told of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.keeping import Book, Entry, Kind, command
from pytest_2501bench.options import Settings
from pytest_2501bench.sandbox.protocol import Sandbox, SandboxProvider
from pytest_2501bench.scenario.problems import nearest


def pick(
    entries: Sequence[Entry], words: Sequence[tuple[str, str | None]], matches: Callable[[Entry], bool], remedy: str
) -> Entry:
    """Return the one entry that *matches*; of several, the one that ``sandbox prepare`` made.

    Args:
        entries: all there are, or all of a kind.
        words: option and value of what was asked for, for messages; None was not given.
        matches: whether an entry is meant.
        remedy: what to do when there is none.

    Raises:
        BenchError: ``option_invalid``: there is none, or it is not clear which.
    """
    asked = " ".join(f"{option} {value}" for option, value in words if value is not None)
    found = [entry for entry in entries if matches(entry)]
    if len(found) > 1:
        found = [entry for entry in found if entry.kind is Kind.PREPARED] or found
    if len(found) == 1:
        return found[0]
    if found:
        names = "; ".join(f"-n {entry.name} ({entry.what})" for entry in found)
        raise BenchError(Cause.OPTION_INVALID, f"{asked}: {len(found)} sandboxes: {names}.", remedy="Name one with -n.")
    known = {word for entry in entries for word in (entry.key, entry.name, *entry.host_names) if word}
    near = [hit for _, value in words if value is not None for hit in nearest(value, known)]
    hint = f"Did you mean {' or '.join(near)}?" if near else remedy
    raise BenchError(Cause.OPTION_INVALID, f"{asked}: there is no such sandbox.", remedy=hint)


def still_there(book: Book, entry: Entry, provider: SandboxProvider) -> Sandbox:
    """Return the sandbox of *entry*; what is known of one that is gone is forgotten.

    Raises:
        BenchError: ``sandbox_vanished``.
    """
    sandbox = provider.find(entry.name)
    if sandbox is None:
        book.forget(entry.name)
        raise BenchError(Cause.SANDBOX_VANISHED, f"sandbox {entry.name} ({entry.what}) is gone.")
    return sandbox


def removal(entry: Entry, settings: Settings) -> str:
    """Return the command that removes the sandbox of *entry*, or puts its registered hosts back."""
    if entry.kind is Kind.CREATED:
        return command(settings, "sandbox", "delete", "-n", entry.name)
    if entry.kind is Kind.PREPARED:
        return command(settings, "sandbox", "restore", "-s", entry.key or entry.name)
    return command(settings, "sandbox", "restore", "-n", entry.name)


def age(created_at: float, now: float | None = None) -> str:
    """Return how long ago *created_at* (Unix seconds) was: ``40 s``, ``12 min``, ``5 h``, ``3 d``; ``?`` if unknown."""
    if created_at <= 0:
        return "?"
    seconds = max((time.time() if now is None else now) - created_at, 0)
    for unit, size, until in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < until:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
