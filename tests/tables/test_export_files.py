"""What the files of an export hold, read back with other programs' parsers."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import pyarrow.parquet as pq
import pytest
from support.pages import ROOT
from support.plugin_project import LOOKED, NEVER, Project
from support.stored import COMMANDS

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.folder import runs_in
from pytest_2501bench.results import COLUMNS
from pytest_2501bench.store.repository import Store
from pytest_2501bench.store.selection import Selection
from pytest_2501bench.tables.annotations import write_annotations
from pytest_2501bench.tables.export import export
from pytest_2501bench.tables.formats import Format, Table, format_of
from pytest_2501bench.tables.openmetrics import write_openmetrics
from pytest_2501bench.tables.read import Reader
from pytest_2501bench.tables.schemas import Of, schema, schema_text


@pytest.fixture
def reader(database: str | None, bench_dir: Path) -> Iterator[Reader]:
    with Store.open(database, bench_dir) as store:
        yield Reader(store, bench_dir, Selection())


def written(reader: Reader, tmp_path: Path, form: Format, table: Table = Table.RUNS, **more: bool) -> bytes:
    target = tmp_path / "exported"
    export(reader, str(target), form, table, **more)
    return target.read_bytes()


@pytest.mark.parametrize("table", list(Table))
def test_json_lines_keep_their_schema_and_have_every_row(reader: Reader, tmp_path: Path, table: Table) -> None:
    lines = written(reader, tmp_path, Format.JSONL, table).splitlines()
    assert len(lines) == len(list(reader.rows(table)))
    valid = jsonschema_rs.validator_for(schema(Of(table.value)), validate_formats=True)
    for line in lines:
        valid.validate(json.loads(line))


@pytest.mark.parametrize("table", list(Table))
def test_csv_has_the_same_cells_for_every_reader(reader: Reader, tmp_path: Path, table: Table) -> None:
    data = written(reader, tmp_path, Format.CSV, table)
    assert b"\n" not in data.replace(b"\r\n", b"")
    head, *rows = csv.reader(io.StringIO(data.decode(), newline=""), strict=True)
    assert head == [column.name for column in COLUMNS[table]]
    assert len(rows) == len(list(reader.rows(table)))
    assert {len(row) for row in rows} == {len(head)}


def test_a_command_that_a_spreadsheet_would_run_is_text(reader: Reader, tmp_path: Path) -> None:
    def commands(**more: bool) -> set[str]:
        data = written(reader, tmp_path, Format.CSV, Table.COMMANDS, **more).decode()
        return {row["command"] for row in csv.DictReader(io.StringIO(data, newline=""))}

    assert f"'{COMMANDS[1]}" in commands()
    assert COMMANDS[1] in commands(guarded=False)
    assert {command[0] for command in commands()} & set("=+-@\t\r") == set()


@pytest.mark.parametrize("table", list(Table))
def test_parquet_has_typed_columns_with_units(reader: Reader, tmp_path: Path, table: Table) -> None:
    found = pq.read_table(io.BytesIO(written(reader, tmp_path, Format.PARQUET, table)))
    rows = list(reader.rows(table))
    assert found.num_rows == len(rows)
    for column in COLUMNS[table]:
        field = found.schema.field(column.name)
        assert field.nullable == column.optional
        assert field.metadata.get(b"unit", b"").decode() == column.unit
        values = found.column(column.name).to_pylist()
        expected = [getattr(row, column.name) for row in rows]
        if column.kind == "JSON object":
            values = [json.loads(value) for value in values]
        assert values == [list(each) if isinstance(each, tuple) else each for each in expected], column.name


def test_without_pyarrow_one_line_says_what_to_install_and_no_file_is_left(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BenchError, match=r"pip install 'pytest-2501bench\[export\]'"):
        written(reader, tmp_path, Format.PARQUET)
    assert not [path for path in tmp_path.iterdir() if "exported" in path.name]


def test_a_failed_export_leaves_the_old_file(reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "runs.jsonl"
    target.write_text("old")

    def broken(_self: Reader) -> Iterator[object]:
        yield from ()
        raise BenchError(Cause.DATABASE_LOST, "gone")

    monkeypatch.setattr(Reader, "runs", broken)
    with pytest.raises(BenchError, match="gone"):
        export(reader, str(target), Format.JSONL, Table.RUNS)
    assert target.read_text() == "old"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".runs")]


def test_commands_whose_evidence_is_gone_are_counted_not_made_up(reader: Reader, tmp_path: Path) -> None:
    reader.bench_dir = Path(shutil.copytree(reader.bench_dir, tmp_path / "copy"))
    gone, *_ = (folder for folder in runs_in(reader.bench_dir) if folder.path.name.endswith("run_aaaa"))
    gone.evidence.unlink()
    lines = written(reader, tmp_path, Format.JSONL, Table.COMMANDS).splitlines()
    assert len(lines) == 4 * len(COMMANDS)
    assert list(reader.without_evidence) == ["run_aaaa"]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a/runs.jsonl", Format.JSONL),
        ("runs.CSV", Format.CSV),
        ("runs.parquet", Format.PARQUET),
        ("junit.xml", Format.JUNIT),
        ("metrics.txt", Format.OPENMETRICS),
        ("runs.prom", Format.OPENMETRICS),
        ("notes.txt", None),
        ("-", None),
    ],
)
def test_the_ending_says_the_format(name: str, form: Format | None) -> None:
    assert format_of(name) is form


def test_openmetrics_is_what_its_grammar_and_gitlabs_reader_take(reader: Reader) -> None:
    target = io.BytesIO()
    write_openmetrics(target, reader.runs())
    lines = target.getvalue().decode().splitlines()
    assert lines[-1] == "# EOF"
    samples: dict[str, float] = {}
    declared = set()
    for line in lines[:-1]:
        if line.startswith("#"):
            kind, name = line.split(" ")[1:3]
            assert kind in ("TYPE", "UNIT", "HELP")
            if kind == "TYPE":
                assert name not in declared  # a family's lines stand together
                declared.add(name)
            continue
        found = re.fullmatch(r'([a-z][a-z0-9_]*)(?:\{scenario="[^"\\\n#]+"\})? (-?\d+(?:\.\d+)?)', line)
        assert found, line
        assert found[1] in declared
        samples[line.rpartition(" ")[0]] = float(found[2])
    assert samples["bench2501_runs"] == 5
    assert samples["bench2501_lost_runs"] == 2
    assert samples["bench2501_pass_rate"] == 1
    assert samples["bench2501_both_gates_rate"] == pytest.approx(2 / 3, abs=1e-6)
    assert samples['bench2501_both_gates_rate{scenario="nginx/001-broken-config"}'] == pytest.approx(2 / 3, abs=1e-6)
    assert 'bench2501_pass_rate{scenario="web/001-two-hosts"}' not in samples
    assert samples["bench2501_tokens"] == 12_345


def test_annotations_name_file_and_reason_and_cannot_be_broken_out_of(reader: Reader) -> None:
    reports = list(reader.reports())
    sly = reports[1].model_copy(
        update={
            "compliance": reports[1].compliance.model_copy(update={"reason": "100%\n::error::forged\r", "rules": ()})
        }
    )
    target = io.BytesIO()
    assert write_annotations(target, [reports[0], sly, *reports[3:]]) == 4
    red, undecided, lost = target.getvalue().decode().splitlines()
    file = "file=scenarios/nginx/001-broken-config/scenario.json,line=1"
    assert red == f"::error {file},title=nginx/001-broken-config run1%3A compliance failed::100%25%0A::error::forged"
    assert undecided.startswith("::warning file=scenarios/disk/001-filling-disk/scenario.json")
    assert "title=web/001-two-hosts run1%3A not scored%2C lost in prepare::" in lost


# ---- junit ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, bytecode: Path) -> Project:
    return Project(pytester, monkeypatch, bytecode)


def cases(root: ET.Element) -> dict[tuple[str, str], tuple[list[tuple[str, str]], list[tuple[str, str, str]]]]:
    """Properties, and tag, message and text of outcomes, by class and name.

    Without durations: pytest writes its file's properties before the hosts are removed, which takes time too.
    """
    return {
        (case.attrib["classname"], case.attrib["name"]): (
            [
                (each.attrib["name"], each.attrib["value"])
                for each in case.iter("property")
                if not each.attrib["name"].startswith("duration")
            ],
            [(each.tag, each.attrib.get("message", ""), each.text or "") for each in case if each.tag != "properties"],
        )
        for case in root.iter("testcase")
    }


def test_junit_of_stored_runs_is_what_pytest_wrote_of_them(project: Project) -> None:
    project.scenario("a/green", tags=["web", "smoke"])
    project.scenario("b/red", validation={"tasks": [LOOKED, NEVER]})
    project.scenario("c/lost", hosts=[{"host_name": "lost-01"}])
    project.scenario("d/undecided", validation={"tasks": [LOOKED | {"where": "task_plan"}]})
    project.fakes(faults=[{"at": "provider.create", "raise": "ssh_not_up", "message": "no SSH", "detail": "lost-01"}])
    project.run("--junitxml", "out/junit.xml", "--iter", "2")
    target = project.root / "again.xml"
    with Store.open(None, project.bench_dir) as store:
        assert export(Reader(store, project.bench_dir, Selection()), str(target), Format.JUNIT, Table.RUNS) == 8
    by_pytest = ET.parse(project.root / "out" / "junit.xml").getroot()
    by_us = ET.parse(target).getroot()
    assert cases(by_us) == cases(by_pytest)
    assert len(cases(by_us)) == 16
    (theirs,), (ours,) = by_pytest.findall("testsuite"), by_us.findall("testsuite")
    assert set(ours.attrib) == set(theirs.attrib)
    for name in ("name", "tests", "failures", "errors", "hostname"):
        assert ours.attrib[name] == theirs.attrib[name], name
    assert by_us.tag == by_pytest.tag
    assert {element.tag for element in by_us.iter()} == {element.tag for element in by_pytest.iter()}


def test_junit_has_a_suite_for_each_benchmark_and_escapes_what_agents_wrote(reader: Reader, tmp_path: Path) -> None:
    root = ET.fromstring(written(reader, tmp_path, Format.JUNIT))
    assert [suite.attrib["tests"] for suite in root] == ["4", "7"]
    assert [suite.attrib["hostname"] for suite in root] == ["bench-01", "bench-01"]
    assert sum(float(case.attrib["time"]) for case in root[0].iter("testcase")) == pytest.approx(
        float(root[0].attrib["time"]), abs=0.01
    )
    failed = [case for case in root.iter("testcase") if case.find("failure") is not None]
    assert [case.attrib["name"] for case in failed] == ["compliance", "no_new_packages"]


# ---- schemas --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", list(Of))
def test_the_committed_schemas_are_what_the_code_says(of: Of) -> None:
    copy = ROOT / "docs" / f"{of}.schema.json"
    assert copy.read_text(encoding="utf-8") == schema_text(of), f"2501bench schema --of {of} > docs/{of}.schema.json"
    jsonschema_rs.meta.validate(schema(of))


def test_reports_on_disk_keep_their_schemas(reader: Reader) -> None:
    report = jsonschema_rs.validator_for(schema(Of.REPORT))
    benchmark = jsonschema_rs.validator_for(schema(Of.BENCHMARK))
    folders = list(runs_in(reader.bench_dir))
    assert len(folders) == 5
    for folder in folders:
        report.validate(json.loads((folder.path / "report.json").read_text()))
        benchmark.validate(json.loads((folder.path.parent / "benchmark.json").read_text()))
    assert not report.is_valid({"run_id": "run_1"})
