"""Digests of what decides a scenario's verdicts: a change of one starts a new version line in trends."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_2501bench.scenario.model import Scenario
from pytest_2501bench.scenario.policies import rules_of

_PLAYBOOKS = {"prepare", "validate", "restore", "solve"}
_SUFFIXES = {".yml", ".yaml"}


# What people and the self-check read; the third check is no gate.
_NO_INFLUENCE = (
    *("lint", "depends_on", "cheats", "collateral", "allowed_changes"),
    *("kind", "difficulty", "skills", "blast_radius", "expected_minutes", "sources"),
)


def digests_of(scenario: Scenario, directory: Path) -> dict[str, str]:
    """Return the first 16 hexadecimal digits of SHA-256 by part.

    - ``scenario``: what the agent is faced with: ticket, hosts, agents, ``bench`` without ``lint``,
      ``depends_on`` and what describes the scenario. Title, description and tags may be reworded without a new version
      line, and defaults may be written out.
    - ``rules``: ``validation``, ``bench.outcome``, ``bench.rules``, ``bench.policies`` and
      ``bench.claims_match``.
    - ``prepare``: restore.yml, prepare.yml, inventory and support files.
    - ``validators``: validate.yml, inventory and support files.

    Support files are all others of the folder except hidden ones, compiled Python and ``*.md``: a playbook may include
    any of them. What a playbook takes from outside the folder is not seen. ``solve.yml``, ``cheat-*.yml`` and
    ``alt-*.yml`` decide nothing.

    Raises:
        OSError: a file cannot be read.
    """
    document = scenario.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    bench = document.get("bench", {})
    rules = {"validation": document.pop("validation", {}), "outcome": bench.pop("outcome", [])}
    if (claims := bench.pop("claims_match", None)) is not None:
        rules["claims_match"] = claims
    if (commands := bench.pop("rules", None)) is not None:
        rules["rules"] = [_deciding(rule) for rule in commands]
    if (policies := bench.pop("policies", None)) is not None:
        # By content: a policy that was made stricter is another rule, whatever it is called.
        rules["policies"] = [_deciding(rule.model_dump(mode="json")) for rule in rules_of(policies)]
    for name in ("title", "description", "tags"):
        document.pop(name, None)
    for name in _NO_INFLUENCE:
        bench.pop(name, None)
    if not bench:
        document.pop("bench", None)
    support, playbooks = _files(directory)
    return {
        "scenario": _of_json(document),
        "rules": _of_json(rules),
        "prepare": _short([*playbooks.get("restore", []), *playbooks.get("prepare", []), *support]),
        "validators": _short([*playbooks.get("validate", []), *support]),
    }


def every_file(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Yield relative name and SHA-256 of every file of a scenario, by name; without hidden ones, ``*.md``, ``*.pyc``.

    Raises:
        OSError: a file cannot be read.
    """
    for name, path in sorted(_walk(os.fspath(directory), "", frozenset())):
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - thousands of times, and a Path costs more than it
            yield name, hashlib.file_digest(file, "sha256").digest()


def _of_json(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _short(files: list[tuple[str, bytes]]) -> str:
    total = hashlib.sha256()
    for name, digest in files:
        total.update(name.encode(errors="surrogateescape") + b"\0" + digest)
    return total.hexdigest()[:16]


def _deciding(rule: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in rule.items() if name not in ("label", "policy")}


def _files(directory: Path) -> tuple[list[tuple[str, bytes]], dict[str, list[tuple[str, bytes]]]]:
    support: list[tuple[str, bytes]] = []
    playbooks: dict[str, list[tuple[str, bytes]]] = {}
    for entry in every_file(directory):
        name = entry[0]
        stem, suffix = os.path.splitext(name)  # noqa: PTH122 - of a relative name, thousands of times
        if name == "scenario.json" or (suffix in _SUFFIXES and stem.startswith(("cheat-", "alt-"))):
            continue
        if stem in _PLAYBOOKS and suffix in _SUFFIXES:
            playbooks.setdefault(stem, []).append(entry)
        else:
            support.append(entry)
    return support, playbooks


def _walk(folder: str, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__pycache__" or entry.name.endswith((".pyc", ".md")):
                continue
            if entry.is_file():
                yield prefix + entry.name, entry.path
            elif entry.is_dir():
                # Links are followed, since roles are often shared by one; a link to a folder above would never end.
                status = entry.stat()
                here = (status.st_dev, status.st_ino)
                if here not in above:
                    yield from _walk(entry.path, f"{prefix}{entry.name}/", above | {here})
