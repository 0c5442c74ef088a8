"""``--mode namespace`` for an ordinary user, for real: this process becomes one, with a root filesystem of its own.

As root, the user exists in a mount namespace only (bind mounts over /etc/passwd and the subordinate id tables), so the
machine keeps no trace of it. Where the tests run as an ordinary user all the other modules test this already.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pytest_2501bench
from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.namespace.machine import gather
from pytest_2501bench.sandbox.templates import TEMPLATES

pytestmark = [
    pytest.mark.namespace,
    pytest.mark.skipif(os.geteuid() != 0, reason="already an ordinary user: the other modules are this test"),
]

UID = 54321
SUB_IDS = 1_200_000_000

# Imports come first: afterwards neither our interpreter's library nor this checkout need be readable.
_SESSION = """
import codecs, json, os, sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from support.hosts import on, traces, sandbox_namespaces
from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.protocol import HostSpec
from pytest_2501bench.sandbox.templates import TEMPLATES
codecs.lookup("ascii")
home, uid, cgroup = Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
if cgroup:
    Path(cgroup, "cgroup.procs").write_text("0")
os.chdir("/")
os.setgroups([]); os.setgid(uid); os.setuid(uid)
os.environ.update(HOME=str(home), XDG_RUNTIME_DIR="")
provider = NamespaceProvider(home / "cache")
base = TEMPLATES["debian-base"]
report = {"obstacles": [obstacle.what for obstacle in provider.preflight()]}
if not provider.cache.has_rootfs(base):
    provider.cache.import_tar(base, home / "rootfs.tar")
found = provider.capabilities("debian-base")
report["names"] = sorted(found.names)
report["lack"] = found.lack(["systemd"])
specs = [HostSpec("web-01", packages=("nginx-light",)), HostSpec("db-01")]
provider.prepare_images(specs)
sandbox = provider.create(specs)
try:
    web, db = sandbox.hosts
    report["systemd"] = web.systemd
    ask = {
        "init": (web, "systemctl is-system-running"),
        "nginx": (web, "service nginx status || service nginx start; curl -sI localhost"),
        "reach": (db, "curl -sI http://web-01/"),
        "out": (db, "ip route show default; curl -sm 3 http://192.0.2.1 || echo refused"),
        "disk": (web, "mkdir /s && mount -t tmpfs -o size=20m tmpfs /s && df --output=size /s | tail -1"),
        "users": (web, "stat -c '%U' /var/mail /etc/shadow; su -s /bin/sh www-data -c whoami; id -u"),
        "orphans": (web, "(sleep 0.1 &) ; sleep 0.5; ps axo stat,comm | grep -c ^Z"),
        "apart": (web, "date -s 2020-01-01; sysctl -w vm.swappiness=1; dmesg"),
        "change": (web, "rm -rf /etc/nginx; touch /root/left; setsid sleep 4713 > /dev/null 2>&1 < /dev/null &"),
    }
    for name, (host, command) in ask.items():
        done = on(host, command)
        report[name] = done.stdout if name != "apart" else done.stderr
    provider.reset(sandbox)
    report["reset"] = on(web, "ls /root; ls -d /etc/nginx; pgrep -f 4713").stdout
    report["alive"] = provider.alive(sandbox)
    namespaces = sandbox_namespaces(sandbox.directory)
finally:
    provider.destroy(sandbox)
report["left"] = str(traces(sandbox.name, sandbox.directory, namespaces) or "")
if sys.argv[6] == "last":
    provider.remove_everything()
    report["cache"] = [str(path) for path in (home / "cache").iterdir()]
print(json.dumps(report))
"""

_BECOME_POSSIBLE = """
set -e
for file in passwd group subuid subgid; do cp /etc/$file "$1/$file"; done
echo "benchuser:x:$2:$2::$1:/bin/sh" >> "$1/passwd"
echo "benchuser:x:$2:" >> "$1/group"
for file in subuid subgid; do echo "benchuser:$3:65536" >> "$1/$file"; done
for file in passwd group subuid subgid; do touch /etc/$file; mount --bind "$1/$file" /etc/$file; done
shift 3
exec "$@"
"""


@pytest.fixture(scope="module")
def home(images: None) -> Iterator[Path]:
    """A folder that an ordinary user reaches, which pytest's own are not, with our code and a root filesystem in it."""
    directory = Path(tempfile.mkdtemp(prefix="bench-user-", dir="/var/tmp"))
    directory.chmod(0o755)
    package = Path(pytest_2501bench.__file__).parent
    shutil.copytree(package, directory / "code" / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    NamespaceProvider().cache.export_tar(TEMPLATES["debian-base"], directory / "rootfs.tar")
    subprocess.run(["chmod", "-R", "go+rX", str(directory)], check=True)
    os.chown(directory, UID, UID)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _session(home: Path, cgroup: str, order: str) -> dict[str, Any]:
    tests = str(Path(__file__).resolve().parent.parent)
    done = subprocess.run(
        [
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", _BECOME_POSSIBLE, "sh"),
            *(str(home), str(UID), str(SUB_IDS), sys.executable, "-c", _SESSION),
            *(str(home / "code"), tests, str(home), str(UID), cgroup, order),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(report, dict)
    return report


@pytest.fixture(scope="module")
def with_cgroup(home: Path) -> Iterator[dict[str, Any]]:
    """What a user sees to whom a cgroup is delegated."""
    mount = gather(home).cgroup_mount
    assert mount is not None
    delegated = mount / f"bench-user-{os.getpid()}"
    own = delegated / "own"
    own.mkdir(parents=True)
    try:
        for path in (delegated, own):
            for name in ("", "cgroup.procs", "cgroup.subtree_control"):
                os.chown(path / name, UID, UID)
        yield _session(home, str(own), "first")
        assert [path.name for path in own.iterdir() if path.is_dir()] == []
    finally:
        own.rmdir()
        delegated.rmdir()


@pytest.fixture(scope="module")
def plain(home: Path, with_cgroup: dict[str, Any]) -> dict[str, Any]:
    """What a user sees who has nothing but subordinate ids."""
    return _session(home, "", "last")


@pytest.fixture(params=["plain", "with_cgroup"])
def report(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.getfixturevalue(request.param)
    return found


def test_nothing_stands_in_the_way(report: dict[str, Any]) -> None:
    assert report["obstacles"] in ([], ["mmdebstrap is missing, and the base root filesystem is not built yet"])


def test_systemd_runs_where_a_cgroup_is_delegated(with_cgroup: dict[str, Any]) -> None:
    assert with_cgroup["lack"] is None
    assert with_cgroup["systemd"] is True
    assert with_cgroup["init"] == "running\n"


def test_without_a_cgroup_there_is_no_systemd_and_the_reason_is_told(plain: dict[str, Any]) -> None:
    assert "systemd needs a delegated cgroup" in plain["lack"]
    assert plain["names"] == ["network", "snapshot"]
    assert plain["systemd"] is False
    assert plain["init"] == "offline\n"


def test_services_start_either_way(report: dict[str, Any]) -> None:
    assert "200 OK" in report["nginx"]


def test_hosts_reach_each_other_and_nothing_else(report: dict[str, Any]) -> None:
    assert "200 OK" in report["reach"]
    assert report["out"] == "refused\n"


def test_a_host_can_mount_a_file_system_of_limited_size(report: dict[str, Any]) -> None:
    assert report["disk"].strip() == "20480"


def test_users_and_owners_are_those_of_a_real_machine(report: dict[str, Any]) -> None:
    assert report["users"].split() == ["root", "root", "www-data", "0"]


def test_orphans_are_reaped(report: dict[str, Any]) -> None:
    assert report["orphans"] == "0\n"


def test_the_machine_is_out_of_reach(report: dict[str, Any]) -> None:
    assert report["apart"].count("ermi") == 3  # Operation not permitted, permission denied


def test_reset_gives_the_first_state_and_destroy_leaves_nothing(report: dict[str, Any]) -> None:
    assert report["reset"] == "/etc/nginx\n"
    assert report["alive"] is None
    assert report["left"] == ""


def test_a_cache_with_files_of_subordinate_ids_is_removed_whole(plain: dict[str, Any]) -> None:
    assert plain["cache"] == []
