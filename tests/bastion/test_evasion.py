"""An agent that tries to get past the record: what is seen, what is refused, and what is honestly not seen.

The table in docs/recording.md says the same.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from support.hosts import DB, on
from support.recorded_ssh import Way, assignment
from support.sshd import Sshd, free_port

from pytest_2501bench.agents import desk
from pytest_2501bench.bastion.recorder import Recorder
from pytest_2501bench.evidence.model import Trait
from pytest_2501bench.sandbox.namespace import NamespaceProvider

pytestmark = pytest.mark.sshd


def traits(way: Way) -> list[tuple[Trait, ...]]:
    return [command.seen.traits for command in way.commands if command.seen is not None]


def direct(host_port: int, key: Path, *more: str) -> list[str]:
    options = ["-F", "none", "-i", str(key), "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no"]
    options += ["-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]
    return ["ssh", *options, "-p", str(host_port), "127.0.0.1", *more]


def test_refused_the_agents_key_is_good_for_nothing_at_the_hosts_own_address(way: Way, sshd: Sshd) -> None:
    ran = way.run(*direct(sshd.port, way.directory / ".ssh" / "id_ed25519", "id"))
    assert ran.status == 255
    assert b"Permission denied" in ran.stderr
    assert way.lines == []


def test_not_seen_whoever_finds_the_hosts_own_key_may_go_there_directly(way: Way, sshd: Sshd) -> None:
    # An agent that runs as the user who runs the benchmark may read what that user may read.
    ran = way.run(*direct(sshd.port, sshd.host().ssh.identity_file, "echo past the record"))
    assert ran.stdout == b"past the record\n"
    assert way.lines == []


def test_refused_a_key_that_the_agent_made_is_not_let_in(way: Way) -> None:
    key = way.directory / "own"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    assert way.run(*direct(way.recorder.doors[0].port, key, "id")).status == 255
    assert way.lines == []


@pytest.mark.parametrize(
    "start", ["nohup {} >/dev/null 2>&1 &", "setsid -f {} >/dev/null 2>&1", "({} >/dev/null 2>&1 &)"]
)
def test_seen_a_background_job_when_it_is_started_but_not_what_it_does_later(
    way: Way, tmp_path: Path, start: str
) -> None:
    script = f"sleep 0.3; touch {tmp_path}/later"
    command = start.format(f"sh -c {shlex.quote(script)}")
    assert way.run("ssh", "web-01", command).status == 0
    until = time.monotonic() + 10
    while not (tmp_path / "later").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert (tmp_path / "later").exists()
    assert way.lines == [command]
    assert traits(way) == [(Trait.BACKGROUND,)]


def test_seen_as_it_was_sent_base64_is_told_but_not_decoded(way: Way) -> None:
    hidden = base64.b64encode(b"echo decoded; touch /dev/null").decode()
    command = f"echo {hidden} | base64 -d | sh"
    assert way.run("ssh", "web-01", command).stdout == b"decoded\n"
    assert way.lines == [command]
    assert traits(way) == [(Trait.PIPELINE, Trait.DECODED_AND_RUN)]


def test_seen_a_script_that_is_uploaded_and_run_its_text_is_not(way: Way, tmp_path: Path) -> None:
    (way.directory / "x.sh").write_text("echo from the script\n")
    assert way.run("scp", "x.sh", f"web-01:{tmp_path}/x.sh").status == 0
    assert way.run("ssh", "web-01", f"bash {tmp_path}/x.sh").stdout == b"from the script\n"
    assert way.lines == [f"sftp: put {tmp_path}/x.sh", f"bash {tmp_path}/x.sh"]
    put, ran = (command.seen for command in way.commands)
    assert put is not None
    assert ran is not None
    assert [(file.to_host, file.bytes) for file in put.files] == [(True, 21)]
    assert ran.traits == (Trait.WRITTEN_AND_RUN,)


def test_seen_a_script_that_is_written_by_a_pipe_and_run(way: Way, tmp_path: Path) -> None:
    way.run("ssh", "web-01", f"cat > {tmp_path}/y", stdin=b"echo from the pipe\n")
    assert way.run("ssh", "web-01", f"sh {tmp_path}/y").stdout == b"from the pipe\n"
    assert traits(way)[1] == (Trait.WRITTEN_AND_RUN,)
    assert way.commands[0].seen is not None
    assert way.commands[0].seen.bytes_in == 19


def test_seen_line_by_line_what_a_shell_is_fed_and_in_whole_what_a_heredoc_says(way: Way) -> None:
    way.run("ssh", "web-01", "bash -s", stdin=b"echo fed\n")
    way.run("ssh", "web-01", "bash <<'E'\necho inner\nE")
    assert way.lines == ["bash -s", "echo fed", "bash <<'E'\necho inner\nE"]
    assert traits(way) == [(Trait.READS_COMMANDS,), (), (Trait.HEREDOC,)]


def test_not_seen_what_another_interpreter_is_fed(way: Way) -> None:
    assert way.run("ssh", "web-01", "python3 -", stdin=b"print('from python')\n").stdout == b"from python\n"
    assert way.lines == ["python3 -"]
    assert way.commands[0].seen is not None
    assert way.commands[0].seen.bytes_in == 21


def test_refused_forwarding_of_every_kind(way: Way, sshd: Sshd) -> None:
    fail = ["-o", "ExitOnForwardFailure=yes"]
    assert way.run("ssh", "-N", *fail, "-R", f"{free_port()}:127.0.0.1:{sshd.port}", "web-01").status == 255
    assert way.run("ssh", "-N", *fail, "-R", f"{way.directory}/s:127.0.0.1:{sshd.port}", "web-01").status == 255
    assert way.run("ssh", "-W", f"127.0.0.1:{sshd.port}", "web-01").status == 255
    port = free_port()
    # The client listens by itself; what matters is that nothing comes through.
    script = f"ssh -N -L {port}:127.0.0.1:{sshd.port} web-01 & trap 'kill %1' EXIT; "
    script += f"until 2>/dev/null exec 3<>/dev/tcp/127.0.0.1/{port}; do sleep 0.1; done; "
    script += 'read -t 2 -u 3 banner; echo "[$banner]"'
    assert way.run("bash", "-mc", script).stdout == b"[]\n"
    assert way.lines == []


def test_refused_a_jump_over_the_host(way: Way, sshd: Sshd) -> None:
    jump = way.run("ssh", "-J", "web-01", "-p", str(sshd.port), "-o", "StrictHostKeyChecking=no", "127.0.0.1", "id")
    assert jump.status == 255
    assert way.lines == []


def test_seen_a_way_round_by_a_proxy_command_of_the_agents_own(way: Way) -> None:
    port = way.recorder.doors[0].port
    relay = (
        "import os,socket,threading\n"
        f"s=socket.create_connection(('127.0.0.1',{port}))\n"
        "def down():\n"
        "    while d:=s.recv(65536): os.write(1,d)\n"
        "    os._exit(0)\n"
        "threading.Thread(target=down,daemon=True).start()\n"
        "while d:=os.read(0,65536): s.sendall(d)\n"
    )
    (way.directory / "relay.py").write_text(relay)
    ran = way.run("ssh", "-o", "ProxyCommand=python3 relay.py", "web-01", "echo round about")
    assert ran.stdout == b"round about\n"
    assert way.lines == ["echo round about"]


def test_seen_that_it_goes_on_from_the_host_but_not_what_it_does_there(way: Way, sshd: Sshd) -> None:
    command = shlex.join(direct(sshd.port, sshd.host().ssh.identity_file, "echo next door"))
    assert way.run("ssh", "web-01", command).stdout == b"next door\n"
    assert way.lines == [command]
    assert traits(way) == [(Trait.ONWARD,)]


@pytest.mark.namespace
@pytest.mark.skipif(os.getuid() != 0, reason="only root may enter a host's namespaces from outside")
def test_not_seen_an_agent_that_is_root_here_and_enters_the_host_from_outside(way: Way, tmp_path: Path) -> None:
    provider = NamespaceProvider(state_dir=tmp_path / "state")
    provider.prepare_images([DB])
    sandbox = provider.create([DB])
    try:
        (host,) = sandbox.hosts

        async def make() -> Recorder:
            return await Recorder([host]).__aenter__()

        recorder = way.call(make())
        folder = way.directory / "other"
        folder.mkdir()
        desk.furnish(folder, assignment([host], folder), recorder.doors, recorder.client_key)
        on(host, "echo inside > /root/marker")
        pid = a_process_in(on(host, "readlink /proc/self/ns/mnt").stdout.strip())
        # Reading only: should this miss the host, it must not change the machine that the test runs on.
        ran = way.run("nsenter", "--target", str(pid), "--mount", "--root", "--", "cat", "/root/marker")
        assert ran.stdout == b"inside\n", ran.stderr
        config = str(folder / ".ssh" / "config")
        assert way.run("ssh", "-F", config, "db-01", "cat /root/marker").stdout == b"inside\n"
        way.call(recorder.close())
        assert [command.command for command in recorder.commands("db-01")] == ["cat /root/marker"]
    finally:
        provider.destroy(sandbox)


def a_process_in(namespace: str) -> int:
    """Return a process of this machine that is in a mount namespace, as root can find one."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str((path / "ns" / "mnt").readlink()) == namespace:
                return int(path.name)
    raise LookupError(namespace)
