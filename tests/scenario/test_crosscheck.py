"""Mistakes across fields: names that must agree, counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_2501bench.scenario.model import LoadedScenario

Load = Callable[..., LoadedScenario]
Complaints = Callable[..., list[str]]
WEB, DB = {"host_name": "web-01"}, {"host_id": "hst_2", "host_name": "db-01"}
AGENT = {"agent_name": "a", "host_name": "web-01", "specialty_key": "SERVICES_MANAGER"}
NO_AGENT = "names no agent: 'agent_id' (host mode) or 'agent_name' (modes with fresh hosts) is missing"
NO_HOST = "names no host: 'host_id' (host mode) or 'host_name' (modes with fresh hosts) is missing"
NO_SPECIALTY = "'specialty_key' is missing: an agent that is made for the run needs one, for example SERVICES_MANAGER"


@pytest.mark.parametrize(
    ("fields", "messages"),
    [
        ({"hosts": [WEB, WEB]}, ["/hosts/1/host_name: 'web-01' stands already in /hosts/0"]),
        ({"hosts": [{"host_id": "h"}, {"host_id": "h"}]}, ["/hosts/1/host_id: 'h' stands already in /hosts/0"]),
        ({"hosts": [{}]}, [f"/hosts/0: {NO_HOST}"]),
        ({"hosts": [{"host_id": None}]}, [f"/hosts/0: {NO_HOST}"]),
        (
            {"hosts": [{"host_name": f"h{number}"} for number in range(6)]},
            ["/hosts: 6 hosts; a job has at most five tasks, so at most 5"],
        ),
        ({"hosts": [WEB], "agents": [{"host_name": "web-01"}]}, [f"/agents/0: {NO_AGENT}"]),
        ({"hosts": [WEB], "agents": [{"agent_name": "a", "host_name": "web-01"}]}, [f"/agents/0: {NO_SPECIALTY}"]),
        (
            {"hosts": [WEB, DB], "agents": [AGENT, AGENT]},
            ["/agents/1/agent_name: 'a' stands already in /agents/0"],
        ),
        (
            {"hosts": [WEB, DB], "agents": [{"agent_id": "agt_1"}]},
            ["/agents/0: 'host_name' is missing: the scenario has 2 hosts, and an agent works on one"],
        ),
        (
            {"hosts": [WEB, DB], "agents": [AGENT | {"host_name": "web-1"}]},
            ["/agents/0/host_name: 'web-1' is no host_name of this scenario. Did you mean 'web-01'?"],
        ),
        (
            {"hosts": [WEB, DB], "agents": [{"agent_id": "x", "host_id": "qqqq"}]},
            ["/agents/0/host_id: 'qqqq' is no host_id of this scenario. Its hosts: hst_2."],
        ),
        (
            {"agents": [AGENT]},
            ["/agents/0/host_name: 'web-01' is no host_name of this scenario. It has no 'hosts'."],
        ),
        (
            {"hosts": [WEB], "bench": {"host_packages": {"web-02": []}}},
            ["/bench/host_packages/web-02: 'web-02' is no host_name of this scenario. Did you mean 'web-01'?"],
        ),
        (
            {"bench": {"requires": ["systemd", "systmd"]}},
            ["/bench/requires/1: 'systmd' is not a capability. Did you mean 'systemd'?"],
        ),
        (
            {"bench": {"requires": ["zzz"]}},
            [
                "/bench/requires/0: 'zzz' is not a capability. Capabilities: kubernetes, nested-containers, network,"
                " own-kernel, snapshot, systemd."
            ],
        ),
    ],
)
def test_names_that_do_not_agree_are_told(complaints: Complaints, fields: dict[str, Any], messages: list[str]) -> None:
    assert complaints(**fields) == messages


@pytest.mark.parametrize(
    "fields",
    [
        {"hosts": [{"host_name": f"h{number}"} for number in range(5)]},
        {"hosts": [WEB], "agents": [{"agent_id": "agt_1"}]},
        {"hosts": [WEB, DB], "agents": [{"agent_id": "agt_1", "host_id": "hst_2"}]},
        {"hosts": [WEB], "agents": [{"agent_id": "agt_1", "agent_name": "both", "host_name": "web-01"}]},
        {"agents": [AGENT | {"host_name": "host-01"}]},
        {"bench": {"host_packages": {"host-01": ["nginx"]}}},
        {"bench": {"requires": ["systemd", "own-kernel"]}},
    ],
)
def test_names_that_agree_are_accepted(load: Load, fields: dict[str, Any]) -> None:
    load(**fields)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({}, ": says no number of tasks: 'count' (exactly), 'min' or 'max' is missing"),
        ({"count": None}, ": says no number of tasks: 'count' (exactly), 'min' or 'max' is missing"),
        ({"count": 1, "min": 1}, ": 'count' is the exact number; it cannot stand beside 'min' or 'max'"),
        ({"count": 1, "max": 1}, ": 'count' is the exact number; it cannot stand beside 'min' or 'max'"),
        ({"min": 3, "max": 2}, ": 'min' (3) is greater than 'max' (2)"),
        ({"max": 6}, "/max: must be at most 5, not 6"),
        ({"count": 2.5}, "/count: must be a whole number, not 2.5"),
        ({"count": True}, "/count: must be a whole number, not true"),
    ],
)
def test_a_task_count_that_says_nothing_sound_is_told(
    complaints: Complaints, limits: dict[str, Any], message: str
) -> None:
    rule = {"label": "l", "validator": "task_count"} | limits
    assert complaints(validation={"job": [rule]}) == ["/validation/job/0" + message]


@pytest.mark.parametrize("limits", [{"count": 0}, {"min": 2}, {"max": 2}, {"min": 2, "max": 2}])
def test_a_sound_task_count_is_accepted(load: Load, limits: dict[str, Any]) -> None:
    load(validation={"job": [{"label": "l", "validator": "task_count"} | limits]})
