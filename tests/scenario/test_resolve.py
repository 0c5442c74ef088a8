"""What a scenario means for a run: hosts, agents, capabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_2501bench.sandbox.protocol import HostSpec
from pytest_2501bench.scenario.model import LoadedScenario
from pytest_2501bench.scenario.resolve import AgentSpec, agent_specs, form_obstacle, host_specs, required_capabilities

Load = Callable[..., LoadedScenario]
BOTH: dict[str, Any] = {
    "hosts": [{"host_id": "hst_1", "host_name": "web-01", "template": "debian-docker"}, {"host_name": "db-01"}],
    "agents": [
        {"agent_id": "agt_1", "agent_name": "a", "host_name": "db-01", "specialty_key": "DBA"},
        {"agent_id": "agt_2", "host_id": "hst_1"},
    ],
    "bench": {"packages": ["curl", "nginx"], "host_packages": {"db-01": ["postgresql", "curl"]}},
}


def test_a_fresh_mode_makes_the_named_hosts_with_their_packages(load: Load) -> None:
    assert host_specs(load(**BOTH), mode_is_fresh=True) == (
        HostSpec("web-01", "debian-docker", ("curl", "nginx")),
        HostSpec("db-01", "debian-base", ("curl", "nginx", "postgresql")),
    )


def test_host_mode_keeps_the_ids(load: Load) -> None:
    assert [spec.host_id for spec in host_specs(load(**BOTH), mode_is_fresh=False)] == ["hst_1", None]
    (spec,) = host_specs(load(hosts=[{"host_id": "hst_1"}]), mode_is_fresh=False)
    assert (spec.host_name, spec.host_id) == ("hst_1", "hst_1")


def test_a_scenario_without_hosts_gets_one_in_fresh_modes(load: Load) -> None:
    loaded = load(bench={"packages": ["nginx"], "host_packages": {"host-01": ["curl"]}})
    assert host_specs(loaded, mode_is_fresh=True) == (HostSpec("host-01", "debian-base", ("nginx", "curl")),)
    assert host_specs(loaded, mode_is_fresh=False) == ()


def test_agents_are_made_in_fresh_modes_and_taken_in_host_mode(load: Load) -> None:
    loaded = load(**BOTH)
    assert agent_specs(loaded, mode_is_fresh=True) == (
        AgentSpec("a", "db-01", "DBA"),
        AgentSpec("agt_2", "web-01", "SERVICES_MANAGER"),
    )
    assert [spec.agent_id for spec in agent_specs(loaded, mode_is_fresh=False)] == ["agt_1", "agt_2"]


def test_an_agent_finds_its_host_by_id(load: Load) -> None:
    hosts = [{"host_id": "hst_1"}, {"host_id": "hst_2", "host_name": "db-01"}]
    loaded = load(hosts=hosts, agents=[{"agent_id": "agt_1", "host_id": "hst_2"}])
    assert [spec.host_name for spec in agent_specs(loaded, mode_is_fresh=False)] == ["db-01"]


def test_without_agents_there_is_one_per_host(load: Load) -> None:
    loaded = load(hosts=BOTH["hosts"])
    assert agent_specs(loaded, mode_is_fresh=True) == (
        AgentSpec("agent-01", "web-01", "SERVICES_MANAGER"),
        AgentSpec("agent-02", "db-01", "SERVICES_MANAGER"),
    )


def test_an_agent_that_names_no_host_works_on_the_only_one(load: Load) -> None:
    agents = [{"agent_name": "a", "specialty_key": "S"}]
    assert agent_specs(load(agents=agents), mode_is_fresh=True) == (AgentSpec("a", "host-01", "S"),)
    (spec,) = agent_specs(load(agents=agents, hosts=[{"host_id": "hst_1"}]), mode_is_fresh=False)
    assert spec.host_name == "hst_1"


@pytest.mark.parametrize(
    ("fields", "fresh", "reason"),
    [
        (BOTH, True, None),
        (BOTH, False, None),
        ({}, True, None),
        ({"hosts": [{"host_id": "h"}]}, False, None),
        ({"hosts": [{"host_id": "h"}]}, True, "/hosts/0 has no 'host_name': it is for --mode host only"),
        ({}, False, "it names no hosts: in --mode host there is none to work on"),
    ],
)
def test_a_scenario_without_a_form_for_the_mode_says_why(
    load: Load, fields: dict[str, Any], fresh: bool, reason: str | None
) -> None:
    assert form_obstacle(load(**fields), mode_is_fresh=fresh) == reason


@pytest.mark.parametrize(
    ("fields", "needed"),
    [
        ({}, ()),
        ({"hosts": [{"host_name": "a"}]}, ()),
        ({"hosts": [{"host_name": "a"}, {"host_name": "b"}]}, ("network",)),
        ({"hosts": [{"host_name": "a", "template": "debian-k3s"}]}, ("kubernetes",)),
        ({"hosts": [{"host_name": "a", "template": "debian-podman"}]}, ("nested-containers",)),
        ({"hosts": [{"host_name": "a", "template": "debian-docker"}]}, ("nested-containers",)),
        (
            {"hosts": [{"host_name": "a", "template": "debian-k3s"}], "bench": {"requires": ["systemd", "kubernetes"]}},
            ("kubernetes", "systemd"),
        ),
    ],
)
def test_hosts_and_templates_imply_capabilities(load: Load, fields: dict[str, Any], needed: tuple[str, ...]) -> None:
    assert required_capabilities(load(**fields)) == needed
