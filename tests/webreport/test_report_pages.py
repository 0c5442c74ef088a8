"""What the pages say, and which pages there are: counts, versions, limits, missing evidence, damaged recordings."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.records import benchmark, report
from support.showcase import HOSTILE, fill
from webreport.conftest import Shown

from pytest_2501bench.analysis.outcomes import What
from pytest_2501bench.errors import BenchError, Cause, Gate
from pytest_2501bench.evidence.model import Recording
from pytest_2501bench.report.totals import totals
from pytest_2501bench.scoring.model import GateResult, Status
from pytest_2501bench.store.aggregate import groups, version_keys
from pytest_2501bench.store.repository import Store
from pytest_2501bench.webreport.charts import trend_chart
from pytest_2501bench.webreport.comparison import named_benchmarks
from pytest_2501bench.webreport.grid import make_grid
from pytest_2501bench.webreport.page import island, policy
from pytest_2501bench.webreport.recordings import load_replays
from pytest_2501bench.webreport.session_file import session_page
from pytest_2501bench.webreport.site import write_site
from pytest_2501bench.webreport.slices import slices
from pytest_2501bench.webreport.trends import scenario_lines, subject_lines

Save = Callable[..., None]


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store.open(None, tmp_path) as opened:
        yield opened


@pytest.fixture
def save(store: Store) -> Save:
    """Store *passed* and *failed* and *lost* runs of one benchmark, scenario and version."""
    numbers = iter(range(10_000))

    def saved(day: int, *, passed: int = 0, failed: int = 0, lost: int = 0, **changes: Any) -> None:
        head = benchmark(f"bmk_{day}", started_at=1_763_000_000.0 + 86_400 * day)
        store.save_benchmark(head)
        for status in [Status.PASSED] * passed + [Status.FAILED] * failed + [Status.ERROR] * lost:
            cause = {Status.FAILED: Cause.RULE_NOT_MET, Status.ERROR: Cause.SSH_NOT_UP}.get(status)
            gates = {
                gate.value: GateResult(gate=gate, status=status, reason="so", cause=cause)
                for gate in (Gate.TASK_VALIDATION, Gate.COMPLIANCE)
            }
            at = head.started_at + next(numbers)
            fields = {"status": status, "started_at": at, "finished_at": at + 5, "evidence": "", **gates, **changes}
            store.save_report(report(f"run_{next(numbers)}", benchmark_id=head.id, **fields))

    return saved


def words(html: str) -> str:
    """The text of a page, in one line."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def site(store: Store, bench_dir: Path, **options: Any) -> Path:
    return write_site(store, bench_dir, bench_dir / "site", **options).index.parent


def test_rates_stand_with_their_counts_interval_and_what_was_lost(store: Store, save: Save, tmp_path: Path) -> None:
    save(1, passed=7, failed=2, lost=1)
    text = words((site(store, tmp_path) / "index.html").read_text())
    assert "77.8 % 7 passed of 9 scored; 1 lost to infrastructure" in text
    assert "true rate 45 to 94 %; 70 % if lost runs count as failed" in text
    assert "inconclusive" not in text


def test_a_rate_with_too_many_lost_runs_is_inconclusive(store: Store, save: Save, tmp_path: Path) -> None:
    save(1, passed=7, lost=2)
    assert "inconclusive: fewer than 90 % have a verdict" in words((site(store, tmp_path) / "index.html").read_text())


def test_the_rates_are_those_of_the_terminal(shown: Shown) -> None:
    newest = shown.store.benchmarks()[-1]
    text = words((shown.site / f"benchmarks/{newest.id}.html").read_text())
    for rate in totals(shown.store.reports(benchmark_id=newest.id)).rates:
        assert f"{rate.name} {rate.value} {rate.basis}" in text.replace(" inconclusive ", " ")


def test_a_change_of_version_starts_a_new_line_and_says_what_changed(store: Store, save: Save) -> None:
    save(1, passed=3, version_key={"scenario": "1", "rules": "a"})
    save(2, passed=3, version_key={"scenario": "1", "rules": "a"})
    save(3, passed=1, failed=2, version_key={"scenario": "1", "rules": "b"})
    found, keys = groups(store), version_keys(store)
    (line,) = scenario_lines(found, keys, What.BOTH).values()
    assert [(segment.changed, len(segment.points)) for segment in line.segments] == [((), 2), (("rules",), 1)]
    chart = trend_chart("x", "Both gates", subject_lines(found, keys, What.BOTH))
    assert chart is not None
    assert [each.why for each in chart.breaks] == ["rules changed"]
    assert [len(path.split()) for path in chart.lines[0].paths] == [2, 1]
    assert [row[-1] for row in chart.rows] == ["", "", "rules"]


def test_another_choice_of_scenarios_breaks_the_line_of_all(store: Store, save: Save) -> None:
    save(1, passed=1)
    save(2, passed=1)
    save(2, failed=1, key="disk/001")
    (line,) = subject_lines(groups(store), version_keys(store), What.BOTH).values()
    assert [segment.changed for segment in line.segments] == [(), ("choice of scenarios",)]


def test_the_grid_counts_runs_of_the_newest_version_only(store: Store, save: Save) -> None:
    save(1, passed=5, version_key={"scenario": "1"})
    save(2, passed=1, failed=1, version_key={"scenario": "2"})
    (row,) = make_grid(groups(store), version_keys(store)).rows
    (cell,) = row.cells
    assert cell is not None
    assert (cell.both.passed, cell.both.scored, cell.older, cell.shade) == (1, 2, 5, "some")


def test_slices_are_by_tag_engine_and_specialty_where_there_is_more_than_one(store: Store, save: Save) -> None:
    save(1, passed=2, main_engine="a", specialty="S")
    save(1, failed=1, main_engine="b", specialty="S")
    save(1, passed=1, main_engine="b", specialty="S", key="disk/001", tags=("disk",))
    tags = {"nginx/001-broken-config": ("nginx", "web"), "disk/001": ("disk",)}
    found = {(one.kind, one.name): (one.rates[2].rate.passed, one.runs) for one in slices(groups(store), tags)}
    assert found == {
        ("tag", "nginx"): (2, 3),
        ("tag", "web"): (2, 3),
        ("tag", "disk"): (1, 1),
        ("main engine", "a"): (2, 2),
        ("main engine", "b"): (1, 2),
    }


def test_only_the_newest_runs_and_failures_get_a_page_and_the_rest_no_link(store: Store, tmp_path: Path) -> None:
    fill(store, tmp_path, days=4, iterations=2)
    reports = sorted(store.reports(), key=lambda each: (-each.started_at, each.run_id))
    expected = {each.run_id for each in reports[:5]}
    expected |= {each.run_id for each in [run for run in reports if run.status is not Status.PASSED][:5]}
    folder = site(store, tmp_path, most_runs=5)
    there = {path.stem for path in (folder / "runs").iterdir()}
    assert there == expected
    for page in folder.rglob("*.html"):
        for target in re.findall(r'href="([^"#]+)"', page.read_text()):
            assert (page.parent / unquote(target)).resolve().exists(), f"{page}: {target}"


def test_pages_that_are_right_are_kept_and_others_made_anew(store: Store, tmp_path: Path) -> None:
    fill(store, tmp_path, days=2, iterations=1)
    folder = site(store, tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    changed = store.reports(benchmark_id="bmk_001")[0].model_copy(update={"title": "another title"})
    store.save_report(changed)
    written = write_site(store, tmp_path, folder)
    after = {path.name: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    assert {name for name in after if after[name] != before[name]} == {f"{changed.run_id}.html"}
    assert written.kept == len(before) - 1


def test_a_folder_with_a_page_of_somebody_else_is_left_alone(store: Store, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text("<h1>mine</h1>")
    with pytest.raises(BenchError, match=r"the index\.html there is not a report of ours"):
        site(store, tmp_path)
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["index.html"]


def test_no_runs_at_all_make_a_page_too(store: Store, tmp_path: Path) -> None:
    assert "No runs are stored yet." in words((site(store, tmp_path) / "index.html").read_text())


def test_a_run_whose_evidence_is_gone_still_has_its_verdicts(store: Store, save: Save, tmp_path: Path) -> None:
    save(1, failed=1, evidence="runs/bmk_1/gone")
    (page,) = (site(store, tmp_path) / "runs").iterdir()
    text = words(page.read_text())
    assert "Only the report is left of this run." in text
    assert "Compliance failed" in text


@pytest.mark.parametrize("evidence", ["../outside", "/etc", "runs/../../outside"])
def test_no_evidence_is_read_from_outside_of_the_bench_directory(
    store: Store, save: Save, tmp_path: Path, evidence: str
) -> None:
    bench_dir = tmp_path / "bench"
    bench_dir.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/evidence.jsonl").write_text("canary")
    save(1, passed=1, evidence=evidence)
    (page,) = (site(store, bench_dir) / "runs").iterdir()
    assert "The run has no folder in the bench directory." in words(page.read_text())


def test_one_file_has_all_runs_and_needs_nothing_else(shown: Shown) -> None:
    html = shown.one_file.read_text()
    assert html.count('<article id="run_') == 8
    outside = re.findall(
        r"""(?:\b(?:src|href|action|data)\s*=\s*["']?|url\(\s*["']?)(?!#|data:)([^"')\s>]+)""", _ours(html)
    )
    assert outside == []


def _ours(html: str) -> str:
    return re.sub(r"<script\b.*?</script>", "", html, flags=re.S)


def test_one_file_shows_failures_first_and_says_what_it_leaves_out(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_2501bench.webreport.session_file.MOST_IN_FULL", 2)
    fill(store, tmp_path, days=1, iterations=4)
    html = session_page(store, tmp_path, store.benchmarks()[0])
    assert html.count("<article id=") == 2
    assert "30 runs are not shown in full" in words(html)
    assert html.count('<span class="badge passed">passed</span> task validation') == 0


def test_hostile_text_is_nowhere_in_the_source(hostile: Shown) -> None:
    for page in [hostile.one_file, *hostile.site.rglob("*.html")]:
        html = page.read_text()
        assert "<img" not in html
        assert "<script>document" not in html
        assert html.count("</body>") == 1


@given(text=st.text(alphabet=st.one_of(st.characters(categories=None), st.sampled_from("<>&/!-]\u2028"))))
def test_data_in_a_script_element_cannot_end_it(text: str) -> None:
    made = island(text)
    assert not set("<>&\u2028\u2029") & set(made)
    assert json.loads(made) == text


def test_the_policy_allows_our_scripts_by_digest_and_nothing_else(shown: Shown) -> None:
    for live in (False, True):
        told = dict(part.split(" ", 1) for part in policy(replay=True, live=live).split("; "))
        assert told["default-src"] == "'none'"
        assert all(re.fullmatch(r"'sha256-.{44}'|'wasm-unsafe-eval'", word) for word in told["script-src"].split())
        assert "unsafe" not in told["style-src"]
    assert policy().count("wasm") == 0


def test_the_licence_of_the_player_is_beside_it() -> None:
    import pytest_2501bench.webreport as room

    folder = Path(str(room.__file__)).parent / "static/asciinema-player"
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert (folder / "asciinema-player.min.js").stat().st_size > 100_000


# ---- recordings ------------------------------------------------------------------------------------------------------


def recording(name: str, command: str | None = None, at: float = 0.0, **more: Any) -> Recording:
    return Recording(host="web-01", file=name, started_at=at, seconds=1.0, command=command, **more)


def test_commands_of_a_host_are_one_replay_and_a_login_shell_is_another(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"{number}.cast").write_text(
            f'{{"version": 2, "width": 80, "height": 24}}\n[0.5, "o", "out {number}\\r\\n"]\n'
        )
    commands, shell = load_replays(
        tmp_path,
        [recording("2.cast", "second", 10, exit_status=4), recording("3.cast", None, 20), recording("1.cast", "first")],
    )
    assert (commands.title, shell.title) == ("web-01: 2 commands", "web-01: login shell")
    assert commands.transcript == "$ first\nout 1\n$ second\nout 2\n(exit status 4)\n"
    events = [json.loads(line) for line in (commands.cast or "").split("\n")[1:]]
    assert [event[0] for event in events] == sorted(event[0] for event in events)
    assert events[0][:2] == [0.0, "m"]
    assert shell.transcript == "out 3\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json\n[",
        b'[]\n{"a": 1}\n[1]\n[NaN, "o", "x"]\n[1, "o", 5]\n["1", "z", "x"]\n[-1, "o", "x"]\n',
        b'{"width": 1e99, "height": true}\n[1e300, "o", "x"]\n[2, "r", "9999999999x1"]\n[2, "r", "axb"]\n\xff\xfe\n',
    ],
)
def test_a_damaged_recording_is_nothing_to_see(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.cast").write_bytes(content)
    (replay,) = load_replays(tmp_path, [recording("a.cast")])
    assert replay.cast is None
    assert replay.notes == ("Nothing was shown.",)


def test_a_recording_is_not_read_from_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "secret").write_text('{"version": 2}\n[0, "o", "canary"]\n')
    (folder / "link.cast").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "pipe.cast")
    for name in ("../secret", str(tmp_path / "secret"), "link.cast", "pipe.cast", "none.cast"):
        (replay,) = load_replays(folder, [recording(name)])
        assert (replay.cast, replay.transcript) == (None, "")


def test_long_recordings_are_cut_where_the_page_would_be_too_long(tmp_path: Path) -> None:
    line = json.dumps([1, "o", "x" * 1_000])
    for name in ("a.cast", "b.cast"):
        (tmp_path / name).write_text("\n".join(['{"version": 2}'] + [line] * 30))
    first, second = load_replays(tmp_path, [recording("a.cast", at=1), recording("b.cast", at=2)], 10_000)
    assert first.transcript == "x" * 9_000
    assert first.notes == ("Only the beginning of a.cast is replayed.",)
    assert len(second.transcript) <= 1_000


# ---- comparisons -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        (("last", "last~1"), {"bmk_3", "bmk_2"}),
        (("last,tag=nginx", "bmk_1"), {"bmk_3", "bmk_1"}),
        (("bmk_1,bmk_2", "last"), {"bmk_1", "bmk_2", "bmk_3"}),
        (("tag=nginx", "last"), None),
        (("nonsense", "last"), None),
    ],
)
def test_which_benchmarks_a_comparison_needs(sides: tuple[str, str], expected: set[str] | None) -> None:
    heads = [benchmark(f"bmk_{number}") for number in (1, 2, 3)]
    assert named_benchmarks(sides, heads) == expected


def test_what_cannot_be_compared_is_said(store: Store, save: Save, tmp_path: Path) -> None:
    save(1, passed=2, version_key={"scenario": "1"})
    save(2, passed=2, version_key={"scenario": "2"})
    text = words((site(store, tmp_path) / "compare.html").read_text())
    assert "They were not measured with the same instrument." in text
    assert "A and B differ in scenario" in text
    assert HOSTILE not in text
