"""What stands in the way of ``--mode incus`` is said with its remedy; and which server ``--incus-remote`` means."""

from __future__ import annotations

import gc
import socket
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_2501bench.errors import BenchError
from pytest_2501bench.sandbox.incus import IncusProvider
from pytest_2501bench.sandbox.incus.preflight import Facts, capabilities, gather, obstacles, slow_pool
from pytest_2501bench.sandbox.incus.remotes import Place, place_of
from pytest_2501bench.sandbox.incus.server import Server
from pytest_2501bench.sandbox.templates import TEMPLATES

HERE = Place(socket=Path("/var/lib/incus/unix.socket"))
FAR = Place("far", address="https://far.example:8443")
ROWS = {
    "no program": (Facts(HERE, missing_programs=frozenset({"incus"})), "programs missing: incus", "make incus"),
    "no daemon": (Facts(HERE, socket_exists=False), "no Incus daemon: there is no", "make incus"),
    "no right": (Facts(HERE, socket_allowed=False), "no right to use the Incus daemon", "usermod -aG incus-admin"),
    "hung daemon": (Facts(HERE, unreachable="timed out"), "does not answer: timed out", "systemctl start incus"),
    "far away": (
        Facts(FAR, unreachable="refused"),
        "far (https://far.example:8443) does not answer",
        "incus info far:",
    ),
    "stranger": (Facts(FAR, trusted=False), "does not trust this user's certificate", "incus config trust add"),
    "no pool": (Facts(HERE, pool=None), "not clear which storage pool", "incus storage create default btrfs"),
    "no cluster": (Facts(replace(FAR, target="m1")), "--incus-remote far:m1: this server is in no cluster", "':m1'"),
    "no member": (
        Facts(replace(FAR, target="m9"), clustered=True, members=("m1", "@fast")),
        "no member or group 'm9'",
        "m1, @fast",
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_each_obstacle_names_its_remedy(row: str) -> None:
    facts, what, remedy = ROWS[row]
    (obstacle,) = obstacles(facts)
    assert what in obstacle.what
    assert remedy in obstacle.remedy


def test_a_killed_daemon_does_not_answer_and_asking_it_leaves_nothing_open() -> None:
    with tempfile.TemporaryDirectory() as folder:  # not under tmp_path: a socket needs a short one
        path = Path(folder) / "unix.socket"
        with socket.socket(socket.AF_UNIX) as daemon:
            daemon.bind(str(path))
        with warnings.catch_warnings(record=True) as left_open:
            warnings.simplefilter("always")
            facts = gather(Server(Place(socket=path)))
            gc.collect()
    assert "refused" in facts.unreachable
    assert left_open == []


def test_nothing_stands_in_the_way_of_a_server_that_works() -> None:
    assert obstacles(Facts(HERE)) == []
    assert obstacles(Facts(replace(FAR, target="@fast"), clustered=True, members=("m1", "@fast"))) == []


def test_a_machine_that_cannot_run_vms_says_all_that_it_lacks() -> None:
    (obstacle,) = obstacles(Facts(HERE, vm_missing=("no qemu", "/dev/vhost-vsock is missing")), vm=True)
    assert "no qemu; /dev/vhost-vsock is missing" in obstacle.what
    assert "Leave --incus-vm out" in obstacle.remedy


def test_a_slow_pool_is_advice_and_no_obstacle() -> None:
    slow = Facts(HERE, pool_driver="dir")
    assert obstacles(slow) == []
    assert "10 times" in slow_pool(slow)
    assert slow_pool(Facts(HERE)) == ""


def test_templates_that_need_what_containers_lack_are_refused_with_the_reason() -> None:
    told = capabilities("debian-k3s", TEMPLATES, vm=False)
    assert not told.names
    assert "--incus-vm" in str(told.lack(["systemd"]))
    assert capabilities("debian-k3s", TEMPLATES, vm=True).lack(["kubernetes", "own-kernel"]) is None
    assert capabilities("debian-podman", TEMPLATES, vm=False).lack(["nested-containers", "systemd"]) is None
    assert "debian-podman" in str(capabilities("debian-base", TEMPLATES, vm=False).lack(["nested-containers"]))


def test_a_missing_daemon_is_one_line_for_every_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCUS_DIR", str(tmp_path / "nowhere"))
    provider = IncusProvider(state_dir=tmp_path / "state")
    assert "no Incus daemon" in provider.preflight()[-1].what
    assert provider.images() == []
    assert provider.reap() == []
    provider.remove_image("template-debian-base")
    assert not (tmp_path / "state").exists()


REMOTES = """
default-remote: local
remotes:
  images: {addr: "https://images.example", protocol: simplestreams, public: true}
  lab: {addr: "https://lab.example:8443", auth_type: tls, protocol: incus, project: bench}
  sso: {addr: "https://sso.example:8443", auth_type: oidc, protocol: incus}
  second: {addr: "unix:///srv/incus/unix.socket", protocol: incus}
"""


@pytest.fixture
def _remotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.yml").write_text(REMOTES)
    monkeypatch.setenv("INCUS_CONF", str(tmp_path))
    for name in ("INCUS_SOCKET", "INCUS_DIR", "INCUS_PROJECT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_remotes")
def test_a_remote_is_what_the_incus_program_calls_so(tmp_path: Path) -> None:
    lab = place_of("lab:@fast")
    assert (lab.address, lab.project, lab.target, str(lab)) == (
        "https://lab.example:8443",
        "bench",
        "@fast",
        "lab:@fast",
    )
    assert place_of("second").socket == Path("/srv/incus/unix.socket")
    assert place_of(None).socket is not None
    assert place_of(":node1") == replace(place_of(None), target="node1")


@pytest.mark.usefixtures("_remotes")
@pytest.mark.parametrize(
    ("text", "what"),
    [("lap", "Did you mean 'lab'?"), ("images", "serves images only"), ("sso", "only TLS certificates")],
)
def test_a_remote_that_cannot_hold_instances_is_refused_in_one_line(text: str, what: str) -> None:
    with pytest.raises(BenchError, match="--incus-remote") as caught:
        place_of(text)
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)
