"""Taking the state of real hosts: equal while nothing changes, and every change is seen."""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.hosts import DB, WEB, on

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.host_state.compare import changes
from pytest_2501bench.host_state.model import HostState
from pytest_2501bench.host_state.take import program_of, take
from pytest_2501bench.playbooks.run import AnsibleRunner
from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.protocol import Host, HostSpec

pytestmark = pytest.mark.namespace
ROOTS = ("/etc", "/usr/local", "/opt", "/srv", "/root", "/home")
FIREWALL = HostSpec("fw-01", packages=("nftables",))

Look = Callable[[], dict[str, HostState]]


@pytest.fixture(scope="module")
def runner() -> Iterator[AnsibleRunner]:
    runner = AnsibleRunner()
    yield runner
    runner.close()


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, ...]]:
    """One with nginx, one without: both with systemd where the machine can have it."""
    provider = NamespaceProvider(state_dir=tmp_path_factory.mktemp("state"))
    provider.prepare_images([WEB, DB], print)
    sandbox = provider.create([WEB, DB])
    yield sandbox.hosts
    provider.destroy(sandbox)


@pytest.fixture
def fresh(hosts: tuple[Host, ...], tmp_path: Path) -> Iterator[Host]:
    """A host of the test's own, with nginx."""
    provider = NamespaceProvider(state_dir=tmp_path)
    sandbox = provider.create([WEB])
    yield sandbox.hosts[0]
    provider.destroy(sandbox)


@pytest.fixture
def web(hosts: tuple[Host, ...]) -> Host:
    return hosts[0]


@pytest.fixture
def look(runner: AnsibleRunner, hosts: tuple[Host, ...]) -> Look:
    return lambda: take(runner.ssh_command, hosts, ROOTS)


def _does(host: Host, command: str) -> None:
    done = on(host, command)
    assert done.returncode == 0, done.stderr


def test_two_looks_at_hosts_on_which_nothing_changes_are_equal(look: Look) -> None:
    first = look()

    assert first.keys() == {"web-01", "db-01"}
    assert look() == first
    web = first["web-01"].entries
    assert web["listener"]["tcp:0.0.0.0:80"] == "process nginx"
    assert web["unit"]["nginx.service"] == "boot enabled; state active"
    assert web["package"]["nginx-light"].startswith("version ")
    assert all(web[kind] for kind in ("user", "group", "mount", "cron", "file", "sysctl"))
    assert first["web-01"].whole
    assert first["web-01"].notes == ()


@pytest.mark.parametrize(
    "command",
    [
        "systemctl restart nginx",
        "systemctl daemon-reload",
        "systemd-run --pipe --quiet true",
        "nginx -t; journalctl -n 5; apt-get check; curl -fs http://127.0.0.1/ > /dev/null; ls -la /etc > /dev/null",
        "python3 -c 'import json'; touch /etc/hosts /etc",
        "echo 'ls' > /root/.bash_history; mkdir -p /root/.ansible/tmp; touch /root/.viminfo",
        "date > /var/log/some.log; date > /tmp/scratch; date > /var/lib/some",
    ],
)
def test_what_changes_nothing_that_is_compared_is_no_change(look: Look, web: Host, command: str) -> None:
    before = look()
    _does(web, command)

    assert list(map(str, changes(before, look()))) == []


SEEN = {
    "systemctl stop nginx": [
        "unit:nginx.service changed: state active → inactive",
        "listener:tcp:0.0.0.0:80 removed: process nginx",
        "listener:tcp:[::]:80 removed: process nginx",
    ],
    "systemctl start nginx": [
        "unit:nginx.service changed: state inactive → active",
        "listener:tcp:0.0.0.0:80 added: process nginx",
        "listener:tcp:[::]:80 added: process nginx",
    ],
    "systemctl disable nginx": ["unit:nginx.service changed: boot enabled → never"],
    "systemctl mask nginx": ["unit:nginx.service changed: boot never → masked"],
    "systemctl unmask nginx; systemctl enable nginx": ["unit:nginx.service changed: boot masked → enabled"],
    "useradd -u 1234 mallory": [
        "user:mallory added: uid 1234; gid 1234; home /home/mallory; shell /bin/sh; password locked; "
        "expiry 0:99999:7::",
        "group:mallory added: gid 1234",
    ],
    "echo mallory:one | chpasswd": ["user:mallory changed: password locked → set; secret"],
    "echo mallory:two | chpasswd": ["user:mallory changed: secret"],
    "gpasswd -a mallory sudo": ["group:sudo changed: members none → mallory"],
    "userdel mallory": [
        "user:mallory removed: uid 1234; gid 1234; home /home/mallory; shell /bin/sh; password set; expiry 0:99999:7::",
        "group:mallory removed: gid 1234",
        "group:sudo changed: members mallory → none",
    ],
    "chmod 777 /etc/nginx/nginx.conf": ["file:/etc/nginx/nginx.conf changed: mode 0644 → 0777"],
    "chown www-data /etc/nginx/nginx.conf": [
        "file:/etc/nginx/nginx.conf changed: owner root:root → www-data:root",
    ],
    "echo >> /etc/nginx/nginx.conf": ["file:/etc/nginx/nginx.conf changed: content"],
    "chmod 4755 /usr/local/bin; mkfifo /srv/pipe; ln -s /nowhere /srv/link": [
        "file:/srv/link added: link /nowhere; owner root:root",
        "file:/srv/pipe added: pipe; mode 0644; owner root:root",
        "file:/usr/local/bin changed: mode 0755 → 4755",
    ],
    "printf x > \"/opt/odd; name%\"; printf x > /opt/$'\\xff'": [
        "file:/opt/\\xff added: mode 0644; owner root:root",
        "file:/opt/odd; name% added: mode 0644; owner root:root",
    ],
    "truncate -s 20M /opt/big": ["file:/opt/big added: mode 0644; owner root:root"],
    "printf x | dd of=/opt/big conv=notrunc status=none": ["file:/opt/big changed: content"],
    "echo '* * * * * root true' > /etc/cron.d/x; echo '* * * * * true' | crontab -": [
        "cron:/etc/cron.d/x added: mode 0644; owner root",
        "cron:/var/spool/cron/crontabs/root added: mode 0600; owner root",
    ],
    "setsid -f python3 -m http.server 8099 > /dev/null 2>&1 < /dev/null; sleep 1": [
        "listener:tcp:0.0.0.0:8099 added: process python3",
    ],
    "mount -t tmpfs -o noexec some /mnt": [
        "mount:/mnt added: type tmpfs; source some; root /; options rw,noexec,relatime; of rw",
    ],
    "mount -o remount,ro /mnt": ["mount:/mnt changed: options rw,noexec,relatime → ro,noexec,relatime; of rw → ro"],
    "sysctl -w net.ipv4.tcp_syncookies=0": ["sysctl:net.ipv4.tcp_syncookies changed: value 1 → 0"],
    "printf '[Service]\\nExecStart=/bin/sleep 99\\n' > /etc/systemd/system/own.service && systemctl start own": [
        "unit:own.service added: boot never; state active",
        "file:/etc/systemd/system/own.service added: mode 0644; owner root:root",
    ],
    "dpkg --force-depends --purge nginx-light 2> /dev/null": ["package:nginx-light removed: version *"],
}


def test_every_change_is_seen_and_named_once(fresh: Host, runner: AnsibleRunner) -> None:
    before = take(runner.ssh_command, [fresh], ROOTS)
    for command, expected in SEEN.items():
        _does(fresh, f"bash -c {shlex.quote(command)}")
        after = take(runner.ssh_command, [fresh], ROOTS)
        found = [str(change) for change in changes(before, after)]
        wanted = [f"web-01 {line}" for line in expected]
        if command.startswith("dpkg"):
            assert any(line.startswith(wanted[0][:-1]) for line in found), found
        else:
            assert found == wanted, command
        before = after


def test_a_look_leaves_nothing_on_the_host(look: Look, web: Host) -> None:
    look()  # the connection is there, and whatever the first login of a host leaves
    _does(web, "touch /run/marker; sleep 0.1; ps -eo args > /run/before")
    look()

    # Logs say that somebody logged in, as they do for every playbook.
    left = on(web, "find / -xdev -newer /run/marker -not -path '/proc/*' -not -path '/sys/*' -not -path '/var/log*'")
    new = [path for path in left.stdout.split() if path != "/run" and not path.startswith(("/run/", "/dev/"))]
    assert new == []
    running = on(web, "ps -eo args | sort | uniq > /run/after; sort -u /run/before | comm -13 - /run/after").stdout
    assert "python" not in running


def test_no_secret_of_a_host_can_be_read_or_guessed_from_its_state(look: Look, web: Host) -> None:
    secret = "correct horse"
    _does(web, f"install -m 600 /dev/null /root/token; printf %s {shlex.quote(secret)} > /root/token")
    _does(web, "useradd eve; echo eve:sesame | chpasswd")
    kept = on(web, "getent shadow eve").stdout.split(":")[1]

    told = json.dumps([state.model_dump(mode="json") for state in look().values()])

    assert secret not in told
    assert kept.startswith("$")
    assert kept not in told
    for guess in (secret, kept):
        for name in ("sha256", "sha1", "md5", "blake2b"):
            assert hashlib.new(name, guess.encode()).hexdigest()[:16] not in told


def test_more_files_than_are_looked_at_are_told_and_not_passed_over(
    runner: AnsibleRunner, hosts: tuple[Host, ...]
) -> None:
    state = take(runner.ssh_command, hosts[:1], ["/etc", "/opt"], most_files=50)["web-01"]

    assert not state.whole
    assert state.notes == ("there are more than 50 files below /etc, /opt",)
    assert len(state.entries["file"]) <= 50 + len(["/etc", "/opt"])


def test_folders_below_which_nothing_is_to_be_read_are_left_out(runner: AnsibleRunner, hosts: tuple[Host, ...]) -> None:
    files = take(runner.ssh_command, hosts[:1], ["/proc", "/sys", "/dev", "/nowhere", "/bin", "/etc/hosts"])
    names = set(files["web-01"].entries["file"])

    assert {"/bin", "/bin/bash", "/etc/hosts"} <= names
    assert not any(name.startswith(("/proc/", "/sys/", "/nowhere")) for name in names)


def test_a_host_that_cannot_be_reached_is_an_error_that_names_it(runner: AnsibleRunner, web: Host) -> None:
    def nowhere(host: Host) -> list[str]:
        return ["ssh", "-o", "ProxyCommand=false", "-o", "BatchMode=yes", host.host_name]

    with pytest.raises(BenchError, match="host web-01: it could not be looked at") as caught:
        take(nowhere, [web], ROOTS)

    assert caught.value.cause is Cause.SSH_NOT_UP


def test_rules_of_the_firewall_are_seen_and_what_they_count_is_not(runner: AnsibleRunner, tmp_path: Path) -> None:
    provider = NamespaceProvider(state_dir=tmp_path)
    provider.prepare_images([FIREWALL], print)
    sandbox = provider.create([FIREWALL])
    (host,) = sandbox.hosts
    steps = {
        "nft add table inet f; nft 'add chain inet f in { type filter hook input priority 0; }';"
        "nft add rule inet f in counter accept; nft 'add set inet f s { type ipv4_addr; flags timeout; }'": [
            "firewall:inet f added",
            "firewall:inet f in added: rules type filter hook input priority filter; policy accept; | counter accept",
            "firewall:inet f s added: rules type ipv4_addr | flags timeout",
        ],
        "nft 'add element inet f s { 192.0.2.1 timeout 1h }'": [],
        "nft insert rule inet f in tcp dport 80 drop": ["firewall:inet f in changed: rules + tcp dport 80 drop"],
    }
    try:
        before = take(runner.ssh_command, sandbox.hosts, [])
        for command, expected in steps.items():
            _does(host, command)
            after = take(runner.ssh_command, sandbox.hosts, [])
            assert [str(change) for change in changes(before, after)] == [f"fw-01 {line}" for line in expected]
            before = after
    finally:
        provider.destroy(sandbox)


def _printed(*words: str) -> dict[str, Any]:
    program = program_of(["/etc"])
    done = subprocess.run(
        [*words, sys.executable, "-I", "-S", "-"], input=program, capture_output=True, text=True, check=True, timeout=60
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_who_is_not_root_sees_what_he_may_and_is_told_so() -> None:
    told = _printed("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")

    assert told["notes"] == ["looked at without being root: what only root may read was not seen"]
    entries = told["entries"]
    assert "content" not in entries["file"]["/etc/shadow"]
    assert entries["file"]["/etc/hosts"]
    assert entries["user"]["root"]
