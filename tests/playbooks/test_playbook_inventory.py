"""The generated inventory, as Ansible reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_2501bench.playbooks.environment import Patience, ansible_environment, search_path
from pytest_2501bench.playbooks.inventory import RESERVED, connection_variables, control_path, run_inventory
from pytest_2501bench.playbooks.scenario_inventory import (
    InventoryProblem,
    check_host_variables,
    check_hosts,
    read_hosts,
)
from pytest_2501bench.sandbox.protocol import Host, SshSettings

CONTROL = Path("/tmp/25b-x/c")
NASTY = [
    "nsenter -t 12 -n -- sshd -i -o 'A b'",
    "{{ 1 + 1 }} {% raw %}",
    'it\'s "quoted" \\ and # not a comment',
    "naïve – ünïcode: [yes] {no}",
    "%h:%p $HOME `id`",
    "!unsafe & *alias",
    "yes",
]


def host(name: str = "web-01", **ssh: object) -> Host:
    fields: dict[str, object] = {
        "user": "root",
        "identity_file": Path("/keys/id"),
        "known_hosts": Path("/keys/known_hosts"),
        "hostname": "sbx-1",
        **ssh,
    }
    return Host("hst_1", name, SshSettings(**fields))  # type: ignore[arg-type]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    config = tmp_path / "ansible.cfg"
    config.touch()
    return ansible_environment(
        tmp_path / "h",
        path=search_path(None, os.environ),
        config=config,
        patience=Patience(),
        environ=os.environ,
    )


def as_read(inventories: list[Path], environment: dict[str, str]) -> dict[str, dict[str, object]]:
    command = ["ansible-inventory", *(f"-i{path}" for path in inventories), "--list"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    hostvars: dict[str, dict[str, object]] = json.loads(done.stdout)["_meta"]["hostvars"]
    return hostvars


def plain(value: object) -> object:
    return value["__ansible_unsafe"] if isinstance(value, dict) and "__ansible_unsafe" in value else value


def test_ansible_reads_every_value_as_it_was_written(tmp_path: Path, environment: dict[str, str]) -> None:
    hosts = [host(f"h-{i}", proxy_command=text, hostname=f"sbx-{i}") for i, text in enumerate(NASTY)]
    hosts.append(host("spaced", identity_file=Path("/a b/{{ id }}%")))
    file = tmp_path / "run.yml"
    file.write_text(run_inventory(hosts, CONTROL, Patience()), encoding="utf-8")
    read = as_read([file], environment)
    for one in hosts:
        wanted = connection_variables(one, CONTROL, Patience())
        assert {name: plain(read[one.host_name][name]) for name in wanted} == wanted


class Loader(yaml.SafeLoader):
    pass


Loader.add_constructor("!unsafe", lambda loader, node: str(node.value))


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1), st.integers(1, 65535))
def test_no_value_breaks_the_file(text: str, port: int) -> None:
    one = host(proxy_command=text, user=text, port=port)
    read = yaml.load(run_inventory([one], CONTROL, Patience()), Loader)
    assert read["all"]["hosts"]["web-01"] == connection_variables(one, CONTROL, Patience())


def test_reserved_variables_are_those_that_are_written() -> None:
    assert connection_variables(host(), CONTROL, Patience()).keys() == RESERVED


def test_two_sandboxes_behind_proxies_never_share_a_connection() -> None:
    one, other = host(proxy_command="enter 1"), host(proxy_command="enter 2")
    assert control_path(one.ssh, CONTROL) != control_path(other.ssh, CONTROL)
    assert control_path(one.ssh, CONTROL) == control_path(host(proxy_command="enter 1").ssh, CONTROL)


def test_ssh_reads_the_arguments_as_they_were_meant(tmp_path: Path) -> None:
    import shlex

    one = host(known_hosts=tmp_path / "known hosts 100%", proxy_command="enter --all 'x y' %h", port=2222)
    variables = connection_variables(one, CONTROL, Patience())
    words = shlex.split(variables["ansible_ssh_args"]) + shlex.split(variables["ansible_ssh_common_args"])
    shown = subprocess.run(["ssh", "-G", *words, "any"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert f"userknownhostsfile {tmp_path}/known hosts 100%%" in shown or any(
        line.startswith("userknownhostsfile") and "known hosts 100%" in line for line in shown
    )
    assert "proxycommand enter --all 'x y' %h" in shown
    assert "stricthostkeychecking true" in shown
    assert "hostkeyalias sbx-1" in shown
    assert "batchmode yes" in shown


def test_the_scenarios_inventory_cannot_redirect_a_connection(tmp_path: Path, environment: dict[str, str]) -> None:
    extra = tmp_path / "inventory.ini"
    extra.write_text(
        "[web]\nweb-01 ansible_host=elsewhere ansible_user=other colour=blue\n"
        "[all:vars]\nansible_ssh_host=elsewhere\nansible_ssh_args=-o StrictHostKeyChecking=no\n"
        "ansible_host_key_checking=false\nansible_connection=local\nsize=9\n"
    )
    ours = tmp_path / "run.yml"
    ours.write_text(run_inventory([host()], CONTROL, Patience()))
    read = as_read([extra, ours], environment)["web-01"]
    wanted = connection_variables(host(), CONTROL, Patience())
    assert {name: plain(read[name]) for name in wanted} == wanted
    assert (read["colour"], read["size"]) == ("blue", 9)


@pytest.mark.skipif(sys.platform == "win32", reason="no executable bit")
def test_an_executable_inventory_is_read_and_not_executed(tmp_path: Path, environment: dict[str, str]) -> None:
    extra = tmp_path / "inventory.ini"
    extra.write_text("[web]\nweb-[01:03]\n")
    extra.chmod(0o755)
    assert read_hosts(extra, environment) == {"web-01", "web-02", "web-03"}


def test_a_broken_inventory_is_one_clear_line(tmp_path: Path, environment: dict[str, str]) -> None:
    extra = tmp_path / "inventory.yml"
    extra.write_text("all:\n  hosts: [\n")
    with pytest.raises(InventoryProblem, match=r"^inventory\.yml: ") as caught:
        read_hosts(extra, environment)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("foreign", ["db-01", "localhost"])
def test_a_host_that_the_run_does_not_have_is_refused(foreign: str) -> None:
    with pytest.raises(InventoryProblem) as caught:
        check_hosts(Path("/s/inventory.ini"), {"web-01", foreign}, ["web-01"])
    assert str(caught.value) == (
        f"inventory.ini: no such host in this scenario: {foreign} (its hosts: web-01). "
        "The inventory may only group the scenario's hosts"
    )


def test_host_vars_beside_the_playbook_may_not_redirect_either(folder: Path) -> None:
    (folder / "host_vars").mkdir()
    file = folder / "host_vars" / "web-01.yml"
    file.write_text("colour: blue\nansible_become: true\n")
    check_host_variables(folder, ["web-01"])
    file.write_text("colour: blue\nansible_host: 10.0.0.1\n")
    with pytest.raises(
        InventoryProblem, match=r"^host_vars/web-01\.yml:2: ansible_host belongs to the run; remove it$"
    ):
        check_host_variables(folder, ["web-01"])
