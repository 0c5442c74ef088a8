"""What a scenario means for a run: its hosts, its agents, what a mode must be able to do."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_2501bench.sandbox.protocol import HostSpec
from pytest_2501bench.scenario.crosscheck import DEFAULT_HOST_NAME
from pytest_2501bench.scenario.model import LoadedScenario

DEFAULT_TEMPLATE = "debian-base"
DEFAULT_SPECIALTY = "SERVICES_MANAGER"

_TEMPLATE_NEEDS = {
    "debian-k3s": "kubernetes",
    "debian-docker": "nested-containers",
    "debian-podman": "nested-containers",
}


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """An agent that a run needs.

    Attributes:
        agent_name: how it is called; an existing agent without a name goes by its id.
        host_name: the ``host_name`` of the :class:`HostSpec` that it works on.
        specialty_key: its specialty, unless the session's ``--specialty`` overrides it.
        agent_id: the registered agent to use (host mode); None for one that is made for the run.
    """

    agent_name: str
    host_name: str
    specialty_key: str
    agent_id: str | None = None


def form_obstacle(loaded: LoadedScenario, mode_is_fresh: bool) -> str | None:
    """Return why the scenario has no form for such a mode, in one line for a skip, or None.

    A host that is only a ``host_id`` is somebody's machine: a fresh one in its place would not be what was meant.
    """
    for index, host in enumerate(loaded.scenario.hosts):
        if mode_is_fresh and host.host_name is None:
            return f"/hosts/{index} has no 'host_name': it is for --mode host only"
    if not mode_is_fresh and not loaded.scenario.hosts:
        return "it names no hosts: in --mode host there is none to work on"
    return None


def host_specs(loaded: LoadedScenario, mode_is_fresh: bool) -> tuple[HostSpec, ...]:
    """Return the hosts that a run needs, in the file's order.

    Args:
        loaded: the scenario; :func:`form_obstacle` must have nothing against it.
        mode_is_fresh: hosts are made for the run. A scenario without hosts then gets one, ``host-01``; registered
            host ids are left out. Otherwise ids are kept, and a host that has only an id goes by it until the
            sandbox knows its name.
    """
    bench = loaded.scenario.bench
    if not loaded.scenario.hosts:
        packages = _merged(bench.packages, bench.host_packages.get(DEFAULT_HOST_NAME, ()))
        return (HostSpec(DEFAULT_HOST_NAME, DEFAULT_TEMPLATE, packages),) if mode_is_fresh else ()
    return tuple(
        HostSpec(
            host_name=host.host_name or host.host_id or DEFAULT_HOST_NAME,
            template=host.template or DEFAULT_TEMPLATE,
            packages=_merged(bench.packages, bench.host_packages.get(host.host_name or "", ())),
            host_id=None if mode_is_fresh else host.host_id,
        )
        for host in loaded.scenario.hosts
    )


def agent_specs(loaded: LoadedScenario, mode_is_fresh: bool) -> tuple[AgentSpec, ...]:
    """Return the agents that a run needs; a scenario that names none gets one per host, a ``SERVICES_MANAGER``.

    In fresh modes the agents are made for the run, whatever ids they have elsewhere.
    """
    hosts = host_specs(loaded, mode_is_fresh)
    if not loaded.scenario.agents:
        return tuple(
            AgentSpec(f"agent-{number:02}", host.host_name, DEFAULT_SPECIALTY) for number, host in enumerate(hosts, 1)
        )
    by_id = {
        host.host_id: spec.host_name
        for host, spec in zip(loaded.scenario.hosts, hosts, strict=False)
        if host.host_id is not None
    }
    only = hosts[0].host_name if hosts else DEFAULT_HOST_NAME
    return tuple(
        AgentSpec(
            agent_name=agent.agent_name or agent.agent_id or f"agent-{number:02}",
            host_name=agent.host_name or by_id.get(agent.host_id or "", only),
            specialty_key=agent.specialty_key or DEFAULT_SPECIALTY,
            agent_id=None if mode_is_fresh else agent.agent_id,
        )
        for number, agent in enumerate(loaded.scenario.agents, 1)
    )


def required_capabilities(loaded: LoadedScenario) -> tuple[str, ...]:
    """Return the capabilities that a mode must have: ``bench.requires`` and what hosts and templates imply; sorted."""
    needed = set(loaded.scenario.bench.requires)
    if len(loaded.scenario.hosts) > 1:
        needed.add("network")
    needed |= {_TEMPLATE_NEEDS[host.template] for host in loaded.scenario.hosts if host.template in _TEMPLATE_NEEDS}
    return tuple(sorted(needed))


def _merged(*parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(package for part in parts for package in part))
