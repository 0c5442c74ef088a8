"""What is said to Lima and done in a guest: instance settings, and shell scripts. No I/O.

Lima's user and boot scripts stay as they are; we come in as root with a key of our own. How that key gets in: a script
of the instance's settings, which Lima hands to the guest on a disk, not over the network. The same script brings the
host key, so that the first connection is verified already.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

from pytest_2501bench.sandbox.templates import SUITE, Template

USER: Final = "lima"
"""Lima's own user in the guest. Its default is the name of whoever runs limactl, which is nobody's business inside."""

_ACCESS: Final = """\
#!/bin/sh
# Runs as root at each boot; does its work once.
set -eu
umask 077
key=/etc/ssh/ssh_host_ed25519_key
new=$(mktemp)
cat > "$new" <<'END'
{host_key}
END
if cmp -s "$new" "$key"; then rm -f "$new"; exit 0; fi
mkdir -p /root/.ssh /etc/cloud/cloud.cfg.d
# cloud-init takes each boot for a new machine's first: it must keep keys and names from now on.
printf 'ssh_deletekeys: false\\nssh_genkeytypes: [ed25519]\\npreserve_hostname: true\\nmanage_etc_hosts: false\\n' \\
  > /etc/cloud/cloud.cfg.d/99-keep.cfg
printf '%s\\n' {public_key} > /root/.ssh/authorized_keys
printf '%s\\n' {host_name} > /etc/hostname
hostname {host_name}
rm -f /etc/ssh/ssh_host_*
mv "$new" "$key"
chmod 600 "$key"
(umask 022; ssh-keygen -y -f "$key" > "$key.pub"
printf '127.0.0.1\\tlocalhost\\n127.0.1.1\\t%s\\n::1\\tlocalhost ip6-localhost ip6-loopback\\n' {host_name} > /etc/hosts
chmod 644 /etc/hosts /etc/hostname /etc/cloud/cloud.cfg.d/99-keep.cfg)
systemctl try-restart ssh.service ssh.socket 2> /dev/null || true
"""


def access_script(host_key: str, public_key: str, host_name: str) -> str:
    """Return the boot script that lets us in and gives the guest its name.

    Args:
        host_key: the private host key, OpenSSH's format.
        public_key: with which root may log in.
        host_name: of the guest; letters, digits, dots and dashes.
    """
    return _ACCESS.format(
        host_key=host_key.strip(), public_key=shlex.quote(public_key), host_name=shlex.quote(host_name)
    )


def install_script(packages: Sequence[str], template: Template | None, mirror: str | None) -> str:
    """Return the script that installs what is missing of *packages*, and the Python requirements of *template*."""
    lines = ["set -eu", "export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8"]
    if mirror:
        source = shlex.quote(f"deb {mirror.rstrip('/')} {SUITE} main")
        lines += ["rm -f /etc/apt/sources.list.d/*", f"printf '%s\\n' {source} > /etc/apt/sources.list"]
    lines += [
        "missing=",
        f"for package in {' '.join(sorted(set(packages)))}; do",
        "  state=$(dpkg-query -W -f '${db:Status-Status}' \"$package\" 2> /dev/null || true)",
        '  [ "$state" = installed ] || missing="$missing $package"',
        "done",
        'if [ -n "$missing" ]; then',
        "  apt-get -q -o DPkg::Lock::Timeout=300 update",
        "  apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 install $missing",
        "fi",
    ]
    for part in template.chain if template else ():
        if part.python:
            place = f"/opt/{part.name}"
            lines += [
                f"[ -x {place}/bin/pip ] || python3 -m venv {place}",
                f"{place}/bin/pip install --no-input --disable-pip-version-check {shlex.join(part.python)}",
            ]
    return "\n".join(lines) + "\n"


SCRUB: Final = """\
set -u
systemctl disable --now apt-daily.timer apt-daily-upgrade.timer 2> /dev/null
apt-get clean
rm -rf /var/lib/apt/lists/* /root/.ansible /root/.bash_history /tmp/* /var/tmp/*
rm -f /etc/ssh/ssh_host_* /root/.ssh/authorized_keys
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id
journalctl --rotate --vacuum-time=1s > /dev/null 2>&1
sync
"""
"""Makes a prepared guest a template: no keys, no identity, nothing of how it was made."""


def hosts_script(names: Mapping[str, str]) -> str:
    """Return the script that makes *names* (host name → address) known to a guest."""
    lines = "".join(f"{address}\t{name}\n" for name, address in names.items())
    return f"printf '%s' {shlex.quote(lines)} >> /etc/hosts\n"


def size(template: Template) -> dict[tuple[str, ...], Any]:
    """Return what instances of *template* have in their settings, by path; all but the disk image and how we get in."""
    return {
        ("cpus",): template.cpus,
        ("memory",): f"{round(template.ram_gb * 1024)}MiB",
        ("disk",): f"{template.disk_gb}GiB",
        # Plain: no guest agent, so no port of a guest appears on this machine by itself, and two do not clash.
        ("plain",): True,
        ("mounts",): [],
        ("containerd", "system"): False,
        ("containerd", "user"): False,
        ("ssh", "loadDotSSHPubKeys"): False,
        ("ssh", "forwardAgent"): False,
        ("upgradePackages",): False,
        ("user", "name"): USER,
        ("user", "comment"): USER,
    }


def expression(values: Mapping[tuple[str, ...], Any]) -> str:
    """Return *values* as an expression for ``--set``. No secrets: every user can read a command line."""
    return " | ".join(f".{'.'.join(path)} = {json.dumps(value)}" for path, value in values.items())


def document(template: Template, disk: str, arch: str, vm_type: str) -> str:
    """Return the settings of an instance that begins with a copy of *disk*, as YAML (it is JSON, too)."""
    table: dict[str, Any] = {"images": [{"location": disk, "arch": arch}]}
    if vm_type:
        table["vmType"] = vm_type
    for path, value in size(template).items():
        place = table
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = value
    return json.dumps(table, indent=1) + "\n"


def with_way_in(settings: str, boot_script: str, network: str | None) -> str:
    """Return an instance's ``lima.yaml`` with our boot script as its only one.

    Args:
        settings: the file's text.
        boot_script: see :func:`access_script`. It holds the guest's private key: that is why it goes into a file.
        network: a network of Lima's that several instances share, or None.
    """
    table = yaml.safe_load(settings)
    table["provision"] = [{"mode": "system", "script": boot_script}]
    if network is not None:
        table["networks"] = [{"lima": network}]
    return yaml.safe_dump(table, sort_keys=False, width=10_000)
