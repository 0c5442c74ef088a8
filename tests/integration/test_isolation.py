"""Nothing of the scenario is on the host or in an agent's hands, and nothing of the agent's logins is in the score."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from support.benchmark import AGENTS, Finished, benchmark
from support.canary_scenario import CANARY, VALIDATE, write_project
from support.hosts import WEB, on
from support.registered_hosts import inventory, machines

from pytest_2501bench.sandbox.protocol import Host
from pytest_2501bench.scoring.model import Status

pytestmark = pytest.mark.namespace
SCENARIO = "scenarios/quokkas/001-quokka"
# Of our tooling. In files only where they are younger than the host: Debian's own documentation may have them.
OURS = ("ansible", "Ansible", "AnsiballZ", "BECOME-SUCCESS", "2501bench", "pytest", "validate.yml", "prepare.yml")


def _run(tmp_path: Path, agent: Path, **changes: Any) -> Finished:
    project = write_project(tmp_path / "project", **changes)
    words = base64.b64encode(json.dumps({"everywhere": [CANARY], "changed": OURS}).encode()).decode()
    return benchmark(
        "scenarios",
        "--agent-command",
        str(agent),
        bench_dir=tmp_path / "bench",
        cwd=project,
        timeout=120,
        env={"BENCH_AGENT_ENV": "SEARCH", "SEARCH": words},
    )


def _report(finished: Finished) -> dict[str, Any]:
    evidence = finished.evidence(SCENARIO)
    assert evidence.job is not None, finished.output
    answer: dict[str, Any] = json.loads(evidence.job.resolution_summary or "{}")
    assert "error" not in answer, answer
    return answer


def test_an_agent_that_searches_host_and_surroundings_finds_the_incident_and_nothing_else(tmp_path: Path) -> None:
    finished = _run(tmp_path, AGENTS / "search_for_traces.py")

    report = _report(finished)
    assert report["found"] == []
    assert report["given"] == []
    assert report["files"] > 500, "it did search"
    assert report["logins"] == 1, "the agent's own"
    # What belongs to the incident is there.
    assert report["kept"] == {"journal": True, "log": "backend refused on web-01\n", "program": True, "config": True}
    assert finished.reports[SCENARIO].task_validation.status is Status.PASSED, finished.output


AGENT_LEAVES = """\
#!/bin/sh
# Starts two servers and a daemon by hand, one of them carelessly, and goes while a command of its own still runs.
cat > /dev/null
on() { ssh -F "$BENCH_SSH_CONFIG" web-01 "$1"; }
on 'setsid nohup python3 -m http.server 8080 > /dev/null 2>&1 < /dev/null &'
on 'nohup sh -c "sleep 4001" > /dev/null 2>&1 < /dev/null &'
on 'sleep 4002' &
on 'sleep 4003 | cat' &
on 'python3 -m http.server 8081' &
sleep 1
echo done > "$BENCH_REPORT"
"""
PREPARE_ASYNC = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: a task that is over when the agent comes, but for Ansible's own watcher
      ansible.builtin.command: touch /srv/async
      async: 30
      poll: 0
    - name: it is over
      ansible.builtin.shell: until grep -qs '"rc"' /root/.ansible_async/*; do sleep 0.1; done; sleep 1
"""
VALIDATE_LEFT = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: the server that was started by hand answers
      ansible.builtin.command: curl -fsS http://127.0.0.1:8080/
    - name: the one that was started carelessly lives
      ansible.builtin.command: pgrep -f 'http.server 808[1]'
    - name: a daemon without a socket lives
      ansible.builtin.command: pgrep -fx 'sleep 4001'
    - name: the agent's command is over
      ansible.builtin.command: pgrep -fx 'sleep 400[23]'
      register: found
      failed_when: found.rc != 1
    - name: nothing is left of the async task
      ansible.builtin.command: sh -c '! ls -d /root/.ansible* && ! pgrep -f async_wrapper.p[y]'
"""


def test_commands_of_the_agent_that_outlive_its_job_are_ended_and_daemons_started_by_hand_are_not(
    tmp_path: Path,
) -> None:
    agent = tmp_path / "agent.sh"
    agent.write_text(AGENT_LEAVES)
    agent.chmod(0o755)

    finished = _run(tmp_path, agent, prepare=PREPARE_ASYNC, validate=VALIDATE_LEFT)

    assert finished.reports[SCENARIO].task_validation.status is Status.PASSED, finished.output
    evidence = finished.evidence(SCENARIO)
    assert evidence.left_running is not None
    left = {(one.command, one.kind, one.ended) for one in evidence.left_running}
    assert ("sleep 4002", "attached", True) in left
    assert ("sleep 4001", "detached", False) in left
    assert ("python3 -m", "detached", False) in left
    assert {one.command for one in evidence.left_running if one.ended} == {"sleep 4002", "sleep 4003", "cat", "bash -c"}
    assert any("sleep 4002" in warning and "web-01" in warning for warning in evidence.warnings)


PREPARE_LATE = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: it takes longer than it may
      ansible.builtin.shell: sleep 60; touch /srv/late
"""
RESTORE_LATE = VALIDATE.replace("test -e /etc/passwd", "rm -f /srv/late")
# Of other people's work on the host.
STRANGER = "mkdir -p /tmp/ansible_theirs_payload_1; nohup sh -c 'sleep 4005; :' > /dev/null 2>&1 < /dev/null &"


def _state(host: Host) -> str:
    """What lies and runs on the host; sshd may refuse a connection while the machine still boots."""
    for _ in range(20):
        if state := on(host, "ls -A /tmp /var/tmp /root /srv; pgrep -fa sleep").stdout:
            return state
        time.sleep(0.5)
    raise AssertionError("the host does not answer")


def test_a_registered_host_is_left_as_it_was_found_even_by_a_playbook_that_was_cut_off(tmp_path: Path) -> None:
    limits = {"timeouts": {"prepare": 10}}
    project = write_project(tmp_path / "project", prepare=PREPARE_LATE, restore=RESTORE_LATE, bench=limits)
    (tmp_path / "machines").mkdir()
    with machines([WEB], tmp_path / "machines") as (host,):
        on(host, STRANGER)
        hosts = inventory([host], tmp_path / "inventory.ini", host_id="hst_web")
        before = _state(host)

        finished = benchmark(
            "scenarios",
            *("--mode", "host", "--hosts", str(hosts), "--agent", "noop"),
            bench_dir=tmp_path / "bench",
            cwd=project,
            env={"BENCH_CACHE_DIR": str(tmp_path / "cache")},
        )

        report = finished.reports[SCENARIO]
        assert report.failure_cause == "prepare_failed", finished.output
        assert any("sleep 60" in warning and "cut off" in warning for warning in report.warnings)
        assert _state(host) == before


# Somebody's build: it ran before, and what it starts meanwhile writes to a pipe.
BUILD = (
    "setsid nohup sh -c '(while sleep 0.4; do :; done) 2>&1 | cat > /dev/null; echo ended > /srv/build'"
    " > /dev/null 2>&1 < /dev/null & sleep 0.5"
)


def test_what_others_programs_start_on_a_registered_host_meanwhile_is_not_ended(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", prepare=VALIDATE, restore=VALIDATE)
    (tmp_path / "machines").mkdir()
    with machines([WEB], tmp_path / "machines") as (host,):
        on(host, BUILD)
        hosts = inventory([host], tmp_path / "inventory.ini", host_id="hst_web")

        finished = benchmark(
            "scenarios",
            *("--mode", "host", "--hosts", str(hosts), "--agent", "noop"),
            bench_dir=tmp_path / "bench",
            cwd=project,
            env={"BENCH_CACHE_DIR": str(tmp_path / "cache")},
        )

        assert finished.reports[SCENARIO].task_validation.status is Status.PASSED, finished.output
        assert on(host, "cat /srv/build; pgrep -fc '[w]hile sleep'").stdout.split() == ["2"], finished.output
        evidence = finished.evidence(SCENARIO)
        assert [one for one in evidence.left_running or () if one.ended] == []
