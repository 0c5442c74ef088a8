"""Identities, hosts and agents in the database."""

from __future__ import annotations

import pytest

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.store.model import Identity, RegisteredAgent, RegisteredHost
from pytest_2501bench.store.registry import Registry
from pytest_2501bench.store.repository import Store, dump_rows

HOST = RegisteredHost(
    host_id="hst_1",
    host_name="web-01",
    template="debian-base",
    ssh_address="10.0.0.7",
    ssh_port=2222,
    ssh_user="ops",
    ssh_key_file="/home/ada/.ssh/lab",
    known_hosts_file="/home/ada/.ssh/known_hosts",
)
AGENT = RegisteredAgent(agent_id="agt_1", agent_name="fixer", host_id="hst_1", specialty_key="SERVICES_MANAGER")


def test_new_identities_have_ids_of_the_contracts_form_and_know_where_they_belong(store: Store) -> None:
    tenant = store.add_tenant("acme")
    organization = store.add_organization("web shop", tenant_id=tenant.id)
    user = store.add_user("ada", org_id=organization.id)
    assert [one.id.partition("_")[0] for one in (tenant, organization, user)] == ["ten", "org", "usr"]
    assert store.identities() == {
        "TENANT_ID": (tenant,),
        "ORG_ID": (organization,),
        "USER_ID": (user,),
    }
    assert organization.parent_id == tenant.id
    store.check_identity(organization.id, tenant.id, user.id)


def test_an_identity_keeps_its_id_under_a_new_name(store: Store) -> None:
    store.add_user("ada", user_id="usr_1")
    store.add_user("ada l.", user_id="usr_1")
    assert store.identities()["USER_ID"] == (Identity(id="usr_1", name="ada l."),)


def test_an_identity_cannot_belong_to_nothing(store: Store) -> None:
    with pytest.raises(BenchError, match="there is no organization 'org_x' in ") as caught:
        store.add_user("ada", org_id="org_x")
    assert caught.value.cause is Cause.IDENTITY_UNKNOWN
    assert store.identities()["USER_ID"] == ()


def test_unset_identities_are_not_checked(store: Store) -> None:
    store.check_identity()
    store.check_identity("", None, "")


@pytest.mark.parametrize(
    ("variable", "word"), [("ORG_ID", "organization"), ("TENANT_ID", "tenant"), ("USER_ID", "user")]
)
def test_an_unknown_identity_is_named_with_its_variable_and_what_there_is(
    store: Store, variable: str, word: str
) -> None:
    def check(value: str, **sources: str) -> str:
        argument = {"ORG_ID": "org_id", "TENANT_ID": "tenant_id", "USER_ID": "user_id"}[variable]
        with pytest.raises(BenchError) as caught:
            store.check_identity(**{argument: value}, sources=sources)
        assert caught.value.cause is Cause.IDENTITY_UNKNOWN
        return str(caught.value)

    where = f"in {store.target.shown}."
    start = f"preflight: {variable} (from environment): there is no {word}"
    assert check("abcdef") == (
        f"{start} 'abcdef' {where} No {word} is registered there yet; unset the variable or register one."
    )
    store.add_tenant("t", tenant_id="xy_first")
    store.add_organization("o", org_id="xy_first")
    store.add_user("u", user_id="xy_first")
    assert check("xy_frist") == f"{start} 'xy_frist' {where} Did you mean xy_first?"
    assert check("0") == f"{start} '0' {where} There are: xy_first."
    assert f"{variable} (from /srv/bench.env): " in check("0", **{variable: "/srv/bench.env"})


def test_a_host_comes_back_as_it_was_registered(store: Store) -> None:
    store.register_host(HOST)
    assert store.host("hst_1") == HOST
    assert store.host("hst_2") is None


def test_registering_a_host_again_replaces_it_and_keeps_its_agents(store: Store) -> None:
    store.register_host(HOST)
    store.register_agent(AGENT)
    store.register_host(HOST.model_copy(update={"ssh_port": 22}))
    assert [host.ssh_port for host in store.hosts()] == [22]
    assert store.agent("agt_1") == AGENT


def test_hosts_are_listed_by_mode(store: Store) -> None:
    store.register_host(HOST)
    store.register_host(RegisteredHost(host_id="hst_2", host_name="db-01", mode="incus"))
    assert [host.host_id for host in store.hosts()] == ["hst_1", "hst_2"]
    assert [host.host_id for host in store.hosts(mode="incus")] == ["hst_2"]


def test_a_host_goes_with_its_agents(store: Store) -> None:
    store.register_host(HOST)
    store.register_agent(AGENT)
    assert store.remove_host("hst_1")
    assert not store.remove_host("hst_1")
    assert store.agents() == ()


def test_an_agent_needs_a_host(store: Store) -> None:
    with pytest.raises(BenchError, match="agent agt_1: there is no host 'hst_1' in ") as caught:
        store.register_agent(AGENT)
    assert caught.value.cause is Cause.IDENTITY_UNKNOWN


def test_agents_are_registered_listed_and_removed(store: Store) -> None:
    store.register_host(HOST)
    store.register_agent(AGENT)
    assert store.agent("agt_1") == AGENT
    assert store.agents(host_id="hst_1") == (AGENT,)
    assert store.agents(host_id="hst_2") == ()
    assert store.remove_agent("agt_1")
    assert not store.remove_agent("agt_1")
    assert store.host("hst_1") is not None


def test_a_host_may_be_put_into_quarantine_and_taken_out(store: Store) -> None:
    store.register_host(HOST)
    assert store.quarantine_host("hst_1", "restore.yml failed")
    host = store.host("hst_1")
    assert host is not None
    assert host.quarantine == "restore.yml failed"
    assert store.quarantine_host("hst_1", None)
    assert store.host("hst_1") == HOST
    assert not store.quarantine_host("hst_2", "gone")


def test_no_column_could_hold_a_private_key(store: Store) -> None:
    store.register_host(HOST)
    assert isinstance(store, Registry)
    (row,) = dump_rows(store)["hosts"]
    assert {name for name in row if "key" in name} == {"ssh_key_file", "host_key"}  # a path, and the public one
