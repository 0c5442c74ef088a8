"""Faults that only a real host can have: it dies in the middle, it does not answer, a playbook takes too long.

The hosts and playbooks are real; gateway and agent are the fake ones, which do nothing to the host.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.plugin_project import FOUND, Outcome, Project
from syrupy.assertion import SnapshotAssertion

from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.namespace.provider import default_cache_dir

pytestmark = pytest.mark.namespace

CACHE = default_cache_dir()  # before pytester gives each test a home of its own

FAULTY = """
import os
import signal
import subprocess
import pytest
from pytest_2501bench.sandbox.namespace.access import ssh_argv

def kill(sandbox):
    for stat in sandbox.directory.glob("*/init.stat"):
        os.kill(int(stat.read_text().split(" ", 1)[0]), signal.SIGKILL)

def deafen(sandbox):
    # Whoever connects from now on waits for an answer.
    command = r"printf '#!/bin/sh\\nexec sleep 300\\n' > /tmp/deaf; chmod 755 /tmp/deaf; mv /tmp/deaf /usr/sbin/sshd"
    subprocess.run(ssh_argv(sandbox.hosts[0].ssh, command), check=True, stdin=subprocess.DEVNULL, timeout=20)

class Faulty:
    def __init__(self, gateway):
        self.gateway, self.sandbox = gateway, None
    def __getattr__(self, name):
        return getattr(self.gateway, name)
    def flush_memory(self, agents):
        WHEN == "flush" and WHAT(self.sandbox)
        return self.gateway.flush_memory(agents)
    def submit(self, ticket):
        WHEN == "execute" and WHAT(self.sandbox)
        return self.gateway.submit(ticket)
    def fetch(self, reference):
        WHEN == "validate" and WHAT(self.sandbox)
        return self.gateway.fetch(reference)

@pytest.fixture(scope="class")
def gateway(gateway):
    return Faulty(gateway)

@pytest.fixture(scope="class")
def sandbox(sandbox, gateway):
    gateway.sandbox = sandbox
    WHEN == "prepare" and WHAT(sandbox)
    yield sandbox
    WHEN == "restore" and WHAT(sandbox)
"""

FINE = "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: Fine\n      ansible.builtin.raw: 'true'\n"
SLEEP = f"sleep 61.{os.getpid()}"
LONG = FINE.replace("'true'", SLEEP).replace("Fine", "Too long")


@pytest.fixture
def real(project: Project) -> Project:
    project.monkeypatch.setenv("BENCH_CACHE_DIR", str(CACHE))
    project.monkeypatch.setattr("pytest_2501bench.traces.visit.SECONDS", 8.0)  # a deaf host costs all of them
    project.ini()
    provider = NamespaceProvider()
    assert provider.preflight() == []
    return project


def run(project: Project, what: str = "", when: str = "") -> Outcome:
    """Run with real hosts; *what* happens to the host *when*."""
    if what:
        project.conftest(f"{FAULTY}\nWHAT, WHEN = {what}, {when!r}\n")
    outcome = project.run("--mode", "namespace", "-v")
    assert "Traceback" not in outcome.out, outcome.out
    assert "INTERNALERROR" not in outcome.out, outcome.out
    assert [owned for owned in NamespaceProvider().list_owned() if owned.owner_pid == os.getpid()] == []
    assert project.members() == []
    return outcome


def playbook(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.yml").write_text(text)


@pytest.mark.parametrize("what", ["kill", "deafen"])
def test_a_host_that_stops_answering_before_it_is_prepared(
    real: Project, what: str, snapshot: SnapshotAssertion
) -> None:
    folder = real.scenario("host/001", bench={"outcome": [FOUND], "timeouts": {"prepare": 3}})
    playbook(folder, "prepare", FINE)
    outcome = run(real, what, "prepare")
    outcome.counts(errors=2)
    report = real.report()
    assert report.failure_phase == "prepare"
    assert report.failure_cause == {"kill": "sandbox_vanished", "deafen": "prepare_failed"}[what]
    assert real.calls("gateway.submit") == []
    assert real.normal(report.failure_message) == snapshot


REJECTED = FINE.replace("ansible.builtin.raw: 'true'", "no.such.module:\n        a: 1").replace(
    "Fine", "No such module"
)
NO_HOSTS = FINE.replace("hosts: all", "hosts: databases")


@pytest.mark.parametrize("text", [REJECTED, NO_HOSTS], ids=["rejected", "matches no hosts"])
def test_a_validate_that_ansible_does_not_play_is_no_verdict_and_compliance_stands(
    real: Project, text: str, snapshot: SnapshotAssertion
) -> None:
    playbook(real.scenario("host/001", bench=None), "validate", text)
    outcome = run(real)
    outcome.counts(passed=1, errors=1)
    outcome.result.stdout.fnmatch_lines(["*::task_validation ERROR*", "*::compliance PASSED*"])
    assert real.report().task_validation.cause == "validate_broken"
    assert real.normal(real.report().task_validation.reason) == snapshot


def test_a_host_that_dies_while_the_agent_works(
    real: Project, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    from pytest_2501bench import phases

    monkeypatch.setattr(phases, "ALIVE_EVERY", 0.2)
    real.scenario("host/001")
    real.fakes(job={"status": "in_progress", "finished": False})
    outcome = run(real, "kill", "execute")
    outcome.counts(errors=2)
    report = real.report()
    assert (report.failure_cause, report.failure_phase) == ("sandbox_vanished", "execute")
    assert real.normal(report.failure_message) == snapshot
    assert len(real.calls("gateway.cancel")) == 1


@pytest.mark.parametrize("what", ["kill", "deafen"])
def test_a_host_that_stops_answering_before_it_is_validated(
    real: Project, what: str, snapshot: SnapshotAssertion
) -> None:
    folder = real.scenario("host/001", bench={"timeouts": {"validate": 3}})
    playbook(folder, "validate", FINE)
    outcome = run(real, what, "validate")
    outcome.counts(passed=1, errors=1)
    outcome.result.stdout.fnmatch_lines(["*::task_validation ERROR*", "*::compliance PASSED*"])
    report = real.report()
    assert (report.task_validation.status, report.task_validation.cause) == ("error", "validate_broken")
    assert report.compliance.status == "passed"
    reason = real.normal(report.task_validation.reason)
    assert reason.partition(": Failed to connect")[0] == snapshot  # how SSH puts it depends on the moment


def test_a_host_that_dies_before_it_is_removed(real: Project) -> None:
    real.scenario("host/001")
    run(real, "kill", "restore").counts(passed=2)
    assert real.report().status == "passed"


def test_a_prepare_past_its_deadline(real: Project, snapshot: SnapshotAssertion) -> None:
    folder = real.scenario("host/001", bench={"outcome": [FOUND], "timeouts": {"prepare": 2}})
    playbook(folder, "prepare", LONG)
    outcome = run(real)
    outcome.counts(errors=2)
    report = real.report()
    assert (report.failure_cause, report.failure_phase) == ("prepare_failed", "prepare")
    assert real.normal(report.failure_message) == snapshot
    assert no_process_with(SLEEP)


def test_a_validate_past_its_deadline_and_a_failed_restore_of_an_earlier_run(
    real: Project, snapshot: SnapshotAssertion
) -> None:
    folder = real.scenario("host/001", bench={"timeouts": {"validate": 2}})
    playbook(folder, "restore", FINE.replace("'true'", "'false'"))  # silent: it clears what a failed earlier run left
    playbook(folder, "validate", LONG)
    outcome = run(real)
    outcome.counts(passed=1, errors=1)
    report = real.report()
    assert report.task_validation.cause == "validate_broken"
    assert real.normal(report.task_validation.reason) == snapshot
    assert report.compliance.status == "passed"
    assert no_process_with(SLEEP)


def test_infra_retries_prepare_again_on_a_reset_host(real: Project) -> None:
    folder = real.scenario("host/001")
    # Holds on a host that nobody has touched, and only after a reset.
    second = "{{ ((playbook_dir ~ '/again') is exists) | ternary('true', 'false') }}"
    playbook(folder, "prepare", FINE.replace("'true'", f"test ! -e /root/tried && touch /root/tried && {second}"))
    real.conftest("""
def pytest_runtestloop(session):
    from pytest_2501bench.sandbox.namespace import NamespaceProvider
    reset = NamespaceProvider.reset
    def told(self, sandbox):
        (session.config.rootpath / "scenarios/host/001/again").touch()
        return reset(self, sandbox)
    NamespaceProvider.reset = told
    session.config.add_cleanup(lambda: setattr(NamespaceProvider, "reset", reset))
""")
    outcome = real.run("--mode", "namespace", "--infra-retries", "1")
    outcome.counts(passed=2)
    assert any("tried again after" in warning for warning in real.report().warnings)


def no_process_with(words: str) -> bool:
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if words in process.read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                return False
        except OSError:
            continue
    return True
