"""Taking, keeping and refusing real registered hosts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hosts import DB, WEB, on
from support.registered_hosts import machines, provider, registered

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.host import HostProvider
from pytest_2501bench.sandbox.host.hold import place_of
from pytest_2501bench.sandbox.protocol import Host, HostSpec, KeptHosts
from pytest_2501bench.store.leases import Leases

pytestmark = pytest.mark.namespace


@pytest.fixture(scope="module")
def kept(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, ...]]:
    with machines([WEB, DB], tmp_path_factory.mktemp("machines")) as hosts:
        yield hosts


@pytest.fixture
def hosted(kept: tuple[Host, ...], tmp_path: Path) -> Iterator[HostProvider]:
    made = provider(None, tmp_path)
    for host in kept:
        made.store.register_host(registered(host, host_id=f"hst_{host.host_name}"))
    yield made
    for owned in made.list_owned():
        sandbox = made.find(owned.name)
        if sandbox is not None:
            made.destroy(sandbox)


def test_hosts_come_in_the_order_and_by_the_names_of_the_scenario(hosted: HostProvider) -> None:
    sandbox = hosted.create([HostSpec("db-01"), HostSpec("front", host_id="hst_web-01")])
    assert [(host.host_name, host.host_id) for host in sandbox.hosts] == [
        ("db-01", "hst_db-01"),
        ("front", "hst_web-01"),
    ]
    assert [on(host, "hostname").stdout for host in sandbox.hosts] == ["db-01\n", "web-01\n"]
    assert len({host.ssh.hostname for host in sandbox.hosts}) == 2
    assert all("web" not in host.ssh.hostname and "db" not in host.ssh.hostname for host in sandbox.hosts)
    leases = Leases(hosted.store).all()
    assert {lease.sandbox for lease in leases.values()} == {sandbox.name}
    assert len(leases) == 2
    hosted.destroy(sandbox)
    assert Leases(hosted.store).all() == {}
    assert on(sandbox.hosts[0], "true").returncode == 255, "its known_hosts is gone with the run"


def test_a_host_that_is_known_by_its_id_alone_goes_by_its_own_name(hosted: HostProvider) -> None:
    sandbox = hosted.create([HostSpec("hst_web-01", host_id="hst_web-01")])
    assert [host.host_name for host in sandbox.hosts] == ["web-01"]
    hosted.destroy(sandbox)


def test_another_host_key_than_the_recorded_one_is_refused(hosted: HostProvider, kept: tuple[Host, ...]) -> None:
    other = registered(kept[1]).host_key  # of the other host
    hosted.store.register_host(registered(kept[0], host_id="hst_web-01", host_key=other))
    with pytest.raises(BenchError, match="its host key is not the one that was recorded") as caught:
        hosted.create([HostSpec("web-01")])
    assert caught.value.cause is Cause.SSH_NOT_UP
    assert "2501bench hosts add web-01" in caught.value.remedy
    assert hosted.list_owned() == []
    assert Leases(hosted.store).all() == {}


def test_a_quarantined_host_is_refused_with_the_reason_and_the_remedy(hosted: HostProvider) -> None:
    sandbox = hosted.create([HostSpec("web-01")])
    said = hosted.quarantine(sandbox, "restore.yml: a task\nfailed")
    assert said == "In quarantine until `2501bench hosts check web-01` finds all well."
    hosted.destroy(sandbox)
    assert hosted.hosts_available() == 1
    with pytest.raises(BenchError, match=r"is in quarantine: restore\.yml: a task failed \(20") as caught:
        hosted.create([HostSpec("web-01")])
    assert caught.value.cause is Cause.HOST_QUARANTINED
    assert "2501bench hosts check web-01" in caught.value.remedy
    assert hosted.lack([HostSpec("web-01")], []) is None, "an error that is seen, and not a skip"


def test_a_kept_host_stays_out_of_use_until_it_is_let_go(hosted: HostProvider, tmp_path: Path) -> None:
    sandbox = hosted.create([HostSpec("web-01")])
    hosted.quarantine(sandbox, "for a look")
    hosted.keep(sandbox)
    assert Leases(hosted.store).all() == {}
    with pytest.raises(BenchError, match=f"is in quarantine: kept on purpose as {sandbox.name}: for a look"):
        hosted.create([HostSpec("web-01")])
    other = provider(None, tmp_path)
    assert other.reap() == []
    found = other.find(sandbox.name)
    assert found is not None
    assert on(found.hosts[0], "echo here").stdout == "here\n"
    other.destroy(found)
    hosted.destroy(hosted.create([HostSpec("web-01")]))


def test_a_check_frees_a_kept_host_and_forgets_what_it_was_kept_as(hosted: HostProvider) -> None:
    sandbox = hosted.create([HostSpec("web-01")])
    hosted.keep(sandbox)
    host = hosted.store.host("hst_web-01")
    assert host is not None
    hosted.free(host)
    assert hosted.find(sandbox.name) is None
    assert hosted.list_owned() == []


def test_a_run_whose_hosts_were_given_to_another_one_learns_it(
    hosted: HostProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_2501bench.sandbox.host.hold.BEAT_SECONDS", 0.05)
    sandbox = hosted.create([HostSpec("web-01")])
    assert hosted.alive(sandbox) is None
    Leases(hosted.store).release_sandbox(sandbox.name)
    for _ in range(200):
        if hosted.alive(sandbox):
            break
        hosted._holds._wake.wait(0.05)
    assert hosted.alive(sandbox) == "the lease of host web-01 was lost: it was released"
    hosted.destroy(sandbox)


def test_what_hosts_can_do_is_looked_at_and_remembered(hosted: HostProvider, kept: tuple[Host, ...]) -> None:
    assert isinstance(hosted, KeptHosts)
    both = [HostSpec("web-01"), HostSpec("db-01")]
    assert hosted.lack(both, ["systemd", "network"]) is None
    assert hosted.lack(both, ["snapshot"]) == "registered hosts are put back by restore.yml; they have no snapshots"
    assert hosted.lack(both, ["kubernetes"]) == "no k3s answers on web-01"
    assert "is a container" in str(hosted.lack(both, ["own-kernel"]))
    assert hosted.lack([HostSpec("web-01", packages=("nginx-light",))], []) is None
    assert hosted.lack([HostSpec("db-01", packages=("nginx-light", "sudo"))], []) == (
        "host db-01 lacks the packages nginx-light, and registered hosts get none from us: install them there"
    )
    assert hosted.lack([HostSpec("web-01"), HostSpec("mail")], []) == (
        "no host 'mail' is registered. There are: web-01 (hst_web-01), db-01 (hst_db-01)"
    )
    host = hosted.store.host("hst_web-01")
    assert host is not None
    assert host.facts is not None
    assert (host.facts["systemd"], host.facts["root"]) == (True, True)
    # A host that moved is another one: what was seen before does not count.
    hosted.store.enrol_host(registered(kept[0], host_id="hst_web-01", proxy_command="false"))
    other = provider(None, hosted._state.parent.parent)
    assert "web-01 did not answer" in str(other.capabilities("debian-base").lack(["systemd"]))
    assert other.lack([HostSpec("web-01")], ["kubernetes"]) is None, "that it is silent is told by the run"


def test_workers_can_be_told_how_many_hosts_there_are(hosted: HostProvider) -> None:
    runs = [[HostSpec("web-01")], [HostSpec("x", host_id="hst_web-01")], [HostSpec("web-01"), HostSpec("db-01")]]
    assert hosted.places(runs) == 2
    assert hosted.places(runs[:2]) == 1
    assert hosted.places([[HostSpec("mail")]]) == 0
    assert len({place_of(host) for host in hosted.hosts()}) == 2
