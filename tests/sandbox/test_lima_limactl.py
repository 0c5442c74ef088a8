"""How limactl is talked to: what is asked, how its answers are read, and what its refusals become."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from fake_limactl.place import Place, fake_lima, put
from support.processes import TESTS

from pytest_2501bench.errors import BenchError
from pytest_2501bench.sandbox.lima import LimaProvider, recipe
from pytest_2501bench.sandbox.lima.limactl import (
    HALF_MADE,
    Limactl,
    LimactlError,
    environment,
    last_word,
    lima_home,
    longest_name,
)
from pytest_2501bench.sandbox.lima.versions import features, parse
from pytest_2501bench.sandbox.protocol import KNOWN_CAPABILITIES, HostSpec
from pytest_2501bench.sandbox.templates import TEMPLATES

SCRIPT = recipe.access_script("-----BEGIN KEY-----\nc2VjcmV0\n-----END KEY-----\n", "ssh-ed25519 AAAA", "web-01")


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> object:
    with fake_lima() as place:
        put(place, monkeypatch)
        yield place


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("limactl version 1.0.7\n", (1, 0)),
        ("limactl version 2.0.3", (2, 0)),
        ("limactl version 1.2.0-12-g4f1e2d3", (1, 2)),
        ("limactl version HEAD-4f1e2d3", None),
        ("panic: must not run as the root user", None),
        ("", None),
    ],
)
def test_the_version_is_read_from_limactls_own_words(said: str, version: tuple[int, int] | None) -> None:
    assert parse(said) == version


@pytest.mark.parametrize(
    ("version", "clone", "url"),
    [((1, 0), False, "template://"), ((1, 1), False, "template://"), ((1, 2), True, "template://"),
     ((2, 0), True, "template:"), ((3, 1), True, "template:")],
)  # fmt: skip
def test_features_follow_from_the_version(version: tuple[int, int], clone: bool, url: str) -> None:
    found = features(version)
    assert (found.clone, found.template_url) == (clone, url)


def test_the_last_word_is_the_fatal_one_unquoted() -> None:
    said = (
        'time="2026-01-02T03:04:05Z" level=info msg="Using the existing instance \\"x\\""\n'
        'time="2026-01-02T03:04:05Z" level=fatal msg="instance \\"x\\" not found"\n'
    )
    assert last_word(said) == 'instance "x" not found'
    assert last_word("panic: must not run as the root user\n\ngoroutine 1 [running]:\nmain.main()\n").startswith(
        "panic"
    )
    assert last_word("") == "no output"


@pytest.mark.parametrize(
    "said",
    [
        'level=fatal msg="open /l/x/lima.yaml: no such file or directory"',
        "unable to load instance x: stat /l/x/lima.yaml: no such file or directory",
    ],
)
def test_a_half_made_clone_is_recognized(said: str) -> None:
    assert HALF_MADE.search(said)


def test_neither_keys_nor_tokens_of_ours_reach_limactl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_API_KEY", "secret")
    monkeypatch.setenv("LIMA_HOME", "/somewhere")
    assert "ENGINE_API_KEY" not in environment()
    assert environment()["LIMA_HOME"] == "/somewhere"


def test_a_name_must_leave_room_for_sockets() -> None:
    assert longest_name(Path("/home/someone/.lima")) > 50
    assert longest_name(Path("/" + "x" * 100)) < 0


def test_the_way_in_replaces_boot_scripts_and_leaves_the_rest() -> None:
    before = yaml.safe_dump({"cpus": 2, "provision": [{"mode": "system", "script": "old"}], "images": [{"arch": "x"}]})
    after = yaml.safe_load(recipe.with_way_in(before, SCRIPT, "user-v2"))
    assert after["provision"] == [{"mode": "system", "script": SCRIPT}]
    assert after["networks"] == [{"lima": "user-v2"}]
    assert (after["cpus"], after["images"]) == (2, [{"arch": "x"}])
    assert "networks" not in yaml.safe_load(recipe.with_way_in(before, SCRIPT, None))


def test_an_expression_and_a_document_say_the_same() -> None:
    template = TEMPLATES["debian-base"]
    said = recipe.expression(recipe.size(template)).split(" | ")
    table = json.loads(recipe.document(template, "/disk.qcow2", "x86_64", "qemu"))
    assert table["images"] == [{"location": "/disk.qcow2", "arch": "x86_64"}]
    for step in said:
        path, _, value = step.partition(" = ")
        found = table
        for name in path[1:].split("."):
            found = found[name]
        assert found == json.loads(value)
    assert '.memory = "1024MiB"' in said
    assert ".mounts = []" in said


def test_the_boot_script_does_its_work_once(tmp_path: Path) -> None:
    """What a scenario does to names and keys must not be undone when the host reboots."""
    key = tmp_path / "etc/ssh/ssh_host_ed25519_key"
    key.parent.mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "new")], check=True)
    script = recipe.access_script((tmp_path / "new").read_text(), "ssh-ed25519 AAAA", "web-01")
    script = script.replace("/etc/", f"{tmp_path}/etc/").replace("/root/", f"{tmp_path}/root/")
    script = script.replace("hostname web-01\n", ":\n").replace("systemctl", ":")
    for _ in range(2):
        subprocess.run(["sh"], input=script, text=True, check=True)
        assert key.read_text() == (tmp_path / "new").read_text()
    assert key.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "etc/hostname").read_text() == "web-01\n"
    assert (tmp_path / "etc/hosts").stat().st_mode & 0o777 == 0o644
    (tmp_path / "etc/hostname").write_text("broken\n")
    subprocess.run(["sh"], input=script, text=True, check=True)
    assert (tmp_path / "etc/hostname").read_text() == "broken\n"


def test_the_install_script_is_a_shell_script(tmp_path: Path) -> None:
    script = recipe.install_script(["nginx-light", "curl"], TEMPLATES["debian-base"], "http://mirror.example/debian/")
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    assert "deb http://mirror.example/debian bookworm main" in script


@pytest.mark.parametrize("version", ["1.0.7", "1.2.2", "2.0.3", "2.1.4"])
def test_root_is_refused_by_limactl_and_said_so(place: Place, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("who is not root is not refused")
    put(place, monkeypatch, version)
    monkeypatch.delenv("LIMA_FAKE_AS_ROOT")
    (obstacle,) = place.provider().preflight()
    assert obstacle.what == "limactl refuses to run as root"
    assert obstacle.remedy == "Run as an ordinary user."


def test_a_missing_limactl_is_an_obstacle_with_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.which", lambda name, **_: None if name == "limactl" else f"/usr/bin/{name}")
    provider = LimaProvider(tmp_path)
    (obstacle,) = provider.preflight()
    assert obstacle.what == "limactl is missing"
    assert "1.0 or newer" in obstacle.remedy
    with pytest.raises(BenchError, match="limactl is missing"):
        provider.create([HostSpec("web-01")])
    assert provider.list_owned() == []


def test_an_old_limactl_is_an_obstacle(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    put(place, monkeypatch, "0.23.2")
    (obstacle,) = place.provider().preflight()
    assert obstacle.what == "limactl 0.23 is too old"


def test_a_limactl_without_a_version_number_is_an_obstacle(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    program = place.directory / "limactl"
    program.write_text("#!/bin/sh\necho limactl version HEAD-4f1e2d3\n")
    program.chmod(0o755)
    (obstacle,) = LimaProvider(place.cache, program=str(program)).preflight()
    assert obstacle.what == "limactl version HEAD-4f1e2d3 tells no number"


def test_a_limactl_for_another_processor_is_an_obstacle(tmp_path: Path) -> None:
    program = tmp_path / "limactl"
    program.write_bytes(b"\x7fELF not for here")
    program.chmod(0o755)
    (obstacle,) = LimaProvider(tmp_path, program=str(program)).preflight()
    assert obstacle.what.startswith("limactl is made for another kind of processor: ")
    assert obstacle.remedy == f"Install the one for {platform.machine()}."


def test_a_machine_without_an_image_for_it_is_an_obstacle(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    # The fake is another process, and not deceived.
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    obstacle = place.provider().preflight()[0]
    assert obstacle.what == "Lima has no Debian image for riscv64"


def test_a_full_disk_is_an_obstacle(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMA_HOME", str(place.home / "not" / "there"))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2.04e9))
    (obstacle,) = place.provider().preflight()
    assert obstacle.what == f"only 2.0 GB free in {place.home.resolve()}/not/there; a template needs some 3 GB"
    assert "LIMA_HOME" in obstacle.remedy


def test_a_long_lima_home_is_an_obstacle(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMA_HOME", str(place.directory / ("x" * 80)))
    (obstacle,) = place.provider().preflight()
    assert "too long" in obstacle.what
    assert "LIMA_HOME" in obstacle.remedy


def test_without_qemu_the_mode_is_not_offered_on_linux(place: Place) -> None:
    for program in (place.directory / "bin").glob("qemu*"):
        program.unlink()
    found = [obstacle.what for obstacle in place.provider().preflight()]
    assert all("qemu-system-" in what for what in found)


@pytest.mark.parametrize("version", ["1.0.7", "1.2.2", "2.2.0"])
def test_an_instance_that_is_not_there_is_not_an_error(
    place: Place, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    put(place, monkeypatch, version)
    (place.home / "half").mkdir()
    limactl = Limactl()
    assert limactl.inspect(["none"]) == {}
    half = limactl.inspect(["half"])
    assert not half or half["half"].status == "Broken"
    assert limactl.features.text == ".".join(version.split(".")[:2])


def test_a_deletion_that_fails_over_an_instance_of_somebody_else_leaves_nothing_of_ours(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Lima 2.2 an unfinished clone makes every deletion fail, after the work was done."""
    monkeypatch.setattr("pytest_2501bench.sandbox.lima.limactl.HALF_MADE_SECONDS", 0.0)
    for name in ("somebody-else", "sbx-test-1"):
        (place.home / name).mkdir()
    (place.home / "sbx-test-1" / "lima.yaml").write_text("images: [{location: /x, arch: x86_64}]\n")
    holdings = place.provider().holdings
    holdings.begin("sbx_test", ["sbx-test-1"])
    assert holdings.remove("sbx_test") == ""
    assert place.instances() == ["somebody-else"]
    with pytest.raises(LimactlError, match="remove that directory if nobody is cloning an instance"):
        Limactl().change("delete", "-f", "none", log=place.directory / "log", calls=None, seconds=30)
    (place.home / "somebody-else").rmdir()


def test_a_refusal_is_told_in_limactls_words(place: Place, tmp_path: Path) -> None:
    with pytest.raises(LimactlError, match=r'limactl clone: instance "none" not found$'):
        Limactl().change("clone", "none", "new", log=tmp_path / "log", calls=None, seconds=30)


def test_nothing_is_run_for_a_sandbox_that_was_removed_meanwhile(place: Place, tmp_path: Path) -> None:
    with pytest.raises(LimactlError):
        Limactl().change("list", log=tmp_path / "log", calls=tmp_path / "gone", seconds=30)


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ([HostSpec("a b")], "'a b' cannot be a host name"),
        ([HostSpec("a"), HostSpec("a")], "two hosts are called 'a'"),
        ([], "0 hosts asked for"),
        ([HostSpec("a", template="debian-bse")], "there is no template 'debian-bse'. Did you mean 'debian-base'"),
        ([HostSpec("a", packages=("nginx; reboot",))], "'nginx; reboot' is not a Debian package name"),
    ],
)
def test_bad_hosts_are_refused_in_one_line_before_anything_is_made(
    place: Place, specs: list[HostSpec], message: str
) -> None:
    provider = place.provider()
    with pytest.raises(BenchError, match=message):
        provider.create(specs)
    assert provider.list_owned() == []
    assert place.instances() == []


def test_a_virtual_machine_can_do_everything(tmp_path: Path) -> None:
    assert LimaProvider(tmp_path).capabilities("debian-base").names == KNOWN_CAPABILITIES


def test_sandboxes_can_be_listed_and_destroyed_by_hand(place: Place) -> None:
    provider = place.provider()
    provider.holdings.begin("sbx_test", ["sbx-test-1"])
    (owned,) = provider.list_owned()
    done = subprocess.run(shlex.split(owned.remove), capture_output=True, text=True, check=False, cwd=TESTS.parent)
    assert (done.stdout, done.returncode) == ("sbx_test\n", 0), done.stderr
    assert provider.list_owned() == []
    assert lima_home() == place.home.resolve()
