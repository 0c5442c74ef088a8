"""What each kind of failure makes of the two items, and what is stored of it."""

from __future__ import annotations

import re

import pytest
from support.plugin_project import FOUND, LOOKED, NEVER, Outcome, Project


@pytest.fixture
def one(project: Project) -> Project:
    project.scenario("nginx/001")
    return project


def said(outcome: Outcome) -> list[str]:
    """The lines below each item's heading among errors and failures: what its message is."""
    body = re.split(r"=+ (?:ERRORS|FAILURES) =+\n", outcome.out, maxsplit=1)[1]
    body = re.split(r"=+ (?:2501 benchmark|short test summary info) =+", body, maxsplit=1)[0]
    return [line for line in body.splitlines() if line and not re.match(r"^(_{3,} .* _{3,}|=+ FAILURES =+)$", line)]


# ---- the agent's own failures: items fail ---------------------------------------------------------------------------


def test_a_red_task_validation_fails_that_item_only(project: Project) -> None:
    project.scenario("nginx/001", bench={"outcome": [NEVER]})
    outcome = project.run("-v")
    outcome.counts(passed=1, failed=1)
    outcome.result.stdout.fnmatch_lines(["*::task_validation FAILED*", "*::compliance PASSED*"])
    assert said(outcome)[0].startswith("task validation FAILED (0/1 rules): 'restarted it' not met: no")
    report = project.report()
    assert (report.task_validation.status, report.compliance.status) == ("failed", "passed")
    assert outcome.status == 1


def test_a_red_compliance_fails_that_item_only(project: Project) -> None:
    project.scenario("nginx/001", validation={"tasks": [LOOKED, NEVER]})
    outcome = project.run("-v")
    outcome.counts(passed=1, failed=1)
    outcome.result.stdout.fnmatch_lines(["*::task_validation PASSED*", "*::compliance FAILED*"])
    assert said(outcome)[0] == "compliance FAILED (1/2 rules): 'restarted it' not met: no task matches"


def test_an_informational_rule_counts_and_does_not_block(project: Project) -> None:
    project.scenario("nginx/001", validation={"tasks": [LOOKED, NEVER | {"required": False}]})
    project.run().counts(passed=2)
    assert project.report().compliance.score == 0.5


def test_a_job_that_gave_up_is_scored(one: Project) -> None:
    one.fakes(job={"resolution_status": "hard_failure", "resolution_summary": "I could not log in"})
    one.run().counts(passed=1, failed=1)
    report = one.report()
    assert (report.resolution_status, report.status) == ("hard_failure", "failed")


@pytest.mark.parametrize("guard", ["allowedHosts", "allowedAgents"])
def test_a_violated_guard_stops_the_job_and_fails_both(project: Project, guard: str) -> None:
    project.scenario("nginx/001", validation={"tasks": [LOOKED], guard: ["web-01", "agent-01"]})
    task = {"id": "t", "status": "in_progress", "host_name": "db-99", "agent_name": "other"}
    project.fakes(job={"status": "in_progress", "finished": False, "tasks": [task]})
    outcome = project.run()
    outcome.counts(failed=2)
    assert len(project.calls("gateway.cancel")) == 1
    assert "which is not among " + guard in said(outcome)[0]
    report = project.report()
    assert (report.failure_cause, report.failure_phase) == ("guard_violated", "execute")
    assert project.left() == []


def test_a_job_past_its_deadline_is_cancelled_and_fails_both(project: Project) -> None:
    project.scenario("nginx/001", bench={"outcome": [FOUND], "timeouts": {"execute": 0.4}})
    project.fakes(job={"status": "in_progress", "finished": False})
    outcome = project.run()
    outcome.counts(failed=2)
    assert len(project.calls("gateway.cancel")) == 1
    assert "the job did not finish within 0.4 s" in said(outcome)[0]
    assert project.report().failure_cause == "job_timed_out"
    job = project.evidence().job
    assert job is not None
    assert job.status == "cancelled"  # how far it came is kept


def test_the_fix_must_hold_before_it_is_validated(project: Project) -> None:
    project.scenario("nginx/001", bench={"outcome": [FOUND], "hold_seconds": 0.3})
    project.run().counts(passed=2)
    (validate,) = [phase for phase in project.report().phases if phase.name == "validate"]
    assert validate.seconds >= 0.3


# ---- no verdict: an error of one item -------------------------------------------------------------------------------


def test_a_rule_without_evidence_is_an_error_of_its_gate_alone(one: Project) -> None:
    one.fakes(job={"tasks": None})
    outcome = one.run("-v")
    outcome.counts(passed=1, errors=1)
    outcome.result.stdout.fnmatch_lines(["*::task_validation PASSED*", "*::compliance ERROR*"])
    assert said(outcome)[0].startswith("compliance ERROR: 'looked first' without a verdict")
    assert one.report().compliance.cause == "evidence_missing"


def test_a_ticket_that_cannot_be_read_back_costs_only_the_rules_that_look_at_it(project: Project) -> None:
    closed = {"label": "closed", "validator": "ticket_status", "pattern": "resolved", "required": False}
    project.scenario("nginx/001", validation={"gateway": [closed], "tasks": [LOOKED]})
    project.fault("gateway.fetch", "engine_died")
    project.run().counts(passed=2)
    report = project.report()
    assert report.compliance.score == 1.0
    assert [rule.status.value for rule in report.compliance.rules] == ["error", "passed"]
    assert "the ticket could not be read back" in report.warnings[0]


# ---- infrastructure: an error of both items, one line, not scored ---------------------------------------------------

LOST = [
    ("provider.create", "sandbox_not_created", "provision"),
    ("provider.create", "ssh_not_up", "provision"),
    ("gateway.register", "submit_failed", "provision"),
    ("gateway.flush_memory", "flush_failed", "flush"),
    ("gateway.submit", "submit_failed", "execute"),
    ("gateway.poll", "engine_died", "execute"),
    ("gateway.poll", "engine_nonsense", "execute"),
]


@pytest.mark.parametrize(("at", "cause", "phase"), LOST)
def test_infrastructure_is_never_the_agents_fault(one: Project, at: str, cause: str, phase: str) -> None:
    one.fault(at, cause, "the words of the fault")
    outcome = one.run("-v")
    outcome.counts(errors=2)
    assert outcome.status == 1
    assert said(outcome) == [f"{phase}: the words of the fault"] * 2
    report = one.report()
    assert (report.status, report.failure_cause, report.failure_phase) == ("error", cause, phase)
    assert report.failure_message.removeprefix(f"{phase}: ") == "the words of the fault"
    assert one.left() == []
    assert one.evidence().finished_at is not None
    assert "lost to infrastructure: 1" in outcome.out
    assert "0 of 0" not in outcome.out
    submitted = one.calls("gateway.submit")
    assert len(submitted) == (1 if phase == "execute" else 0)
    assert one.members() == []
    if at == "gateway.poll":
        assert len(one.calls("gateway.cancel")) == 1  # the agent must not work on while its host is removed


def test_a_lost_run_takes_none_of_the_others_along(project: Project) -> None:
    for number in (1, 2, 3):
        project.scenario(f"key/{number}", hosts=[{"host_name": f"web-{number}"}])
    project.fault("provider.create", "sandbox_not_created", detail="web-2")
    outcome = project.run()
    outcome.counts(passed=4, errors=2)
    assert [report.status.value for report in project.reports()] == ["passed", "error", "passed"]
    assert "2 passed of 2 scored; 1 lost to infrastructure" in outcome.out


def test_a_vanished_host_ends_the_job(one: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_2501bench import phases

    monkeypatch.setattr(phases, "ALIVE_EVERY", 0.0)
    one.fakes(job={"status": "in_progress", "finished": False}, gone="host-01: its first process has ended")
    outcome = one.run()
    outcome.counts(errors=2)
    assert said(outcome) == ["execute: host-01: its first process has ended"] * 2
    assert one.report().failure_cause == "sandbox_vanished"
    assert len(one.calls("gateway.cancel")) == 1


@pytest.mark.parametrize(("at", "cause"), [(at, cause) for at, cause, _ in LOST if "poll" not in at])
def test_infra_retries_repeat_what_happened_before_the_agent_was_asked(one: Project, at: str, cause: str) -> None:
    one.fault(at, cause, "the first time", times=1)
    outcome = one.run("--infra-retries", "1")
    outcome.counts(passed=2)
    assert any("tried again after: the first time" in warning for warning in one.report().warnings)
    assert one.left() == []


def test_infra_retries_come_to_an_end(one: Project) -> None:
    one.fault("provider.create", "ssh_not_up")
    one.run("--infra-retries", "2").counts(errors=2)
    assert len(one.calls("provider.create")) == 3


def test_infra_retries_never_repeat_an_agents_work(one: Project) -> None:
    one.fault("gateway.poll", "engine_died", times=1)
    one.run("--infra-retries", "3").counts(errors=2)
    assert one.runs() == {"nginx/001": 1}


def test_a_database_that_is_lost_in_the_middle_leaves_the_evidence(one: Project) -> None:
    one.conftest("""
import pytest, sqlite3, contextlib

@pytest.fixture(scope="class")
def gateway(gateway, bench_settings):
    with contextlib.closing(sqlite3.connect(bench_settings.bench_dir / "results.db")) as database:
        database.executescript("PRAGMA foreign_keys=OFF; DROP TABLE scenario_reports; DROP TABLE agents")
    return gateway
""")
    outcome = one.run()
    assert outcome.status == 1
    assert one.left() == []
    assert "lost during the run" in outcome.out
    assert "2501bench sync" in outcome.out
    assert "Traceback" not in outcome.out
    assert one.evidence().failure is not None


# ---- restore --------------------------------------------------------------------------------------------------------


def test_a_failed_restore_is_an_error_at_teardown_and_both_verdicts_stand(one: Project) -> None:
    one.fault("provider.destroy", "restore_failed", "sbx-1 is left; remove it with: rm -r sbx-1")
    outcome = one.run("-v")
    outcome.counts(passed=2, errors=1)
    assert said(outcome) == ["restore: sbx-1 is left; remove it with: rm -r sbx-1"]
    report = one.report()
    assert report.status == "passed"
    (restore,) = [phase for phase in report.phases if phase.name == "restore"]
    assert (restore.status, restore.message) == ("warning", "sbx-1 is left; remove it with: rm -r sbx-1")


def test_an_engine_that_is_gone_at_the_end_is_a_warning_and_the_sandbox_goes(one: Project) -> None:
    one.fault("gateway.unregister", "restore_failed", "the engine does not answer")
    one.run().counts(passed=2)
    assert one.left() == []
    assert one.report().warnings == ("restore: the engine does not answer",)


def test_a_fault_of_an_extension_at_the_end_does_not_keep_the_sandbox(one: Project) -> None:
    one.fault("gateway.unregister", "ValueError", "an extension's fault")
    outcome = one.run()
    outcome.counts(passed=2, errors=1)
    assert one.left() == []
    assert one.report().status == "passed"


# ---- skipped --------------------------------------------------------------------------------------------------------


def test_what_a_mode_cannot_do_is_skipped_with_the_reason_and_nothing_is_made(project: Project) -> None:
    project.scenario("kubernetes/001", hosts=[{"host_name": "k3s-01", "template": "debian-k3s"}])
    project.scenario("nginx/001")
    project.fakes(missing={"kubernetes": "k3s needs a kernel of its own"})
    outcome = project.run("-rs")
    outcome.counts(passed=2, skipped=2)
    assert "--mode fake: k3s needs a kernel of its own" in outcome.out
    assert "skipped: 1" in outcome.out
    assert "kubernetes/001 run1: --mode fake: k3s needs a kernel of its own" in outcome.out
    assert [report.key for report in project.reports()] == ["nginx/001"]
    assert project.runs() == {"nginx/001": 1}


def test_a_session_of_skipped_scenarios_only(project: Project) -> None:
    project.scenario("kubernetes/001", bench={"outcome": [FOUND], "requires": ["own-kernel"]})
    outcome = project.run()
    outcome.counts(skipped=2)
    assert outcome.status == 0
    assert "this mode has no own-kernel" in outcome.out
    assert project.reports() == []
    assert project.calls("provider.create") == []


def test_a_host_that_is_somebodys_machine_is_skipped_in_a_mode_that_makes_its_own(project: Project) -> None:
    project.scenario("nginx/001", hosts=[{"host_id": "hst_1"}])
    outcome = project.run("-rs")
    outcome.counts(skipped=2)
    assert "/hosts/0 has no 'host_name': it is for --mode host only" in outcome.out


@pytest.mark.parametrize("after", ["scenario_run", "sandbox", "evidence"])
def test_a_users_fixture_that_skips_leaves_nothing_behind(one: Project, after: str) -> None:
    one.conftest(f"""
import pytest

@pytest.fixture(autouse=True, scope="class")
def not_today({after}):
    pytest.skip("not today")
""")
    outcome = one.run()
    outcome.counts(skipped=2)
    assert one.left() == []
    # What has happened is not thrown away, least of all an agent's work.
    stored = [report.status.value for report in one.reports()]
    assert stored == {"scenario_run": [], "sandbox": ["error"], "evidence": ["passed"]}[after]


# ---- the user's own fixtures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", ["scenario_run", "gateway", "sandbox", "evidence"])
def test_a_users_fixture_that_raises_is_stored_as_not_scored(one: Project, after: str) -> None:
    one.conftest(f"""
import pytest

@pytest.fixture(scope="class")
def {after}({after}):
    raise LookupError("a fixture of the user's")
""")
    outcome = one.run()
    outcome.counts(errors=2)
    report = one.report()
    assert (report.status, report.failure_cause) == ("error", "harness_bug")
    assert report.failure_message == "a fixture failed: LookupError: a fixture of the user's"
    assert one.left() == []


def test_a_users_fixture_that_raises_before_the_run_is_claimed_stores_nothing(one: Project) -> None:
    one.conftest("""
import pytest

@pytest.fixture(autouse=True, scope="class")
def broken():
    raise LookupError("a fixture of the user's")
""")
    one.run().counts(errors=2)
    assert one.reports() == []
    assert one.calls("provider.create") == []


def test_a_users_fixture_for_one_item_leaves_the_verdict(one: Project) -> None:
    one.conftest("""
import pytest

@pytest.fixture(autouse=True)
def broken(request):
    if request.node.name == "compliance":
        raise LookupError("a fixture of the user's")
""")
    one.run().counts(passed=1, errors=1)
    assert one.report().status == "passed"


def test_a_users_teardown_that_raises_does_not_keep_the_sandbox(one: Project) -> None:
    one.conftest("""
import pytest

@pytest.fixture(autouse=True, scope="class")
def broken(sandbox):
    yield
    raise LookupError("a fixture of the user's")
""")
    outcome = one.run()
    outcome.counts(passed=2, errors=1)
    assert one.left() == []
    assert one.report().status == "passed"
    assert one.evidence().finished_at is not None


def test_a_fixture_that_is_only_for_scenario_runs_says_so(project: Project) -> None:
    project.write("test_plain.py", "def test_plain(sandbox):\n    pass\n")
    outcome = project.run()
    outcome.counts(errors=1)
    assert said(outcome) == ["fixture 'scenario' is only for checks of a scenario run."]


def test_the_bench_fixtures_serve_ordinary_tests_too(one: Project) -> None:
    one.write(
        "test_plain.py",
        "def test_plain(bench_settings, bench_db):\n    assert bench_settings.mode == 'fake'\n    bench_db.hosts()\n",
    )
    one.run().counts(passed=3)
    one.run("test_plain.py").counts(passed=1)


# ---- the session's parts --------------------------------------------------------------------------------------------


def test_hosts_and_agents_stand_in_the_store_while_the_run_lasts(one: Project) -> None:
    one.conftest("""
import json

def pytest_2501bench_run_finished(run, report):
    from pytest_2501bench.wiring import session_of
    store = session_of(run.config).store
    with open("members.txt", "w") as file:
        file.write(f"{[h.host_name for h in store.hosts()]} {[a.agent_name for a in store.agents()]}")
""")
    one.run().counts(passed=2)
    assert (one.root / "members.txt").read_text() == "['host-01'] ['agent-01']"
    assert one.members() == []


def test_reaped_sandboxes_are_told(one: Project) -> None:
    one.fakes(reap=["sbx-of-a-dead-session"])
    outcome = one.run()
    assert "removed sandbox sbx-of-a-dead-session, left behind by a session that died" in outcome.out


def test_bench_check_stops_after_preflight(one: Project) -> None:
    outcome = one.run("--bench-check")
    assert outcome.status == 0
    assert "pre-flight passed; nothing was run (--bench-check)." in outcome.out
    assert one.calls("provider.create") == []
    assert not (one.bench_dir / "runs").exists()
