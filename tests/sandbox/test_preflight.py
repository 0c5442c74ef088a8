"""The judgement on a machine, row by row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_2501bench.sandbox.namespace.machine import Machine, filesystem_of
from pytest_2501bench.sandbox.namespace.preflight import capabilities, obstacles
from pytest_2501bench.sandbox.protocol import KNOWN_CAPABILITIES
from pytest_2501bench.sandbox.templates import TEMPLATES

ROOT = Machine()
USER = Machine(root=False, user="dev", cgroup_mode="systemd-run")


@pytest.mark.parametrize("machine", [ROOT, USER], ids=["root", "user"])
def test_nothing_stands_in_the_way_on_a_good_machine(machine: Machine) -> None:
    assert obstacles(machine) == []


@pytest.mark.parametrize(
    ("machine", "change", "what", "remedy"),
    [
        (ROOT, {"system": "Darwin"}, "this is Darwin", "--mode lima"),
        (ROOT, {"kernel": (5, 10)}, "kernel 5.10 is too old", "5.11"),
        (ROOT, {"missing_programs": frozenset({"ip", "ssh"})}, "ip, ssh", "apt-get install iproute2 openssh-client"),
        (ROOT, {"missing_programs": frozenset({"nsenter"})}, "nsenter", "apt-get install util-linux"),
        (ROOT, {"unshare_error": "Operation not permitted"}, "Operation not permitted", "security module"),
        (ROOT, {"unshare_error": "Operation not permitted", "in_container": True}, "cannot be made", "--privileged"),
        (ROOT, {"has_mmdebstrap": False}, "mmdebstrap is missing", "apt-get install mmdebstrap"),
        (ROOT, {"has_debian_keyring": False}, "archive keys", "apt-get install debian-archive-keyring"),
        (ROOT, {"cache_filesystem": "overlay"}, "is on overlay", "BENCH_CACHE_DIR"),
        (ROOT, {"cache_filesystem": "nfs4"}, "is on nfs4", "BENCH_CACHE_DIR"),
        (ROOT, {"cache_filesystem": "fuse.sshfs"}, "is on fuse.sshfs", "BENCH_CACHE_DIR"),
        (ROOT, {"cache_dir": Path("/home/a b")}, "/home/a b", "BENCH_CACHE_DIR"),
        (ROOT, {"cache_dir": Path("/home/a:b")}, "/home/a:b", "BENCH_CACHE_DIR"),
        (USER, {"max_user_namespaces": 0}, "max_user_namespaces=0", "sysctl -w user.max_user_namespaces"),
        (USER, {"unprivileged_userns_clone": False}, "for root only", "kernel.unprivileged_userns_clone=1"),
        (USER, {"apparmor_restricts": True, "unshare_error": "write failed"}, "AppArmor", "userns=0"),
        (USER, {"has_uidmap": False}, "newuidmap", "apt-get install uidmap"),
        (USER, {"subuids": 0}, "user dev has no range", "usermod --add-subuids"),
        (USER, {"subgids": 1000}, "user dev has no range", "--add-subgids"),
        (USER, {"util_linux": (2, 37)}, "util-linux 2.37", "run as root"),
    ],
)
def test_each_obstacle_is_named_with_its_remedy(
    machine: Machine, change: dict[str, Any], what: str, remedy: str
) -> None:
    (obstacle,) = obstacles(replace(machine, **change))
    assert what in obstacle.what
    assert remedy in obstacle.remedy


@pytest.mark.parametrize(
    "change",
    [
        {"max_user_namespaces": 0},
        {"unprivileged_userns_clone": False},
        {"has_uidmap": False},
        {"subuids": 0},
        {"util_linux": (2, 37)},
    ],
)
def test_what_only_hinders_an_ordinary_user_does_not_hinder_root(change: dict[str, Any]) -> None:
    assert obstacles(replace(ROOT, **change)) == []


def test_mmdebstrap_is_not_needed_once_the_root_filesystem_is_built() -> None:
    assert obstacles(replace(ROOT, has_mmdebstrap=False, has_debian_keyring=False, rootfs_built=True)) == []


def test_an_apparmor_restriction_with_a_profile_that_allows_us_is_no_obstacle() -> None:
    assert obstacles(replace(USER, apparmor_restricts=True)) == []


def test_all_obstacles_are_told_at_once() -> None:
    assert len(obstacles(replace(USER, kernel=(5, 4), has_uidmap=False, has_mmdebstrap=False))) == 3


@pytest.mark.parametrize(
    ("machine", "systemd"),
    [
        (ROOT, True),
        (replace(ROOT, cgroup_mode=""), False),
        (USER, True),
        (replace(USER, cgroup_mode="own"), True),
        (replace(USER, cgroup_mode=""), False),
    ],
)
def test_systemd_is_claimed_only_with_a_cgroup_to_give_it(machine: Machine, *, systemd: bool) -> None:
    assert ("systemd" in capabilities(machine, "debian-base").names) is systemd


def test_a_user_without_a_cgroup_is_told_how_to_get_one() -> None:
    lack = capabilities(replace(USER, cgroup_mode=""), "debian-base").lack(["network", "systemd"])
    assert lack is not None
    assert "delegated cgroup" in lack
    assert "systemd-run --user --scope -p Delegate=yes" in lack


@pytest.mark.parametrize("machine", [ROOT, replace(USER, cgroup_mode="")])
def test_every_capability_is_either_there_or_missing_with_a_reason(machine: Machine) -> None:
    found = capabilities(machine, "debian-base")
    assert found.names | set(found.missing) == KNOWN_CAPABILITIES
    assert not found.names & set(found.missing)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("debian-k3s", "Kubernetes needs a kernel of its own: k3s in a VM"),
        ("debain-base", "there is no template 'debain-base'. Did you mean 'debian-base'?"),
        ("mars", "Available: debian-base, debian-docker, debian-k3s, debian-localstack, debian-podman"),
    ],
)
def test_a_template_that_cannot_be_had_lacks_everything_and_says_why(template: str, reason: str) -> None:
    found = capabilities(ROOT, template)
    assert found.names == frozenset()
    for word in KNOWN_CAPABILITIES:
        assert reason in (found.lack([word]) or "")


@pytest.mark.parametrize("template", ["debian-docker", "debian-podman"])
@pytest.mark.parametrize("machine", [replace(ROOT, cgroup_mode=""), USER])
def test_a_template_with_containers_needs_root_and_its_cgroups(machine: Machine, template: str) -> None:
    assert capabilities(ROOT, template).lack(TEMPLATES[template].requires) is None
    found = capabilities(machine, template)
    assert found.names == frozenset()
    assert f"template {template} needs nested-containers: " in (found.lack(["network"]) or "")


def test_a_template_without_an_engine_claims_no_containers() -> None:
    assert "use debian-podman" in (capabilities(ROOT, "debian-base").lack(["nested-containers"]) or "")


def test_the_file_system_of_a_path_that_does_not_exist_yet_is_that_of_its_parent(tmp_path: Path) -> None:
    assert filesystem_of(tmp_path / "a" / "b") == filesystem_of(tmp_path)
    assert filesystem_of(Path("/proc/sys")) == "proc"
