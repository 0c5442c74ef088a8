"""Starts the processes of a sandbox, watches them come up, and removes them: all between Python and the scripts."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.process_identity import start_time
from pytest_2501bench.sandbox.namespace.access import ssh_argv
from pytest_2501bench.sandbox.namespace.images import overlay_options
from pytest_2501bench.sandbox.namespace.shell import SCRIPTS, as_root, environment
from pytest_2501bench.sandbox.protocol import Host

BOOT_SECONDS = 60.0  # a loaded machine with many sandboxes starting; a lone one needs less than a second
REMOVE_SECONDS = 60.0
REBOOT_SECONDS = 3.0
TOP_CGROUP = "2501bench"


@dataclass(frozen=True, slots=True)
class HostPlan:
    """One host before it runs."""

    index: int
    host_name: str
    address: str
    lower: tuple[Path, ...]  # topmost first


def _put(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def write_hosts(directory: Path, plans: Sequence[HostPlan]) -> None:
    """Lay out the writable layers of all hosts, with what makes one host differ from another."""
    names = "".join(f"{plan.address}\t{plan.host_name}\n" for plan in plans)
    table = f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{names}"
    for plan in plans:
        host = directory / str(plan.index)
        for name in ("upper", "work", "root"):
            (host / name).mkdir(parents=True)
            (host / name).chmod(0o755)
        etc = host / "upper" / "etc"
        _put(etc / "hostname", f"{plan.host_name}\n")
        _put(etc / "hosts", table)
        # An empty list means "ask 127.0.0.1", which refuses at once: no scenario waits for a name server.
        _put(etc / "resolv.conf", "# no name servers: this host has no route to outside\n")
        # With an identity, systemd does not take this for a first boot.
        _put(etc / "machine-id", f"{secrets.token_hex(16)}\n", 0o444)
        _put(etc / "ssh" / "ssh_host_ed25519_key", (host / "access" / "host_key").read_text(encoding="ascii"), 0o600)
        _put(etc / "ssh" / "ssh_host_ed25519_key.pub", (host / "access" / "host_key.pub").read_text(encoding="ascii"))
        for number, layer in enumerate(plan.lower):
            (host / f"lower{number}").symlink_to(layer)
    plan_lines = (f"{plan.index} {plan.host_name} {plan.address}\n" for plan in plans)
    (directory / "plan").write_text("".join(plan_lines), encoding="utf-8")


def read_plans(directory: Path) -> list[HostPlan]:
    """Read back what :func:`write_hosts` laid out."""
    plans = []
    for line in (directory / "plan").read_text(encoding="utf-8").splitlines():
        index, host_name, address = line.split(" ")
        layers = tuple(link.readlink() for link in sorted((directory / index).glob("lower*")))
        plans.append(HostPlan(int(index), host_name, address, layers))
    return plans


def start(directory: Path, *, cgroup_mode: str, cgroup_base: Path | None) -> None:
    """Start the hub and its hosts, detached from us: they outlive this process until they are removed."""
    root = os.geteuid() == 0
    prefix: list[str] = []
    cgroup = "-"
    if cgroup_mode == "systemd-run":
        # Our own cgroup is not ours to divide; a scope of our own is.
        prefix = ["systemd-run", "--user", "--scope", "--quiet", "--collect", "-p", "Delegate=yes", "--"]
        cgroup = "+"
        (directory / "cgroup.mount").write_text(str(cgroup_base), encoding="utf-8")
    elif cgroup_mode and cgroup_base is not None:
        # Parents are made here and not in the sandbox, whose cgroup namespaces begin below.
        path = cgroup_base / TOP_CGROUP / directory.name
        cgroup = str(path)
        (directory / "cgroup").write_text(f"{cgroup}\n", encoding="utf-8")
        _make_cgroup(path)
    users = [] if root else ["--user", "--map-auto", "--map-root-user"]
    hub = ["unshare", *users, "--net", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--propagation", "private"]
    words = [str(directory), str(SCRIPTS), "systemd" if cgroup != "-" else "idle", "root" if root else "user"]
    argv = [*prefix, "setsid", "--fork", "sh", str(SCRIPTS / "launch.sh"), str(directory), *hub]
    with (directory / "hub.log").open("wb") as log:
        subprocess.run(
            [*argv, "sh", str(SCRIPTS / "hub.sh"), *words, overlay_options(), cgroup],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=True,
            cwd="/",
            env=_environment_of(cgroup_mode),
        )


def _make_cgroup(path: Path) -> None:
    for _ in range(100):
        path.parent.mkdir(exist_ok=True)
        try:
            path.mkdir(exist_ok=True)
        except FileNotFoundError:
            continue  # another session removed its last sandbox, and the empty parent with it, in between
        return
    raise BenchError(Cause.SANDBOX_NOT_CREATED, f"cgroup {path} cannot be made")


def _environment_of(cgroup_mode: str) -> dict[str, str]:
    wanted = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS") if cgroup_mode == "systemd-run" else ()
    return environment(**{name: os.environ[name] for name in wanted if name in os.environ})


@dataclass(frozen=True, slots=True)
class Noted:
    """A process as it noted itself: pid and start time, as the machine sees them."""

    pid: int
    started: str

    def alive(self) -> bool:
        """Say whether this very process lives (a corpse does not)."""
        return start_time(self.pid) == self.started


def noted(path: Path) -> Noted | None:
    """Read a process's note of itself (a line of /proc/PID/stat), or None if it is not there yet."""
    try:
        stat = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    if not stat.endswith("\n"):
        return None
    return Noted(int(stat.split(" ", 1)[0]), stat[stat.rindex(")") + 2 :].split()[19])


def runs(host: Path) -> bool:
    """Say whether pid 1 of the host in directory *host* lives, or comes back within :data:`REBOOT_SECONDS`."""
    deadline = time.monotonic() + REBOOT_SECONDS
    while True:
        init = noted(host / "init.stat")
        if init and init.alive():
            return True
        keeper = noted(host / "host.stat")
        if not (keeper and keeper.alive()) or time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def _last_words(directory: Path) -> str:
    for log in (*sorted(directory.glob("*/console.log")), directory / "hub.log"):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        lines = [line for line in lines if "dmesg(1) may have more" not in line]
        if lines:
            return lines[-1]
    return "no message"


def wait_booted(directory: Path, plans: Sequence[HostPlan]) -> None:
    """Wait until every host has its file system and has become its init.

    Raises:
        BenchError: ``sandbox_not_created`` as soon as the hub or a host dies, or at the deadline.
    """
    deadline = time.monotonic() + BOOT_SECONDS
    waiting = list(plans)
    while waiting:
        plan = waiting[0]
        booted = directory / str(plan.index) / "booted"
        if booted.exists() and booted.stat().st_size:
            waiting.pop(0)
            continue
        hub, init = noted(directory / "hub.stat"), noted(directory / str(plan.index) / "init.stat")
        if (hub and not hub.alive()) or (init and not init.alive()) or time.monotonic() > deadline:
            raise BenchError(
                Cause.SANDBOX_NOT_CREATED, f"host {plan.host_name} did not come up: {_last_words(directory)}"
            )
        time.sleep(0.003)


# `--wait` until the boot is over, whether all units came up or not; systemd may not listen yet at the first try.
_SYSTEMD_UP = (
    'n=0; until s=$(systemctl is-system-running --wait 2>/dev/null); [ -n "$s" ] && [ "$s" != offline ];'
    " do n=$((n+1)); [ $n -gt 400 ] && break; sleep 0.02; done; true"
)


def wait_ssh(hosts: Sequence[Host]) -> None:
    """Log in to every host once, at the same time, and wait there until its boot is over.

    Raises:
        BenchError: ``ssh_not_up`` with the last words of ssh.
    """
    tries = {
        host: subprocess.Popen(
            ssh_argv(host.ssh, _SYSTEMD_UP if host.systemd else "true"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for host in hosts
    }
    failure = None
    deadline = time.monotonic() + BOOT_SECONDS
    try:
        for host, process in tries.items():
            try:
                _, said = process.communicate(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                said = f"no answer after {BOOT_SECONDS:.0f} s"
                process.kill()
                process.communicate()
            if process.returncode != 0 and failure is None:
                # All of it: sshd's own complaint comes before ssh's "connection closed".
                words = "; ".join(said.strip().splitlines())[:300] or f"exit {process.returncode}"
                failure = BenchError(Cause.SSH_NOT_UP, f"host {host.host_name} does not answer SSH: {words}")
    finally:
        for process in tries.values():
            if process.poll() is None:
                process.kill()
                process.communicate()
    if failure is not None:
        raise failure


def power_off(directory: Path, host: Host) -> None:
    """Shut the only host of a sandbox down, so that its services write what they have to write.

    Raises:
        BenchError: ``sandbox_not_created``; it does not end.
    """
    if not host.systemd:
        return
    # The connection ends with the host, so ssh's own status says nothing.
    subprocess.run(
        ssh_argv(host.ssh, "systemctl", "poweroff"), stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    deadline = time.monotonic() + BOOT_SECONDS
    while (init := noted(directory / "1" / "init.stat")) and init.alive():
        if time.monotonic() > deadline:
            raise BenchError(Cause.SANDBOX_NOT_CREATED, f"host {host.host_name} does not power off")
        time.sleep(0.02)


def take_upper(host: Path, target: Path) -> None:
    """Move what was written on the host in directory *host*, which has ended, to *target*."""
    argv = [*as_root(), "mv", "--no-target-directory", str(host / "upper"), str(target)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment())
    if done.returncode != 0:
        raise BenchError(Cause.SANDBOX_NOT_CREATED, f"{host / 'upper'} cannot be taken: {done.stderr.strip()}")


def remove(directory: Path, *, scope: str = "all") -> str:
    """Kill and remove a sandbox in a process of its own, which goes on if we are interrupted.

    Args:
        directory: of the sandbox.
        scope: ``all``, or ``hosts`` to keep what a new start needs.

    Returns:
        What could not be removed, or an empty string.
    """
    process = subprocess.Popen(
        ["sh", str(SCRIPTS / "remove.sh"), str(directory), scope, *as_root()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd="/",
        env=environment(),
    )
    try:
        _, said = process.communicate(timeout=REMOVE_SECONDS)
    except subprocess.TimeoutExpired:
        process.returncode = 0  # left running on purpose: no "still running" warning when the object goes
        return f"not removed after {REMOVE_SECONDS:.0f} s"
    return "; ".join(said.strip().splitlines()) or f"exit {process.returncode}" if process.returncode else ""
