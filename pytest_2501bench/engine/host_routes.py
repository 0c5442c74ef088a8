"""Routes under ``/hosts``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Response

from pytest_2501bench.engine.desk import Desk, fingerprint
from pytest_2501bench.engine.wire import HostIn, HostList, HostOut
from pytest_2501bench.engine.wire_base import Problem

_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "No such host."}}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "In conflict with what is there."}}


def router(desk: Desk) -> APIRouter:
    """Return the routes on *desk*."""
    api = APIRouter(prefix="/hosts", tags=["hosts"])
    repository = desk.repository

    @api.post(
        "",
        summary="Register a host",
        status_code=201,
        response_model=HostOut,
        responses={**_CONFLICT, 200: {"model": HostOut, "description": "Registered so already."}},
    )
    async def register(host: HostIn, response: Response) -> HostOut:
        """Make a host known, with the credentials that agents work with (they do not see them).

        The same registration again is answered with 200; another one under the same `host_id` with 409.
        """
        if host.ssh.proxy_command and not desk.same_machine:
            raise HTTPException(422, "/ssh/proxy_command: only an engine on the client's own machine takes it")
        known = repository.host(host.host_id)
        if known is not None:
            if known.fingerprint != fingerprint(host):
                raise HTTPException(409, f"host {host.host_id} is registered with other settings")
            response.status_code = 200
            return known.answer()
        stored = desk.admit(host)
        repository.put_host(stored)
        return stored.answer()

    @api.get("", summary="List hosts")
    async def list_hosts() -> HostList:
        """Return all registered hosts, without credentials."""
        return HostList(hosts=tuple(stored.answer() for stored in repository.hosts()))

    @api.get("/{host_id}", summary="Show a host", responses=_UNKNOWN)
    async def show(host_id: str) -> HostOut:
        """Return one host, without credentials."""
        stored = repository.host(host_id)
        if stored is None:
            raise HTTPException(404, f"no host {host_id!r}")
        return stored.answer()

    @api.delete("/{host_id}", summary="Remove a host", status_code=204, responses={**_UNKNOWN, **_CONFLICT})
    async def remove(host_id: str) -> None:
        """Forget a host and its credentials. Its agents have to be removed before."""
        stored = repository.host(host_id)
        if stored is None:
            raise HTTPException(404, f"no host {host_id!r}")
        agent = next((a for a in repository.agents() if a.host_id == host_id), None)
        if agent is not None:
            raise HTTPException(409, f"agent {agent.agent_id} is still on host {host_id}")
        repository.remove_host(host_id)
        desk.dismiss(stored)

    return api
