"""The oracle with real Ansible and a real sshd."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support.playbooks import parent, processes, wait_for
from support.recorded_ssh import Journal, assignment
from support.sshd import Sshd

from pytest_2501bench.agents.ansible_report import said, task_names
from pytest_2501bench.agents.oracle import OracleAgent
from pytest_2501bench.agents.protocol import Outcome
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import ResolutionStatus
from pytest_2501bench.playbooks.processes import descendants
from pytest_2501bench.playbooks.warm import SHARED
from pytest_2501bench.sandbox.protocol import Host

pytestmark = pytest.mark.sshd

PLAY = """
- name: Repair
  hosts: all
  gather_facts: false
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks:
"""


@pytest.fixture(scope="module")
def oracle() -> Iterator[OracleAgent]:
    agent = OracleAgent()
    yield agent
    agent.close()


def work(
    oracle: OracleAgent, hosts: Sequence[Host], folder: Path, tasks: str, cancel_after: float = 90
) -> tuple[Outcome | None, Journal]:
    """Play *tasks*; the outcome is None if it was cancelled."""
    playbook = folder / "solve.yml"
    playbook.write_text(PLAY + tasks)
    journal = Journal()

    async def run() -> Outcome | None:
        task = asyncio.create_task(oracle.work(assignment(hosts, folder, oracle_playbook=playbook), journal))
        await asyncio.wait({task}, timeout=cancel_after)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        return None if task.cancelled() else task.result()

    return asyncio.run(run()), journal


def test_commands_plan_and_report_of_each_host_come_from_one_play(
    oracle: OracleAgent, sshd: Sshd, tmp_path: Path
) -> None:
    outcome, journal = work(
        oracle,
        [sshd.host("web-01"), sshd.host("db-01")],
        tmp_path,
        f"""
    - name: Look
      ansible.builtin.command: "true"
      changed_when: false
    - name: Write
      ansible.builtin.copy: {{content: x, dest: "{tmp_path}/{{{{ inventory_hostname }}}}"}}
      when: inventory_hostname == 'web-01'
    - name: Report
      ansible.builtin.debug:
        msg: "The cause on {{{{ inventory_hostname }}}} was ä \\"quoted\\" thing."
""",
    )
    assert outcome is not None
    assert outcome.resolution is ResolutionStatus.SUCCESS, outcome.summary
    web, db = journal.logs["tsk_0"], journal.logs["tsk_1"]
    assert web.plans == ["1. Repair\n2. Look\n3. Write\n4. Report"]
    assert web.seen is not None
    assert db.seen is not None
    assert [(c.command, c.exit_status, c.host) for c in db.seen] == [("true", 0, "db-01")]
    assert [c.command.split()[0] for c in web.seen] == ["true", "copy"]
    assert outcome.task_summaries["tsk_0"] == 'Changed: Write.\n\nThe cause on web-01 was ä "quoted" thing.'
    assert outcome.task_summaries["tsk_1"] == 'Nothing was changed.\n\nThe cause on db-01 was ä "quoted" thing.'
    assert outcome.summary.startswith("web-01: Changed: Write.")
    assert web.messages == ["Look: ok", "Write: changed", "Report: ok"]


def test_a_failed_task_is_an_agentic_failure_and_names_it(oracle: OracleAgent, sshd: Sshd, tmp_path: Path) -> None:
    outcome, journal = work(
        oracle, [sshd.host()], tmp_path, "    - name: Break\n      ansible.builtin.command: sh -c 'exit 3'\n"
    )
    assert outcome is not None
    assert outcome.resolution is ResolutionStatus.AGENTIC_FAILURE
    assert "Task 'Break' failed on web-01" in outcome.summary
    seen = journal.logs["tsk_0"].seen
    assert seen is not None
    assert [(c.command, c.exit_status) for c in seen] == [("sh -c 'exit 3'", 3)]


def test_a_host_that_is_not_reached_is_a_hard_failure(oracle: OracleAgent, sshd: Sshd, tmp_path: Path) -> None:
    outcome, _ = work(oracle, [sshd.host(port=1)], tmp_path, "    - ansible.builtin.command: id\n")
    assert outcome is not None
    assert outcome.resolution is ResolutionStatus.HARD_FAILURE


def test_ansible_that_is_killed_is_no_failure_of_the_agent(
    oracle: OracleAgent, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SHARED, raising=False)
    agent = OracleAgent()
    marker = f"71{time.monotonic_ns()}"

    def kill() -> None:
        wait_for(lambda: processes(marker))
        server = agent._ansible().warm_pid
        assert server is not None
        for process in descendants(server):
            if parent(process.pid) == server:
                os.kill(process.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(BenchError, match="was killed by a signal") as raised:
            work(agent, [sshd.host()], tmp_path, f"    - ansible.builtin.command: sleep {marker}\n")
    finally:
        killer.join()
        agent.close()
    assert raised.value.cause is Cause.ENGINE_DIED


def test_cancelling_ends_ansible_before_it_returns(oracle: OracleAgent, sshd: Sshd, tmp_path: Path) -> None:
    marker = f"70{time.monotonic_ns()}"
    before = time.monotonic()
    outcome, _ = work(
        oracle, [sshd.host()], tmp_path, f"    - ansible.builtin.command: sleep {marker}\n", cancel_after=4
    )
    assert outcome is None
    assert time.monotonic() - before < 20
    assert [line for line in processes(str(tmp_path)).values() if "ansible-playbook" in line] == []


def test_without_a_playbook_it_cannot_work(oracle: OracleAgent, sshd: Sshd, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no playbook for this ticket"):
        asyncio.run(oracle.work(assignment([sshd.host()], tmp_path), Journal()))


def test_what_debug_said_is_found_in_the_output() -> None:
    output = """
TASK [Report] ***
ok: [web-01] => {
    "msg": [
        "one",
        "two"
    ]
}
ok: [web-01 -> localhost] => (item=3) => {
    "msg": "item } 3"
}
ok: [db-01] => {
    "changed": false,
    "facts": {"a": 1}
}
ok: [db-01]
fatal: [db-01]: FAILED! => {"msg": "no"}
ok: [db-01] => {broken
"""
    found = [(s.host, s.text) for s in said(output)]
    assert found == [("web-01", "one\ntwo"), ("web-01", "item } 3"), ("db-01", '{"a": 1}')]


def test_names_of_a_playbook_that_is_not_there_are_none(tmp_path: Path) -> None:
    assert task_names(tmp_path / "none.yml") == ()


def test_a_playbook_declines_a_request_by_the_first_line_of_its_report(
    oracle: OracleAgent, sshd: Sshd, tmp_path: Path
) -> None:
    tasks = """
    - ansible.builtin.debug:
        msg: |
          resolution: no_action
          The policy forbids it.
"""
    outcome, _ = work(oracle, [sshd.host("web-01")], tmp_path, tasks)

    assert outcome is not None
    assert outcome.resolution is ResolutionStatus.NO_ACTION
    assert "The policy forbids it." in outcome.summary
    assert "resolution:" not in outcome.summary


def test_a_playbook_that_failed_is_a_failure_whatever_it_claims(
    oracle: OracleAgent, sshd: Sshd, tmp_path: Path
) -> None:
    tasks = """
    - ansible.builtin.debug: {msg: "resolution: no_action"}
    - ansible.builtin.command: "false"
"""
    outcome, _ = work(oracle, [sshd.host("web-01")], tmp_path, tasks)

    assert outcome is not None
    assert outcome.resolution is ResolutionStatus.AGENTIC_FAILURE
