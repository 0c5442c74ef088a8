"""The recorder with real clients before it and a real sshd behind it."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.recorded_ssh import Way, assignment
from support.sshd import Sshd, free_port

from pytest_2501bench.agents import desk
from pytest_2501bench.bastion.recorder import Recorder
from pytest_2501bench.sandbox.protocol import Host

pytestmark = pytest.mark.sshd

RELAY = """
import os, socket, sys, threading
host = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def down():
    while data := host.recv(65536):
        os.write(1, data)
    os._exit(0)
threading.Thread(target=down, daemon=True).start()
while data := os.read(0, 65536):
    host.sendall(data)
"""


def test_a_command_is_recorded_with_status_time_and_host(way: Way) -> None:
    before = time.time()
    ran = way.run("ssh", "web-01", "echo out; echo err >&2; sleep 0.3; exit 3")
    assert (ran.status, ran.stdout, ran.stderr) == (3, b"out\n", b"err\n")
    (command,) = way.commands
    assert command.command == "echo out; echo err >&2; sleep 0.3; exit 3"
    assert command.exit_status == 3
    assert command.host == "web-01"
    assert command.started_at is not None
    assert before <= command.started_at <= time.time()
    assert command.duration is not None
    assert 0.3 <= command.duration < 5
    assert way.changes == ["web-01", "web-01"]


def test_many_commands_keep_their_order_and_none_is_lost(way: Way) -> None:
    for n in range(12):
        way.run("ssh", "web-01", f"exit {n}")
    assert [(c.command, c.exit_status) for c in way.commands] == [(f"exit {n}", n) for n in range(12)]


def test_a_signal_gives_the_status_of_a_shell(way: Way) -> None:
    way.run("ssh", "web-01", "kill -KILL $$")
    assert way.commands[0].exit_status == 137


def test_fifty_megabytes_pass_unharmed_to_the_host(way: Way, tmp_path: Path) -> None:
    data = os.urandom(50_000_000)
    ran = way.run("ssh", "web-01", "sha256sum", stdin=data)
    assert ran.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_fifty_megabytes_pass_unharmed_from_the_host(way: Way, tmp_path: Path) -> None:
    source = tmp_path / "big"
    source.write_bytes(os.urandom(50_000_000))
    ran = way.run("ssh", "web-01", f"cat {source}; cat {source} | head -c 1000000 >&2")
    assert (ran.status, len(ran.stdout), len(ran.stderr)) == (0, 50_000_000, 1_000_000), ran.stderr[-300:]
    assert ran.stdout == source.read_bytes()
    assert ran.stderr == source.read_bytes()[:1_000_000]


def test_a_slow_reader_gets_everything_after_the_command_has_ended(way: Way) -> None:
    ran = way.run("sh", "-c", "ssh web-01 'head -c 8000000 /dev/zero; exit 4' | (sleep 2; wc -c)")
    assert ran.stdout.strip() == b"8000000"
    assert way.commands[0].exit_status == 4


def test_the_end_of_input_reaches_the_host_while_output_still_comes(way: Way, tmp_path: Path) -> None:
    target = tmp_path / "f"
    data = bytes(range(256)) * 100
    ran = way.run("ssh", "web-01", f"cat > {target}; sleep 0.2; echo written", stdin=data)
    assert ran.stdout == b"written\n"
    assert target.read_bytes() == data


def test_scp_both_ways_is_recorded(way: Way, tmp_path: Path) -> None:
    (way.directory / "x").write_bytes(os.urandom(300_000))
    assert way.run("scp", "x", f"web-01:{tmp_path}/y").status == 0
    assert way.run("scp", f"web-01:{tmp_path}/y", "z").status == 0
    assert (way.directory / "z").read_bytes() == (way.directory / "x").read_bytes()
    assert way.lines == [f"sftp: put {tmp_path}/y", f"sftp: get {tmp_path}/y"]
    assert [c.exit_status for c in way.commands] == [0, 0]


def test_old_scp_is_recorded_as_the_command_that_it_is(way: Way, tmp_path: Path) -> None:
    (way.directory / "x").write_bytes(b"old")
    assert way.run("scp", "-O", "x", f"web-01:{tmp_path}/y").status == 0
    assert (tmp_path / "y").read_bytes() == b"old"
    assert way.lines == [f"scp -t {tmp_path}/y"]


def test_sftp_operations_are_recorded_with_their_status(way: Way, tmp_path: Path) -> None:
    (way.directory / "x").write_text("x")
    batch = f"mkdir {tmp_path}/d\nput x {tmp_path}/d/a\nrename {tmp_path}/d/a {tmp_path}/d/b\nrm {tmp_path}/d/b\n"
    batch += f"-rm {tmp_path}/none\nrmdir {tmp_path}/d\n"
    ran = way.run("sftp", "-b", "-", "web-01", stdin=batch.encode())
    assert ran.status == 0
    wanted = [
        (f"sftp: mkdir {tmp_path}/d", 0),
        (f"sftp: put {tmp_path}/d/a", 0),
        (f"sftp: rename {tmp_path}/d/a {tmp_path}/d/b", 0),
        (f"sftp: rm {tmp_path}/d/b", 0),
        (f"sftp: rm {tmp_path}/none", 2),
        (f"sftp: rmdir {tmp_path}/d", 0),
    ]
    assert [w for w in wanted if w in [(c.command, c.exit_status) for c in way.commands]] == wanted


def test_a_script_on_standard_input_is_recorded_line_by_line(way: Way) -> None:
    for command in ([], ["bash -s"], ["sh"]):
        ran = way.run("ssh", "web-01", *command, stdin=b"echo one\nid -u\necho last")
        assert b"one" in ran.stdout
        assert b"last" in ran.stdout
    assert way.lines == ["echo one", "id -u", "echo last"] + [
        line for name in ("bash -s", "sh") for line in (name, "echo one", "id -u", "echo last")
    ]


def test_an_interactive_shell_gets_a_terminal_and_its_lines_are_recorded(way: Way) -> None:
    ran = way.run("ssh", "-tt", "web-01", stdin=b"tty; stty size\rechoo\x7f typed\rexit 7\r")
    assert b"/dev/pts/" in ran.stdout
    assert b"typed" in ran.stdout
    assert ran.status == 7
    assert way.lines == ["tty; stty size", "echo typed", "exit 7"]
    assert {c.exit_status for c in way.commands} == {None}


def test_a_command_that_is_no_shell_keeps_its_input_to_itself(way: Way) -> None:
    way.run("ssh", "web-01", "cat > /dev/null", stdin=b"rm -rf /\n")
    assert way.lines == ["cat > /dev/null"]


def test_control_master_shares_one_connection(way: Way) -> None:
    master = ["-o", "ControlMaster=auto", "-o", f"ControlPath={way.directory}/c", "-o", "ControlPersist=20"]
    try:
        for n in range(5):
            assert way.run("ssh", *master, "web-01", f"echo {n}").stdout == f"{n}\n".encode()
        parallel = " & ".join(f"ssh {shlex.join(master)} web-01 'sleep 0.2; echo p{n}'" for n in range(5))
        ran = way.run("sh", "-c", f"{parallel}; wait")
        assert sorted(ran.stdout.split()) == [b"p0", b"p1", b"p2", b"p3", b"p4"]
    finally:
        way.run("ssh", *master, "-O", "exit", "web-01")
    assert len(way.lines) == 10
    assert {c.exit_status for c in way.commands} == {0}


def test_a_shared_connection_gives_every_status_also_of_commands_that_end_at_once(way: Way) -> None:
    master = ["-o", "ControlMaster=auto", "-o", f"ControlPath={way.directory}/c", "-o", "ControlPersist=20"]
    try:
        assert [way.run("ssh", *master, "web-01", "exit 3").status for _ in range(15)] == [3] * 15
    finally:
        way.run("ssh", *master, "-O", "exit", "web-01")


def test_fabric_and_paramiko_work_with_the_config_in_home(way: Way, tmp_path: Path) -> None:
    script = (
        "import fabric, sys\n"
        "with fabric.Connection('web-01') as c:\n"
        "    r = c.run('echo fab; exit 5', warn=True, hide=True)\n"
        "    print(r.stdout.strip(), r.exited)\n"
        f"    c.put({str(way.config)!r}, {str(tmp_path / 'up')!r})\n"
    )
    ran = way.run(sys.executable, "-c", script)
    assert ran.stdout == b"fab 5\n", ran.stderr
    assert (tmp_path / "up").read_text() == way.config.read_text()
    assert way.lines[:2] == ["echo fab; exit 5", f"sftp: put {tmp_path / 'up'}"]


def test_ansible_works_and_its_modules_appear_as_what_they_are(way: Way) -> None:
    ansible = Path(sys.executable).with_name("ansible")
    ran = way.run(
        str(ansible), "all", "-i", "web-01,", "-m", "command", "-a", "echo from-ansible",
        "-e", f"ansible_python_interpreter={sys.executable}",
        timeout=60,
    )  # fmt: skip
    assert ran.status == 0, ran.stdout
    assert b"from-ansible" in ran.stdout
    assert any("python" in line for line in way.lines)


def test_output_may_be_anything_and_a_command_that_is_no_utf8_is_refused(way: Way) -> None:
    assert way.run("ssh", "web-01", r"printf '\377\000x'").stdout == b"\xff\x00x"
    ran = way.run("sh", "-c", r"""ssh web-01 "echo $(printf '\377')" """)
    assert ran.status == 255
    assert way.lines == [r"printf '\377\000x'"]


def test_letters_of_any_script_arrive(way: Way) -> None:
    assert way.run("ssh", "web-01", "echo é漢😀").stdout.decode() == "é漢😀\n"
    assert way.lines == ["echo é漢😀"]


def test_port_forwarding_is_refused(way: Way) -> None:
    port = free_port()
    target = way.recorder.doors[0].port
    remote = way.run("ssh", "-N", "-o", "ExitOnForwardFailure=yes", "-R", f"{port}:127.0.0.1:22", "web-01")
    assert remote.status == 255
    tunnel = way.run("ssh", "-W", f"127.0.0.1:{target}", "web-01")
    assert tunnel.status == 255
    assert way.lines == []


def test_another_user_and_another_key_are_not_let_in(way: Way, sshd: Sshd) -> None:
    other = way.run("ssh", "-l", "nobody", "web-01", "id")
    assert other.status == 255
    assert b"Permission denied" in other.stderr
    key = way.directory / "other"
    keygen(key)
    config = way.directory / "config2"
    config.write_text(way.config.read_text().replace("id_ed25519", "nothing"))
    assert b"Permission denied" in way.run("ssh", "-F", str(config), "-i", str(key), "web-01", "id").stderr


def test_the_agent_never_sees_the_real_credentials(way: Way, sshd: Sshd) -> None:
    secret = sshd.host().ssh.identity_file.read_text().splitlines()[2]
    for path in way.directory.rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert secret not in text
            assert str(sshd.host().ssh.identity_file) not in text
            assert str(sshd.host().ssh.port) not in text


def test_a_wrong_host_key_is_not_accepted(way: Way, sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text(f"{sshd.host().ssh.hostname} {keygen(tmp_path / 'another')}\n")
    ran = _through(way, sshd.host(known_hosts=known), "id")
    assert ran[0] == 255
    assert b"ey is not trusted" in ran[1]
    known.write_text(f"another {sshd.host().ssh.known_hosts.read_text().split(' ', 1)[1]}")
    assert _through(way, sshd.host(known_hosts=known), "id")[0] == 255


def test_a_host_that_is_not_reached_gives_255_and_counts_as_not_executed(way: Way, sshd: Sshd) -> None:
    dead = sshd.host(port=free_port())
    status, stderr, lines = _through(way, dead, "id")
    assert (status, lines) == (255, [])
    assert stderr == b"ssh: Connection refused\r\n"


def test_a_proxy_command_is_used_as_openssh_would(way: Way, sshd: Sshd, tmp_path: Path) -> None:
    port = sshd.host().ssh.port
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY)
    line = f"{sys.executable} {relay} %h {port}"
    proxied = sshd.host(port=1, proxy_command=line)
    status, stderr, lines = _through(way, proxied, "exit 6")
    assert (status, lines) == (6, ["exit 6"]), stderr


def test_what_still_runs_at_the_end_keeps_an_unknown_status(way: Way) -> None:
    client = subprocess.Popen(["ssh", "-F", str(way.config), "web-01", "sleep 5"], stderr=subprocess.DEVNULL)
    while not way.commands:
        time.sleep(0.02)
    way.call(way.recorder.close())
    assert client.wait(10) == 255
    (command,) = way.commands
    assert command.exit_status is None
    assert command.duration is not None


def keygen(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path.with_name(path.name + ".pub").read_text().strip()


def _through(way: Way, host: Host, command: str) -> tuple[int | None, bytes, list[str]]:
    """Run *command* through a second recorder for another host; return status, stderr, recorded lines."""

    async def make() -> Recorder:
        return await Recorder([host]).__aenter__()

    recorder = way.call(make())
    directory = way.directory / f"other-{time.monotonic_ns()}"
    directory.mkdir()
    desk.furnish(directory, assignment([host], directory), recorder.doors, recorder.client_key)
    ran = way.run("ssh", "-F", str(directory / ".ssh" / "config"), "web-01", command)
    way.call(recorder.close())
    return ran.status, ran.stderr, [c.command for c in recorder.commands("web-01")]
