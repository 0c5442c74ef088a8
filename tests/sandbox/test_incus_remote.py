"""``--incus-remote``: a server over HTTPS, reached with the certificates that ``incus remote add`` has stored."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hosts import on
from support.incus import incus_state  # noqa: F401

from pytest_2501bench.errors import BenchError
from pytest_2501bench.sandbox.incus import IncusProvider
from pytest_2501bench.sandbox.incus.remotes import place_of
from pytest_2501bench.sandbox.protocol import HostSpec

pytestmark = pytest.mark.incus


def incus(*words: str) -> str:
    return subprocess.run(
        ["incus", *words], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    ).stdout


@pytest.fixture(scope="module")
def far(incus_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:  # noqa: F811
    """The daemon of this machine, listening on its loopback address too; returns the folder of the user's settings."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    before = incus("config", "get", "core.https_address").strip()
    conf = tmp_path_factory.mktemp("conf")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INCUS_CONF", str(conf))
        incus("config", "set", f"core.https_address={address}")
        token = incus("config", "trust", "add", "bench-test", "--quiet").strip().splitlines()[-1]
        incus("remote", "add", "far", token)
        fingerprint = incus("config", "trust", "list", "--format=csv", "--columns=nf")
        yield conf
        for line in fingerprint.splitlines():
            name, _, digest = line.partition(",")
            if name == "bench-test":
                incus("config", "trust", "remove", digest)
        incus("config", "set", f"core.https_address={before}")


def test_a_remote_server_makes_enters_and_removes_sandboxes_like_the_local_one(far: Path, incus_state: Path) -> None:  # noqa: F811
    provider = IncusProvider(place_of("far"), state_dir=incus_state)
    assert provider.preflight() == []
    sandbox = provider.create([HostSpec("web-01"), HostSpec("db-01")])
    try:
        assert on(sandbox.hosts[0], "hostname; getent hosts db-01").stdout.split() == ["web-01", "10.78.0.12", "db-01"]
        assert provider.alive(provider.reset(sandbox)) is None
    finally:
        # By somebody who works with the local daemon: the sandbox's folder says where it is.
        IncusProvider(state_dir=incus_state).destroy(sandbox)
    assert not [row for row in provider.server.instances() if sandbox.name in row["name"]]


def test_a_server_with_another_certificate_than_the_accepted_one_is_not_talked_to(far: Path) -> None:
    pinned = far / "servercerts" / "far.crt"
    kept = pinned.read_text()
    pinned.write_text((far / "client.crt").read_text())
    try:
        (obstacle,) = IncusProvider(place_of("far")).preflight()
        assert "certificate" in obstacle.what.lower()
    finally:
        pinned.write_text(kept)


def test_a_user_whom_the_server_does_not_trust_is_told_how_to_be_trusted(far: Path, tmp_path: Path) -> None:
    certificate = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    files = ["-keyout", str(tmp_path / "client.key"), "-out", str(tmp_path / "client.crt")]
    argv = ["openssl", "req", *certificate, "-subj", "/CN=stranger", *files]
    subprocess.run(argv, check=True, capture_output=True)
    (tmp_path / "config.yml").write_text((far / "config.yml").read_text())
    (tmp_path / "servercerts").mkdir()
    (tmp_path / "servercerts" / "far.crt").write_text((far / "servercerts" / "far.crt").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INCUS_CONF", str(tmp_path))
        (obstacle,) = IncusProvider(place_of("far")).preflight()
    assert "does not trust" in obstacle.what
    assert "incus remote add far" in obstacle.remedy


def test_a_sandbox_on_a_server_that_is_known_no_more_stays_and_is_named(far: Path, incus_state: Path) -> None:  # noqa: F811
    provider = IncusProvider(place_of("far"), state_dir=incus_state)
    sandbox = provider.create([HostSpec("web-01")])
    other = far.parent / "empty"
    other.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INCUS_CONF", str(other))
        with pytest.raises(BenchError, match="was not removed: --incus-remote far: no such remote") as caught:
            IncusProvider(state_dir=incus_state).destroy(sandbox)
        assert f"destroy {sandbox.name}" in caught.value.remedy
    provider.destroy(sandbox)
    assert provider.find(sandbox.name) is None
