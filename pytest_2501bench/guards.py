"""The contract's fail-fast guards: a job may involve only these agents and hosts. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_2501bench.evidence.model import JobRecord


def violation(job: JobRecord, agents: Sequence[str] | None, hosts: Sequence[str] | None) -> str | None:
    """Return which task breaks ``allowedAgents`` or ``allowedHosts``, in one line, or None.

    Ids and names are both accepted, because in VM modes ids are new in every run. A task whose agent or host the engine
    does not name (yet) breaks nothing. None allows everything; an empty list nothing.
    """
    for number, task in enumerate(job.tasks or (), start=1):
        for guard, allowed, identity, name in (
            ("allowedAgents", agents, task.agent_id, task.agent_name),
            ("allowedHosts", hosts, task.host_id, task.host_name),
        ):
            known = {value for value in (identity, name) if value is not None}
            if allowed is not None and known and not known & set(allowed):
                shown = f"{name} ({identity})" if name and identity else name or identity
                return f"task {number} involves {shown}, which is not among {guard}: {', '.join(allowed) or 'none'}"
    return None
