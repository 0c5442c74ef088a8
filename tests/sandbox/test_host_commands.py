"""``2501bench hosts`` with a real sshd on a port."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.sshd import ALIAS, Sshd, free_port, running_sshd
from typer.testing import CliRunner

from pytest_2501bench.cli.hosts import app
from pytest_2501bench.errors import BenchError
from pytest_2501bench.sandbox.host.host_key import fingerprints
from pytest_2501bench.store.repository import Store

pytestmark = pytest.mark.sshd
Hosts = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, [*arguments, "--bench-dir", str(tmp_path / "bench")])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            assert isinstance(done.exception, BenchError), done.exception
            return 2, done.output + str(done.exception)
        return done.exit_code, done.output

    return run


def _add(sshd: Sshd, *more: str) -> list[str]:
    where = ["--address", "127.0.0.1", "--port", str(sshd.port), "--key-file", str(sshd.folder / "id")]
    return ["add", "web-01", *where, *more]


def _fingerprint(sshd: Sshd) -> str:
    return fingerprints([" ".join((sshd.folder / "hostkey.pub").read_text().split()[:2])])[0]


def test_an_added_host_is_looked_at_listed_and_removed(hosts: Hosts, sshd: Sshd, tmp_path: Path) -> None:
    status, output = hosts(*_add(sshd, "--accept-host-key", "--id", "hst_web"))
    assert status == 0, output
    assert "hst_web" in output
    assert f"shows the host key {_fingerprint(sshd)}" in output
    assert "root rights" in output
    assert hosts("list") == (0, f"web-01 (hst_web), root at 127.0.0.1, port {sshd.port}: free\n")
    status, output = hosts("check", "web-01")
    assert status == 0, output
    assert f"answers with its host key {_fingerprint(sshd)}" in output
    with Store.open(None, tmp_path / "bench") as store:
        (host,) = store.hosts()
        assert (host.ssh_port, host.ssh_key_file) == (sshd.port, str(sshd.folder / "id"))
    assert hosts("remove", "web-01") == (0, "removed web-01 (hst_web)\n")
    assert hosts("list") == (0, "")


def test_a_host_key_that_nobody_vouched_for_is_not_registered(hosts: Hosts, sshd: Sshd) -> None:
    status, output = hosts(*_add(sshd))
    assert status == 2
    assert _fingerprint(sshd) in output
    assert "was not confirmed; it is not registered. Compare the fingerprint" in output
    assert hosts("list") == (0, "")


def test_the_key_may_come_from_a_known_hosts_file(hosts: Hosts, sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text((sshd.folder / "known_hosts").read_text().replace(ALIAS, f"[127.0.0.1]:{sshd.port}"))
    assert hosts(*_add(sshd, "--known-hosts", str(known)))[0] == 0
    status, output = hosts(*_add(sshd, "--known-hosts", str(sshd.folder / "known_hosts")))
    assert status == 2
    assert f"has no host key of [127.0.0.1]:{sshd.port}" in output


def test_another_host_key_than_the_recorded_one_is_refused_with_what_to_do(
    hosts: Hosts, sshd: Sshd, tmp_path: Path
) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    known = tmp_path / "known"
    public = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    known.write_text(f"[127.0.0.1]:{sshd.port} {public}\n")
    status, output = hosts(*_add(sshd, "--known-hosts", str(known)))
    assert status == 0
    status, output = hosts("check")
    assert status == 1
    assert "its host key is not the one that was recorded" in output
    assert "--accept-host-key" in output


def test_a_key_that_the_host_refuses_and_a_port_where_nobody_listens_are_told(
    hosts: Hosts, sshd: Sshd, tmp_path: Path
) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "mine")], check=True)
    hosts(*_add(sshd, "--accept-host-key", "--key-file", str(tmp_path / "mine")))
    status, output = hosts("check")
    assert status == 1
    assert "it refuses our user or key" in output
    assert "authorized_keys" in output
    where = ["--address", "127.0.0.1", "--port", str(free_port()), "--key-file", str(sshd.folder / "id")]
    status, output = hosts("add", "db-01", *where)
    assert status == 2
    assert "it refuses connections: no SSH server listens there" in output


def test_a_quarantined_host_that_is_well_is_freed_and_one_that_is_not_stays(
    hosts: Hosts, sshd: Sshd, tmp_path: Path
) -> None:
    hosts(*_add(sshd, "--accept-host-key", "--id", "hst_web"))
    with Store.open(None, tmp_path / "bench") as store:
        store.quarantine_host("hst_web", "restore.yml: a task failed")
        assert hosts("list")[1].endswith("in quarantine: restore.yml: a task failed\n")
        host = store.host("hst_web")
        assert host is not None
        store.register_host(host.model_copy(update={"python": "/no/python"}))
        status, output = hosts("check")
        assert status == 1
        assert "the Python that Ansible needs is not where it was registered" in output
        assert "stays in quarantine" in output
        store.register_host(host)
        status, output = hosts("check", "hst_web")
        assert status == 0, output
        assert "free again" in output
        freed = store.host("hst_web")
        assert freed is not None
        assert freed.quarantine is None


def test_a_name_that_is_wrong_is_told_with_near_ones(hosts: Hosts, sshd: Sshd) -> None:
    hosts(*_add(sshd, "--accept-host-key"))
    for verb in ("check", "remove"):
        status, output = hosts(verb, "wed-01")
        assert status == 2
        assert "no host 'wed-01' is registered. Did you mean 'web-01'?" in output
    status, output = hosts("add", "web-01", "--key-file", "/gone")
    assert (status, output) == (2, "--key-file /gone: no such file.")
    assert hosts("check", "--restore", "x", "-p", "/gone")[1] == "--scenarios-dir /gone: no such folder."
