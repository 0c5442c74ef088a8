"""What hosts of ``--mode namespace`` are like: reached, reaching each other, complete, and bounded."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.hosts import on

from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.namespace.access import ssh_argv
from pytest_2501bench.sandbox.protocol import Host, Sandbox, SandboxProvider

pytestmark = pytest.mark.namespace

Pair = tuple[NamespaceProvider, Sandbox]


@pytest.fixture
def web(pair: Pair) -> Host:
    return pair[1].hosts[0]


@pytest.fixture
def db(pair: Pair) -> Host:
    return pair[1].hosts[1]


def test_the_provider_fulfils_the_protocol(pair: Pair) -> None:
    provider: SandboxProvider = pair[0]
    assert isinstance(provider, SandboxProvider)


def test_a_sandbox_has_an_opaque_name_and_hosts_in_the_order_asked_for(pair: Pair) -> None:
    _, sandbox = pair
    assert sandbox.name.startswith("sbx_")
    assert [host.host_name for host in sandbox.hosts] == ["web-01", "db-01"]
    assert all(host.host_id.startswith("hst_") for host in sandbox.hosts)


def test_each_host_answers_ssh_under_its_own_name(web: Host, db: Host) -> None:
    assert [on(host, "hostname; whoami").stdout for host in (web, db)] == ["web-01\nroot\n", "db-01\nroot\n"]


def test_a_wrong_host_key_is_refused(web: Host, tmp_path: Path) -> None:
    wrong = tmp_path / "known_hosts"
    other = next(line for line in web.ssh.known_hosts.read_text().splitlines() if web.ssh.hostname not in line)
    wrong.write_text(f"{web.ssh.hostname} {other.split(' ', 1)[1]}\n")
    done = on(replace(web, ssh=replace(web.ssh, known_hosts=wrong)), "true")
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


def test_another_key_does_not_open_the_host(web: Host, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    done = on(replace(web, ssh=replace(web.ssh, identity_file=tmp_path / "key")), "true")
    assert done.returncode == 255
    assert "Permission denied" in done.stderr


def test_the_keys_are_readable_for_their_owner_only(pair: Pair) -> None:
    _, sandbox = pair
    assert sandbox.directory is not None
    assert sandbox.directory.stat().st_mode & 0o777 == 0o700
    assert sandbox.hosts[0].ssh.identity_file.stat().st_mode & 0o777 == 0o600


def test_the_commands_exit_status_and_both_streams_come_through(web: Host) -> None:
    done = on(web, "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)


def test_hosts_reach_each_other_by_name(web: Host, db: Host) -> None:
    on(web, "systemctl start nginx 2>/dev/null || service nginx start")
    assert "200 OK" in on(db, "curl -sI http://web-01/").stdout
    assert on(web, "ping -c1 -W2 db-01").returncode == 0
    assert on(web, "getent hosts web-01").stdout.split() == [web.address, "web-01"]


def test_a_host_has_no_way_out_and_says_so_at_once(web: Host) -> None:
    assert "default" not in on(web, "ip route").stdout
    assert on(web, "curl -s -m 5 http://192.0.2.1/").returncode == 7, "28 is a timeout"
    started = time.monotonic()
    assert on(web, "getent hosts debian.org").returncode == 2
    assert time.monotonic() - started < 5, "a resolver's first timeout"


def test_what_an_operator_uses_works(web: Host) -> None:
    for command in (
        "ps aux",
        "ss -ltnp",
        "df -h /",
        "logrotate /etc/logrotate.conf",
        "echo '0 0 * * * true' | crontab - && crontab -l && crontab -r",
        "python3 -c 'import ssl, sqlite3'",
        "curl --version && wget --version && git --version && vim --version",
        "echo x | tee /dev/stderr > /dev/null",
        "su -s /bin/sh www-data -c 'test -w /tmp && test ! -r /etc/shadow'",
        "sudo -n id",
        "test $(locale charmap) = UTF-8",
    ):
        done = on(web, command)
        assert done.returncode == 0, (command, done.stderr)


def test_the_path_has_the_administrators_folders(web: Host) -> None:
    path = on(web, "echo $PATH").stdout.strip().split(":")
    assert {"/usr/sbin", "/sbin", "/usr/bin"} <= set(path)


def test_a_host_can_mount_a_file_system_of_limited_size(web: Host) -> None:
    script = "mkdir -p /small && mount -t tmpfs -o size=20m tmpfs /small && dd if=/dev/zero of=/small/f bs=1M count=30"
    assert "No space left" in on(web, script).stderr
    assert on(web, "df --output=size,pcent /small | tail -1").stdout.split() == ["20480", "100%"]
    assert on(web, "umount /small").returncode == 0


def test_systemd_works_exactly_where_it_is_claimed(pair: Pair, web: Host) -> None:
    claimed = "systemd" in pair[0].capabilities("debian-base").names
    assert web.systemd is claimed
    done = on(web, "systemctl is-system-running")
    assert (done.stdout.strip() == "running") is claimed
    if claimed:
        assert on(web, "systemctl --failed --plain --no-legend").stdout == ""
        assert on(web, "systemctl restart nginx && systemctl is-active nginx").stdout == "active\n"
        assert "Started nginx" in on(web, "journalctl -u nginx").stdout
        assert on(web, "logger -t marked hello; journalctl --sync; journalctl -t marked -o cat").stdout == "hello\n"


def test_nothing_on_the_host_names_the_harness(pair: Pair, web: Host) -> None:
    seen = on(
        web, "cat /proc/mounts /proc/1/cmdline /proc/1/environ /proc/self/environ /etc/hosts; ps axe; ls -a /"
    ).stdout
    assert "bench" not in seen
    assert pair[1].name not in seen


def test_our_environment_does_not_enter_the_host(web: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2-hunter2")
    assert "hunter2" not in on(web, "cat /proc/[0-9]*/environ; env").stdout


def test_the_machines_clock_kernel_settings_and_log_are_out_of_reach(web: Host) -> None:
    before = Path("/proc/sys/vm/swappiness").read_text()
    for command in ("date -s 2020-01-01", "sysctl -w vm.swappiness=1", "dmesg", "echo h > /proc/sysrq-trigger"):
        assert on(web, command).returncode != 0, command
    assert Path("/proc/sys/vm/swappiness").read_text() == before
    assert on(web, "sysctl -w net.ipv4.ip_forward=1").returncode == 0


def test_a_process_that_outlives_its_ssh_session_stays_in_the_host(web: Host) -> None:
    on(web, "setsid sleep 4711 > /dev/null 2>&1 < /dev/null &")
    listed = on(web, "pgrep -f 'sleep 4711'").stdout.split()
    assert len(listed) == 1
    ours = subprocess.run(["pgrep", "-f", "^sleep 4711"], capture_output=True, text=True, check=False).stdout.split()
    assert len(ours) == 1
    assert Path(f"/proc/{ours[0]}/ns/pid").readlink() != Path("/proc/self/ns/pid").readlink()
    on(web, f"kill {listed[0]}")


def test_an_ssh_client_that_is_killed_leaves_no_process_behind(pair: Pair, web: Host) -> None:
    _, sandbox = pair
    with subprocess.Popen(ssh_argv(web.ssh, "sleep 60"), stdin=subprocess.DEVNULL, start_new_session=True) as client:
        deadline = time.monotonic() + 10
        while "sleep 60" not in on(web, "ps ax").stdout:
            assert time.monotonic() < deadline
        client.kill()
    deadline = time.monotonic() + 10
    while subprocess.run(["pgrep", "-f", f"{sandbox.name}/connect"], check=False, capture_output=True).returncode == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_files_go_through_scp_and_sftp(web: Host, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("payload")
    options = ssh_argv(web.ssh)[1:-1]
    for program in (["scp"], ["scp", "-O"]):
        subprocess.run([*program, *options, str(tmp_path / "a"), f"{web.ssh.hostname}:/tmp/b"], check=True, timeout=20)
        assert on(web, "cat /tmp/b; rm /tmp/b").stdout == "payload"


def test_asyncssh_gets_in_with_the_same_settings(web: Host) -> None:
    import asyncssh

    async def run() -> str:
        async with asyncssh.connect(
            web.ssh.hostname,
            username=web.ssh.user,
            known_hosts=str(web.ssh.known_hosts),
            client_keys=[str(web.ssh.identity_file)],
            proxy_command=web.ssh.proxy_command,
            config=None,
            agent_path=None,
        ) as connection:
            return str((await connection.run("hostname", check=True)).stdout)

    assert asyncio.run(run()) == "web-01\n"


_FABRIC = """
import sys, fabric, paramiko
from pathlib import Path
host, user, key, known, proxy = sys.argv[1:]
connection = fabric.Connection(
    host, user=user, gateway=proxy, config=fabric.Config(overrides={"load_ssh_configs": False}),
    connect_kwargs={"key_filename": key, "look_for_keys": False, "allow_agent": False})
connection.client.load_host_keys(known)
connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
print(connection.run("hostname", hide=True).stdout, end="")
connection.close()
"""


def test_fabric_gets_in_with_the_same_settings(web: Host) -> None:
    ssh = web.ssh
    arguments = [ssh.hostname, ssh.user, str(ssh.identity_file), str(ssh.known_hosts), ssh.proxy_command or ""]
    done = subprocess.run(
        [sys.executable, "-c", _FABRIC, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "web-01\n", done.stderr


def test_a_person_gets_in_with_the_enter_command(pair: Pair) -> None:
    done = subprocess.run(
        f"{pair[1].enter} hostname", shell=True, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.stdout == "web-01\n", done.stderr
