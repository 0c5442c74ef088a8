"""The matrix scenario × claim: for the terminal, and as a page. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pytest_2501bench.report.lines import Line, Part, Style, line
from pytest_2501bench.scoring.model import Status
from pytest_2501bench.selfcheck.claims import ORDER

_MARKS: Final = {Status.PASSED: "✓", Status.FAILED: "✗", Status.ERROR: "!"}
_STYLES: Final = {Status.PASSED: Style.PASSED, Status.FAILED: Style.FAILED, Status.ERROR: Style.ERROR}
_NONE: Final = "·"
_TITLES: Final = {
    "healthy": "healthy host: validate green",
    "fault": "after prepare: validate red",
    "do_nothing": "an agent that does nothing does not pass",
    "solve": "solve.yml: both gates green",
    "cheat": "each cheat-*.yml: the gate that it names red",
    "alt": "each alt-*.yml: both gates green",
    "rules_fail": "each required rule is broken by a cheat",
    "prepare_twice": "prepare twice is harmless",
    "restore": "restore: hosts as before, and healthy again",
    "restore_twice": "restore without a reason, and twice, is harmless",
    "validate_reads": "validate changes nothing",
    "steady": "the same hosts, the same verdict",
}


@dataclass
class Row:
    """One scenario: the results of its claims by column, or why it was skipped."""

    key: str
    cells: dict[str, list[Status]] = field(default_factory=dict)
    times: int = 1
    seconds: float = 0.0
    skipped: str = ""

    def mark(self, column: str) -> tuple[str, Style]:
        """Return what stands in *column*: ✓, ✗ or !, with a count where there are several; · where nothing applies."""
        states = self.cells.get(column, [])
        if not states:
            return _NONE, Style.MUTED
        worst = max(states, key=(Status.PASSED, Status.ERROR, Status.FAILED).index)
        good = sum(state is Status.PASSED for state in states)
        count = "" if len(states) == 1 else str(good) if good == len(states) else f"{good}/{len(states)}"
        return _MARKS[worst] + count, _STYLES[worst]


def rows_of(results: Iterable[dict[str, Any]], skipped: dict[str, str]) -> list[Row]:
    """Return a row per scenario, by key, from the items' results and the reasons of *skipped* ones."""
    rows: dict[str, Row] = {key: Row(key, skipped=reason) for key, reason in skipped.items()}
    for result in results:
        row = rows.setdefault(result["key"], Row(result["key"]))
        row.cells.setdefault(result["column"], []).append(Status(result["status"]))
        row.times, row.seconds = int(result["times"]), row.seconds + float(result["seconds"])
    return [rows[key] for key in sorted(rows)]


def table(rows: Sequence[Row]) -> list[Line]:
    """Return the matrix for a terminal."""
    shown = [row for row in rows if not row.skipped]
    width = max((len(row.key) for row in shown), default=8)
    columns = [column for column in ORDER if any(column in row.cells for row in shown)]
    lines: list[Line] = []
    if shown:
        heads = [column.replace("_", " ") for column in columns]
        widths = [max(len(head), 3) for head in heads]
        head = "  ".join(f"{text:^{size}}" for text, size in zip(heads, widths, strict=True))
        lines.append(line(Part(f"{'scenario':<{width}}  {head}  {'time':>7}", Style.STRONG)))
        for row in shown:
            parts: list[Part | str] = [f"{row.key:<{width}}  "]
            for column, size in zip(columns, widths, strict=True):
                text, style = row.mark(column)
                parts += [Part(f"{text:^{size}}", style), "  "]
            parts.append(f"{row.seconds:>5.0f} s")
            lines.append(line(*parts))
    lines += [line(f"skipped  {row.key}: {row.skipped}") for row in rows if row.skipped]
    return lines


def page(rows: Sequence[Row], mode: str) -> str:
    """Return the matrix as Markdown."""
    shown = [row for row in rows if not row.skipped]
    times = max((row.times for row in shown), default=1)
    done = f"{times} times" if times > 1 else "once"
    held = sum(all(state is Status.PASSED for states in row.cells.values() for state in states) for row in shown)
    lines = [
        "# The pack's self-check",
        "",
        f"Written by `pytest scenarios/ --mode {mode} --selfcheck{f' --iter {times}' if times > 1 else ''}"
        " --selfcheck-report docs/selfcheck-matrix.md`.",
        f"Each claim was checked {done} in mode `{mode}`; {held} of {len(shown)} scenarios show all that they claim.",
        "",
        "✓ it is so (with a number: so many playbooks) · ✗ it is not so · ! it could not be seen · · it does not apply",
        "",
        "| scenario | " + " | ".join(f"{number}" for number, _ in enumerate(ORDER, 1)) + " |",
        "|---|" + ":-:|" * len(ORDER),
    ]
    lines += [f"| {row.key} | " + " | ".join(row.mark(column)[0] for column in ORDER) + " |" for row in shown]
    lines += ["", *(f"{number}. {_TITLES[column]}" for number, column in enumerate(ORDER, 1)), ""]
    if skipped := [row for row in rows if row.skipped]:
        lines += ["Not played:", "", *(f"- {row.key}: {row.skipped}" for row in skipped), ""]
    return "\n".join(lines)
