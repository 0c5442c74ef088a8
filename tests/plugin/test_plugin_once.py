"""Every run happens exactly once, whatever pytest and its plugins do with the items."""

from __future__ import annotations

import pytest
from support.plugin_project import NEVER, Project


@pytest.fixture
def three(project: Project) -> Project:
    for number in (1, 2, 3):
        project.scenario(f"key/{number}", tags=[f"tag{number}"])
    return project


ONCE = {"key/1": 1, "key/2": 1, "key/3": 1}


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("-k", "compliance"),
        ("-k", "task_validation"),
        ("-p", "no:rerunfailures"),
        ("-p", "no:xdist"),
        ("-s",),
        ("--ff",),
        ("--import-mode=importlib",),
        ("-q", "-q"),
        ("--setup-show",),
        ("-p", "no:terminal"),
    ],
    ids=" ".join,
)
def test_once_however_pytest_is_called(three: Project, args: tuple[str, ...]) -> None:
    assert three.run(*args).status == 0
    assert three.runs() == ONCE
    assert len(three.calls("provider.create")) == 3
    assert [report.status.value for report in three.reports()] == ["passed"] * 3
    assert three.left() == []


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_once_with_items_shuffled_by_randomly(three: Project, seed: str) -> None:
    ini = (three.root / "pytest.ini").read_text().replace("-p no:randomly ", "")
    three.write("pytest.ini", ini)
    three.write("test_plain.py", "def test_a(): pass\ndef test_b(): pass\n")
    outcome = three.run("-v", "--randomly-seed", seed, "--iter", "2")
    outcome.counts(passed=14)
    assert three.runs() == dict.fromkeys(ONCE, 2)


def test_once_with_items_in_any_order(three: Project) -> None:
    three.conftest("""
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.name)
""")
    three.run().counts(passed=6)
    assert three.runs() == ONCE


def test_once_with_items_torn_apart_as_late_as_a_plugin_can(three: Project) -> None:
    three.conftest("""
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items):
    result = yield
    items.sort(key=lambda item: item.name)
    return result
""")
    three.run().counts(passed=6)
    assert three.runs() == ONCE


def test_once_with_both_ids_typed_the_wrong_way_round_and_another_run_between(three: Project) -> None:
    one, two = "scenarios/key/1/scenario.json::run1", "scenarios/key/2/scenario.json::run1"
    outcome = three.run(f"{one}::compliance", f"{two}::compliance", f"{one}::task_validation")
    outcome.counts(passed=3)
    assert three.runs() == {"key/1": 1, "key/2": 1}


def test_once_when_a_file_is_named_twice(three: Project) -> None:
    file = "scenarios/key/1/scenario.json"
    three.run(file, "scenarios/key/1", file).counts(passed=2)
    assert three.runs() == {"key/1": 1}
    three.run("--keep-duplicates", file, f"{file}::run1")
    assert three.runs() == {"key/1": 2}  # a second session, and one run in it


@pytest.mark.parametrize("option", [("--reruns", "2"), ("-o", "reruns=2")])
def test_a_failed_gate_is_not_a_reason_to_run_again(three: Project, option: tuple[str, ...]) -> None:
    three.scenario("key/1", validation={"tasks": [NEVER]})
    outcome = three.run(*option)
    assert three.runs() == ONCE, outcome.out
    outcome.counts(passed=5, failed=1)


def test_a_forced_rerun_repeats_the_item_and_not_the_run(three: Project) -> None:
    three.scenario("key/1", validation={"tasks": [NEVER]})
    three.run("--force-reruns", "2").counts(passed=5, failed=1, rerun=2)
    assert three.runs() == ONCE


def test_a_lost_run_is_not_repeated_by_rerunfailures(three: Project) -> None:
    three.fault("provider.create", "sandbox_not_created", times=1)
    three.run("--reruns", "2").counts(passed=4, errors=2)
    assert three.runs() == {"key/2": 1, "key/3": 1}


def test_ordinary_tests_are_still_rerun(three: Project) -> None:
    three.write(
        "test_plain.py", "import os\ndef test_a():\n    os.mkdir('made') if not os.path.exists('made') else 1/0\n"
    )
    three.write(
        "test_flaky.py", "import os\ndef test_b():\n    if not os.path.exists('b'):\n        os.mkdir('b'); 1/0\n"
    )
    three.run("--reruns", "1").counts(passed=8, rerun=1)


def test_last_failed_and_failed_first_make_one_run_each_session(three: Project) -> None:
    three.scenario("key/2", validation={"tasks": [NEVER]})
    three.run().counts(passed=5, failed=1)
    three.run("--ff").counts(passed=5, failed=1)
    assert three.runs() == dict.fromkeys(ONCE, 2)
    three.run("--lf").counts(failed=1, deselected=5)
    assert three.runs() == {**dict.fromkeys(ONCE, 2), "key/2": 3}
