"""From template to clone to nothing in ``--mode incus``, on a real daemon: isolation, staleness, killed owners."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.hosts import on
from support.incus import incus, incus_state  # noqa: F401
from support.processes import python, results

from pytest_2501bench.errors import BenchError
from pytest_2501bench.sandbox.incus import IncusProvider
from pytest_2501bench.sandbox.incus.instances import FINGERPRINT, OWNER, SANDBOX, make_network
from pytest_2501bench.sandbox.protocol import HostSpec, Sandbox
from pytest_2501bench.sandbox.templates import TEMPLATES

pytestmark = pytest.mark.incus
WEB = HostSpec("web-01")
DB = HostSpec("db-01")


@pytest.fixture(scope="module")
def pair(incus_state: Path) -> Iterator[tuple[IncusProvider, Sandbox]]:  # noqa: F811
    """Two hosts that tests look at and do not change for good."""
    provider = IncusProvider(state_dir=incus_state)
    sandbox = provider.create([WEB, DB])
    yield provider, sandbox
    provider.destroy(sandbox)


def instances(provider: IncusProvider) -> set[str]:
    return {str(row["name"]) for row in provider.server.instances()}


def bridges() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir() if path.name.startswith("sbx")}


def test_hosts_reach_each_other_by_name_and_nothing_else(pair: tuple[IncusProvider, Sandbox]) -> None:
    web, db = pair[1].hosts
    assert on(web, f"getent hosts {db.host_name}").stdout.split() == [db.address, "db-01"]
    assert on(web, "ping -c 1 -W 3 db-01").returncode == 0
    assert on(web, "hostname").stdout == "web-01\n"
    assert on(web, "ip route show default").stdout == ""
    assert on(web, "ip -6 route show default").stdout == ""
    assert on(web, "ping -c 1 -W 1 10.78.0.1").returncode != 0


def test_a_host_sees_neither_the_server_nor_its_own_settings(pair: tuple[IncusProvider, Sandbox]) -> None:
    web = pair[1].hosts[0]
    assert on(web, "test -e /dev/incus").returncode != 0
    assert on(web, "cat /proc/self/uid_map").stdout.split()[1] != "0", "root inside is root outside"
    said = on(web, "env; cat /proc/mounts /etc/hosts; find / -xdev -name '*2501bench*' 2>/dev/null").stdout
    assert "2501bench" not in said


def test_every_host_has_a_host_key_and_a_machine_id_of_its_own(pair: tuple[IncusProvider, Sandbox]) -> None:
    web, db = pair[1].hosts
    for path in ("/etc/ssh/ssh_host_ed25519_key.pub", "/etc/machine-id"):
        assert on(web, f"cat {path}").stdout != on(db, f"cat {path}").stdout
    assert on(web, "stat -c %a /etc/ssh/ssh_host_ed25519_key /var/lib/sandbox-access/host_key").stdout == "600\n600\n"


def test_ssh_works_whatever_the_host_does_to_its_network_and_its_sshd(incus: IncusProvider) -> None:  # noqa: F811
    sandbox = incus.create([WEB])
    host = sandbox.hosts[0]
    on(host, "ip link set eth0 down; rm -rf /etc/ssh /root/.ssh; rm -f /etc/hosts; echo broken > /etc/hostname")
    assert on(host, "echo ready").stdout == "ready\n"
    incus.destroy(sandbox)


def test_a_host_that_stopped_is_named(incus: IncusProvider) -> None:  # noqa: F811
    sandbox = incus.create([WEB])
    assert incus.alive(sandbox) is None
    subprocess.run(["incus", "stop", "--force", f"local:{sandbox.name}-1"], check=True)
    assert incus.alive(sandbox) == "host web-01 does not run any more: its instance is Stopped"
    incus.destroy(sandbox)
    assert "is gone" in str(incus.alive(sandbox))


def test_a_destroyed_sandbox_leaves_no_instance_bridge_key_or_row(incus: IncusProvider) -> None:  # noqa: F811
    before = instances(incus), bridges()
    sandbox = incus.create([WEB, DB])
    assert len(instances(incus)) == len(before[0]) + 2
    assert len(bridges()) == len(before[1]) + 1
    assert sandbox.directory is not None
    incus.destroy(sandbox)
    assert (instances(incus), bridges()) == before
    assert not sandbox.directory.exists()
    assert sandbox.name not in {owned.name for owned in incus.list_owned()}


def test_a_sandbox_that_no_row_names_is_reaped_by_its_mark_and_others_are_left(
    incus: IncusProvider,  # noqa: F811
    tmp_path: Path,
) -> None:
    lost = incus.create([WEB])
    incus.holdings.ledger.remove(lost.name)  # a power cut took the row
    foreign = IncusProvider(state_dir=tmp_path)
    make_network(foreign.server, "sbxforeign", foreign.holdings.marks("sbx-foreign"))
    try:
        assert incus.reap() == [lost.name]
        assert not {name for name in instances(incus) if lost.name in name}
        assert "sbxforeign" in bridges()
        assert foreign.reap() == ["sbx-foreign"]
    finally:
        foreign.holdings.remove("sbx-foreign")
    assert "sbxforeign" not in bridges()


def test_what_an_owner_half_made_when_it_was_killed_is_reaped(incus_state: Path) -> None:  # noqa: F811
    code = """
        import os, signal, sys
        from pathlib import Path
        from pytest_2501bench.sandbox.incus import IncusProvider, launch
        from pytest_2501bench.sandbox.protocol import HostSpec
        provider = IncusProvider(state_dir=Path(sys.argv[1]))
        launch.start = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        provider.create([HostSpec("web-01")])
    """
    process = python(code, str(incus_state))
    process.communicate(timeout=60)
    provider = IncusProvider(state_dir=incus_state)
    (left,) = [owned.name for owned in provider.list_owned() if not owned.owner_alive]
    assert left.replace("-", "") in bridges()
    assert provider.reap() == [left]
    assert left.replace("-", "") not in bridges()
    assert not provider.holdings.folder(left).path.exists()


def test_a_changed_template_is_rebuilt_once_by_one_of_two_and_clones_live_on(
    incus: IncusProvider,  # noqa: F811
    incus_state: Path,  # noqa: F811
) -> None:
    template = "template-debian-base"
    clone = incus.create([WEB])
    incus.server.call("PATCH", f"/1.0/instances/{template}", {"config": {FINGERPRINT: "of an older definition"}})
    assert [image.current for image in incus.images() if image.name == template] == [False]
    code = """
        import sys
        from pathlib import Path
        from pytest_2501bench.sandbox.incus import IncusProvider
        from pytest_2501bench.sandbox.protocol import HostSpec
        provider = IncusProvider(state_dir=Path(sys.argv[1]))
        provider.prepare_images([HostSpec("web-01")], lambda line: print(line, flush=True))
    """
    said = results([python(code, str(incus_state)) for _ in range(2)], timeout=120)
    assert "\n".join(said).count("copying into Incus") == 1
    assert [image.current for image in incus.images() if image.name == template] == [True]
    assert not {name for name in instances(incus) if name.startswith("building-")}
    assert not [row for row in incus.server.call("GET", "/1.0/images", recursion="1") if OWNER in row["properties"]]
    assert on(clone.hosts[0], "echo ready").stdout == "ready\n"
    incus.destroy(clone)


def test_an_instance_of_somebody_else_is_not_taken_for_a_template(incus: IncusProvider) -> None:  # noqa: F811
    theirs = "template-debian-theirs"
    incus.server.run("POST", "/1.0/instances", {"name": theirs, "source": {"type": "none"}})
    try:
        templates = {"debian-theirs": replace(TEMPLATES["debian-base"], name="debian-theirs")}
        provider = IncusProvider(state_dir=incus.holdings.state.parent, templates=templates)
        with pytest.raises(BenchError, match="was not made by this plugin") as caught:
            provider.prepare_images([HostSpec("web-01", "debian-theirs")])
        assert f"incus rename {theirs}" in caught.value.remedy
        provider.remove_image(theirs)
        assert theirs in instances(incus)
    finally:
        incus.server.remove_instances([theirs])


def test_what_a_killed_builder_left_is_swept(incus: IncusProvider) -> None:  # noqa: F811
    marks = {OWNER: incus.holdings.owner, "user.2501bench.role": "building"}
    incus.server.run("POST", "/1.0/instances", {"name": "building-x", "source": {"type": "none"}, "config": marks})
    incus.reap()
    assert "building-x" not in instances(incus)


def test_podman_runs_containers_in_a_host_of_its_template(incus: IncusProvider) -> None:  # noqa: F811
    spec = HostSpec("web-01", "debian-podman")
    incus.prepare_images([spec], print)
    sandbox = incus.create([spec])
    said = on(
        sandbox.hosts[0],
        "cd /bin && tar -c busybox | podman import - local && podman run --rm local /busybox echo inside",
        timeout=60,
    )
    assert said.stdout.splitlines()[-1] == "inside", said.stderr
    row = incus.server.instance("template-debian-podman")
    assert row is not None
    # It ran while its playbook was played; nothing of that host is in the template.
    assert not [key for key in row["config"] if key.startswith(("user.host", "user.login", SANDBOX, "raw."))]
    assert list(row["devices"]) == ["root"]
    incus.destroy(sandbox)


def test_a_vm_of_the_users_own_is_cloned_and_made_known_to_itself(
    incus: IncusProvider,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A container stands in for the VM, which cannot be had everywhere: all but the start of a kernel is the same.
    monkeypatch.setattr("pytest_2501bench.sandbox.incus.template_instances.VM", "container")
    monkeypatch.setattr("pytest_2501bench.sandbox.incus.instances.VM", "container")
    monkeypatch.setattr("pytest_2501bench.sandbox.incus.preflight._vm", lambda _facts: [])
    theirs = "template-debian-base-vm"
    provider = IncusProvider(state_dir=incus.holdings.state.parent, vm=True)
    before = provider.list_owned()
    with pytest.raises(BenchError, match=f"there is no instance {theirs}") as caught:
        provider.create([WEB])
    assert "docs/sandboxes-incus.md" in caught.value.remedy
    source = {"type": "copy", "source": "template-debian-base"}
    incus.server.run("POST", "/1.0/instances", {"name": theirs, "source": {**source, "instance_only": True}})
    try:
        with pytest.raises(BenchError, match="has no snapshot 'ready'"):
            provider.create([WEB])
        incus.server.run("POST", f"/1.0/instances/{theirs}/snapshots", {"name": "ready"})
        sandbox = provider.create([WEB, DB])
        for host in provider.reset(sandbox).hosts:
            assert on(host, "hostname").stdout.strip() == host.host_name
        assert on(sandbox.hosts[0], "ping -c 1 -W 3 db-01").returncode == 0
        provider.destroy(sandbox)
        with pytest.raises(BenchError, match="lacks packages: nginx-light"):
            provider.create([HostSpec("web-01", packages=("nginx-light",))])
        assert provider.list_owned() == before
    finally:
        incus.server.remove_instances([theirs])
