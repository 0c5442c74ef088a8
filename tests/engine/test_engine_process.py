"""The life of the engine's process: it starts quickly, and never outlives the one that started it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from support.engines import registrations, submission
from support.processes import TESTS, python, results

from pytest_2501bench.engine.process import LocalEngine
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.gateway.runner import RunnerGateway

IGNORED = shutil.ignore_patterns("__pycache__")
PARENT = """
    import sys, time
    from pathlib import Path
    from support.engines import registrations, submission
    from pytest_2501bench.engine.process import LocalEngine
    from pytest_2501bench.gateway.runner import RunnerGateway
    folder, marker = Path(sys.argv[1]), sys.argv[2]
    engine = LocalEngine("command", ["/bin/sh", "-c", f"setsid sleep {marker} & sleep {marker}"], folder)
    endpoint = engine.start()
    gateway = RunnerGateway(endpoint.url, endpoint.key, local=True)
    hosts, agents = registrations(folder)
    gateway.register(hosts, agents)
    gateway.submit(submission(1))
    time.sleep(1)
    print(engine.pid, flush=True)
    time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def with_argument(marker: str) -> list[str]:
    """Return the programs (not the parent of all) that have *marker* in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if marker in line and alive(int(path.parent.name)) and "support.engines" not in line:
            found.append(line)
    return found


def gone_within(seconds: float, pid: int, marker: str) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not alive(pid) and not with_argument(marker):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_engine_no_agent_and_no_file_is_left_when_its_parent_is_killed(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    marker = f"60{time.monotonic_ns()}"
    parent = python(PARENT, str(tmp_path), marker)
    assert parent.stdout is not None
    line = parent.stdout.readline()
    assert line, parent.communicate()[1]
    pid = int(line)
    assert len(with_argument(f"sleep {marker}")) >= 2
    assert list(scratch.rglob("engine.db"))
    parent.send_signal(number)
    parent.communicate()
    assert gone_within(10, pid, marker), with_argument(marker)
    end = time.monotonic() + 5
    while list(scratch.iterdir()) and time.monotonic() < end:
        time.sleep(0.05)
    assert list(scratch.iterdir()) == []


def test_a_killed_engine_takes_its_agents_with_it(tmp_path: Path) -> None:
    marker = f"61{time.monotonic_ns()}"
    engine = LocalEngine("command", ["/bin/sh", "-c", f"setsid sleep {marker} & sleep {marker}"], tmp_path)
    endpoint = engine.start()
    gateway = RunnerGateway(endpoint.url, endpoint.key, local=True)
    gateway.register(*registrations(tmp_path))
    gateway.submit(submission(1))
    while len(with_argument(f"sleep {marker}")) < 2:
        time.sleep(0.05)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    assert gone_within(10, engine.pid, marker)
    assert not engine.alive()
    engine.stop()
    gateway.close()


def test_ctrl_c_in_the_terminal_does_not_reach_the_engine(tmp_path: Path) -> None:
    engine = LocalEngine("noop", None, tmp_path)
    engine.start()
    assert engine.pid is not None
    for pid in (engine.pid, int(Path(f"/proc/{engine.pid}/stat").read_bytes().rpartition(b")")[2].split()[1])):
        assert os.getsid(pid) == pid != os.getsid(0)
        assert os.getpgid(pid) != os.getpgid(0)
    engine.stop()


def test_stop_ends_it_and_may_be_repeated(tmp_path: Path) -> None:
    engine = LocalEngine("noop", None, tmp_path)
    engine.stop()
    assert not engine.alive()
    endpoint = engine.start()
    assert engine.alive()
    assert engine.start() == endpoint
    before = time.monotonic()
    engine.stop()
    engine.stop()
    assert time.monotonic() - before < 15
    assert not engine.alive()


def test_it_starts_in_the_background(tmp_path: Path) -> None:
    engine = LocalEngine("oracle", None, tmp_path / "made" / "here")
    before = time.monotonic()
    engine.start_async()
    started = time.monotonic()
    endpoint = engine.wait_ready()
    assert started - before < time.monotonic() - started
    assert httpx.get(f"{endpoint.url}/api/v1/health", trust_env=False).status_code == 200
    engine.stop()


def test_it_ends_although_somebody_waits_for_a_job(tmp_path: Path) -> None:
    engine = LocalEngine("command", ["sleep", "300"], tmp_path)
    endpoint = engine.start()
    gateway = RunnerGateway(endpoint.url, endpoint.key, local=True)
    gateway.register(*registrations(tmp_path))
    reference = gateway.submit(submission(1))
    url = f"{endpoint.url}/api/v1/tickets/{reference}/job?wait=30&seen=100"
    waiting = subprocess.Popen(
        [sys.executable, "-c", "import sys, urllib.request as u; u.urlopen(u.Request(sys.argv[1], "
         "headers={'Authorization': 'Bearer ' + sys.argv[2]}))", url, endpoint.key],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(1)
    before = time.monotonic()
    engine.stop()
    assert time.monotonic() - before < 20
    waiting.kill()
    waiting.wait()
    gateway.close()


def test_the_key_is_in_no_command_line_environment_or_log(tmp_path: Path) -> None:
    engine = LocalEngine("noop", None, tmp_path)
    endpoint = engine.start()
    httpx.get(f"{endpoint.url}/api/v1/hosts", headers={"Authorization": f"Bearer {endpoint.key}"}, trust_env=False)
    process = Path(f"/proc/{engine.pid}")
    seen = (process / "cmdline").read_text() + (process / "environ").read_text() + repr(endpoint) + repr(engine)
    engine.stop()
    assert endpoint.key not in seen + engine.log.read_text()


def test_secrets_of_the_project_are_not_in_the_engines_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:canary@h/d")
    engine = LocalEngine("noop", None, tmp_path)
    engine.start()
    environment = Path(f"/proc/{engine.pid}/environ").read_text()
    engine.stop()
    assert "canary" not in environment


def test_a_module_in_the_users_project_does_not_shadow_a_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fastapi.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    engine = LocalEngine("noop", None, tmp_path)
    engine.start()
    engine.stop()


@pytest.mark.parametrize(
    ("agent", "command", "message"),
    [
        ("orakel", None, "--agent orakel: no such agent. Available: command, llm, noop, oracle. Did you mean oracle?"),
        ("command", None, "--agent command: needs --agent-command PROGRAM."),
        ("command", ["no-such"], "--agent-command: no-such: not found in PATH. Install it, or give its path."),
        ("noop", ["x"], "--agent-command: agent noop takes no command."),
        ("no_such_module:make", None, "--agent no_such_module:make: No module named 'no_such_module'"),
        ("os:getcwd", None, "--agent os:getcwd: gives a str, which is no agent."),
    ],
)
def test_a_wrong_agent_is_told_in_one_line(tmp_path: Path, agent: str, command: list[str] | None, message: str) -> None:
    with pytest.raises(BenchError) as error:
        LocalEngine(agent, command, tmp_path).start()
    assert error.value.cause is Cause.GATEWAY_UNAVAILABLE
    assert error.value.message == f"the local engine did not start: {message}"


def test_an_engine_that_dies_at_once_shows_the_end_of_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho the disk is full >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(BenchError, match="did not start: the disk is full") as error:
        LocalEngine("noop", None, tmp_path).start()
    assert error.value.log == tmp_path / "engine.log"


def test_in_the_foreground_it_needs_a_key_and_tells_its_address(tmp_path: Path) -> None:
    base = [sys.executable, "-m", "pytest_2501bench.engine", "--port", "0"]
    root = Path(__file__).resolve().parents[2]
    env = {k: v for k, v in os.environ.items() if k != "ENGINE_API_KEY"}
    without = subprocess.run(base, capture_output=True, text=True, env=env, cwd=root, check=False)
    assert (without.returncode, without.stderr) == (2, "ENGINE_API_KEY: is not set. Set it to a long random string.\n")
    process = subprocess.Popen(
        base, stderr=subprocess.PIPE, text=True, env=env | {"ENGINE_API_KEY": "k" * 20}, cwd=root
    )
    assert process.stderr is not None
    url = next(line.split(" on ")[1].strip() for line in process.stderr if "engine with agent noop on " in line)
    assert (
        httpx.get(f"{url}/hosts", headers={"Authorization": f"Bearer {'k' * 20}"}, trust_env=False).status_code == 200
    )
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


def test_nothing_of_it_is_left_on_disk_but_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    engine = LocalEngine("command", [shutil.which("true") or "true"], tmp_path / "work")
    endpoint = engine.start()
    gateway = RunnerGateway(endpoint.url, endpoint.key, local=True)
    gateway.register(*registrations(tmp_path))
    reference = gateway.submit(submission(1))
    while not ((job := gateway.poll(reference)) and job.finished):
        pass
    gateway.close()
    engine.stop()
    assert list(scratch.iterdir()) == []
    assert {p.name for p in (tmp_path / "work").iterdir()} == {"engine.log", f"{reference}.stderr.log"}


def test_a_killed_engine_keeps_credentials_until_it_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    engine = LocalEngine("noop", None, tmp_path / "work")
    endpoint = engine.start()
    gateway = RunnerGateway(endpoint.url, endpoint.key, local=True)
    gateway.register(*registrations(tmp_path))
    gateway.close()
    assert any(path.read_bytes() == b"CANARY\n" for path in scratch.rglob("key"))
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    while engine.alive():
        time.sleep(0.02)
    (key,) = scratch.rglob("key")
    assert (key.stat().st_mode & 0o777, key.parents[2].stat().st_mode & 0o777) == (0o600, 0o700)
    engine.stop()
    assert list(scratch.iterdir()) == []


def test_processes_of_a_copy_have_that_copy_also_when_another_is_installed(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(TESTS.parent / "pytest_2501bench", copy / "pytest_2501bench", ignore=IGNORED)
    note = "\n\nfrom pathlib import Path as _Path\n_Path(__file__).with_suffix('.used').touch()\n"
    used = [copy / "pytest_2501bench" / name for name in ("engine/server.py", "playbooks/warm_modules.py")]
    for path in used:
        path.write_text(path.read_text() + note)
    (copy / "typer.py").write_text("raise SystemExit('a file of the project in place of a library')\n")
    code = """
        import sys, time
        from pathlib import Path
        sys.path.insert(0, sys.argv[1])
        from pytest_2501bench.engine.process import LocalEngine
        from pytest_2501bench.playbooks.run import AnsibleRunner
        engine = LocalEngine("noop", None, Path(sys.argv[1]) / "work")
        engine.start()
        runner = AnsibleRunner(environ={"BENCH_ANSIBLE": "warm", "PATH": "/usr/bin:/bin"})
        runner.preflight()
        end = time.monotonic() + 30
        while len(used := sorted(path.name for path in Path(sys.argv[1]).rglob("*.used"))) < 2:
            if time.monotonic() > end:
                break
            time.sleep(0.1)
        print(used)
        runner.close()
        engine.stop()
    """
    assert results([python(code, str(copy))]) == ["['server.used', 'warm_modules.used']"]
