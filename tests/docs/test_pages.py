"""What the pages say is so: links lead somewhere, tables equal the code, commands exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import typer.main
from support.pages import PAGES, ROOT, Page, page

from pytest_2501bench.cli.main import app
from pytest_2501bench.errors import TABLE, Gate, Phase
from pytest_2501bench.options import OPTIONS
from pytest_2501bench.sandbox.protocol import KNOWN_CAPABILITIES
from pytest_2501bench.scenario.model import (
    BUILT_IN_RULES,
    Bench,
    RuleFields,
    Scenario,
    ScenarioAgent,
    ScenarioHost,
    Timeouts,
    Validation,
    Where,
)
from pytest_2501bench.scoring.targets import JOB_TARGETS, TASK_TARGETS

WRITING = page("docs/writing-scenarios.md")
# A lone "/": the parts of an id or a pattern are not files.
SHOWN_PATH = re.compile(r"`((?:pytest_2501bench|scenarios|examples|benchmarks|docs|tests)/[\w./-]+)`")


def _code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def _fields(model: type) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}  # type: ignore[attr-defined]


@pytest.fixture(params=PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def each_page(request: pytest.FixtureRequest) -> Page:
    return Page(request.param)


def test_links_between_pages_lead_somewhere(each_page: Page) -> None:
    for target in each_page.links():
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (each_page.path.parent / name).resolve() if name else each_page.path
        assert file.exists(), f"{each_page.name}: {target}"
        if anchor:
            assert anchor in Page(file).anchors(), f"{each_page.name}: {target}"


def test_paths_that_are_named_exist(each_page: Page) -> None:
    made = set(each_page.files())  # shown on the page itself
    for path in SHOWN_PATH.findall(each_page.prose):
        assert (ROOT / path).exists() or path in made, f"{each_page.name}: {path}"


def test_verbs_of_the_command_exist(each_page: Page) -> None:
    command = typer.main.get_command(app)
    verbs: dict[str, set[str]] = {
        name: set(getattr(verb, "commands", ())) for name, verb in getattr(command, "commands", {}).items()
    }
    for verb, sub in re.findall(r"(?:`|^\$ |^|bin/)2501bench ([a-z]+)(?: ([a-z][a-z-]+))?", each_page.text, re.M):
        assert verb in verbs, f"{each_page.name}: 2501bench {verb}"
        if verbs[verb] and sub:
            assert sub in verbs[verb], f"{each_page.name}: 2501bench {verb} {sub}"


def test_options_in_commands_exist(each_page: Page, pytestconfig: pytest.Config) -> None:
    known = {flag for option in pytestconfig._parser._anonymous.options for flag in option.names()}
    known |= {flag for group in pytestconfig._parser._groups for option in group.options for flag in option.names()}
    for block in (*each_page.blocks("console"), *each_page.blocks("text")):
        for line in re.findall(r"(?:^|\$ |again +)pytest (.*)$", block, re.M):
            for flag in re.findall(r"(?<=\s)(--[a-z-]+)", f" {line}"):
                assert flag in known, f"{each_page.name}: pytest {line}"


def test_no_page_says_anything_of_the_place_where_it_was_written(each_page: Page) -> None:
    for word in ("/home/", "/tmp/pytest", "/root/.cache", "issue #", "localdomain"):
        assert word not in each_page.text, f"{each_page.name}: {word}"


def test_the_readme_names_every_option_with_its_environment_and_ini() -> None:
    rows = {tuple(cells[:2]): cells for cells in page("README.md").rows("## Options")}
    for option in OPTIONS:
        flag = f"`{option.flag}`" if option.flag else "–"
        cells = rows.pop((flag, f"`{option.env}`"), None)
        assert cells is not None, option.name
        assert cells[2] == (f"`bench_{option.name}`" if option.flag and option.ini else "–"), option.name
        if isinstance(option.default, bool):
            assert cells[3] == ("yes" if option.default else "no"), option.name
        elif isinstance(option.default, str | int | Path):
            assert str(option.default) in cells[3], option.name
    assert {flag for flag, _ in rows} == {"`--bench-env-file`", "`--bench-check`"}


def test_the_failure_table_is_that_of_the_code() -> None:
    said = page("docs/architecture.md").rows("## What a failure means")
    assert said == [
        [
            f"`{cause.value}`",
            ", ".join(phase.value for phase in Phase if phase in row.phases),
            row.verdict.value,
            ", ".join(gate.value for gate in Gate if gate in row.gates) or "–",
            "yes" if row.retry else "no",
            row.meaning,
        ]
        for cause, row in TABLE.items()
    ]


def test_the_rooms_are_those_of_the_package_and_only_the_named_ones_import_pytest() -> None:
    package = ROOT / "pytest_2501bench"
    said: dict[str, str] = {}
    for rooms, _, imports in page("docs/architecture.md").rows("## Rooms"):
        said |= dict.fromkeys(_code(rooms), imports)
    small = {"__init__.py", "ids.py", "interrupt.py", "provenance.py"}
    there = {p.name if p.is_file() else f"{p.name}/" for p in package.iterdir() if p.suffix == ".py" or p.is_dir()}
    assert there - small - {"__pycache__/"} == set(said)
    for room, imports in said.items():
        files = [package / room] if room.endswith(".py") else sorted((package / room).rglob("*.py"))
        importing = {str(file.relative_to(package / room)) for file in files if _imports_pytest(file)}
        assert imports == "yes" or importing == set(_code(imports)), room


def _imports_pytest(file: Path) -> bool:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if any(name.split(".")[0] in ("pytest", "_pytest") for name in names):
            return True
    return False


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("## Fields of scenario.json", Scenario),
        ("### hosts", ScenarioHost),
        ("### agents", ScenarioAgent),
        ("### validation", Validation),
        ("### bench", Bench),
        ("## Rules", RuleFields),
    ],
)
def test_every_field_is_in_its_table(heading: str, model: type) -> None:
    said = {name for cells in WRITING.rows(heading) for name in _code(cells[0])}
    wanted = _fields(model) | ({"validator"} if model is RuleFields else set())
    if model is Bench:
        wanted |= {f"timeouts.{name}" for name in _fields(Timeouts)}
    assert said == wanted


def test_defaults_of_deadlines_are_those_of_the_model() -> None:
    defaults = {f.alias or name: f.default for name, f in Timeouts.model_fields.items()}
    said = {_code(cells[0])[0]: cells[1] for cells in WRITING.rows("### bench")}
    assert {name: float(said[f"timeouts.{name}"]) for name in defaults} == defaults


def test_every_target_stands_beside_its_scope() -> None:
    scopes = {_code(cells[0])[0]: cells[1] for cells in WRITING.rows("### where")}
    assert scopes == {
        where.value: "tasks" if where in TASK_TARGETS else "job" if where in JOB_TARGETS else "gateway"
        for where in Where
    }


def test_every_validator_and_capability_is_named() -> None:
    table = WRITING.text.split("| validator |", 1)[1].split("\n\n", 1)[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.M)) == set(BUILT_IN_RULES)
    words = WRITING.text.split("| word |", 1)[1].split("\n\n", 1)[0]
    assert set(re.findall(r"^\| `([\w-]+)`", words, re.M)) == KNOWN_CAPABILITIES
