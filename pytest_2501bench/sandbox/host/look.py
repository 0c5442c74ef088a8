"""One look at a host over SSH: does it answer with its key, and what can it do."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.host.ssh_reason import key_changed, ssh_reason
from pytest_2501bench.sandbox.protocol import Capabilities, SshSettings
from pytest_2501bench.store.model import RegisteredHost

CONNECT_SECONDS = 10
LOOK_SECONDS = 60

Facts = Mapping[str, str | bool]

# Nothing is changed, and nothing is said of any scenario. The network name space is made and gone at once.
_SCRIPT = r"""
say() { printf '%s=%s\n' "$1" "$2"; }
[ "$(id -u)" = 0 ] && root= || root='sudo -n'
say pid1 "$(cat /proc/1/comm 2> /dev/null)"
say root "$($root id -u 2>&1 | tail -n 1)"
say python "$(@PYTHON@ -c 'import sys; print("ok %d.%d" % sys.version_info[:2])' 2>&1 | tail -n 1)"
virt=$(systemd-detect-virt --container 2> /dev/null) || [ -n "$virt" ] || virt=unknown
say container "$virt"
if $root unshare --mount --net --pid --fork true 2> /dev/null; then
  for tool in podman docker; do
    if command -v $tool > /dev/null && timeout 20 $root $tool info > /dev/null 2>&1; then say containers $tool; fi
  done
fi
if command -v k3s > /dev/null && timeout 20 $root k3s kubectl get --raw=/readyz > /dev/null 2>&1; then
  say kubernetes k3s
fi
say end yes
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look found: *facts*, or why there are none."""

    facts: Facts
    problem: str = ""
    remedy: str = ""
    passing: bool = False  # such a problem may be over in a moment: a host that boots

    def lack(self) -> tuple[str, str] | None:
        """Return (what runs cannot do without, what to do), or None."""
        if self.problem:
            return self.problem, self.remedy
        if self.facts["root"] is not True:
            return "its user is not root and may not use sudo without a password", (
                "Give it `USER ALL=(ALL) NOPASSWD: ALL` in a file of /etc/sudoers.d, or register root."
            )
        if not self.facts["python"]:
            return "the Python that Ansible needs is not where it was registered", (
                "Install python3, or register another path with --python."
            )
        return None


def ssh_command(ssh: SshSettings, *command: str) -> list[str]:
    """Return the command line that runs *command* with OpenSSH, and gives up a host that does not answer."""
    options = {**ssh.options(), "ConnectTimeout": str(CONNECT_SECONDS)}
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "/dev/null", *words, ssh.hostname, *command]


def look(host: RegisteredHost, ssh: SshSettings) -> Seen:
    """Connect once, with the host key verified, and look. Changes nothing; raises nothing for what a host can do."""
    if not ssh.identity_file.is_file():
        return Seen({}, f"there is no key file {ssh.identity_file} on this machine", "Register the host anew.")
    script = _SCRIPT.replace("@PYTHON@", shlex.quote(host.python))
    try:
        done = subprocess.run(
            ssh_command(ssh, "sh", "-s"),
            input=script,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=LOOK_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Seen({}, f"it did not answer within {LOOK_SECONDS} s", "Is it up?", passing=True)
    said = dict(line.partition("=")[::2] for line in done.stdout.splitlines() if "=" in line)
    if "end" not in said:
        return _no_answer(host, done.stderr)
    container = said.get("container", "unknown")
    return Seen(
        {
            "connection": connection_of(host),
            "systemd": said.get("pid1") == "systemd",
            "pid1": said.get("pid1", ""),
            "root": said.get("root") == "0",
            "python": said["python"].removeprefix("ok ") if said.get("python", "").startswith("ok ") else "",
            "container": container,
            "containers": said.get("containers", ""),
            "kubernetes": said.get("kubernetes", ""),
        }
    )


def _no_answer(host: RegisteredHost, stderr: str) -> Seen:
    reason = ssh_reason(stderr)
    if key_changed(stderr):
        remedy = (
            f"Was it installed anew? Then record its key with `2501bench hosts add {host.host_name} … "
            "--accept-host-key`; else somebody stands in between."
        )
        return Seen({}, reason, remedy)
    if "refuses our" in reason:
        return Seen({}, reason, f"Put the public half of {host.ssh_key_file} into {host.ssh_user}'s authorized_keys.")
    return Seen({}, reason, "Is it up, and is its address right?", passing=True)


def connection_of(host: RegisteredHost) -> str:
    """Return how the host is reached, in one line: facts of another place do not count."""
    place = host.proxy_command or f"{host.ssh_address}:{host.ssh_port}"
    return f"{host.ssh_user}@{place} {host.python}"


def capabilities_from(facts: Facts, host_name: str) -> Capabilities:
    """Return what *facts* mean in the words of ``bench.requires``."""
    names: set[str] = set()
    missing = {
        "snapshot": "registered hosts are put back by restore.yml; they have no snapshots",
        "network": f"{host_name} is one host",
    }
    found = {
        "systemd": (facts["systemd"] is True, f"pid 1 of {host_name} is {facts['pid1'] or 'unknown'}, not systemd"),
        "own-kernel": (
            facts["container"] == "none",
            f"{host_name} is a container ({facts['container']})"
            if facts["container"] != "unknown"
            else f"{host_name} does not say whether it has a kernel of its own (systemd-detect-virt is missing)",
        ),
        "nested-containers": (bool(facts["containers"]), f"neither podman nor docker works on {host_name}"),
        "kubernetes": (bool(facts["kubernetes"]), f"no k3s answers on {host_name}"),
    }
    for word, (there, reason) in found.items():
        if there:
            names.add(word)
        else:
            missing[word] = reason
    return Capabilities(frozenset(names), missing, fresh=False)


def unresolved(ssh: SshSettings, names: Sequence[str]) -> list[str]:
    """Return those of *names* that the host does not resolve; none when it does not answer."""
    done = _ask(ssh, f"for n in {shlex.join(names)}; do getent hosts $n > /dev/null || echo missing=$n; done")
    return [line.partition("=")[2] for line in done if line.startswith("missing=")]


def not_installed(ssh: SshSettings, packages: Sequence[str]) -> list[str]:
    """Return those Debian *packages* that the host lacks; none when it is no Debian or does not answer."""
    status = "dpkg-query -W -f '${db:Status-Status}' $p 2> /dev/null"
    test = f'[ "$({status})" = installed ] || echo missing=$p'
    done = _ask(ssh, f"command -v dpkg-query > /dev/null && for p in {shlex.join(packages)}; do {test}; done; true")
    return [line.partition("=")[2] for line in done if line.startswith("missing=")]


def _ask(ssh: SshSettings, command: str) -> list[str]:
    try:
        done = subprocess.run(
            ssh_command(ssh, command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=LOOK_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return []
    return done.stdout.splitlines()


def settings_of(host: RegisteredHost, alias: str, folder: Path) -> SshSettings:
    """Write the host's keys into *folder*/known_hosts under *alias*, and return how to connect.

    Raises:
        BenchError: ``sandbox_not_created``: no host key or no key file is registered.
    """
    from pytest_2501bench.sandbox.host.host_key import find_keys, name_in_known_hosts

    address = host.ssh_address or host.host_name
    keys = tuple((host.host_key or "").splitlines())
    if not keys and host.known_hosts_file:
        keys = find_keys(Path(host.known_hosts_file), name_in_known_hosts(address, host.ssh_port))
    if not keys:
        raise BenchError(
            Cause.SANDBOX_NOT_CREATED,
            f"host {host.host_name} ({host.host_id}): no host key is recorded for it.",
            remedy=f"`2501bench hosts add {host.host_name} …` records it.",
        )
    if not host.ssh_key_file:
        raise BenchError(
            Cause.SANDBOX_NOT_CREATED,
            f"host {host.host_name} ({host.host_id}): no key file is registered for it.",
            remedy=f"`2501bench hosts add {host.host_name} … --key-file FILE` names it.",
        )
    known_hosts = folder / "known_hosts"
    with known_hosts.open("a", encoding="ascii") as file:
        file.writelines(f"{alias} {key}\n" for key in keys)
    return SshSettings(
        user=host.ssh_user,
        identity_file=Path(host.ssh_key_file),
        known_hosts=known_hosts,
        hostname=alias,
        address=address,
        port=host.ssh_port,
        proxy_command=host.proxy_command,
    )
