"""Scenarios become items whose ids are frozen, and every way of choosing items works on them."""

from __future__ import annotations

import json

import pytest
from support.plugin_project import NEVER, Project

NGINX = "scenarios/nginx/001/scenario.json"


@pytest.fixture
def two(project: Project) -> Project:
    """Two scenarios: one with a key like its folder, one with another."""
    project.scenario("nginx/001", tags=["web", "smoke"])
    project.scenario("disk-is-full", folder="disk/007", tags=["storage", "smoke"])
    return project


def ids(project: Project, *args: str) -> list[str]:
    """The ids that pytest collects; nothing may run, and nothing may be made."""
    outcome = project.run("--collect-only", "-q", *args)
    assert outcome.status == 0, outcome.out
    assert project.calls() == []
    assert not project.bench_dir.exists()
    return [line for line in outcome.result.outlines if "::" in line]


def both(file: str, run: str = "run1") -> list[str]:
    return [f"{file}::{run}::task_validation", f"{file}::{run}::compliance"]


def test_ids_are_what_users_have_put_into_ci(two: Project) -> None:
    assert ids(two) == both("scenarios/disk/007/scenario.json") + both(NGINX)
    assert ids(two, "scenarios/nginx", "--iter", "3") == both(NGINX) + both(NGINX, "run2") + both(NGINX, "run3")


@pytest.mark.parametrize(
    ("expression", "count"),
    [
        ("nginx/001", 2),
        ("disk/007", 2),
        ("disk-is-full", 2),
        ("smoke", 4),
        ("storage", 2),
        ("compliance", 2),
        ("web and compliance", 1),
        ("smoke and not nginx/001", 2),
        ("run1", 4),
    ],
)
def test_k_finds_folder_key_tag_and_gate(two: Project, expression: str, count: int) -> None:
    assert len(ids(two, "-k", expression)) == count


@pytest.mark.parametrize(
    ("wanted", "files"),
    [
        ("nginx/001", [NGINX]),
        ("disk-is-full", ["scenarios/disk/007/scenario.json"]),
        ("web,disk-is-full", ["scenarios/disk/007/scenario.json", NGINX]),
        (" smoke , nginx/001,", ["scenarios/disk/007/scenario.json", NGINX]),
    ],
)
def test_scenarios_are_selected_by_key_and_tag(two: Project, wanted: str, files: list[str]) -> None:
    assert ids(two, "--scenarios", wanted) == [each for file in files for each in both(file)]


def test_scenarios_may_be_given_more_than_once_elsewhere_but_the_option_wins(two: Project) -> None:
    two.monkeypatch.setenv("BENCH_SCENARIOS", "storage")
    assert ids(two) == both("scenarios/disk/007/scenario.json")
    assert ids(two, "--scenarios", "web") == both(NGINX)


@pytest.mark.parametrize(
    ("typed", "passed"),
    [
        (NGINX, 2),
        (f"{NGINX}::run1", 2),
        (f"{NGINX}::run1::compliance", 1),
        ("scenarios/nginx/001", 2),
        ("scenarios", 4),
    ],
)
def test_an_id_can_be_typed_back(two: Project, typed: str, passed: int) -> None:
    outcome = two.run(typed)
    outcome.counts(passed=passed)
    assert set(two.runs().values()) == {1}


def test_iterations_are_runs_of_their_own(project: Project) -> None:
    project.scenario("nginx/001")
    project.run("--iter", "3").counts(passed=6)
    assert project.runs() == {"nginx/001": 3}
    assert [report.iteration for report in project.reports()] == [1, 2, 3]
    assert [report.nodeid for report in project.reports()] == [f"{NGINX}::run{number}" for number in (1, 2, 3)]
    assert project.left() == []


def test_payload_in_a_scenario_folder_is_never_collected_nor_imported(project: Project) -> None:
    folder = project.scenario("nginx/001")
    for name in ("test_payload.py", "__init__.py", "files/test_more.py", "files/conftest.py", "conftest.j2.py"):
        project.write(f"{folder}/{name}", "raise SystemExit('imported')\n")
    project.write(f"{folder}/files/scenario.json", json.dumps({"not": "a scenario"}))
    project.write(f"{folder}/test_doc.txt", ">>> 1 + 1\n3\n")
    outcome = project.run("--doctest-glob=test*.txt")
    outcome.counts(passed=2)


def test_ordinary_tests_live_beside_scenarios(two: Project) -> None:
    two.write("test_plain.py", "def test_plain():\n    pass\n")
    two.write("scenarios/test_beside.py", "def test_beside():\n    pass\n")
    two.run().counts(passed=6)
    two.run("--scenarios", "web").counts(passed=4, deselected=2)


def test_without_the_plugin_a_scenario_is_just_a_file(two: Project) -> None:
    two.ini()
    two.write("pytest.ini", "[pytest]\n")
    two.write("conftest.py", "")
    two.write("test_plain.py", "def test_plain():\n    pass\n")
    outcome = two.run("-p", "no:2501bench")
    outcome.counts(passed=1)
    assert "2501" not in outcome.out.replace("2501bench-0", "")


def test_the_header_says_every_setting_with_its_source(two: Project) -> None:
    two.monkeypatch.setenv("BENCH_MAIN_ENGINE", "engine-a")
    two.write("bench.env", "ORG_ID=\nSECONDARY=\nBENCH_SECONDARY_ENGINE=engine-b\n")
    outcome = two.run("--specialty", "DBA", "--collect-only", "--bench-env-file", "bench.env")
    for words in (
        "mode fake (ini bench_mode)",
        "specialty DBA (--specialty)",
        "main engine engine-a (BENCH_MAIN_ENGINE in the environment)",
        "secondary engine engine-b (BENCH_SECONDARY_ENGINE in bench.env)",
        "iterations 1 (default)",
        "engine api key (set) (ENGINE_API_KEY in the environment)",
        "database .2501bench/results.db (default)",
    ):
        assert words in outcome.out, outcome.out
    assert "org id" not in outcome.out


def test_the_header_is_silent_where_no_scenario_is_collected(project: Project) -> None:
    project.write("test_plain.py", "def test_plain():\n    pass\n")
    outcome = project.run()
    assert "2501bench:" not in outcome.out
    assert "2501 benchmark" not in outcome.out
    assert not project.bench_dir.exists()


def test_last_failed_runs_the_failed_gate_alone(two: Project) -> None:
    two.scenario("nginx/001", validation={"tasks": [NEVER]})
    two.run().counts(passed=3, failed=1)
    outcome = two.run("--lf")
    outcome.counts(failed=1, deselected=3)
    assert two.runs() == {"nginx/001": 2, "disk-is-full": 1}


def test_exitfirst_leaves_no_sandbox_and_a_stored_report(two: Project) -> None:
    two.scenario("disk-is-full", folder="disk/007", bench={"outcome": [NEVER]})
    outcome = two.run("-x")
    outcome.counts(failed=1)
    assert two.runs() == {"disk-is-full": 1}
    report = two.report()
    assert report.task_validation.status == "failed"
    assert report.compliance.status == "passed"  # seen and stored, though pytest stopped before its item
    assert two.left() == []


def test_stepwise_goes_on_where_it_stopped(two: Project) -> None:
    two.scenario("disk-is-full", folder="disk/007", validation={"tasks": [NEVER]})
    two.run("--sw").counts(passed=1, failed=1)
    two.run("--sw").counts(failed=1, deselected=1)
    assert two.runs() == {"disk-is-full": 2}


def test_fixtures_of_every_scope_that_users_have_everywhere(two: Project) -> None:
    two.conftest("""
import pytest

@pytest.fixture(autouse=True, scope="session")
def of_session(): yield

@pytest.fixture(autouse=True, scope="package")
def of_package(): yield

@pytest.fixture(autouse=True, scope="module")
def of_module(request):
    assert request.module is not None
    yield

@pytest.fixture(autouse=True, scope="class")
def of_class(request):
    assert request.cls.__name__ == "run1"
    yield

@pytest.fixture(autouse=True)
def of_function(request, record_property, tmp_path, monkeypatch):
    record_property("owner", "team-a")
    yield
""")
    outcome = two.run("--junitxml", "junit.xml", "-o", "junit_family=xunit1")
    outcome.counts(passed=4)
    assert (two.root / "junit.xml").read_text().count('<property name="owner" value="team-a"') == 4


def test_markers_of_a_conftest_reach_the_checks(two: Project) -> None:
    two.ini("markers =\n    nightly: not in every pull request\n")
    two.conftest("""
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        if "disk" in item.nodeid:
            item.add_marker(pytest.mark.nightly)
""")
    two.run("-m", "not nightly").counts(passed=2, deselected=2)
    assert two.runs() == {"nginx/001": 1}


def test_a_conftest_beside_a_scenario_category_overrides_a_fixture_there_only(two: Project) -> None:
    two.conftest(
        """
import pytest

@pytest.fixture(scope="class")
def gateway(gateway, scenario):
    class Counted:
        def __getattr__(self, name):
            return getattr(gateway, name)
        def submit(self, ticket):
            with open("overridden.txt", "a") as file:
                file.write(scenario.scenario.key + "\\n")
            return gateway.submit(ticket)
    return Counted()
""",
        folder="scenarios/nginx",
    )
    two.run().counts(passed=4)
    assert (two.root / "overridden.txt").read_text() == "nginx/001\n"


def test_a_conftest_in_a_scenario_folder_is_pytests_own_and_holds_for_that_scenario(two: Project) -> None:
    two.conftest(
        """
import pytest

@pytest.fixture(scope="class", autouse=True)
def once(scenario):
    with open("once.txt", "a") as file:
        file.write(scenario.scenario.key + "\\n")
""",
        folder="scenarios/nginx/001",
    )
    two.run().counts(passed=4)
    assert (two.root / "once.txt").read_text() == "nginx/001\n"


def test_a_sandbox_of_the_users_own(two: Project) -> None:
    two.conftest(
        """
import pytest
from support.plugin_fakes import FakeProvider
from pytest_2501bench.sandbox.protocol import HostSpec

@pytest.fixture(scope="class")
def sandbox(pytestconfig):
    provider = FakeProvider(pytestconfig.rootpath)
    made = provider.create([HostSpec("k3s-01")])
    yield made
    provider.destroy(made)
""",
        folder="scenarios/nginx",
    )
    two.run().counts(passed=4)
    assert sorted(two.calls("provider.create")) == ["host-01", "k3s-01"]
    assert two.left() == []
    assert {host for report in two.reports() for host in [report.status.value]} == {"passed"}
    assert two.calls("gateway.register") == ["", ""]


def test_collect_only_tree_names_the_nodes(two: Project) -> None:
    outcome = two.run("--collect-only", "scenarios/nginx")
    outcome.result.stdout.fnmatch_lines(
        [
            "*<ScenarioDirectory 001>*",
            "*<ScenarioFile scenario.json>*",
            "*<ScenarioRun run1>*",
            "*<Check task_validation>*",
            "*<Check compliance>*",
        ]
    )


def test_setup_plan_and_setup_only_do_not_break(two: Project) -> None:
    two.run("--setup-plan", "scenarios/nginx")
    assert two.calls("provider.create") == []


def test_the_root_directory_itself_may_be_a_scenario(project: Project) -> None:
    project.write("scenario.json", json.dumps(project_scenario()))
    assert ids(project) == both("scenario.json")


def project_scenario() -> dict[str, object]:
    from support.plugin_project import scenario_json

    return scenario_json("alone")
