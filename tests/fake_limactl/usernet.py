"""The network ``user-v2``: a namespace with a bridge, run while an instance needs it, and a cable to each machine."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fake_limactl.machine import hub_pid, init_pid
from fake_limactl.store import alive, home
from pytest_2501bench.sandbox.protocol import Sandbox


def _directory() -> Path:
    directory = home() / "_networks" / "user-v2"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _pid_file() -> Path:
    return _directory() / "usernet_user-v2.pid"


@contextmanager
def _locked() -> Iterator[None]:
    with (_directory() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _ip(pid: int, *words: str) -> None:
    subprocess.run(["nsenter", "--target", str(pid), "--net", "ip", *words], check=True)


def start() -> None:
    with _locked():
        if alive(_pid_file()):
            return
        process = subprocess.Popen(
            ["unshare", "--net", "sleep", "infinity"],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        while Path(f"/proc/{process.pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
            if process.poll() is not None:
                raise RuntimeError("no network namespace")
        _ip(process.pid, "link", "add", "br0", "type", "bridge")
        _ip(process.pid, "link", "set", "br0", "up")
        _pid_file().write_text(str(process.pid))
        process.returncode = 0  # it stays; no warning about that


def stop() -> None:
    with _locked():
        pid = alive(_pid_file())
        if pid:
            os.kill(pid, signal.SIGKILL)
        _pid_file().unlink(missing_ok=True)


def plug_in(sandbox: Sandbox) -> None:
    """Give the machine an address on the network, in place of its own."""
    with _locked():
        counter = _directory() / "addresses"
        number = int(counter.read_text()) + 1 if counter.exists() else 2
        counter.write_text(str(number))
        net, hub = alive(_pid_file()), hub_pid(sandbox)
        _ip(net, "link", "add", f"v{number}", "type", "veth", "peer", "name", "usernet", "netns", str(hub))
        _ip(net, "link", "set", f"v{number}", "master", "br0", "up")
        _ip(hub, "link", "set", "usernet", "master", "br0", "up")
        guest = init_pid(sandbox)
        _ip(guest, "address", "flush", "dev", "eth0")
        _ip(guest, "address", "add", f"192.168.104.{2 + number % 250}/24", "dev", "eth0")
