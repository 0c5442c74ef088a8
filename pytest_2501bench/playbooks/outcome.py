"""From what was seen to one status. Pure.

Ansible's exit status alone is not enough: it is the last play's (a host that failed in the first play and is not in the
second is forgotten), 4 means unreachable as well as unreadable, and "no hosts matched" is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pytest_2501bench.evidence.model import PlaybookStatus, TaskFailure
from pytest_2501bench.playbooks.complaint import complaint
from pytest_2501bench.playbooks.events import Seen

# Bits and values of ansible-playbook's exit status.
_FAILED, _UNREACHABLE, _UNREADABLE = 2, 4, (1, 4)


class Stop(StrEnum):
    """Why we ended a playbook."""

    DEADLINE = "deadline"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Ended:
    """How the process ended."""

    rc: int | None  # None: by a signal, or unknown
    stopped: Stop | None = None
    problem: str = ""  # of running it, not of the playbook


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a :class:`~pytest_2501bench.evidence.model.PlaybookRecord` says of the end."""

    status: PlaybookStatus
    message: str = ""
    failure: TaskFailure | None = None


def _where(seen: Seen) -> str:
    if seen.running is None:
        return " before its first task"
    task, host = seen.running
    return f" in task '{task}' on {host}"


def _stopped(stop: Stop, seen: Seen, deadline: float) -> Outcome:
    if stop is Stop.DEADLINE:
        return Outcome(PlaybookStatus.TIMED_OUT, f"passed its deadline of {deadline:g} s{_where(seen)}")
    return Outcome(PlaybookStatus.CANCELLED, f"cancelled{_where(seen)}")


def _last(failures: Sequence[TaskFailure], hosts: Sequence[str]) -> TaskFailure | None:
    """Return the last failure on one of *hosts* (the recap's: a rescued failure elsewhere may be later)."""
    return next((f for f in reversed(failures) if f.host in hosts), None)


def _unreachable(seen: Seen, hosts: Sequence[str]) -> Outcome:
    words = [f"{host} is unreachable" for host in hosts]
    if last := _last(seen.unreachable, hosts):
        words[hosts.index(last.host)] += f": {last.message} (task '{last.task}')"
    return Outcome(PlaybookStatus.UNREACHABLE, "; ".join(words))


def _notes(seen: Seen) -> str:
    """Return what is odd about a playbook that ended well: a check that checked nothing must not look like one."""
    notes = [f"no host matched '{pattern}': that play did not run" for pattern in dict.fromkeys(seen.unmatched)]
    if not any(task.status in ("ok", "changed", "ignored") for task in seen.tasks):
        notes.append("no task ran")
    return "; ".join(notes)


def outcome(ended: Ended, seen: Seen, *, folder: Path, deadline: float) -> Outcome:
    """Return how the playbook ended.

    An unreachable host outweighs failed tasks: nobody knows what the others would have said, and it is not the agent's
    doing.

    Args:
        ended: the process.
        seen: its events.
        folder: the scenario's, to shorten file names.
        deadline: in seconds, for the message.
    """
    if ended.stopped is not None:
        return _stopped(ended.stopped, seen, deadline)
    stats = seen.stats
    if stats is None:
        return _without_recap(ended, seen, folder)
    if stats.dark:
        return _unreachable(seen, sorted(stats.dark))
    if stats.failures or (ended.rc is not None and ended.rc & _FAILED):
        failure = _last(seen.failures, sorted(stats.failures)) or (seen.failures[-1] if seen.failures else None)
        if failure is not None:
            return Outcome(PlaybookStatus.TASK_FAILED, failure=failure)
    if ended.problem:
        return Outcome(PlaybookStatus.RUNNER_ERROR, ended.problem)
    if ended.rc != 0:
        return _broken(ended, seen, folder)
    if not stats.processed:
        patterns = ", ".join(f"'{pattern}'" for pattern in dict.fromkeys(seen.unmatched))
        words = f"no host matched {patterns}" if patterns else "the playbook has no play"
        return Outcome(PlaybookStatus.NO_HOSTS, words)
    return Outcome(PlaybookStatus.OK, _notes(seen))


def _without_recap(ended: Ended, seen: Seen, folder: Path) -> Outcome:
    """Return the outcome of a playbook that did not come to its end: unreadable, or Ansible itself broke."""
    if ended.problem:
        return Outcome(PlaybookStatus.RUNNER_ERROR, ended.problem)
    if ended.rc == _UNREACHABLE and seen.unreachable:
        return _unreachable(seen, sorted({failure.host for failure in seen.unreachable}))
    if ended.rc in _UNREADABLE and not seen.tasks:
        words = complaint(seen.text, folder)
        if words and (words.located or ended.rc == _UNREACHABLE):
            return Outcome(PlaybookStatus.PARSE_ERROR, str(words))
    return _broken(ended, seen, folder)


def _broken(ended: Ended, seen: Seen, folder: Path) -> Outcome:
    how = "was killed by a signal" if ended.rc is None else f"ended with status {ended.rc}"
    words = complaint(seen.text, folder)
    return Outcome(PlaybookStatus.RUNNER_ERROR, f"ansible-playbook {how}{f': {words}' if words else ''}")
