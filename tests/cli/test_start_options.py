"""What ``2501bench start`` makes of the vendor's command line, without running anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_2501bench.cli import program, pytest_run
from pytest_2501bench.cli.main import app
from pytest_2501bench.cli.scenarios import scenarios_folder
from pytest_2501bench.errors import BenchError

Start = Callable[..., list[str]]


@pytest.fixture
def scenarios(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "scenarios"
    (folder / "one").mkdir(parents=True)
    (folder / "one" / "scenario.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def start(scenarios: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    asked: list[list[str]] = []

    def run_pytest(arguments: Sequence[str], *, log_file: Path | None, fail_on_error: bool) -> int:
        asked.append([*arguments, *([f"log {log_file}"] if log_file else []), *(["fail"] if fail_on_error else [])])
        return 0

    monkeypatch.setattr(pytest_run, "run_pytest", run_pytest)

    def start(*words: str) -> list[str]:
        asked.clear()
        assert program.run(app, ["start", *words], name="2501bench") == 0
        assert asked[0][0] == str(scenarios)
        return asked[0][1:]

    return start


def test_without_options_pytest_decides_everything(start: Start) -> None:
    assert start() == []


def test_the_vendors_example_becomes_that_of_the_contract(start: Start) -> None:
    words = ["-s", "nginx,disk", "-i", "5", "--mode", "lima", "--parallel", "--parallel-ram-cap", "16"]
    assert start(*words) == [
        "--scenarios=nginx,disk",
        "--mode=lima",
        "--iter=5",
        "--parallel-ram-cap=16.0",
        "-n",
        "auto",
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ("-m", "incus", "--incus-vm", "--incus-remote", "farm:a"),
            ["--mode=incus", "--incus-remote=farm:a", "--incus-vm"],
        ),
        (("-g", "runner"), ["--gateway=runner"]),
        (("--parallel", "4"), ["-n", "4"]),
        (("--parallel=4",), ["-n", "4"]),
        (("--parallel", "-v"), ["-n", "auto", "-v"]),
        (("--parallel",), ["-n", "auto"]),
        (("--check", "--parallel"), ["--bench-check"]),
        (("-vv",), ["-vv"]),
        (("--fail-on-error",), ["fail"]),
        (("--main-engine", "a", "--secondary-engine", "b"), ["--main-engine=a", "--secondary-engine=b"]),
        (("--specialty", "X", "--agent", "noop"), ["--specialty=X", "--agent=noop"]),
        (("--agent-command", "-x y"), ["--agent-command=-x y"]),
        (("--keep-sandbox", "failed"), ["--keep-sandbox=failed"]),
        (("-v", "--", "-x", "--lf", "-k", "one"), ["-v", "-x", "--lf", "-k", "one"]),
        (("--parallel", "--", "-x"), ["-n", "auto", "-x"]),
        (("--", "--", "x"), ["--", "x"]),
    ],
)
def test_each_option_is_one_of_pytest(start: Start, words: tuple[str, ...], expected: list[str]) -> None:
    assert start(*words) == expected


def test_paths_start_in_the_users_folder(start: Start, tmp_path: Path) -> None:
    words = ["--env-file", "a.env", "--hosts", "h.ini", "--junitxml", "j.xml", "--html", "r.html"]
    words += ["--log-file", "l", "--vm-templates-path", "t"]
    assert start(*words) == [
        f"--hosts={tmp_path}/h.ini",
        f"--vm-templates-path={tmp_path}/t",
        f"--bench-env-file={tmp_path}/a.env",
        f"--junitxml={tmp_path}/j.xml",
        f"--html={tmp_path}/r.html",
        "--self-contained-html",
        f"log {tmp_path}/l",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["start", "nginx"], "2501bench start: Got unexpected extra argument"),
        (["start", "--paralel"], "2501bench start: No such option: --paralel"),
        (["start", "-i", "0"], "2501bench start: Invalid value for '-i'"),
        (["start", "--parallel", "0"], "must be a number above 0"),
        (["start", "--source", "svn"], "2501bench start: Invalid value for '--source'"),
        (["start", "-vvv"], "there is no more to say"),
        (["start", "-p", "elsewhere"], "2501bench: -p elsewhere: no such folder."),
        (["strat"], "2501bench: No such command 'strat'."),
        (["sandbox", "prepare"], "2501bench sandbox prepare: Missing option '-s'"),
        (["start", "--log-file", "/proc/no/where"], "--log-file /proc/no/where: cannot be written"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    scenarios: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert program.run(app, words, name="2501bench") == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert "Usage" not in said


def test_a_group_without_a_verb_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.run(app, ["sandbox"], name="2501bench") == 2
    assert "purge-vms" in capsys.readouterr().err


@pytest.mark.parametrize("below", [".", "scenarios", "scenarios/one", "src/deep"])
def test_the_folder_is_found_here_or_above(scenarios: Path, below: str) -> None:
    here = scenarios.parent / below
    here.mkdir(parents=True, exist_ok=True)
    assert scenarios_folder(None, here) == scenarios


def test_a_folder_without_scenarios_is_told(scenarios: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchError, match=r"there is no scenario\.json in it or below it"):
        scenarios_folder(tmp_path / "empty")
    with pytest.raises(BenchError, match="there is no folder 'scenarios' in /proc or above it"):
        scenarios_folder(None, Path("/proc"))


# ---- exit statuses --------------------------------------------------------------------------------------------------


def watch(**facts: bool) -> pytest_run.Watch:
    watched = pytest_run.Watch()
    for name, value in facts.items():
        setattr(watched, name, value)
    return watched


@pytest.mark.parametrize(
    ("ended", "facts", "fail_on_error", "expected"),
    [
        (pytest.ExitCode.OK, {}, True, 0),
        (pytest.ExitCode.TESTS_FAILED, {"broken": True}, False, 1),
        (pytest.ExitCode.TESTS_FAILED, {"collection_failed": True}, False, 1),
        (pytest.ExitCode.INTERRUPTED, {"interrupted": True}, False, 130),
        (3, {"interrupted": True}, False, 130),  # pytest.exit with a status of its own
        (pytest.ExitCode.INTERRUPTED, {"collection_failed": True}, False, 2),
        (pytest.ExitCode.INTERRUPTED, {}, False, 1),
        (pytest.ExitCode.INTERNAL_ERROR, {}, False, 1),
        (pytest.ExitCode.USAGE_ERROR, {}, False, 2),
        (pytest.ExitCode.NO_TESTS_COLLECTED, {}, False, 2),
        (pytest.ExitCode.TESTS_FAILED, {}, False, 1),  # nothing is known of its runs: not explained by a verdict
    ],
)
def test_exit_statuses(ended: int, facts: dict[str, bool], fail_on_error: bool, expected: int) -> None:
    assert pytest_run.exit_status(ended, watch(**facts), fail_on_error=fail_on_error) == expected


def test_pytests_own_interrupted_is_not_ctrl_c() -> None:
    watched = pytest_run.Watch()
    watched.pytest_keyboard_interrupt(SimpleNamespace(value=pytest.Session.Interrupted("2 errors")))  # type: ignore[arg-type]
    assert not watched.interrupted
    watched.pytest_keyboard_interrupt(SimpleNamespace(value=KeyboardInterrupt()))  # type: ignore[arg-type]
    assert watched.interrupted
