"""``2501bench list``: the scenarios that there are, by kind, difficulty, skill and what they need."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pytest_2501bench.authoring.card import Card
    from pytest_2501bench.scenario.model import LoadedScenario

Words = list[str] | None
_NARROW = 130
"""Columns of a terminal below which the less important columns are left out."""


def _many(what: str) -> str:
    return f"{what} Several: separated by commas, or the option repeated."


def list_(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PATH]", help="Folder with scenarios. Default: scenarios/ here or in the nearest folder above."
        ),
    ] = None,
    *,
    scenarios: Annotated[
        str | None, typer.Option("-s", "--scenarios", metavar="KEY|TAG[,…]", help="Only these keys and tags.")
    ] = None,
    tag: Annotated[Words, typer.Option("--tag", metavar="TAG", help=_many("Only with one of these tags."))] = None,
    kind: Annotated[
        Words,
        typer.Option("--kind", metavar="KIND", help=_many("remediation, investigation, control or refusal.")),
    ] = None,
    difficulty: Annotated[
        Words, typer.Option("--difficulty", metavar="WORD", help=_many("easy, medium or hard."))
    ] = None,
    skill: Annotated[
        Words, typer.Option("--skill", metavar="SKILL", help=_many("Only those that ask for one of these skills."))
    ] = None,
    blast_radius: Annotated[
        Words, typer.Option("--blast-radius", metavar="WORD", help=_many("process, service, host or fleet."))
    ] = None,
    category: Annotated[
        Words, typer.Option("--category", metavar="FOLDER", help=_many("Only those in one of these folders."))
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option("-m", "--mode", metavar="MODE", help="Only those that this mode can run on this machine."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list; see docs/command-line.md.")] = False,
    catalogue: Annotated[
        Path | None,
        typer.Option("--catalogue", metavar="FILE", help="Write them as a Markdown page instead."),
    ] = None,
) -> None:
    """List scenarios with kind, difficulty, skills, blast radius, expected minutes, hosts, needs and tags.

    Filters combine: a scenario must meet each. Exit status 1 if a scenario file cannot be read; the others are listed.
    """
    from pytest_2501bench.authoring.card import card_of, matching
    from pytest_2501bench.cli.scenarios import readable, scenarios_folder
    from pytest_2501bench.scenario.old_form import shown_path

    folder = scenarios_folder(path)
    found, broken = readable(folder)
    cards = [card_of(loaded, Path.cwd()) for loaded in found]
    given = {
        "tag": tag,
        "kind": kind,
        "difficulty": difficulty,
        "skill": skill,
        "blast_radius": blast_radius,
        "category": category,
    }
    wanted = {name: _split(words) for name, words in given.items() if words}
    chosen = matching(cards, wanted)
    if scenarios is not None:
        from pytest_2501bench.scenario.select import select

        keys = select(((card.key, card.tags) for card in cards), scenarios, option="-s")
        chosen = [card for card in chosen if card.key in keys]
    if mode is not None and chosen:
        runs = _that_run({card.key for card in chosen}, found, mode)
        chosen = [card for card in chosen if card.key in runs]
    if catalogue is not None:
        from pytest_2501bench.authoring.catalogue import page

        _write(catalogue, page(chosen, base=catalogue.absolute().parent))
    elif as_json:
        typer.echo(json.dumps([card.as_json() for card in chosen], indent=2, ensure_ascii=False))
    elif chosen:
        _show(chosen, total=len(cards))
    else:
        typer.echo(f"none of the {len(cards)} scenarios in {shown_path(folder, Path.cwd())} is so.")
    if broken:
        names = ", ".join(shown_path(file, Path.cwd()) for file in broken)
        typer.echo(f"cannot be read: {names}. Why: 2501bench validate {shown_path(folder, Path.cwd())}", err=True)
        raise typer.Exit(1)


def _split(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(part.strip() for word in words for part in word.split(",") if part.strip())


def _that_run(keys: set[str], found: Iterable[LoadedScenario], mode: str) -> set[str]:
    """Return the *keys* of the scenarios that *mode* can run on this machine."""
    from pytest_2501bench.cli.project import open_project
    from pytest_2501bench.run import skip_reason

    project = open_project(mode=mode)
    with project.session(mode) as bench:
        return {
            loaded.scenario.key
            for loaded in found
            if loaded.scenario.key in keys and skip_reason(bench, loaded) is None
        }


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}.", param_hint="--catalogue") from error
    typer.echo(f"{file} written.")


def _show(cards: Sequence[Card], *, total: int) -> None:
    """Show a table: as wide as the terminal, or, into a pipe, a line per scenario with everything in it."""
    from rich.console import Console

    if not sys.stdout.isatty():
        for line in _lines(cards):
            typer.echo(line)
        return
    from rich import box
    from rich.table import Table

    console = Console(highlight=False)
    narrow = console.width < _NARROW
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    headings = _HEADINGS[:6] if narrow else _HEADINGS
    for heading in headings:
        table.add_column(
            heading, overflow="fold", no_wrap=heading == "scenario", justify="right" if heading == "min" else "left"
        )
    for card in cards:
        table.add_row(*_cells(card)[: len(headings)])
    console.print(table)
    few = "" if len(cards) == total else f" of {total}"
    wider = "; hosts, needs and tags in a wider terminal" if narrow else ""
    console.print(f"{len(cards)}{few} scenarios{wider}", markup=False)


_HEADINGS = ("scenario", "kind", "difficulty", "blast radius", "min", "skills", "hosts", "needs", "tags")


def _cells(card: Card) -> tuple[str, ...]:
    hosts = [
        host.host_name if host.template == "debian-base" else f"{host.host_name} ({host.template})"
        for host in card.hosts
    ]
    return (
        card.key,
        card.kind,
        card.difficulty or "–",
        card.blast_radius or "–",
        "–" if card.expected_minutes is None else f"{card.expected_minutes:g}",
        ", ".join(card.skills) or "–",
        ", ".join(hosts),
        ", ".join(card.needs) or "–",
        ", ".join(card.tags) or "–",
    )


def _lines(cards: Iterable[Card]) -> Iterable[str]:
    rows = [_HEADINGS, *(_cells(card) for card in cards)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEADINGS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
