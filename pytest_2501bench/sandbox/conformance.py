"""What every sandbox mode must do, as tests that any provider can run: subclass :class:`SandboxConformance`.

    from pytest_2501bench.sandbox.conformance import SandboxConformance

    class TestMyMode(SandboxConformance):
        factory = "my_package.my_module:make_provider"

Ends up in ``pytest``'s output as one test per promise of :class:`~pytest_2501bench.sandbox.protocol.SandboxProvider`.
It needs pytest, ssh and ssh-keygen, and nothing else: no engine, no database, no Ansible. docs/providers.md tells more.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

from pytest_2501bench.sandbox.protocol import KNOWN_CAPABILITIES, Host, HostSpec, Sandbox, SandboxProvider

MARK = "/etc/conformance-mark"
"""A file that tests leave on a host; opaque to everybody else."""


def load_factory(name: str) -> Callable[[], SandboxProvider]:
    """Import ``package.module:callable``; a name that leads nowhere fails the test with one line."""
    module, _, attribute = name.partition(":")
    try:
        made: Callable[[], SandboxProvider] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as exc:
        pytest.fail(f"factory = {name!r}: not importable as 'package.module:callable': {exc}", pytrace=False)
    return made


def over_ssh(host: Host, command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run *command* on *host* the way a run does: host key verified, nothing asked for."""
    options = [word for name, value in host.ssh.options().items() for word in ("-o", f"{name}={value}")]
    argv = ["ssh", "-F", "/dev/null", *options, host.ssh.hostname, command]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)


_OWNER = textwrap.dedent(
    """
    import json, sys, time
    from pytest_2501bench.sandbox.conformance import load_factory
    from pytest_2501bench.sandbox.protocol import HostSpec
    specs = [HostSpec(**{**row, "packages": tuple(row["packages"])}) for row in json.loads(sys.argv[2])]
    sandbox = load_factory(sys.argv[1])().create(specs)
    print(sandbox.name, flush=True)
    time.sleep(600)
    """
)


class SandboxConformance:
    """Set *factory*, and *specs* if the mode needs particular hosts.

    Attributes:
        factory: ``package.module:callable``; called without arguments it returns a new provider. All of them must share
            one ledger. It is also called in a process of its own, which is then killed.
        specs: hosts of a sandbox. With registered hosts: each with its ``host_id``.
        several: how many sandboxes are made at once; 1 where there are not enough hosts for more.

    Hosts must let us in as root, or as a user with sudo without a password: tests write to :data:`MARK` and /etc.
    Where :attr:`Capabilities.fresh` is False nobody puts a host back between tests, so a reset need only answer SSH.
    """

    factory: ClassVar[str]
    specs: ClassVar[Sequence[HostSpec]] = (HostSpec("web-01"),)
    several: ClassVar[int] = 3

    @pytest.fixture
    def provider(self) -> Iterator[SandboxProvider]:
        """Give a provider; whatever a test leaves behind is removed after it."""
        provider = load_factory(self.factory)()
        obstacles = [f"{obstacle.what}. {obstacle.remedy}" for obstacle in provider.preflight()]
        if obstacles:
            pytest.fail(f"the mode does not work on this machine: {' '.join(obstacles)}", pytrace=False)
        provider.prepare_images(self.specs)
        before = {owned.name for owned in provider.list_owned()}
        yield provider
        for owned in provider.list_owned():
            if owned.name not in before:
                provider.destroy(provider.find(owned.name) or Sandbox(owned.name, ()))

    def test_it_fulfils_the_protocol(self, provider: SandboxProvider) -> None:
        """It has every method, and a mode."""
        assert isinstance(provider, SandboxProvider)
        assert provider.mode

    def test_preflight_creates_nothing(self, provider: SandboxProvider) -> None:
        """Looking does not change what is there."""
        before = provider.list_owned()
        assert provider.preflight() == []
        assert provider.list_owned() == before

    def test_hosts_answer_ssh_with_a_verified_host_key(self, provider: SandboxProvider) -> None:
        """Every host that was asked for answers, in order, under an opaque name; a foreign host key is refused."""
        sandbox = provider.create(self.specs)
        assert [host.host_name for host in sandbox.hosts] == [spec.host_name for spec in self.specs]
        for host in sandbox.hosts:
            done = over_ssh(host, "sudo -n true && echo ready" if host.ssh.user != "root" else "echo ready")
            assert (done.stdout, done.returncode) == ("ready\n", 0), done.stderr
            assert host.ssh.options()["StrictHostKeyChecking"] == "yes"
            known = host.ssh.known_hosts.read_text(encoding="utf-8")
            forged = host.ssh.known_hosts.with_name("forged")
            key = host.ssh.known_hosts.with_name("forged_key")
            key.unlink(missing_ok=True)
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
            public = " ".join(key.with_name("forged_key.pub").read_text(encoding="utf-8").split()[:2])
            try:
                forged.write_text(f"{host.ssh.hostname} {public}\n", encoding="utf-8")
                host.ssh.known_hosts.write_text(forged.read_text(encoding="utf-8"), encoding="utf-8")
                refused = over_ssh(host, "true")
            finally:
                host.ssh.known_hosts.write_text(known, encoding="utf-8")
                for path in (forged, key, key.with_name("forged_key.pub")):
                    path.unlink(missing_ok=True)
            assert refused.returncode == 255
            assert "verification failed" in refused.stderr
        assert provider.alive(sandbox) is None
        provider.destroy(sandbox)

    def test_the_named_interpreter_is_there(self, provider: SandboxProvider) -> None:
        """Ansible needs the Python that the host names."""
        sandbox = provider.create(self.specs)
        for host in sandbox.hosts:
            assert over_ssh(host, f"{host.python} -c 'print(40 + 2)'").stdout == "42\n"
        provider.destroy(sandbox)

    def test_several_at_once_do_not_meet(self, provider: SandboxProvider) -> None:
        """Sandboxes made at the same time are all there, and are not one and the same."""
        with ThreadPoolExecutor(self.several) as pool:
            made = list(pool.map(lambda _: provider.create(self.specs), range(self.several)))
        try:
            assert len({sandbox.name for sandbox in made}) == self.several
            for number, sandbox in enumerate(made):
                over_ssh(sandbox.hosts[0], f"echo {number} | {_sudo(sandbox.hosts[0])}tee {MARK}")
            marks = [over_ssh(sandbox.hosts[0], f"cat {MARK}").stdout for sandbox in made]
            assert marks == [f"{number}\n" for number in range(self.several)]
        finally:
            for sandbox in made:
                over_ssh(sandbox.hosts[0], f"{_sudo(sandbox.hosts[0])}rm -f {MARK}")
                provider.destroy(sandbox)

    def test_reset_brings_the_identical_state_back(self, provider: SandboxProvider) -> None:
        """What was added is gone and what was removed is back; registered hosts are put back by restore.yml instead."""
        sandbox = provider.create(self.specs)
        host = sandbox.hosts[0]
        if not provider.capabilities(host.template or "debian-base").fresh:
            assert over_ssh(provider.reset(sandbox).hosts[0], "echo ready").stdout == "ready\n"
            provider.destroy(sandbox)
            return
        sudo = _sudo(host)
        # A machine draws its machine-id at first boot; a new one after a reset is as good.
        files = "find . -xdev -type f ! -name machine-id -exec md5sum {} +"
        look = f"{sudo}sh -c 'cd /etc && {files} | sort -k2; dpkg -l | md5sum'"
        before = over_ssh(host, look).stdout
        assert before.count("\n") > 20
        over_ssh(host, f"{sudo}sh -c 'echo x > {MARK}; rm -f /etc/debian_version; echo y >> /etc/hosts'")
        assert over_ssh(host, look).stdout != before
        again = provider.reset(sandbox)
        assert over_ssh(again.hosts[0], look).stdout == before
        provider.destroy(again)

    def test_a_destroyed_sandbox_is_gone_and_may_be_destroyed_again(self, provider: SandboxProvider) -> None:
        """It is not listed any more; repeating it is harmless."""
        sandbox = provider.create(self.specs)
        assert sandbox.name in {owned.name for owned in provider.list_owned()}
        provider.destroy(sandbox)
        assert sandbox.name not in {owned.name for owned in provider.list_owned()}
        assert provider.find(sandbox.name) is None
        provider.destroy(sandbox)
        if provider.capabilities("debian-base").fresh:
            assert over_ssh(sandbox.hosts[0], "true").returncode == 255

    def test_another_session_finds_what_is_ours_and_can_enter_it(self, provider: SandboxProvider) -> None:
        """A sandbox is listed with its living owner, and found by name with working SSH settings."""
        sandbox = provider.create(self.specs)
        other = load_factory(self.factory)()
        (owned,) = [owned for owned in other.list_owned() if owned.name == sandbox.name]
        assert owned.owner_alive
        assert owned.remove
        found = other.find(sandbox.name)
        assert found is not None
        assert over_ssh(found.hosts[0], "echo ready").stdout == "ready\n"
        assert sandbox.name not in other.reap()
        provider.destroy(sandbox)

    def test_what_a_killed_owner_left_is_reaped(self, provider: SandboxProvider) -> None:
        """After SIGKILL of its owner a sandbox is listed as ownerless, and the next reaper removes it."""
        rows = [
            {"host_name": s.host_name, "template": s.template, "packages": s.packages, "host_id": s.host_id}
            for s in self.specs
        ]
        # What is importable here must be importable there.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        owner = subprocess.Popen(
            [sys.executable, "-c", _OWNER, self.factory, json.dumps(rows)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert owner.stdout is not None
        try:
            name = owner.stdout.readline().strip()
            assert name, "the owner's process made no sandbox: its complaint is in the captured stderr"
            assert name in {owned.name for owned in provider.list_owned()}, "it is listed only by its own process"
        finally:
            owner.send_signal(signal.SIGKILL)
            owner.wait()
            owner.stdout.close()
        (orphan,) = [owned for owned in provider.list_owned() if owned.name == name]
        assert not orphan.owner_alive
        assert name in provider.reap()
        assert name not in {owned.name for owned in provider.list_owned()}

    def test_a_kept_sandbox_is_not_reaped(self, provider: SandboxProvider) -> None:
        """Only destroy() removes it."""
        sandbox = provider.create(self.specs)
        provider.keep(sandbox)
        assert sandbox.name not in provider.reap()
        assert over_ssh(sandbox.hosts[0], "echo ready").stdout == "ready\n"
        provider.destroy(sandbox)

    def test_capabilities_are_told_truthfully(self, provider: SandboxProvider) -> None:
        """Every known capability is either there and works, or missing with a reason."""
        sandbox = provider.create(self.specs)
        host = sandbox.hosts[0]
        told = provider.capabilities(host.template or "debian-base")
        assert told.names <= KNOWN_CAPABILITIES
        for word in KNOWN_CAPABILITIES - told.names:
            assert told.lack([word])
        pid_one = over_ssh(host, "cat /proc/1/comm").stdout.strip()
        assert (pid_one == "systemd") == ("systemd" in told.names) == host.systemd
        if "systemd" in told.names:
            state = _settled(host)
            assert state in ("running", "degraded"), state
        if "network" in told.names and len(sandbox.hosts) > 1:
            other = sandbox.hosts[1].host_name
            assert over_ssh(host, f"getent hosts {other}").returncode == 0
        if "nested-containers" in told.names:
            assert over_ssh(host, f"{_sudo(host)}unshare --mount --net --pid --fork true").returncode == 0
        provider.destroy(sandbox)

    def test_what_was_built_is_listed(self, provider: SandboxProvider) -> None:
        """A mode that keeps images says which are current; removing one that is not there is harmless."""
        images = provider.images()
        if images:
            current = {image.template for image in images if image.current}
            assert {spec.template for spec in self.specs} <= current, "prepare_images() was called before"
            assert len({image.name for image in images}) == len(images)
        provider.remove_image("no-such-image")
        assert {image.name for image in provider.images()} >= {image.name for image in images}

    def test_an_unknown_template_lacks_everything(self, provider: SandboxProvider) -> None:
        """A scenario that names it is skipped with the reason, not run on something else."""
        told = provider.capabilities("no-such-template")
        assert not told.names
        assert told.lack(["systemd"])


def _sudo(host: Host) -> str:
    return "" if host.ssh.user == "root" else "sudo -n "


def _settled(host: Host) -> str:
    deadline = time.monotonic() + 60
    state = ""
    while time.monotonic() < deadline:
        state = over_ssh(host, "systemctl is-system-running").stdout.strip()
        if state not in ("", "initializing", "starting"):
            break
        time.sleep(0.3)
    return state
