"""A sandbox's life: made, put back, rebooted, watched, removed, also when its owner is killed."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.hosts import DB, WEB, on, sandbox_namespaces, traces
from support.processes import python

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.protocol import HostSpec, Sandbox

pytestmark = pytest.mark.namespace


def _directory(sandbox: Sandbox) -> Path:
    assert sandbox.directory is not None
    return sandbox.directory


def test_destroy_leaves_nothing(provider: NamespaceProvider) -> None:
    sandbox = provider.create([WEB, DB])
    on(sandbox.hosts[0], "setsid sleep 4712 > /dev/null 2>&1 < /dev/null &")
    namespaces = sandbox_namespaces(_directory(sandbox))
    assert traces(sandbox.name, _directory(sandbox), namespaces).processes
    provider.destroy(sandbox)
    assert not traces(sandbox.name, _directory(sandbox), namespaces)
    assert provider.list_owned() == []


def test_destroy_is_harmless_when_repeated_and_needs_only_the_name(provider: NamespaceProvider) -> None:
    sandbox = provider.create([DB])
    provider.destroy(Sandbox(sandbox.name, ()))
    provider.destroy(sandbox)
    assert not _directory(sandbox).exists()


def test_nothing_appears_on_the_machines_own_network_or_mounts(provider: NamespaceProvider) -> None:
    def outside() -> tuple[set[str], str]:
        mounts = {
            line
            for line in Path("/proc/mounts").read_text().splitlines()
            if str(provider.ledger.directory.parent) in line
        }
        return mounts, subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout

    before = outside()
    provider.create([DB])
    assert outside() == before


def test_reset_gives_the_state_after_create_with_the_same_settings(provider: NamespaceProvider) -> None:
    sandbox = provider.create([WEB, DB])
    web, db = sandbox.hosts
    listing = "cd /; find etc root home usr/local var/www opt srv -xdev | sort; cat etc/hosts etc/hostname etc/passwd"
    before = [on(host, listing).stdout for host in sandbox.hosts]
    assert len(before[0].splitlines()) > 100
    on(
        web,
        "rm -rf /etc/nginx /root/.ssh; touch /root/left; chattr +i /root/left;"
        " pkill nginx; hostname other; mv /usr/bin/vim /",
    )
    on(db, "ip link set eth0 down")
    started = time.monotonic()
    again = provider.reset(sandbox)
    took = time.monotonic() - started
    assert again.hosts == sandbox.hosts
    assert [on(host, listing).stdout for host in sandbox.hosts] == before
    assert on(web, "hostname; ls /root; pgrep -f left").stdout == "web-01\n"
    assert on(db, "ping -c1 -W2 web-01").returncode == 0
    assert provider.alive(sandbox) is None
    assert took < 10  # under a second on an idle machine; see benchmarks


def test_a_host_may_reboot_and_keeps_its_files(provider: NamespaceProvider) -> None:
    sandbox = provider.create([DB])
    (host,) = sandbox.hosts
    on(host, "echo kept > /root/kept; reboot -f")
    deadline = time.monotonic() + 20
    while on(host, "cat /root/kept").stdout != "kept\n":
        assert provider.alive(sandbox) is None
        assert time.monotonic() < deadline
    assert on(host, "cat /run/sshd/none /root/kept").stdout == "kept\n"


def test_a_host_that_is_gone_is_noticed(provider: NamespaceProvider) -> None:
    sandbox = provider.create([WEB, DB])
    assert provider.alive(sandbox) is None
    on(sandbox.hosts[1], "poweroff -f")
    deadline = time.monotonic() + 10
    while provider.alive(sandbox) is None:
        assert time.monotonic() < deadline
    assert provider.alive(sandbox) == "host db-01 does not run any more: its pid 1 has ended"
    assert on(sandbox.hosts[1], "true").returncode == 255
    assert on(sandbox.hosts[0], "true").returncode == 0
    provider.destroy(sandbox)
    assert "is gone" in (provider.alive(sandbox) or "")


def test_a_stranger_with_the_pid_of_a_dead_host_is_neither_entered_nor_taken_for_it(
    provider: NamespaceProvider,
) -> None:
    sandbox = provider.create([DB])
    note = _directory(sandbox) / "1" / "init.stat"
    stat = note.read_text()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        note.write_text(stat.replace(stat.split(" ", 1)[0], str(stranger.pid), 1))
        (_directory(sandbox) / "1" / "host.stat").unlink()
        assert provider.alive(sandbox) is not None
        done = on(sandbox.hosts[0], "true")
        assert done.returncode == 255
        assert "the host does not run" in done.stderr
        provider.destroy(sandbox)
        assert stranger.poll() is None
        stranger.kill()


_OWNER = """
import sys, time
from pathlib import Path
from support.hosts import WEB, DB
from pytest_2501bench.sandbox.namespace import NamespaceProvider
sandbox = NamespaceProvider(state_dir=Path(sys.argv[1])).create([WEB, DB])
print(sandbox.name, flush=True)
time.sleep(600)
"""


def test_what_a_killed_owner_left_is_reaped_by_the_next_session(provider: NamespaceProvider, tmp_path: Path) -> None:
    with python(_OWNER, str(tmp_path)) as owner:
        assert owner.stdout is not None
        name = owner.stdout.readline().strip()
        assert [owned.owner_alive for owned in provider.list_owned()] == [True]
        assert provider.reap() == []
        owner.kill()
    directory = tmp_path / "namespace" / "sandboxes" / name
    namespaces = sandbox_namespaces(directory)
    (owned,) = provider.list_owned()
    assert not owned.owner_alive
    assert traces(name, directory, namespaces)
    assert provider.reap() == [name]
    assert not traces(name, directory, namespaces)
    assert provider.list_owned() == []


@pytest.mark.parametrize("delay", [0.02, 0.08, 0.15, 0.3])
def test_an_owner_killed_in_the_middle_of_create_leaves_only_what_the_reaper_finds(
    provider: NamespaceProvider, tmp_path: Path, delay: float
) -> None:
    with python(_OWNER, str(tmp_path)) as owner:
        deadline = time.monotonic() + 20
        while not provider.list_owned():
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(delay)
        owner.kill()
    (owned,) = provider.list_owned()
    assert provider.reap() == [owned.name]
    directory = tmp_path / "namespace" / "sandboxes" / owned.name
    time.sleep(0.3)  # a process that was just being born would show now
    assert not traces(owned.name, directory)


def test_the_lease_is_written_before_the_sandbox_exists(
    provider: NamespaceProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def broken(*_: object) -> Sandbox:
        seen.extend(provider.list_owned())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(provider, "_make", broken)
    with pytest.raises(BenchError, match="No space left on device") as caught:
        provider.create([DB])
    assert caught.value.cause is Cause.SANDBOX_NOT_CREATED
    assert len(seen) == 1
    assert provider.list_owned() == []


def test_a_host_that_cannot_boot_is_said_with_its_last_words_and_removed(
    provider: NamespaceProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    lower = provider.cache.lower
    monkeypatch.setattr(
        "pytest_2501bench.sandbox.namespace.images.Images.lower",
        lambda _self, template, packages: (Path("/nowhere"), *lower(template, packages)),
    )
    with pytest.raises(BenchError, match=r"host db-01 did not come up: .*mount") as caught:
        provider.create([DB])
    assert caught.value.cause is Cause.SANDBOX_NOT_CREATED
    assert provider.list_owned() == []
    assert list((provider.ledger.directory.parent / "sandboxes").iterdir()) == []


def test_a_host_without_a_working_sshd_is_an_error_of_ssh_and_removed(
    provider: NamespaceProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_2501bench.sandbox.namespace.access.SSHD_CONFIG", "Nonsense yes\n")
    with pytest.raises(BenchError, match="host db-01 does not answer SSH: ") as caught:
        provider.create([DB])
    assert caught.value.cause is Cause.SSH_NOT_UP
    assert provider.list_owned() == []


def test_ctrl_c_during_create_removes_what_was_made(provider: NamespaceProvider, tmp_path: Path) -> None:
    with python(_OWNER, str(tmp_path)) as owner:
        while not provider.list_owned():
            time.sleep(0.002)
        time.sleep(0.1)
        owner.send_signal(signal.SIGINT)
        owner.communicate(timeout=20)
    assert provider.list_owned() == []
    assert list((tmp_path / "namespace" / "sandboxes").iterdir()) == []


_DESTROYER = """
import os, signal, sys, threading
from pathlib import Path
from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.protocol import Sandbox
threading.Timer(0.01, lambda: os.killpg(0, signal.SIGKILL)).start()
NamespaceProvider(state_dir=Path(sys.argv[1])).destroy(Sandbox(sys.argv[2], ()))
os.killpg(0, signal.SIGKILL)
"""


def test_a_removal_goes_on_when_its_whole_process_group_is_killed(provider: NamespaceProvider, tmp_path: Path) -> None:
    sandbox = provider.create([WEB, DB])
    namespaces = sandbox_namespaces(_directory(sandbox))
    with python(_DESTROYER, str(tmp_path), sandbox.name, prefix=["setsid"]) as caller:
        assert caller.wait(20) == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while traces(sandbox.name, _directory(sandbox), namespaces):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a mount on the machine, which needs root")
def test_what_cannot_be_removed_is_named_with_the_command_that_removes_it(provider: NamespaceProvider) -> None:
    sandbox = provider.create([DB])
    busy = _directory(sandbox) / "1" / "upper" / "busy"
    busy.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(busy)], check=True)
    try:
        with pytest.raises(BenchError, match="busy") as caught:
            provider.destroy(sandbox)
        assert caught.value.cause is Cause.RESTORE_FAILED
        assert sandbox.remove in caught.value.remedy
        assert [owned.remove for owned in provider.list_owned()] == [sandbox.remove]
    finally:
        subprocess.run(["umount", str(busy)], check=True)
    assert subprocess.run(shlex.split(sandbox.remove), check=False, capture_output=True).returncode == 0
    assert provider.list_owned() == []
    assert not _directory(sandbox).exists()


def test_a_kept_sandbox_outlives_its_owner_and_is_found_by_name(provider: NamespaceProvider, tmp_path: Path) -> None:
    keeper = _OWNER.replace("time.sleep(600)", "NamespaceProvider(state_dir=Path(sys.argv[1])).keep(sandbox)")
    with python(keeper, str(tmp_path)) as owner:
        name = owner.communicate(timeout=30)[0].strip()
    assert provider.reap() == []
    sandbox = provider.find(name)
    assert sandbox is not None
    assert [on(host, "hostname").stdout for host in sandbox.hosts] == ["web-01\n", "db-01\n"]
    assert provider.reset(sandbox) == sandbox
    provider.destroy(sandbox)
    assert provider.find(name) is None


def test_several_sandboxes_at_once_do_not_meet(provider: NamespaceProvider) -> None:
    made: list[Sandbox] = []
    threads = [threading.Thread(target=lambda: made.append(provider.create([DB]))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({sandbox.name for sandbox in made}) == 4
    for number, sandbox in enumerate(made):
        on(sandbox.hosts[0], f"echo {number} > /root/mine")
    assert [on(sandbox.hosts[0], "cat /root/mine").stdout for sandbox in made] == ["0\n", "1\n", "2\n", "3\n"]
    provider.destroy(made[0])
    assert [provider.alive(sandbox) is None for sandbox in made] == [False, True, True, True]


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ([HostSpec("a b")], "'a b' cannot be a host name"),
        ([HostSpec("-x")], "'-x' cannot be a host name"),
        ([HostSpec("a"), HostSpec("a")], "two hosts are called 'a'"),
        ([], "0 hosts asked for"),
        ([HostSpec("a", template="debian-k3s")], "host a: template debian-k3s needs kubernetes: "),
        ([HostSpec("a", packages=("nginx; reboot",))], "'nginx; reboot' is not a Debian package name"),
    ],
)
def test_bad_hosts_are_refused_in_one_line_before_anything_is_made(
    provider: NamespaceProvider, specs: list[HostSpec], message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        provider.create(specs)
    assert provider.list_owned() == []


def test_sandboxes_are_listed_reaped_and_destroyed_by_hand(provider: NamespaceProvider, tmp_path: Path) -> None:
    sandbox = provider.create([DB])
    command = [sys.executable, "-m", "pytest_2501bench.sandbox.namespace", "--state-dir", str(tmp_path)]

    def run(*verb: str) -> str:
        return subprocess.run([*command, *verb], capture_output=True, text=True, check=True).stdout

    assert run("list") == f"{sandbox.name} owner {os.getpid()} alive=True\n"
    assert run("reap") == ""
    assert run("destroy", sandbox.name) == f"{sandbox.name}\n"
    assert run("list") == ""
    assert json.loads(json.dumps(provider.list_owned())) == []
