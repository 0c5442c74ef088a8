"""Templates and sandboxes of ``--mode lima`` from begin to end, with each kind of limactl; on the fake."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_limactl.place import Place, fake_lima, put
from support.processes import python

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.conformance import over_ssh
from pytest_2501bench.sandbox.protocol import Host, HostSpec, Sandbox
from pytest_2501bench.sandbox.templates import load_templates

pytestmark = pytest.mark.namespace
WEB, DB = HostSpec("web-01"), HostSpec("db-01")


@pytest.fixture(scope="module")
def shared(images: None) -> Iterator[Place]:
    """One place for the module: a template takes some seconds to build."""
    with fake_lima() as place:
        yield place


@pytest.fixture
def place(shared: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    put(shared, monkeypatch)
    yield shared
    put(shared, monkeypatch)
    provider = shared.provider()
    for owned in provider.list_owned():
        provider.destroy(Sandbox(owned.name, ()))
    assert shared.processes() == []
    assert all(name.startswith("template-") for name in shared.instances())


def _on(host: Host, command: str) -> str:
    done = over_ssh(host, command)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("version", ["1.0.7", "2.2.0"])
def test_two_hosts_live_and_are_reset_with_each_version(
    place: Place, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    put(place, monkeypatch, version)
    provider = place.provider()
    sandbox = provider.create([WEB, DB])
    web, db = sandbox.hosts
    assert _on(web, "hostname; ping -c1 -W5 db-01 > /dev/null && echo there") == "web-01\nthere\n"
    assert _on(db, "getent hosts web-01").split() == [web.address, "web-01"]
    assert web.address != db.address
    assert provider.alive(sandbox) is None
    before = _on(web, "cd /etc; cat hosts hostname passwd ssh/ssh_host_ed25519_key.pub; ls /root -a")
    _on(web, "echo mine > /root/left; rm /etc/passwd")
    again = provider.reset(sandbox)
    assert _on(again.hosts[0], "cd /etc; cat hosts hostname passwd ssh/ssh_host_ed25519_key.pub; ls /root -a") == (
        before.replace(str(db.address), str(again.hosts[1].address))
    )
    found = provider.find(sandbox.name)
    assert found is not None
    assert found.hosts == again.hosts
    log = "".join(path.read_text() for path in place.cache.glob(f"lima/*/sandboxes/{sandbox.name}/limactl-1.log"))
    assert ("Run `limactl start" in log) == (version == "1.0.7")  # said by create; clone says nothing
    provider.destroy(again)
    assert over_ssh(web, "true").returncode == 255


def test_a_host_that_does_not_run_any_more_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    put(place, monkeypatch, "1.2.2")
    provider = place.provider()
    sandbox = provider.create([WEB])
    instance = f"{sandbox.name.replace('_', '-')}-1"
    os.kill(int((place.home / instance / "ha.pid").read_text()), signal.SIGKILL)
    says = f"host web-01 does not run any more: {instance} is Broken"
    assert provider.alive(sandbox) == f"{says} (unknown)"  # this version tells no reason
    put(place, monkeypatch, "2.0.3")
    assert provider.alive(sandbox) == f"{says} (qemu driver is running but host agent is not)"
    subprocess.run(["limactl", "stop", "-f", instance], check=True, capture_output=True)
    assert provider.alive(sandbox) == f"host web-01 does not run any more: {instance} is Stopped"
    provider.destroy(sandbox)
    assert provider.alive(sandbox) == f"sandbox {sandbox.name} is gone"


def test_a_clone_in_the_making_does_not_stand_in_the_way_of_others(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Lima 2.2, starting and deleting any instance fails while there is one without settings."""
    provider = place.provider()
    provider.prepare_images([WEB])
    half = place.home / "somebody-else"
    half.mkdir()
    timer = threading.Timer(2.0, half.rmdir)
    timer.start()
    started = time.monotonic()
    try:
        sandbox = provider.create([WEB])
        assert time.monotonic() - started > 1.9
        assert _on(sandbox.hosts[0], "hostname") == "web-01\n"
        provider.destroy(sandbox)
    finally:
        timer.join()


def test_limas_own_connection_to_a_deleted_instance_is_ended(place: Place) -> None:
    """On a shared network it goes through a process that lives on, so that it would stay open."""
    provider = place.provider()
    sandbox = provider.create([WEB])
    other = place.home / "sbx-other-1"
    other.mkdir()
    (other / "lima.yaml").write_text("images: [{location: /x, arch: x86_64}]\n")
    provider.holdings.begin("sbx_other", [other.name])
    settings = {**sandbox.hosts[0].ssh.options(), "ControlMaster": "auto", "ControlPath": str(other / "ssh.sock")}
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    argv = ["ssh", "-F", "/dev/null", *options, "-o", "ControlPersist=yes", sandbox.hosts[0].ssh.hostname, "true"]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert _masters(place) == 1
    provider.destroy(Sandbox("sbx_other", ()))
    assert not other.exists()
    deadline = time.monotonic() + 5
    while _masters(place) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _masters(place) == 0
    assert _on(sandbox.hosts[0], "hostname") == "web-01\n"


def _masters(place: Place) -> int:
    return sum("ssh.sock" in line and "[mux]" in line for line in place.processes())


_BUILDER = """
import os
from pathlib import Path
from pytest_2501bench.sandbox.lima import LimaProvider
from pytest_2501bench.sandbox.protocol import HostSpec
from pytest_2501bench.sandbox.templates import load_templates
provider = LimaProvider(Path(os.environ["LIMA_TEST_CACHE"]), load_templates(Path({folder!r})))
provider.prepare_images([HostSpec("web-01", "small")])
"""

_OWNER = """
import sys
from fake_limactl.place import provider
from pytest_2501bench.sandbox.protocol import HostSpec
provider().create([HostSpec("web-01"), HostSpec("db-01")])
"""


@pytest.mark.parametrize("step", ["clone", "start"])
def test_an_owner_killed_in_the_middle_leaves_only_what_the_reaper_finds(
    place: Place, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    provider = place.provider()
    provider.prepare_images([WEB])
    monkeypatch.setenv("LIMA_FAKE_SLOW", "60" if step == "clone" else "0")
    with python(_OWNER) as owner:
        deadline = time.monotonic() + 30
        while not [*place.home.glob("sbx-*/ha.pid" if step == "start" else "sbx-*")]:
            assert time.monotonic() < deadline
            assert owner.poll() is None
            time.sleep(0.01)
        owner.kill()
    (owned,) = provider.list_owned()
    assert not owned.owner_alive
    assert provider.reap() == [owned.name]
    assert provider.list_owned() == []
    assert [name for name in place.instances() if name.startswith("sbx")] == []
    time.sleep(0.3)
    assert place.processes() == []


def test_ctrl_c_during_create_ends_soon_and_leaves_nothing(place: Place) -> None:
    provider = place.provider()
    provider.prepare_images([WEB])
    with python(_OWNER) as owner:
        deadline = time.monotonic() + 30
        while not [*place.home.glob("sbx-*/ssh.config")]:
            assert time.monotonic() < deadline
            assert owner.poll() is None
            time.sleep(0.01)
        owner.send_signal(signal.SIGINT)
        owner.communicate(timeout=40)
    assert owner.returncode not in (0, None)
    assert provider.list_owned() == []
    assert [name for name in place.instances() if name.startswith("sbx")] == []


def test_what_a_killed_builder_left_is_reaped_and_the_next_one_begins_anew(place: Place) -> None:
    templates = load_templates(_own_templates(place, "sleep 100"))
    code = _BUILDER.format(folder=str(place.directory / "templates"))
    with python(code) as builder:
        deadline = time.monotonic() + 60
        while not [*place.home.glob("template-small/ha.pid")]:
            assert time.monotonic() < deadline
            assert builder.poll() is None
            time.sleep(0.01)
        builder.kill()
    provider = place.provider(templates)
    assert [(owned.name, owned.owner_alive) for owned in provider.list_owned()] == [("build-template-small", False)]
    assert provider.reap() == ["build-template-small"]
    assert "template-small" not in place.instances()
    assert place.processes() == []


def _own_templates(place: Place, task: str) -> Path:
    folder = place.directory / "templates" / "small"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "template.toml").write_text('base = "debian-base"\nram_gb = 0.5\n')
    (folder / "provision.yml").write_text(
        f"- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.shell: {task}\n"
    )
    return folder.parent


def test_a_template_is_built_once_with_its_playbook_and_again_when_it_changes(place: Place) -> None:
    spec = HostSpec("web-01", "small", ("hello",))
    providers = [place.provider(load_templates(_own_templates(place, "echo one > /etc/made"))) for _ in range(2)]
    lines: list[str] = []
    threads = [threading.Thread(target=one.prepare_images, args=([spec], lines.append)) for one in providers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(line == "template small: ready" for line in lines) == 1, lines
    provider = providers[0]
    first, second = (image for image in provider.images() if image.template == "small")
    assert (first.name, first.packages, second.packages) == ("template-small", (), ("hello",))
    assert first.current
    assert second.current
    assert (first.size or 0) > 0
    sandbox = provider.create([spec])
    assert _on(sandbox.hosts[0], "cat /etc/made; hello").startswith("one\nH")
    with pytest.raises(BenchError, match=f"is in use by sandbox {sandbox.name}"):
        provider.remove_image(first.name)
    provider.destroy(sandbox)
    changed = place.provider(load_templates(_own_templates(place, "echo two > /etc/made")))
    assert [image.current for image in changed.images() if image.template == "small"] == [False, False]
    sandbox = changed.create([HostSpec("web-01", "small")])
    assert _on(sandbox.hosts[0], "cat /etc/made") == "two\n"
    changed.destroy(sandbox)
    changed.remove_image("template-small")
    changed.remove_image("template-small")
    assert [name for name in place.instances() if "small" in name] == []


def test_a_template_that_cannot_be_provisioned_is_an_error_with_its_log_and_leaves_nothing(place: Place) -> None:
    provider = place.provider(load_templates(_own_templates(place, "exit 3")))
    with pytest.raises(BenchError, match="template small could not be provisioned") as caught:
        provider.prepare_images([HostSpec("web-01", "small")])
    assert caught.value.cause is Cause.SANDBOX_UNAVAILABLE
    assert caught.value.log is not None
    assert caught.value.log.exists()
    assert [name for name in place.instances() if "small" in name] == []
    assert provider.list_owned() == []


def test_an_instance_of_the_users_own_is_never_touched(place: Place) -> None:
    own = place.home / "template-small"
    own.mkdir()
    (own / "lima.yaml").write_text("images: [{location: /x, arch: x86_64}]\n")
    (own / "lima-version").write_text("v2.0.3")
    try:
        provider = place.provider(load_templates(_own_templates(place, "true")))
        with pytest.raises(BenchError, match="there is an instance template-small that we did not make"):
            provider.prepare_images([HostSpec("web-01", "small")])
        provider.remove_image("template-small")
        assert (own / "lima.yaml").exists()
        assert provider.images() == place.provider().images()
    finally:
        for file in own.iterdir():
            file.unlink()
        own.rmdir()


def test_secrets_are_on_no_command_line(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = (place.directory / "bin" / "limactl").resolve()
    folder = place.directory / "spy"
    folder.mkdir()
    log = folder / "log"
    spy = folder / "limactl"
    spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {log}\nexec {real} "$@"\n')
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{place.environment['PATH']}")
    provider = place.provider()
    sandbox = provider.create([WEB])
    assert sandbox.directory is not None
    key = (sandbox.directory / "host_key-1").read_text().splitlines()[2]
    provider.destroy(sandbox)
    assert "clone" in log.read_text()
    assert key not in log.read_text()
    assert "PRIVATE" not in log.read_text()
