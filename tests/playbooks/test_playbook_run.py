"""Whole playbooks on a real host behind a real sshd."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from support.playbooks import Run
from support.sshd import Sshd, free_port

from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.evidence.model import PlaybookStatus
from pytest_2501bench.playbooks.model import PlaybookRequest
from pytest_2501bench.playbooks.run import AnsibleRunner
from pytest_2501bench.sandbox.protocol import Host

pytestmark = pytest.mark.sshd


@pytest.mark.parametrize("way", ["warm", "cold"])
def test_a_playbook_is_told_in_full_and_only_in_its_log(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines: list[str] = []
    record = run(
        "- name: the site answers\n  command: echo {{ greeting | quote }}\n- name: facts\n  debug: {msg: hello}",
        progress=lines.append,
        extra_vars={"greeting": 'it\'s "fine"'},
    )
    assert (record.status, record.rc, record.message, record.failure) == (PlaybookStatus.OK, 0, "", None)
    assert (record.name, record.phase, record.log) == ("validate.yml", Phase.VALIDATE, "log")
    assert record.tasks[0].command == """echo 'it'"'"'s "fine"'"""
    assert lines == ["validate.yml: [web-01] the site answers", "validate.yml: [web-01] facts"]
    log = (tmp_path / "log").read_text()
    assert "TASK [the site answers] ***" in log
    assert "changed: [web-01]" in log
    assert "PLAY RECAP" in log
    assert "\r" not in log
    assert capfd.readouterr() == ("", "")


def test_secrets_of_the_environment_reach_neither_disk_nor_playbook(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_API_KEY", "hunter2")
    record = run(
        """
- name: what ansible-runner keeps on disk
  delegate_to: localhost
  shell: |
    env; cat "$ANSIBLE_HOME/../artifacts/run/command"; echo
    stat -c 'mode %a' "$ANSIBLE_HOME/.." "$ANSIBLE_HOME/../.."
  register: kept
- assert:
    that:
      - "'hunter2' not in kept.stdout"
      - "'awx_display' in kept.stdout"
      - kept.stdout_lines[-2:] == ['mode 700', 'mode 700']
"""
    )
    assert record.status is PlaybookStatus.OK, record.failure
    assert "hunter2" not in (tmp_path / "log").read_text()


def test_a_failed_task_is_named_with_its_place(run: Run) -> None:
    record = run("- name: fine\n  command: 'true'\n- name: the site answers\n  shell: echo no route >&2; exit 7")
    assert record.status is PlaybookStatus.TASK_FAILED
    assert record.failure is not None
    assert record.failure.model_dump() == {
        "task": "the site answers",
        "host": "web-01",
        "message": "non-zero return code (rc 7): echo no route >&2; exit 7: no route",
        "file": "validate.yml:6",
    }


def test_files_and_roles_beside_the_playbook_are_found(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "page.j2").write_text("{{ 6 * 7 }}")
    (folder / "roles/r/tasks").mkdir(parents=True)
    (folder / "roles/r/tasks/main.yml").write_text("- fail: {msg: in the role}\n")
    record = run(f"- template: {{src: page.j2, dest: '{tmp_path}/page'}}\n- include_role: {{name: r}}")
    assert (tmp_path / "page").read_text() == "42"
    assert record.failure is not None
    assert record.failure.file == "roles/r/tasks/main.yml:1"


def test_groups_and_variables_of_the_scenario_are_there_and_the_host_stays_ours(run: Run, folder: Path) -> None:
    (folder / "inventory.ini").write_text("[web]\nweb-01 colour=blue ansible_host=203.0.113.9\n")
    record = run(
        "- raw: echo {{ colour }}\n- assert: {that: \"groups.all == ['web-01']\"}",
        pattern="web",
        extra_inventory=folder / "inventory.ini",
    )
    assert record.status is PlaybookStatus.OK, record
    assert record.tasks[0].command == "echo blue"


def test_an_inventory_with_a_foreign_host_runs_nothing(run: Run, folder: Path) -> None:
    (folder / "inventory.ini").write_text("[db]\ndb-01\n")
    record = run("- command: 'true'", extra_inventory=folder / "inventory.ini")
    assert record.status is PlaybookStatus.RUNNER_ERROR
    assert record.message.startswith("inventory.ini: no such host in this scenario: db-01 (its hosts: web-01)")
    assert record.tasks == ()


def test_a_playbook_for_other_hosts_is_no_success(run: Run) -> None:
    record = run("- command: 'true'", pattern="db")
    assert (record.status, record.message) == (PlaybookStatus.NO_HOSTS, "no host matched 'db'")


def test_an_unknown_module_is_a_parse_error_with_its_line(run: Run) -> None:
    record = run("- nosuchmodule: {}")
    assert record.status is PlaybookStatus.PARSE_ERROR
    assert record.message == "validate.yml:4: couldn't resolve module/action 'nosuchmodule'"


def test_a_missing_playbook_is_said(runner: AnsibleRunner, host: Host, tmp_path: Path) -> None:
    record = runner.run(PlaybookRequest(tmp_path / "prepare.yml", Phase.PREPARE, [host], 5, tmp_path / "log"))
    assert (record.status, record.message) == (PlaybookStatus.RUNNER_ERROR, "prepare.yml: no such file")


def test_a_host_that_refuses_connections_outweighs_a_failed_task(run: Run, sshd: Sshd) -> None:
    gone = sshd.host("db-01", port=free_port(), hostname="sbx-gone")
    record = run("- command: 'false'", hosts=[sshd.host(), gone])
    assert record.status is PlaybookStatus.UNREACHABLE
    assert record.message.startswith("db-01 is unreachable: ")
    assert "Connection refused" in record.message
    assert {task.host: task.status for task in record.tasks} == {"web-01": "failed", "db-01": "unreachable"}


def test_a_host_with_another_key_is_not_talked_to(run: Run, sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_text("")
    stranger = sshd.host(known_hosts=tmp_path / "known_hosts", hostname="sbx-stranger")
    record = run("- raw: 'true'", hosts=[stranger])
    assert record.status is PlaybookStatus.UNREACHABLE
    assert "Host key verification failed" in record.message


def test_paths_with_blanks_and_a_proxy_command_work(run: Run, sshd: Sshd, tmp_path: Path) -> None:
    odd = tmp_path / "keys of 100% {{ us }}"
    odd.mkdir()
    (odd / "known_hosts").write_bytes((sshd.folder / "known_hosts").read_bytes())
    (odd / "id").write_bytes((sshd.folder / "id").read_bytes())
    (odd / "id").chmod(0o600)
    connect = (
        "import os, socket, threading; s = socket.create_connection(('127.0.0.1', int(os.sys.argv[1])));"
        "back = lambda: [os.write(1, d) for d in iter(lambda: s.recv(65536), b'')];"
        "threading.Thread(target=back, daemon=True).start();"
        "[s.sendall(d) for d in iter(lambda: os.read(0, 65536), b'')]"
    )
    host = sshd.host(
        identity_file=odd / "id",
        known_hosts=odd / "known_hosts",
        address="192.0.2.1",
        port=22,
        proxy_command=f'python3 -c "{connect}" {sshd.port}',
    )
    record = run("- raw: 'true'", hosts=[host])
    assert record.status is PlaybookStatus.OK, record.message


def test_nothing_is_left_after_a_session(
    host: Host, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    monkeypatch.setattr("tempfile.tempdir", str(short))
    (folder / "restore.yml").write_text("- hosts: all\n  gather_facts: false\n  tasks: [{raw: 'true'}]\n")
    runner = AnsibleRunner()
    record = runner.run(PlaybookRequest(folder / "restore.yml", Phase.RESTORE, [host], 30, tmp_path / "log"))
    assert record.status is PlaybookStatus.OK
    (session,) = short.iterdir()
    assert sorted(p.name for p in session.iterdir()) == [".owner", "c", "none.yml", "w"]
    (socket,) = (session / "c").iterdir()
    runner.forget([host])
    assert not socket.exists()
    runner.close()
    runner.close()
    assert not session.exists()
    short.rmdir()


def test_without_ansible_it_says_what_to_install(tmp_path: Path, host: Host) -> None:
    runner = AnsibleRunner(programs=tmp_path, environ={"PATH": "/nonexistent"})
    for call in (
        runner.preflight,
        lambda: runner.run(PlaybookRequest(tmp_path / "p.yml", Phase.PREPARE, [host], 5, tmp_path / "log")),
    ):
        with pytest.raises(BenchError) as caught:
            call()
        assert caught.value.cause is Cause.TOOL_MISSING
        assert str(caught.value) == (
            "ansible-playbook is not on PATH. Install it beside pytest: pip install ansible-core."
        )


def test_a_log_that_cannot_be_written_is_an_error_of_the_evidence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchError) as caught:
        run("- raw: 'true'", log=tmp_path / "file" / "log")
    assert caught.value.cause is Cause.EVIDENCE_NOT_WRITTEN


def test_a_disk_that_fills_up_costs_the_log_and_not_the_result(run: Run) -> None:
    record = run("- raw: 'true'", log=Path("/dev/full"))
    assert record.status is PlaybookStatus.OK
    assert record.message == "log incomplete: No space left on device"


def test_a_progress_that_fails_does_not_fail_the_playbook(run: Run) -> None:
    def progress(_line: str) -> None:
        raise ValueError("a user's bug")

    assert run("- raw: 'true'", progress=progress).status is PlaybookStatus.OK


def test_hosts_differ_only_by_their_alias_and_are_still_told_apart(run: Run, sshd: Sshd) -> None:
    twin = replace(sshd.host("db-01"), ssh=replace(sshd.host().ssh, address="localhost"))
    record = run("- raw: echo {{ inventory_hostname }}", hosts=[sshd.host(), twin])
    assert sorted(task.command or "" for task in record.tasks) == ["echo db-01", "echo web-01"]
