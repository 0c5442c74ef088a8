"""The ``runner`` gateway: tickets for an engine with our HTTP API, the local one or any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from pytest_2501bench.engine.wire import (
    API_NAME,
    FINISHED,
    AgentIn,
    Flushed,
    Health,
    HostIn,
    JobOut,
    SshIn,
    TicketCreated,
    TicketIn,
    TicketOut,
)
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import JobRecord, TicketRecord
from pytest_2501bench.gateway.http import READ_SECONDS, EngineClient, Refused, Unreachable, nonsense, parse
from pytest_2501bench.gateway.protocol import AgentRegistration, HostRegistration, TicketSubmission

POLL_SECONDS = 2.0
"""How long :meth:`RunnerGateway.poll` may block for a change."""

CANCEL_SECONDS = 40.0
"""Longer than an engine waits for its agent to end."""


class RunnerGateway:
    """See :class:`pytest_2501bench.gateway.protocol.Gateway`.

    :meth:`poll` blocks for up to two seconds while nothing changes, so a caller needs no pause of its own and sees
    the end of a job at once.
    """

    name = "runner"

    def __init__(self, url: str, api_key: str, *, local: bool = False, patience: float = 5.0) -> None:
        """Speak to the engine at *url*.

        *local*: it is the session's own engine, which knows nothing yet; so hosts and agents that exist elsewhere are
        registered with it too. *patience*: seconds for which a silent engine is asked again.
        """
        self._client = EngineClient(url, api_key, patience=patience)
        self._local = local
        self._seen: dict[str, int] = {}

    def preflight(self) -> None:
        """Raise unless an engine with our API answers and takes the key."""
        where = str(self._client.url)
        try:
            health = parse(self._client.request("GET", "/health"), Health, "GET /health")
            self._client.request("GET", "/agents")
        except Unreachable as error:
            raise BenchError(Cause.GATEWAY_UNAVAILABLE, f"no engine answers at {where}: {error}") from None
        except Refused as error:
            raise _refusal(Cause.GATEWAY_UNAVAILABLE, f"the engine at {where} refused", error) from None
        except BenchError as error:
            raise BenchError(
                Cause.GATEWAY_UNAVAILABLE, f"what answers at {where} is no engine with API {API_NAME}: {error.message}"
            ) from None
        del health

    def register(self, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> None:
        """Make hosts and agents known; those that exist in an outside engine are only looked up."""
        existing = {a.host_id for a in agents if a.existing and not self._local}
        try:
            for host in hosts:
                if host.host_id in existing:
                    self._client.request("GET", f"/hosts/{host.host_id}")
                else:
                    self._client.request("POST", "/hosts", body=_with_key(host))
            for agent in agents:
                if agent.existing and not self._local:
                    self._client.request("GET", f"/agents/{agent.agent_id}")
                else:
                    self._client.request("POST", "/agents", body=_agent(agent))
        except Unreachable as error:
            raise BenchError(Cause.SUBMIT_FAILED, f"the engine does not answer: {error}") from None
        except Refused as error:
            raise _refusal(Cause.SUBMIT_FAILED, "the engine did not register host or agent", error) from None

    def unregister(self, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> None:
        """Remove what :meth:`register` made."""
        existing = {a.host_id for a in agents if a.existing and not self._local}
        paths = [f"/agents/{a.agent_id}" for a in agents if self._local or not a.existing]
        paths += [f"/hosts/{h.host_id}" for h in hosts if h.host_id not in existing]
        for path in paths:
            try:
                self._client.request("DELETE", path)
            except Unreachable as error:
                raise BenchError(Cause.RESTORE_FAILED, f"the engine does not answer: {error}") from None
            except Refused as error:
                if error.status != 404:
                    raise _refusal(Cause.RESTORE_FAILED, f"the engine kept {path[1:]}", error) from None

    def flush_memory(self, agent_ids: Sequence[str]) -> None:
        """Empty the agents' memory."""
        for agent_id in agent_ids:
            try:
                answer = self._client.request("POST", f"/agents/{agent_id}/flush")
            except Unreachable as error:
                raise BenchError(Cause.FLUSH_FAILED, f"the engine does not answer: {error}") from None
            except Refused as error:
                raise _refusal(Cause.FLUSH_FAILED, f"the memory of {agent_id} was not flushed", error) from None
            flushed = parse(answer, Flushed, "flush")
            if flushed.agent_id != agent_id:
                raise nonsense("flush", f"/agent_id: {flushed.agent_id!r} instead of {agent_id!r}")

    def submit(self, ticket: TicketSubmission) -> str:
        """Create the ticket (once, however often it has to be sent); return its id."""
        body = TicketIn(
            title=ticket.title,
            body=ticket.body,
            correlation_id=ticket.correlation_id,
            host_ids=tuple(ticket.host_ids),
            agent_ids=tuple(ticket.agent_ids),
            deadline_seconds=float(ticket.deadline_seconds),
            main_engine=ticket.main_engine,
            secondary_engine=ticket.secondary_engine,
            specialty=ticket.specialty,
            oracle_playbook=_path(ticket.oracle_playbook),
            oracle_inventory=_path(ticket.oracle_inventory),
        )
        try:
            answer = self._client.request("POST", "/tickets", body=body)
        except Unreachable as error:
            raise BenchError(Cause.SUBMIT_FAILED, f"the engine does not answer: {error}") from None
        except Refused as error:
            raise _refusal(Cause.SUBMIT_FAILED, "the engine did not take the ticket", error) from None
        reference = parse(answer, TicketCreated, "POST /tickets").id
        if not reference or not reference.replace("_", "").replace("-", "").isalnum():
            raise nonsense("POST /tickets", f"/id: {reference[:80]!r} is no id")
        return reference

    def poll(self, reference: str) -> JobRecord | None:
        """Return the job as it is now, after waiting up to two seconds for a change; None while there is none."""
        params: dict[str, str | int | float] = {"wait": POLL_SECONDS}
        if reference in self._seen:
            params["seen"] = self._seen[reference]
        answer = self._ask("GET", f"/tickets/{reference}/job", "the ticket's job", params)
        if answer.status_code == 204:
            return None
        job = parse(answer, JobOut, "GET job")
        self._seen[reference] = job.revision
        if job.status in FINISHED and job.resolution_status is None:
            raise nonsense("GET job", f"/resolution_status: null, but the job is {job.status}")
        record = job.model_dump(exclude={"revision"})
        return JobRecord.model_validate({**record, "finished": job.status in FINISHED})

    def cancel(self, reference: str) -> None:
        """Stop the job; return when no agent works on it any more."""
        self._ask("POST", f"/tickets/{reference}/cancel", "the cancellation", read_seconds=CANCEL_SECONDS)

    def fetch(self, reference: str) -> TicketRecord:
        """Return the ticket as it is now."""
        ticket = parse(self._ask("GET", f"/tickets/{reference}", "the ticket"), TicketOut, "GET ticket")
        return TicketRecord(
            id=ticket.id,
            status=ticket.status,
            title=ticket.title,
            body=ticket.body,
            messages=ticket.comments,
            summary=ticket.summary,
        )

    def close(self) -> None:
        """Release connections; harmless when repeated."""
        self._client.close()

    def _ask(
        self,
        method: str,
        path: str,
        what: str,
        params: Mapping[str, str | int | float] | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> httpx.Response:
        """Ask about a ticket that was submitted; errors are those of the execute phase."""
        try:
            return self._client.request(method, path, params=params, read_seconds=read_seconds)
        except Unreachable as error:
            raise BenchError(Cause.ENGINE_DIED, f"the engine stopped answering: {error}") from None
        except Refused as error:
            if error.status == 404:
                message = f"the engine no longer knows ticket {path.split('/')[2]}; was it restarted?"
                raise BenchError(Cause.ENGINE_DIED, message) from None
            if error.status >= 500:
                raise BenchError(Cause.ENGINE_DIED, f"the engine did not give {what}: {error.detail}") from None
            raise _refusal(Cause.ENGINE_NONSENSE, f"the engine did not give {what}", error) from None


def _refusal(cause: Cause, what: str, error: Refused) -> BenchError:
    if error.status in {401, 403}:
        return BenchError(cause, f"ENGINE_API_KEY is not accepted: {error.detail}")
    return BenchError(cause, f"{what}: {error.detail} (HTTP {error.status})")


def _path(path: Path | None) -> str | None:
    return str(path.absolute()) if path else None


def _with_key(host: HostRegistration) -> dict[str, object]:
    """Return the registration as it is sent: the one place where the key stands in clear."""
    try:
        key = host.ssh.identity_file.read_text()
        known_hosts = host.ssh.known_hosts.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(Cause.SUBMIT_FAILED, f"host {host.host_name}: its SSH key cannot be read: {error}") from None
    model = HostIn(
        host_id=host.host_id,
        host_name=host.host_name,
        python=host.python,
        ssh=SshIn.model_validate(
            {
                "user": host.ssh.user,
                "private_key": key,
                "known_hosts": known_hosts,
                "hostname": host.ssh.hostname,
                "address": host.ssh.address,
                "port": host.ssh.port,
                "proxy_command": host.ssh.proxy_command,
            }
        ),
    )
    body = model.model_dump(mode="json")
    body["ssh"]["private_key"] = key
    return body


def _agent(agent: AgentRegistration) -> AgentIn:
    return AgentIn(
        agent_id=agent.agent_id,
        agent_name=agent.agent_name,
        host_id=agent.host_id,
        specialty_key=agent.specialty_key,
    )
