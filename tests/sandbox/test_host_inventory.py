"""``--hosts``: inventories as people write them, and what is wrong with them in one line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.processes import python, results
from support.registered_hosts import provider

from pytest_2501bench.errors import BenchError
from pytest_2501bench.sandbox.host.host_key import find_keys, fingerprints
from pytest_2501bench.sandbox.host.identity import find_host, resolve, stable_id
from pytest_2501bench.sandbox.host.inventory import read_inventory
from pytest_2501bench.sandbox.protocol import HostSpec
from pytest_2501bench.store.model import RegisteredHost
from pytest_2501bench.store.repository import Store


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user's key and known_hosts, some of it hashed; return the hosts' public key."""
    monkeypatch.setenv("HOME", str(tmp_path))
    ssh = tmp_path / ".ssh"
    ssh.mkdir()
    for name in ("id_ed25519", "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(ssh / name)], check=True)
    public = " ".join((ssh / "host.pub").read_text().split()[:2])
    names = ("10.0.0.5", "[10.0.0.6]:2222", "web-09")
    (ssh / "known_hosts").write_text("".join(f"{name} {public}\n" for name in names))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(ssh / "known_hosts")], check=True, capture_output=True)
    return public


def read(tmp_path: Path, text: str, name: str = "inventory.ini", **more: str) -> list[RegisteredHost]:
    path = tmp_path / name
    path.write_text(text)
    return read_inventory(path, **more)


def test_what_an_ini_inventory_says_of_a_host_is_registered(tmp_path: Path, keys: str) -> None:
    text = """
[web]
web-01 ansible_host=10.0.0.5 ansible_user=ops ansible_ssh_private_key_file=keys/ops host_id=hst_web
web-02 ansible_host=10.0.0.6 ansible_port=2222 ansible_python_interpreter=/opt/py/bin/python3
web-09

[web:vars]
ansible_user=admin
ansible_python_interpreter=auto_silent
"""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "ops").touch()
    first, second, third = read(tmp_path, text)
    assert (first.host_id, first.host_name, first.ssh_address, first.ssh_port) == ("hst_web", "web-01", "10.0.0.5", 22)
    assert (first.ssh_user, first.ssh_key_file, first.python) == ("ops", f"{tmp_path}/keys/ops", "/usr/bin/python3")
    assert (second.ssh_port, second.ssh_user, second.python) == (2222, "admin", "/opt/py/bin/python3")
    assert second.ssh_key_file == f"{tmp_path}/.ssh/id_ed25519"
    assert third.ssh_address == "web-09"
    assert {host.host_key for host in (first, second, third)} == {keys}, "hashed names are found too"
    assert second.host_id == stable_id(None, "web-02")


def test_a_yaml_inventory_with_a_jump_host_and_known_hosts_of_its_own(tmp_path: Path, keys: str) -> None:
    (tmp_path / "known").write_text(f"bastioned {keys}\n")
    text = """
all:
  children:
    inner:
      hosts:
        db-01:
          ansible_host: 192.168.1.7
          ansible_ssh_common_args: -J ops@gate:2022 -o HostKeyAlias=bastioned
          known_hosts: known
        db-02:
          ansible_host: 192.168.1.8
          ansible_user: ops
          ansible_ssh_common_args: >-
            -o ProxyCommand="nc -X 5 %h %p" -o UserKnownHostsFile=known -o HostKeyAlias=bastioned -o ControlMaster=auto
"""
    first, second = read(tmp_path, text, "inventory.yml", org_id="org_1")
    assert first.proxy_command == "ssh -o BatchMode=yes -p 2022 -W [192.168.1.7]:22 ops@gate"
    assert second.proxy_command == "nc -X 5 192.168.1.8 22"
    assert (first.host_key, second.host_key, first.org_id) == (keys, keys, "org_1")
    assert first.host_id != stable_id(None, "db-01")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("web-01 ansible_host=10.9.9.9", r"host web-01: there is no host key of 10\.9\.9\.9 in .*known_hosts"),
        ("web-01 ansible_host=10.0.0.5 ansible_port=ssh", "host web-01: ansible_port: 'ssh' is no port"),
        ("web-01 ansible_host=10.0.0.5 ansible_password=secret-word", "ansible_password: passwords are not used"),
        ("web-01 ansible_connection=local", "ansible_connection: 'local': hosts are reached by ssh only"),
        ("web-01 ansible_host={{where}}", r"ansible_host: templates \({{ … }}\) are not followed"),
        ("web-01 host_id=web ansible_host=10.0.0.5", "host_id: 'web' is no host id"),
        ("web-01 ansible_host=10.0.0.5 ansible_ssh_private_key_file=gone", "gone: no such file"),
        ("web-01 ansible_host=10.0.0.5 ansible_ssh_common_args='-F my'", "-F: an ssh_config is not read"),
        ("", "there is no host in it"),
        ("[web\nweb-01", "inventory.ini"),
        ("a ansible_host=10.0.0.5 host_id=hst_1\nb ansible_host=10.0.0.5 host_id=hst_1", "have the same host_id hst_1"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, keys: str, line: str, words: str) -> None:
    with pytest.raises(BenchError, match=words) as caught:
        read(tmp_path, line)
    assert caught.value.cause == "option_invalid"
    assert str(tmp_path / "inventory.ini") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret-word" not in str(caught.value)


def test_an_inventory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"BENCH_HOSTS in the environment .*gone\.ini: no such file"):
        read_inventory(tmp_path / "gone.ini", source="BENCH_HOSTS in the environment")


def test_registering_is_idempotent_and_harmless_when_many_do_it_at_once(tmp_path: Path, keys: str) -> None:
    (tmp_path / "inventory.ini").write_text("web-01 ansible_host=10.0.0.5\nweb-09\n")
    with Store.open(None, tmp_path) as store:
        code = """
            import sys
            from pathlib import Path
            from support.registered_hosts import provider
            place = Path(sys.argv[1])
            assert provider(None, place, inventory=place / "inventory.ini").preflight() == []
        """
        processes = [python(code, str(tmp_path)) for _ in range(3)]
        results(processes)
        first = store.hosts()
        assert [host.host_name for host in first] == ["web-01", "web-09"]
        store.quarantine_host(first[0].host_id, "it burns")
        (tmp_path / "inventory.ini").write_text("web-01 ansible_host=10.0.0.5 ansible_user=ops\n")
        assert provider(None, tmp_path, inventory=tmp_path / "inventory.ini").preflight() == []
        host = store.host(first[0].host_id)
        assert host is not None
        assert (host.ssh_user, host.quarantine) == ("ops", "it burns")


def test_workers_of_one_session_read_the_inventory_once(
    tmp_path: Path, keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "inventory.ini"
    path.write_text("web-01 ansible_host=10.0.0.5\n")
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", "one")
    assert provider(None, tmp_path, inventory=path).preflight() == []
    path.write_text("not an inventory [")
    assert provider(None, tmp_path, inventory=path).preflight() == []
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", "two")
    with pytest.raises(BenchError, match=r"inventory\.ini"):
        provider(None, tmp_path, inventory=path).preflight()


def test_a_second_host_of_one_name_is_refused_with_the_way_out(tmp_path: Path, keys: str) -> None:
    path = tmp_path / "inventory.ini"
    path.write_text("web-01 ansible_host=10.0.0.5\n")
    with Store.open(None, tmp_path) as store:
        store.register_host(RegisteredHost(host_id="hst_old", host_name="web-01"))
        with pytest.raises(BenchError, match=r"hst_old has this name already\. Give it host_id=hst_old, or remove"):
            provider(None, tmp_path, inventory=path).preflight()


def test_without_any_host_the_mode_says_how_to_get_one(tmp_path: Path) -> None:
    (obstacle,) = provider(None, tmp_path).preflight()
    assert "no host is registered in" in obstacle.what
    assert "--hosts INVENTORY" in obstacle.remedy


def hosts(*names: str) -> list[RegisteredHost]:
    return [RegisteredHost(host_id=f"hst_{name}", host_name=name) for name in names]


def test_a_scenario_host_is_the_one_with_its_id_or_else_its_name() -> None:
    known = hosts("web-01", "db-01")
    specs = [HostSpec("db-01"), HostSpec("front", host_id="hst_web-01")]
    assert [host.host_name for host in resolve(specs, known)] == ["db-01", "web-01"]


def test_an_unknown_host_is_told_with_near_names() -> None:
    known = hosts("web-01", "db-01")
    assert find_host("wed-01", known) == "no host 'wed-01' is registered. Did you mean 'web-01'?"
    assert find_host("mail", known) == (
        "no host 'mail' is registered. There are: web-01 (hst_web-01), db-01 (hst_db-01)."
    )
    assert "--hosts INVENTORY" in str(find_host("mail", []))
    with pytest.raises(BenchError, match=r"no host 'hst_webb-01' is registered\. Did you mean"):
        resolve([HostSpec("front", host_id="hst_webb-01")], known)
    with pytest.raises(BenchError, match=r"names host web-01 \(hst_web-01\) twice"):
        resolve([HostSpec("web-01"), HostSpec("front", host_id="hst_web-01")], known)
    twins = [*known, RegisteredHost(host_id="hst_2", host_name="web-01")]
    assert "2 registered hosts are called 'web-01': hst_web-01, hst_2." in str(find_host("web-01", twins))


def test_fingerprints_are_those_of_ssh_keygen(tmp_path: Path, keys: str) -> None:
    (shown,) = fingerprints([keys])
    assert shown.startswith("SHA256:")
    assert shown.endswith("(ED25519)")
    assert find_keys(tmp_path / "nothing", "web-09") == ()
