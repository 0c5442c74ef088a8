"""Hosts and agents of one run in the store: added when they are made, removed when they are gone."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_2501bench.gateway.protocol import AgentRegistration, HostRegistration
from pytest_2501bench.sandbox.protocol import Sandbox
from pytest_2501bench.store.model import RegisteredAgent, RegisteredHost
from pytest_2501bench.store.registry import Registry


def add_members(store: Registry, sandbox: Sandbox | None, agents: Sequence[AgentRegistration], *, mode: str) -> None:
    """Add the hosts of *sandbox* (None: registered ones) and the *agents* made for them. Raises ``database_lost``."""
    for host in sandbox.hosts if sandbox is not None else ():
        store.register_host(
            RegisteredHost(
                host_id=host.host_id,
                host_name=host.host_name,
                mode=mode,
                template=host.template,
                address=host.address,
                ssh_address=host.ssh.address,
                ssh_port=host.ssh.port,
                ssh_user=host.ssh.user,
                python=host.python,
            )
        )
    for agent in agents:
        # A mode of another plugin may have hosts that stay and are registered nowhere: nor are agents on them, then.
        if not agent.existing and (sandbox is not None or store.host(agent.host_id) is not None):
            store.register_agent(
                RegisteredAgent(
                    agent_id=agent.agent_id,
                    agent_name=agent.agent_name,
                    host_id=agent.host_id,
                    specialty_key=agent.specialty_key,
                )
            )


def remove_members(store: Registry, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> None:
    """Remove what :func:`add_members` added; harmless when repeated. Raises ``database_lost``."""
    for agent in agents:
        if not agent.existing:
            store.remove_agent(agent.agent_id)
    for host in hosts:
        store.remove_host(host.host_id)
