"""Root filesystems and package layers: built once, whole or not at all, one builder at a time."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hosts import DB, WEB, on

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.namespace import NamespaceProvider, remove_everything
from pytest_2501bench.sandbox.namespace.images import Images
from pytest_2501bench.sandbox.protocol import HostSpec
from pytest_2501bench.sandbox.templates import TEMPLATES

pytestmark = pytest.mark.namespace

BASE = TEMPLATES["debian-base"]


@pytest.fixture(scope="module")
def archive(images: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "rootfs.tar"
    NamespaceProvider().cache.export_tar(BASE, path)
    return path


@pytest.fixture(scope="module")
def own(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamespaceProvider]:
    """A provider with a cache of its own, its root filesystem imported."""
    provider = NamespaceProvider(cache_dir=tmp_path_factory.mktemp("own") / "cache")
    provider.cache.import_tar(BASE, archive)
    yield provider
    provider.remove_everything(living=True)


def test_packages_are_there_and_nothing_else_changed(provider: NamespaceProvider) -> None:
    sandbox = provider.create([WEB, DB])
    web, db = sandbox.hosts
    assert on(web, "dpkg -s nginx-light | grep ^Status").stdout == "Status: install ok installed\n"
    assert on(db, "dpkg -s nginx-light").returncode == 1
    assert on(web, "test -e /usr/sbin/policy-rc.d").returncode == 1
    assert on(web, "ls /var/cache/apt/archives/*.deb").returncode == 2


def test_images_that_are_there_wait_for_no_builder_and_say_nothing(
    provider: NamespaceProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.prepare_images([WEB, DB])
    monkeypatch.setattr(type(provider.cache), "building", None)
    said: list[str] = []
    provider.prepare_images([WEB, DB, WEB], said.append)
    assert said == []


def test_the_order_of_packages_does_not_make_another_layer(provider: NamespaceProvider) -> None:
    one = provider.cache.layer(BASE, ("b", "a"))
    assert one == provider.cache.layer(BASE, ("a", "b", "a"))
    assert one != provider.cache.layer(BASE, ("a",))


def test_an_imported_root_filesystem_works_and_a_cache_is_removed_whole(archive: Path, tmp_path: Path) -> None:
    own = NamespaceProvider(cache_dir=tmp_path / "cache")
    own.cache.import_tar(BASE, archive)
    sandbox = own.create([DB])
    assert on(sandbox.hosts[0], "stat -c '%U %a' /etc/shadow /usr/bin/sudo /tmp").stdout.split() == [
        *("root", "640"),
        *("root", "4755"),
        *("root", "1777"),
    ]
    with pytest.raises(BenchError, match=f"{sandbox.name} is in use by process {os.getpid()}") as caught:
        remove_everything(own.cache_dir)
    assert caught.value.cause is Cause.RESTORE_FAILED
    remove_everything(own.cache_dir, living=True)
    assert list(own.cache_dir.iterdir()) == []


def test_a_layer_belongs_to_one_build_of_its_root_filesystem(own: NamespaceProvider, archive: Path) -> None:
    before = own.cache.layer(BASE, ("nginx-light",))
    own.cache.import_tar(BASE, archive)
    assert own.cache.layer(BASE, ("nginx-light",)) != before


def test_an_unknown_package_is_named_and_leaves_no_layer(own: NamespaceProvider) -> None:
    with pytest.raises(BenchError, match=r"no-such-package-2501 could not be installed: .*Unable to locate") as caught:
        own.prepare_images([HostSpec("a", packages=("no-such-package-2501",))])
    assert caught.value.cause is Cause.SANDBOX_UNAVAILABLE
    assert caught.value.log is not None
    assert "Unable to locate package no-such-package-2501" in caught.value.log.read_text()
    assert not own.cache.layer(BASE, ("no-such-package-2501",)).exists()
    assert not (own.cache.directory / "building").exists()


def test_what_a_killed_builder_left_is_neither_used_nor_kept(own: NamespaceProvider) -> None:
    half = own.cache.layer(BASE, ("file",))
    (half / "root").mkdir(parents=True)
    (own.cache.directory / "building" / "layer" / "root").mkdir(parents=True)
    assert not own.cache.complete(BASE, ("file",))
    own.prepare_images([HostSpec("a", packages=("file",))])
    assert own.cache.complete(BASE, ("file",))
    assert not (own.cache.directory / "building").exists()


def test_whoever_must_wait_for_another_builder_is_told(own: NamespaceProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_2501bench.sandbox.namespace.images.WAIT", 0.1)
    said: list[str] = []
    with (own.cache.directory / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def wait() -> None:
            with own.cache.building("packages (x)", said.append) as temporary:
                said.append(temporary.name)

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.5)
        assert "building" not in said
        fcntl.flock(lock, fcntl.LOCK_UN)
        thread.join(10)
    assert said[0].startswith("packages (x): another process is building; waiting…")
    assert said[-1] == "building"


def test_a_mirror_that_cannot_be_reached_is_one_line_with_a_log(images: None, tmp_path: Path) -> None:
    cache = Images(tmp_path / "cache", mirror="http://127.0.0.1:9/debian")
    said: list[str] = []
    with pytest.raises(BenchError, match="the base root filesystem could not be built: ") as caught:
        cache.build_rootfs(BASE, said.append)
    assert caught.value.cause is Cause.SANDBOX_UNAVAILABLE
    assert "\n" not in str(caught.value)
    assert caught.value.log is not None
    assert "127.0.0.1" in caught.value.log.read_text()
    assert any("running apt-get update" in line for line in said)
    assert not cache.has_rootfs(BASE)
