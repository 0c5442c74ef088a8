"""Checks for real secrets in a scenario's files. What was found is never shown, only where."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pytest_2501bench.scenario.lint.finding import Raw

_LARGEST = 512 * 1024
# Forms that their issuers gave them so that they can be found; passwords have none.
_FORMS = (
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s*[A-Za-z0-9+/=]{20}")),
    ("an AWS access key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{60,})\b")),
    ("a GitLab token", re.compile(r"\bglpat-[\w-]{20,}\b")),
    ("a Slack token", re.compile(r"\bxox[abprs]-[0-9A-Za-z-]{20,}\b")),
    ("a Google API key", re.compile(r"\bAIza[\w-]{35}\b")),
    ("an API key of a model's provider", re.compile(r"\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}\b")),
    (
        "a password in an address",
        re.compile(
            r"\b(?:postgres(?:ql)?|mysql|mongodb|redis|amqp)://[^\s:/@\"']+:[^\s/@\"'{<$]{6,}@(?!localhost|127\.)[\w.-]+\.[a-z]{2,}"
        ),
    ),
)
_MARKS = ("-----BEGIN", "AKIA", "ASIA", "gh", "glpat-", "xox", "AIza", "sk-", "://")  # one of them is in each form
_PLACEHOLDER = re.compile(r"EXAMPLE|xxxx|0000000|1234567|<[^>]+>", re.I)


def secrets(directory: Path) -> Iterator[Raw]:
    """Yield where a file below *directory* holds what looks like a real secret."""
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        for name in sorted(names):
            yield from _of_file(Path(folder, name))


def _of_file(path: Path) -> Iterator[Raw]:
    try:
        if path.stat().st_size > _LARGEST:
            return
        content = path.read_bytes()
    except OSError:
        return  # a socket, or unreadable: the playbook that uses it will say so
    if b"\0" in content[:1024]:
        return
    text = content.decode("utf-8", errors="replace")
    if not any(mark in text for mark in _MARKS):
        return
    for what, form in _FORMS:
        for found in form.finditer(text):
            if not _PLACEHOLDER.search(found[0]):
                line = text.count("\n", 0, found.start()) + 1
                column = found.start() - text.rfind("\n", 0, found.start())
                yield Raw("SC501", f"holds what looks like {what}", path=path, line=line, column=column)
