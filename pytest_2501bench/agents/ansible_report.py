"""The oracle's report: what its playbook said with ``ansible.builtin.debug``, and which tasks changed something."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.evidence.model import PlaybookRecord, ResolutionStatus

# Ansible prints the result of a task that went well only for debug (and for what sets _ansible_verbose_always).
_SAID = re.compile(r"^ok: \[(?P<host>[^\]\s]+)(?: -> [^\]]*)?\] => (?:\(item=.*\) => )?(?=\{)", re.M)
_RESOLUTION = re.compile(rf"^resolution: *(?P<status>{'|'.join(ResolutionStatus)})[ .]*(?:\n|$)")
_NAME = re.compile(r"^\s*-\s+name:\s*(?P<name>.+?)\s*$", re.M)


@dataclass(frozen=True, slots=True)
class Said:
    """One output of ``debug`` on one host."""

    host: str
    text: str


def said(output: str) -> Iterator[Said]:
    """Find what ``debug`` tasks printed in a playbook's output: the ``msg``, or the variable as JSON."""
    decoder = json.JSONDecoder()
    for match in _SAID.finditer(output):
        try:
            result, _ = decoder.raw_decode(output, match.end())
        except ValueError:
            continue
        values = [value for name, value in result.items() if name not in {"changed", "failed", "skip_reason"}]
        text = "\n".join(_text(value) for value in values).strip()
        if text:
            yield Said(match["host"], text)


def resolved(report: tuple[Said, ...]) -> tuple[ResolutionStatus | None, tuple[Said, ...]]:
    """Return the status that a report claims with a first line ``resolution: no_action``, and the report without it.

    A playbook that ends well is ``success`` otherwise: this is how the oracle declines what policy forbids.
    """
    claimed: ResolutionStatus | None = None
    kept = []
    for each in report:
        if (match := _RESOLUTION.match(each.text)) is not None:
            claimed = ResolutionStatus(match["status"])
            each = Said(each.host, each.text[match.end() :].strip())  # noqa: PLW2901 - the rest of the same
        if each.text:
            kept.append(each)
    return claimed, tuple(kept)


def task_names(playbook: Path) -> tuple[str, ...]:
    """Return the names of a playbook's plays and tasks, in the order of the file; empty if it cannot be read."""
    try:
        text = playbook.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    return tuple(match["name"].strip("\"'") for match in _NAME.finditer(text))


def summary_of(host: str, record: PlaybookRecord, report: tuple[Said, ...], known_hosts: frozenset[str]) -> str:
    """Return a host's summary: the tasks that changed something, then the report.

    What was said on a host that is none of the ticket's (a play on localhost) belongs to every host's report.
    """
    changed = dict.fromkeys(task.task for task in record.tasks if task.host == host and task.status == "changed")
    lines = [f"Changed: {'; '.join(changed)}." if changed else "Nothing was changed."]
    lines += dict.fromkeys(s.text for s in report if s.host == host or s.host not in known_hosts)
    return "\n\n".join(lines)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return json.dumps(value, ensure_ascii=False)
