"""Findings for people and programs: lines, JSON, SARIF 2.1.0 (what code hosts show beside a change)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from pytest_2501bench import __version__
from pytest_2501bench.scenario.lint.finding import Finding, Severity
from pytest_2501bench.scenario.lint.registry import CODES, Code

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.HINT: "note"}


def summary(scenarios: int, found: Sequence[Finding]) -> str:
    """Return the last line for people."""
    counts = Counter(finding.severity for finding in found)
    said = ", ".join(_number(counts[severity], severity.value) for severity in Severity)
    return f"{_number(scenarios, 'scenario')} checked: {said}."


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def as_json(scenarios: int, found: Sequence[Finding]) -> str:
    """Return one JSON object: ``scenarios``, ``counts`` by severity, ``findings`` in order."""
    counts = Counter(finding.severity for finding in found)
    document = {
        "scenarios": scenarios,
        "counts": {severity.value: counts[severity] for severity in Severity},
        "findings": [
            {
                "code": finding.code,
                "name": finding.name,
                "severity": finding.severity.value,
                "file": finding.file,
                "pointer": finding.pointer,
                "line": finding.line,
                "column": finding.column,
                "message": finding.message,
                "right": finding.right,
                "docs": finding.docs,
            }
            for finding in found
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_sarif(found: Sequence[Finding]) -> str:
    """Return a SARIF 2.1.0 log with one run: all codes as rules, findings as results.

    Files inside the folder that the command ran in are relative to ``%SRCROOT%``, which code hosts take for the
    repository's root: run it there.
    """
    order = {code: index for index, code in enumerate(CODES)}
    run = {
        "tool": {
            "driver": {
                "name": "2501bench validate",
                "version": __version__,
                "rules": [_rule(code) for code in CODES.values()],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "The folder that the command ran in."}}},
        "results": [_result(finding, order[finding.code]) for finding in found],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _rule(code: Code) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": code.code,
        "name": "".join(part.capitalize() for part in code.name.split("-")),
        "shortDescription": {"text": code.title[0].upper() + code.title[1:] + "."},
        "defaultConfiguration": {"level": _LEVELS[code.severity]},
    }
    if code.right:
        rule["help"] = {"text": code.right}
    return rule


def _result(finding: Finding, index: int) -> dict[str, Any]:
    end = "" if finding.message.endswith((".", "?")) else "."
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": _artifact(finding.file),
            "region": {"startLine": finding.line, "startColumn": finding.column},
        }
    }
    if finding.pointer:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.pointer, "kind": "value"}]
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.message}{end} {finding.right}".rstrip()},
        "locations": [location],
    }


def _artifact(file: str) -> dict[str, str]:
    if file.startswith("/"):
        return {"uri": "file://" + quote(file)}
    # A relative reference may not begin with something that looks like a scheme.
    uri = quote(file)
    return {"uri": uri if ":" not in uri.split("/")[0] else f"./{uri}", "uriBaseId": "%SRCROOT%"}
