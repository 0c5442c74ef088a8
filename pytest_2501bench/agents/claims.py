"""The commands that an agent says it ran: ``commands.md`` or ``claimed_commands`` in its working directory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_2501bench.agents.desk import read_text

FILES = ("commands.md", "claimed_commands")

_HEADING = re.compile(r"^#+\s*(.*?)\s*$")
_BULLET = re.compile(r"^(?:[-*+]|\d+[.)])\s+")
_MAX_CLAIMS = 5000


def claimed(directory: Path, hosts: Sequence[str]) -> Mapping[str, list[str]] | None:
    """Return the claimed command lines by host_name; None if the agent left no file, which is not the same as none.

    One command per line. A heading (``# web-01``) says for which host the lines after it are; lines before any are for
    all *hosts*. ``commands.md`` may have bullets, backticks and fences around them.
    """
    for name in FILES:
        text = read_text(directory / name)
        if text is not None:
            return _read(text, hosts, markdown=name.endswith(".md"))
    return None


def _read(text: str, hosts: Sequence[str], *, markdown: bool) -> dict[str, list[str]]:
    claims: dict[str, list[str]] = {host: [] for host in hosts}
    meant = list(hosts)
    for raw in text.splitlines()[:_MAX_CLAIMS]:
        line = raw.strip()
        if heading := _HEADING.match(line):
            meant = [host for host in hosts if host == heading[1].strip("`: ")] or meant
            continue
        if markdown:
            if line.startswith("```"):
                continue
            command = _BULLET.sub("", line)
            if len(command) > 2 and command[0] == command[-1] == "`":
                command = command.strip("`")
        else:
            command = line
        if command := command.removeprefix("$ ").strip():
            for host in meant:
                claims[host].append(command)
    return claims
