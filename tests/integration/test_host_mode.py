"""``--mode host``: hosts that somebody keeps are broken, repaired and put back, by one run at a time."""

from __future__ import annotations

import getpass
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.benchmark import ROOT, environment
from support.hosts import WEB, on
from support.registered_hosts import inventory, machines
from typer.testing import CliRunner

from pytest_2501bench.cli.hosts import app
from pytest_2501bench.errors import Cause
from pytest_2501bench.evidence.folder import runs_in
from pytest_2501bench.evidence.log import read_evidence, read_report
from pytest_2501bench.report.model import ScenarioReport
from pytest_2501bench.sandbox.host.enrol import enrol_inventory
from pytest_2501bench.sandbox.protocol import Host
from pytest_2501bench.store.leases import Holder, Leases
from pytest_2501bench.store.model import RegisteredAgent
from pytest_2501bench.store.repository import Store

pytestmark = pytest.mark.namespace

PLAYBOOKS = {
    "prepare": "echo broken > /etc/lamp; ! test -e /etc/lamp-sticks",
    "validate": "grep -q lit /etc/lamp",
    "restore": "rm -f /etc/lamp; test ! -e /etc/lamp-sticks",
    "solve": "echo lit > /etc/lamp",
}
"""A scenario that takes a second per playbook: a lamp is out. ``/etc/lamp-sticks`` keeps it from being put back."""


@dataclass
class Bench:
    """A project with one scenario, the kept host, and a results database of its own."""

    folder: Path
    host: Host
    inventory: Path

    def scenario(self, **changes: object) -> None:
        """Write the scenario."""
        fields: dict[str, object] = {
            "key": "lamp-001",
            "title": "A lamp is out",
            "description": "for tests",
            "ticket_title": "It is dark",
            "ticket_body": "The lamp of web-01 is out.",
            "hosts": [{"host_name": "web-01"}],
        }
        folder = self.folder / "scenarios" / "lamp"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "scenario.json").write_text(json.dumps(fields | changes))
        for name, command in PLAYBOOKS.items():
            task = f"    - name: The lamp\n      ansible.builtin.shell: {json.dumps(command)}\n"
            text = f"- name: Lamp\n  hosts: web-01\n  gather_facts: false\n  tasks:\n{task}"
            (folder / f"{name}.yml").write_text(text)

    def start(
        self, *arguments: str, bench_dir: str = "bench", root: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a session, of the project or of *root*."""
        options = ["-p", "no:cacheprovider", "-p", "no:randomly", "--mode", "host", "--hosts", str(self.inventory)]
        options += ["--bench-dir", str(self.folder / bench_dir)]
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *(arguments or ("scenarios",)), *options],
            cwd=root or self.folder,
            env=environment(BENCH_CACHE_DIR=str(self.folder / "cache"), **(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **more: object) -> tuple[int, str]:
        """Run a session to its end."""
        return ended(self.start(*arguments, **more))  # type: ignore[arg-type]

    def reports(self, bench_dir: str = "bench") -> list[ScenarioReport]:
        """The runs' reports, in the order in which they began."""
        folders = [folder.path for folder in runs_in(self.folder / bench_dir)]
        found = [read_report(path) for path in folders if (path / "report.json").exists()]
        return sorted(found, key=lambda report: report.started_at)

    def hosts(self, *arguments: str) -> tuple[int, str]:
        """``2501bench hosts …``."""
        done = CliRunner().invoke(app, [*arguments, "--bench-dir", str(self.folder / "bench")])
        return done.exit_code, done.output + (f"{done.exception}" if done.exception else "")

    def store(self) -> Store:
        """The database."""
        return Store.open(None, self.folder / "bench")


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A machine with systemd that is there before and after every test."""
    with machines([WEB], tmp_path_factory.mktemp("machines")) as hosts:
        yield hosts[0]


@pytest.fixture
def bench(kept: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    on(kept, "rm -f /etc/lamp*")
    made = Bench(tmp_path, kept, inventory([kept], tmp_path / "inventory.ini", host_id="hst_web"))
    made.scenario()
    return made


def overlap(reports: Sequence[ScenarioReport]) -> bool:
    """Whether two runs were between prepare and validate at the same time."""
    spans = []
    for report in reports:
        phases = {str(phase.name): phase for phase in report.phases}
        last = phases["validate"]
        spans.append((phases["prepare"].started_at, last.started_at + last.seconds))
    spans.sort()
    return any(later[0] < former[1] for former, later in itertools.pairwise(spans))


def test_a_shipped_scenario_runs_on_a_host_of_an_inventory_which_is_put_back_and_stays(bench: Bench) -> None:
    before = on(bench.host, "ls -R /etc/nginx; cat /etc/nginx/nginx.conf; cat /proc/1/stat | cut -d' ' -f22").stdout
    status, output = bench.run("scenarios/nginx/001-broken-config", root=ROOT)
    assert status == 0, output
    (report,) = bench.reports()
    assert (report.task_validation.status, report.compliance.status) == ("passed", "passed"), output
    assert report.mode == "host"
    after = on(bench.host, "ls -R /etc/nginx; cat /etc/nginx/nginx.conf; cat /proc/1/stat | cut -d' ' -f22").stdout
    assert after == before
    assert on(bench.host, "curl -fsS http://127.0.0.1/ | head -c 400; ls /srv/www").stdout.count("shop") == 0
    with bench.store() as store:
        (host,) = store.hosts()
        assert (host.host_id, host.quarantine, host.facts and host.facts["systemd"]) == ("hst_web", None, True)
        assert not store.agents()
    assert not list((bench.folder / "cache" / "host" / "sandboxes").iterdir())


def test_an_agent_that_exists_is_used_and_left_as_it_is(bench: Bench) -> None:
    bench.scenario(hosts=[{"host_id": "hst_web"}], agents=[{"agent_id": "agt_old", "host_id": "hst_web"}])
    agent = RegisteredAgent(agent_id="agt_old", agent_name="keeper", host_id="hst_web", specialty_key="LAMPS")
    with bench.store() as store:
        enrol_inventory(store, bench.inventory, bench.folder)
        store.register_agent(agent)
    status, output = bench.run()
    assert status == 0, output
    (folder,) = runs_in(bench.folder / "bench")
    evidence = read_evidence(folder.evidence)
    assert [one.agent_id for one in evidence.agents] == ["agt_old"]
    assert [task.agent_id for task in evidence.job.tasks or ()] == ["agt_old"] if evidence.job else False
    assert any(str(phase.name) == "flush" and phase.status == "ok" for phase in evidence.phases)
    with bench.store() as store:
        assert store.agents() == (agent,)


def test_two_sessions_with_databases_of_their_own_use_a_host_one_after_the_other(bench: Bench) -> None:
    both = [bench.start(bench_dir=name) for name in ("one", "two")]
    for status, output in [ended(process) for process in both]:
        assert status == 0, output
    reports = [*bench.reports("one"), *bench.reports("two")]
    assert len(reports) == 2
    assert not overlap(reports)


def test_more_workers_than_hosts_wait_and_every_run_happens_once(bench: Bench) -> None:
    status, output = bench.run("scenarios", "-n", "2", "--iter", "2")
    assert status == 0, output
    reports = bench.reports()
    assert [report.iteration for report in sorted(reports, key=lambda one: one.iteration)] == [1, 2]
    assert not overlap(reports)


@pytest.fixture
def working(bench: Bench) -> Iterator[subprocess.Popen[str]]:
    """A session whose agent has been asked, and takes its time."""
    agent = bench.folder / "agent.sh"
    agent.write_text(f"#!/bin/sh\ntouch {bench.folder}/working\nexec sleep 120\n")
    agent.chmod(0o755)
    process = bench.start("scenarios", "--agent-command", str(agent))
    deadline = time.monotonic() + 60
    while not (bench.folder / "working").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield process
    if process.poll() is None:
        process.kill()
        process.communicate()


def test_the_host_of_a_killed_session_is_taken_over_at_once(bench: Bench, working: subprocess.Popen[str]) -> None:
    status, output = bench.hosts("list")
    assert status == 0
    assert f"in use by {getpass.getuser()} on {os.uname().nodename} (process {working.pid}) since" in output
    status, output = bench.hosts("remove", "web-01")
    assert status == 1
    assert "is in use by" in output
    working.send_signal(signal.SIGKILL)
    working.communicate()
    start = time.monotonic()
    status, output = bench.run("scenarios", "--agent", "oracle")
    assert status == 0, output
    assert time.monotonic() - start < 45, "the lease of a dead process is not waited for"
    assert "left behind by a session that died" in output
    assert bench.reports()[-1].task_validation.status == "passed"
    assert "free" in bench.hosts("list")[1]


def test_a_run_that_lost_its_host_to_another_machine_is_an_error_and_leaves_the_host_alone(
    bench: Bench, working: subprocess.Popen[str]
) -> None:
    other = Holder(user_name="bob", machine="bench-2", pid=1, started="1", world="another boot")
    with bench.store() as store:
        assert Leases(store).take("hst_web", "theirs", "sbx_9", other, seconds=600, gone=lambda _: True) is None
        status, output = ended(working)
        assert set(Leases(store).all()) == {"hst_web"}, "the other one's lease is not given back"
    assert status == 1, output
    (report,) = bench.reports()
    assert (report.status, report.failure_cause) == ("error", Cause.SANDBOX_VANISHED), output
    assert "the lease of host web-01 was lost: it is bob on bench-2 (process 1)" in report.failure_message
    assert any(warning.startswith("restore: not restored: the lease") for warning in report.warnings)
    assert on(bench.host, "cat /etc/lamp").stdout == "broken\n"


def test_a_host_that_could_not_be_put_back_is_refused_until_it_was_checked(bench: Bench) -> None:
    agent = bench.folder / "agent.sh"
    agent.write_text(
        '#!/bin/sh\nexec ssh -F "$BENCH_SSH_CONFIG" web-01 "echo lit > /etc/lamp; touch /etc/lamp-sticks"\n'
    )
    agent.chmod(0o755)
    status, output = bench.run("scenarios", "--agent-command", str(agent))
    (first,) = bench.reports()
    assert first.task_validation.status == "passed", output  # a warning: the verdict stands
    assert "In quarantine until `2501bench hosts check web-01` finds all well" in " ".join(output.split()), output

    status, output = bench.run()
    assert status == 1, output
    second = bench.reports()[-1]
    assert (second.status, second.failure_cause) == ("error", Cause.HOST_QUARANTINED)
    assert "is in quarantine: restore.yml: task 'The lamp'" in " ".join(output.split())

    # It answers, but the scenario's own restore.yml says whether it is as it was.
    status, output = bench.hosts("check", "--restore", "lamp-001", "-p", str(bench.folder / "scenarios"))
    assert status == 1
    assert "restore.yml: task 'The lamp'" in output
    on(bench.host, "rm /etc/lamp-sticks")
    status, output = bench.hosts("check", "--restore", "lamp-001", "-p", str(bench.folder / "scenarios"))
    assert status == 0, output
    assert "free again" in output
    assert on(bench.host, "ls /etc/lamp").returncode != 0
    assert bench.hosts("list")[1].endswith(": free\n")
