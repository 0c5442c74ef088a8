"""Ansible kept warm: the same records as cold, playbooks that share nothing, and every way in which it can go away."""

from __future__ import annotations

import io
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import zipfile
from collections import ChainMap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.playbooks import Run, parent, processes, wait_for
from support.sshd import Sshd

from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.evidence.model import PlaybookRecord, PlaybookStatus
from pytest_2501bench.playbooks import warm_client
from pytest_2501bench.playbooks.model import PlaybookRequest
from pytest_2501bench.playbooks.run import AnsibleRunner
from pytest_2501bench.playbooks.warm import SHARED, WarmAnsible, follow, tell, wanted
from pytest_2501bench.playbooks.warm_environment import differences, digest
from pytest_2501bench.playbooks.warm_modules import compiled
from pytest_2501bench.sandbox.protocol import Host

sshd_needed = pytest.mark.sshd


@pytest.fixture
def own() -> Iterator[AnsibleRunner]:
    """A runner whose server a test may hurt."""
    runner = AnsibleRunner(environ=ChainMap({"BENCH_ANSIBLE": "warm"}, os.environ))
    yield runner
    runner.close()


def play(runner: AnsibleRunner, folder: Path, hosts: list[Host], tasks: str) -> PlaybookRecord:
    playbook = folder / "prepare.yml"
    indented = "".join(f"    {line}\n" for line in tasks.strip().splitlines())
    playbook.write_text(f"- hosts: all\n  gather_facts: false\n  tasks:\n{indented}")
    return runner.run(PlaybookRequest(playbook, Phase.PREPARE, hosts, 60, folder / "log"))


def server_of(runner: AnsibleRunner) -> int:
    runner.preflight()
    assert runner.warm_pid is not None
    return runner.warm_pid


# ---- the same as cold ------------------------------------------------------------------------------------------------

SAME = """
- command: echo {{ inventory_hostname }}
- pause: {seconds: 1}
- debug: {msg: "{{ lookup('env', 'HOME') }} {{ lookup('config', 'COLOR_OK') }} {{ lookup('config', 'DEFAULT_FORKS') }}"}
- delegate_to: localhost
  shell: umask; pwd; ulimit -n; locale 2>/dev/null; echo $PATH
- shell: exit 3
  ignore_errors: true
- copy: {content: "x", dest: "{{ playbook_dir }}/copied"}
- fail: {msg: at the end}
"""


@sshd_needed
def test_a_warm_playbook_leaves_the_same_record_and_log_as_a_cold_one(
    runners: dict[str, AnsibleRunner], folder: Path, host: Host
) -> None:
    told: dict[str, tuple[object, str]] = {}
    for way, runner in runners.items():
        record = play(runner, folder, [host], SAME)
        kept = record.model_dump(exclude={"started_at", "seconds"})
        for task in kept["tasks"]:
            task["seconds"] = None
        told[way] = (kept, re.sub(r"[\d:-]*( \d\d:)?[\d:]*\d\.\d+", "N", (folder / "log").read_text()))
        (folder / "log").unlink()
        (folder / "copied").unlink()
    assert told["warm"] == told["cold"]
    assert "at the end" in told["warm"][1]


@sshd_needed
def test_playbooks_of_one_server_have_temporary_files_of_their_own_and_remove_them(
    runner: AnsibleRunner, folder: Path, host: Host
) -> None:
    seen = set()
    for _ in range(2):
        local = "{{ lookup('config', 'DEFAULT_LOCAL_TMP') }}"
        record = play(runner, folder, [host], f"- delegate_to: localhost\n  command: ls -d {local}")
        assert record.status is PlaybookStatus.OK, record
        folder_used = (record.tasks[0].command or "").removeprefix("ls -d ")
        assert "/h/tmp/ansible-local-" in folder_used
        assert not Path(folder_used).exists()
        seen.add(folder_used)
    assert len(seen) == 2


@sshd_needed
def test_a_scenario_with_settings_and_plugins_of_its_own_has_them(run: Run, folder: Path) -> None:
    (folder / "ansible.cfg").write_text("[defaults]\nforks = 7\n")
    record = run("- raw: echo {{ lookup('config', 'DEFAULT_FORKS') }}")
    assert record.tasks[0].command == "echo 7"
    (folder / "ansible.cfg").unlink()
    (folder / "action_plugins").mkdir()
    (folder / "action_plugins" / "debug.py").write_text(
        "from ansible.plugins.action import ActionBase\n"
        "class ActionModule(ActionBase):\n"
        "    def run(self, tmp=None, task_vars=None):\n"
        "        return {'failed': True, 'msg': 'the plugin beside the playbook'}\n"
    )
    record = run("- debug: {msg: hello}")
    assert record.failure is not None
    assert record.failure.message == "the plugin beside the playbook"


@sshd_needed
def test_what_ansible_packed_for_one_playbook_serves_the_next(runner: AnsibleRunner, folder: Path, host: Host) -> None:
    temporary = "{{ lookup('config', 'DEFAULT_LOCAL_TMP') | dirname }}"
    listing = f"- stat: {{path: /}}\n- delegate_to: localhost\n  shell: find {temporary} -name '*.stat-*' -type l"
    first = play(runner, folder, [host], listing)
    assert first.status is PlaybookStatus.OK, first
    second = play(runner, folder, [host], f"{listing}\n  register: found\n- raw: echo {{{{ found.stdout }}}}")
    assert second.status is PlaybookStatus.OK, second
    assert "ansiballz_cache/ansible.modules.stat-" in (second.tasks[-1].command or "")


def test_compiled_files_are_taken_and_those_of_another_python_are_ignored(tmp_path: Path) -> None:
    sources = io.BytesIO()
    with zipfile.ZipFile(sources, "w") as archive:
        archive.writestr("shop/__init__.py", "")
        archive.writestr("shop/till.py", "def count():\n    raise ValueError('short')\n")
    made = compiled(sources.getvalue())
    program = "import sys; sys.path.insert(0, sys.argv[1]); import shop.till as t; print(t.__file__); t.count()"

    def run(archive: bytes) -> subprocess.CompletedProcess[str]:
        (tmp_path / "z.zip").write_bytes(archive)
        words = [sys.executable, "-I", "-c", program, str(tmp_path / "z.zip")]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    taken = run(made)
    assert taken.stdout.strip().endswith("till.pyc")
    assert 'till.py", line 2, in count' in taken.stderr, "a traceback names the source"

    other = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(made)) as archive, zipfile.ZipFile(other, "w") as target:
        for name in archive.namelist():
            content = archive.read(name)
            target.writestr(name, b"\0\0\r\n" + content[4:] if name.endswith(".pyc") else content)
    ignored = run(other.getvalue())
    assert ignored.stdout.strip().endswith("till.py")
    assert "ValueError: short" in ignored.stderr


@sshd_needed
@pytest.mark.parametrize("way", ["warm", "cold"])
def test_module_utils_of_a_scenario_come_before_what_was_packed_without_them(run: Run, folder: Path) -> None:
    assert run("- ping:").status is PlaybookStatus.OK
    (folder / "module_utils").mkdir()
    (folder / "module_utils" / "basic.py").write_text("raise Exception('the basic.py beside the playbook')\n")
    record = run("- ping:")
    assert record.failure is not None
    assert "the basic.py beside the playbook" in record.failure.message
    shutil.rmtree(folder / "module_utils")
    assert run("- ping:").status is PlaybookStatus.OK


@sshd_needed
@pytest.mark.parametrize("way", ["warm", "cold"])
def test_a_module_of_a_scenario_comes_before_ansibles_of_that_name(run: Run, folder: Path) -> None:
    assert run("- ping:").status is PlaybookStatus.OK
    (folder / "library").mkdir()
    (folder / "library" / "ping.py").write_text(
        "from ansible.module_utils.basic import AnsibleModule\n"
        "AnsibleModule(argument_spec={}).fail_json(msg='the ping beside the playbook')\n"
    )
    record = run("- ping:")
    assert record.failure is not None
    assert record.failure.message == "the ping beside the playbook"


@sshd_needed
def test_playbooks_run_at_the_same_time(runner: AnsibleRunner, tmp_path: Path, sshd: Sshd) -> None:
    def one(number: int) -> PlaybookRecord:
        folder = tmp_path / str(number)
        folder.mkdir()
        return play(runner, folder, [sshd.host(f"web-{number}")], f"- raw: echo {number}")

    with ThreadPoolExecutor(4) as threads:
        records = list(threads.map(one, range(4)))
    assert [(r.status, r.tasks[0].command, r.tasks[0].host) for r in records] == [
        (PlaybookStatus.OK, f"echo {number}", f"web-{number}") for number in range(4)
    ]


# ---- it goes away ----------------------------------------------------------------------------------------------------


@sshd_needed
def test_without_its_server_a_playbook_runs_all_the_same_and_it_is_said_once(
    own: AnsibleRunner, folder: Path, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    os.kill(server_of(own), signal.SIGKILL)
    for _ in range(2):
        with caplog.at_level(logging.WARNING, "pytest_2501bench"):
            assert play(own, folder, [host], "- raw: 'true'").status is PlaybookStatus.OK
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("Ansible is not kept warm any more (")
    assert told.endswith("; each playbook starts it anew.")


@pytest.fixture
def asleep() -> Iterator[str]:
    mark = f"sleep 301.{os.getpid():09d}"
    yield mark
    for pid in processes(mark):
        os.kill(pid, signal.SIGKILL)


@sshd_needed
def test_a_server_killed_amid_a_playbook_is_no_fault_of_the_playbook(
    own: AnsibleRunner, folder: Path, host: Host, asleep: str
) -> None:
    server = server_of(own)

    def strike() -> None:
        wait_for(lambda: processes(asleep))
        os.kill(server, signal.SIGKILL)

    thread = threading.Thread(target=strike)
    thread.start()
    record = play(own, folder, [host], f"- delegate_to: localhost\n  command: {asleep}")
    thread.join()
    assert (record.status, record.failure) == (PlaybookStatus.RUNNER_ERROR, None)
    assert "the process that ran Ansible was killed" in record.message
    assert processes(asleep) == {}
    assert play(own, folder, [host], "- raw: 'true'").status is PlaybookStatus.OK


@sshd_needed
def test_nothing_outlives_an_owner_that_is_killed(sshd: Sshd, folder: Path, tmp_path: Path, asleep: str) -> None:
    (folder / "prepare.yml").write_text(
        f"- hosts: all\n  gather_facts: false\n  tasks:\n    - {{delegate_to: localhost, command: {asleep}}}\n"
    )
    script = textwrap.dedent(f"""
        from pathlib import Path
        from pytest_2501bench.errors import Phase
        from pytest_2501bench.playbooks.model import PlaybookRequest
        from pytest_2501bench.playbooks.run import AnsibleRunner
        from pytest_2501bench.sandbox.protocol import Host, SshSettings
        runner = AnsibleRunner()
        runner.preflight()
        print(runner.warm_pid, flush=True)
        playbook, log = Path({str(folder)!r}) / "prepare.yml", Path({str(tmp_path)!r}) / "log"
        runner.run(PlaybookRequest(playbook, Phase.PREPARE, [{sshd.host()!r}], 60, log))
    """).replace("PosixPath(", "Path(")
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        server = int(child.stdout.readline())
        wait_for(lambda: processes(asleep), 30)
        assert {parent(pid) for pid in processes("warm_server.py")} >= {server, child.pid}
    finally:
        child.kill()
        child.communicate()
    wait_for(lambda: not processes(asleep) and not Path(f"/proc/{server}").exists())


@sshd_needed
def test_a_client_that_is_killed_takes_its_playbook_with_it_and_no_other(
    own: AnsibleRunner, folder: Path, host: Host, asleep: str
) -> None:
    server = server_of(own)

    def strike() -> None:
        wait_for(lambda: processes(asleep))
        (client,) = [pid for pid in processes(f"{own_socket(own)}") if "warm_client.py" in processes("")[pid]]
        os.kill(client, signal.SIGKILL)

    thread = threading.Thread(target=strike)
    thread.start()
    record = play(own, folder, [host], f"- delegate_to: localhost\n  command: {asleep}")
    thread.join()
    assert record.status is PlaybookStatus.RUNNER_ERROR
    wait_for(lambda: not processes(asleep))
    assert own.warm_pid == server
    assert play(own, folder, [host], "- raw: 'true'").status is PlaybookStatus.OK


def own_socket(runner: AnsibleRunner) -> str:
    assert runner._warm is not None
    return runner._warm.name.partition(":")[2]


def test_its_end_leaves_no_process_and_no_file(own: AnsibleRunner) -> None:
    server = server_of(own)
    folder = Path(own_socket(own)).parent
    assert (folder / "log").exists()
    own.close()
    own.close()
    assert not Path(f"/proc/{server}").exists()
    assert not folder.exists()


def answered_by(server: socket.socket, answer: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        size = int(connection.recv(20))
        while size:
            size -= len(connection.recv(size))
        connection.sendall(answer)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"no it has another environment: TZ\n", "it has another environment: TZ"),
        (b"", "it closed the connection"),
        (b"ended 1\n", "it ended with status 1"),
        (None, "[Errno 111] Connection refused"),
    ],
    ids=["refuses", "hangs up", "breaks", "is gone"],
)
def test_a_client_whose_server_does_not_take_the_work_becomes_the_plain_program(
    tmp_path: Path, answer: bytes | None, why: str
) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        if answer is not None:
            server.listen()
            threading.Thread(target=answered_by, args=(server, answer), daemon=True).start()
        else:
            server.close()
        command = [sys.executable, "-I", "-S", warm_client.__file__, str(tmp_path / "s"), str(tmp_path / "notes")]
        done = subprocess.run([*command, "sh", "-c", "echo plain; exit 5"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (5, "plain\n", "")
    client, cold, pid = (tmp_path / "notes").read_text().splitlines()
    assert cold == f"cold {why}"
    assert client.removeprefix("client ") == pid.removeprefix("pid ")


# ---- who gets which --------------------------------------------------------------------------------------------------


def test_the_setting_is_checked() -> None:
    assert wanted({}) is (sys.platform == "linux")
    assert not wanted({"BENCH_ANSIBLE": "cold"})
    with pytest.raises(BenchError) as caught:
        wanted({"BENCH_ANSIBLE": "lukewarm"})
    assert caught.value.cause is Cause.OPTION_INVALID
    assert str(caught.value).startswith("BENCH_ANSIBLE=lukewarm: no such way to run Ansible. It must be warm")


def test_an_environment_is_the_same_but_for_what_each_playbook_has_of_its_own() -> None:
    one = {"ANSIBLE_HOME": "/a", "TZ": "UTC", "PATH": "/bin"}
    same = {"ANSIBLE_HOME": "/b", "TMPDIR": "/t", "TZ": "UTC", "PATH": "/bin"}
    other = {**one, "TZ": "CET", "LANG": "C"}
    assert (differences(one, same), differences(one, other)) == ([], ["LANG", "TZ"])
    assert digest(one) == digest(same)
    assert digest(one) != digest(other)


def test_processes_below_use_the_server_of_the_one_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SHARED, raising=False)
    monkeypatch.delenv("BENCH_ANSIBLE", raising=False)
    above, below = AnsibleRunner(), AnsibleRunner()
    try:
        server = server_of(above)
        assert os.environ[SHARED].endswith(own_socket(above))
        tell(tmp_path / "which")
        follow(tmp_path / "which")
        below.preflight()
        assert below.warm_pid is None
        assert own_socket(below) == own_socket(above)
        below.close()
        assert Path(f"/proc/{server}").exists()
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        assert server_of(below) != server
    finally:
        below.close()
        above.close()


def test_a_server_that_is_named_but_gone_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "s").touch()
    for value in (f"{digest({})}:{tmp_path}/s", f"@{tmp_path}/nothing", "nonsense", ""):
        assert WarmAnsible.shared({SHARED: value}, {}) is None
