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
class Cell:
    """One claim of one scenario in all of its results. A result that could not be seen is no repetition."""

    claim: str
    column: str
    states: list[Status] = field(default_factory=list)
    times: int = 0
    reasons: list[str] = field(default_factory=list)

    def add(self, result: dict[str, Any]) -> None:
        """Take one more result."""
        state = Status(result["status"])
        self.states.append(state)
        if state is not Status.ERROR:
            self.times += int(result["times"])
        if state is not Status.PASSED:
            self.reasons.append(str(result.get("reason", "")))

    @property
    def state(self) -> Status:
        """Red once is red; what was seen outweighs what could not be."""
        return min(self.states, key=(Status.FAILED, Status.PASSED, Status.ERROR).index)

    @property
    def lost(self) -> int:
        """How many results could not be seen."""
        return sum(state is Status.ERROR for state in self.states)


@dataclass
class Row:
    """One scenario: its claims, or why it was skipped."""

    key: str
    claims: dict[str, Cell] = field(default_factory=dict)
    seconds: float = 0.0
    skipped: str = ""

    @property
    def holds(self) -> bool:
        """Whether every claim was seen to be so, and none was seen not to be."""
        return all(cell.state is Status.PASSED for cell in self.claims.values())

    @property
    def times(self) -> int:
        """How often each claim was checked, at least."""
        return min((cell.times for cell in self.claims.values()), default=0)

    def mark(self, column: str) -> tuple[str, Style]:
        """Return what stands in *column*: ✓, ✗ or !, with a count where there are several; · where nothing applies."""
        states = [cell.state for cell in self.claims.values() if cell.column == column]
        if not states:
            return _NONE, Style.MUTED
        worst = max(states, key=(Status.PASSED, Status.ERROR, Status.FAILED).index)
        good = sum(state is Status.PASSED for state in states)
        count = "" if len(states) == 1 else str(good) if good == len(states) else f"{good}/{len(states)}"
        return _MARKS[worst] + count, _STYLES[worst]


def rows_of(results: Iterable[dict[str, Any]], skipped: dict[str, str]) -> list[Row]:
    """Return a row per scenario, by key, from results of claims and the reasons of *skipped* ones."""
    rows: dict[str, Row] = {key: Row(key, skipped=reason) for key, reason in skipped.items()}
    for result in results:
        row = rows.setdefault(result["key"], Row(result["key"]))
        row.claims.setdefault(result["claim"], Cell(result["claim"], result["column"])).add(result)
        row.seconds += float(result["seconds"])
    return [rows[key] for key in sorted(rows)]


def table(rows: Sequence[Row]) -> list[Line]:
    """Return the matrix for a terminal."""
    shown = [row for row in rows if not row.skipped]
    width = max((len(row.key) for row in shown), default=8)
    columns = [
        column for column in ORDER if any(cell.column == column for row in shown for cell in row.claims.values())
    ]
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


def page(rows: Sequence[Row], mode: str, origin: str) -> str:
    """Return the matrix as Markdown.

    Args:
        rows: one per scenario.
        mode: where it was played.
        origin: the sessions that it comes from.
    """
    shown = [row for row in rows if not row.skipped]
    counts = sorted({row.times for row in shown})
    times = " to ".join(f"{count}" for count in dict.fromkeys((counts[0], counts[-1]))) if counts else "0"
    done = "once" if times == "1" else f"{times} times"
    held = sum(row.holds for row in shown)
    lines = [
        "# The pack's self-check",
        "",
        f"Written by `pytest scenarios/ --mode {mode} --selfcheck --selfcheck-report FILE` ({origin}).",
        f"Each claim was checked {done} in mode `{mode}`; {held} of {len(shown)} scenarios show all that they claim.",
        "",
        "✓ it is so each time (with a number: so many playbooks) · ✗ it is not so · ! it could not be seen · "
        "· it does not apply",
        "",
        "| scenario | " + " | ".join(f"{number}" for number, _ in enumerate(ORDER, 1)) + " | times |",
        "|---|" + ":-:|" * len(ORDER) + "--:|",
    ]
    for row in shown:
        lines.append(f"| {row.key} | " + " | ".join(row.mark(column)[0] for column in ORDER) + f" | {row.times} |")
    lines += ["", *(f"{number}. {_TITLES[column]}" for number, column in enumerate(ORDER, 1)), ""]
    told = [(row.key, cell) for row in shown for cell in row.claims.values()]
    if red := [(key, cell) for key, cell in told if cell.state is Status.FAILED]:
        lines += ["Not so:", "", *(f"- {key} {cell.claim}: {_first(cell)}" for key, cell in red), ""]
    if unseen := [(key, cell) for key, cell in told if cell.lost]:
        lines += ["Not seen, and not counted:", ""]
        lines += [f"- {key} {cell.claim}, {cell.lost} of {len(cell.states)}: {_first(cell)}" for key, cell in unseen]
        lines.append("")
    if skipped := [row for row in rows if row.skipped]:
        lines += ["Not played:", "", *(f"- {row.key}: {row.skipped}" for row in skipped), ""]
    return "\n".join(lines)


def _first(cell: Cell) -> str:
    return " ".join(cell.reasons[0].split()) if cell.reasons else ""
