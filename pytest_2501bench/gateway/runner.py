"""The ``runner`` gateway: tickets for an engine with our HTTP API, the local one or any other."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import httpx

from pytest_2501bench.engine.wire import (
    API_NAME,
    FINISHED,
    Flushed,
    Health,
    JobOut,
    TicketCreated,
    TicketList,
    TicketOut,
)
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import JobRecord, TicketRecord
from pytest_2501bench.gateway.engine_requests import agent_body, host_body, ticket_body
from pytest_2501bench.gateway.http import (
    BUSY,
    LOST,
    PATIENCE,
    READ_SECONDS,
    EngineClient,
    Refused,
    Unreachable,
    nonsense,
    parse,
)
from pytest_2501bench.gateway.protocol import AgentRegistration, HostRegistration, TicketSubmission
from pytest_2501bench.sandbox.ledger import Ledger
from pytest_2501bench.sandbox.namespace import default_cache_dir

POLL_SECONDS = 2.0
"""How long :meth:`RunnerGateway.poll` may block for a change."""

POLL_READ_SECONDS = 15.0
"""How long one poll waits for its answer: a connection that a firewall forgot is given up while there is patience."""

PREFLIGHT_PATIENCE = 5.0
"""Seconds for which an engine is asked again before the session: nobody wants to wait long for a wrong address."""

CANCEL_SECONDS = 40.0
"""Longer than an engine waits for its agent to end."""

PAUSES = (0.0, 0.25, 0.5, 1.0, POLL_SECONDS)
"""Seconds between polls of an engine that answers without news at once, although it was asked to wait for some."""


class RunnerGateway:
    """See :class:`pytest_2501bench.gateway.protocol.Gateway`.

    :meth:`poll` blocks for up to two seconds while nothing changes, so a caller needs no pause of its own and sees
    the end of a job at once. An engine that does not wait for news is asked less and less often.
    """

    name = "runner"

    def __init__(
        self, url: str, api_key: str, *, local: bool = False, patience: float = PATIENCE, ledger: Ledger | None = None
    ) -> None:
        """Speak to the engine at *url*.

        *local*: it is the session's own engine, which knows nothing yet; so hosts and agents that exist elsewhere are
        registered with it too. *patience*: seconds for which a silent engine is asked again; less before the session,
        and when it was silent already the last time. *ledger*: of what stands in engines that outlive the session;
        what killed sessions left there is removed before the next one.
        """
        self._client = EngineClient(url, api_key, patience=patience)
        self._local = local
        self._ledger = ledger
        self._seen: dict[str, int] = {}  # ticket → revision of its job
        self._newsless: dict[str, int] = {}  # ticket → polls that were answered at once, and without news
        self._doubtful: set[str] = set()  # correlation ids of tickets that may be there, although nobody said so

    def preflight(self) -> None:
        """Raise unless an engine with our API answers and takes the key."""
        where = str(self._client.url)
        try:
            answer = self._client.request("GET", "/health", patience=PREFLIGHT_PATIENCE)
            parse(answer, Health, "GET /health")
            self._client.request("GET", "/agents", patience=PREFLIGHT_PATIENCE)
        except Unreachable as error:
            raise BenchError(Cause.GATEWAY_UNAVAILABLE, f"no engine answers at {where}: {error}") from None
        except Refused as error:
            raise _refusal(Cause.GATEWAY_UNAVAILABLE, f"the engine at {where} refused", error) from None
        except BenchError as error:
            raise BenchError(
                Cause.GATEWAY_UNAVAILABLE, f"what answers at {where} is no engine with API {API_NAME}: {error.message}"
            ) from None
        self._sweep()

    def register(self, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> None:
        """Make hosts and agents known; those that exist in an outside engine are only looked up."""
        existing = {a.host_id for a in agents if a.existing and not self._local}
        try:
            for host in hosts:
                if host.host_id in existing:
                    self._client.request("GET", f"/hosts/{host.host_id}")
                else:
                    self._note(host.host_id)
                    self._client.request("POST", "/hosts", body=host_body(host))
            for agent in agents:
                if agent.existing and not self._local:
                    self._client.request("GET", f"/agents/{agent.agent_id}")
                else:
                    self._note(agent.agent_id)
                    self._client.request("POST", "/agents", body=agent_body(agent))
        except Unreachable as error:
            raise BenchError(Cause.SUBMIT_FAILED, f"the engine does not answer: {error}") from None
        except Refused as error:
            raise _refusal(Cause.SUBMIT_FAILED, "the engine did not register host or agent", error) from None

    def unregister(self, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> None:
        """Remove what :meth:`register` made, and first stop the job of a ticket of which nobody knows if it is there.

        What the engine keeps does not keep the rest from being removed.
        """
        self._resolve_doubts()
        existing = {a.host_id for a in agents if a.existing and not self._local}
        paths = [f"/agents/{a.agent_id}" for a in agents if self._local or not a.existing]
        paths += [f"/hosts/{h.host_id}" for h in hosts if h.host_id not in existing]
        problems: list[BenchError] = []
        for path in paths:
            try:
                self._client.request("DELETE", path)
            except Unreachable as error:
                raise BenchError(Cause.RESTORE_FAILED, f"the engine does not answer: {error}") from None
            except Refused as error:
                if error.status != 404:
                    problems.append(_refusal(Cause.RESTORE_FAILED, f"the engine kept {path[1:]}", error))
                    continue
            if self._ledger is not None:
                self._ledger.remove(path.rpartition("/")[2])
        if problems:
            raise BenchError(Cause.RESTORE_FAILED, "; ".join(problem.message for problem in problems))

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
        body = ticket_body(ticket)
        self._doubtful.add(ticket.correlation_id)  # also if this is interrupted
        try:
            answer = self._client.request("POST", "/tickets", body=body)
        except Unreachable as error:
            if not error.sent:
                self._doubtful.discard(ticket.correlation_id)
            raise BenchError(Cause.SUBMIT_FAILED, f"the engine does not answer: {error}") from None
        except Refused as error:
            if error.status < 500:
                self._doubtful.discard(ticket.correlation_id)
            raise _refusal(Cause.SUBMIT_FAILED, "the engine did not take the ticket", error) from None
        self._doubtful.discard(ticket.correlation_id)
        reference = parse(answer, TicketCreated, "POST /tickets").id
        if not reference or not reference.replace("_", "").replace("-", "").isalnum():
            raise nonsense("POST /tickets", f"/id: {reference[:80]!r} is no id")
        return reference

    def poll(self, reference: str) -> JobRecord | None:
        """Return the job as it is now, after waiting up to two seconds for a change; None while there is none."""
        time.sleep(PAUSES[min(self._newsless.get(reference, 0), len(PAUSES) - 1)])
        asked = time.monotonic()
        params: dict[str, str | int | float] = {"wait": POLL_SECONDS}
        if reference in self._seen:
            params["seen"] = self._seen[reference]
        path = f"/tickets/{reference}/job"
        answer = self._ask("GET", path, "the ticket's job", params=params, read_seconds=POLL_READ_SECONDS)
        job = parse(answer, JobOut, "GET job") if answer.status_code != 204 else None
        news = job is not None and self._seen.get(reference) != job.revision
        at_once = not news and time.monotonic() - asked < POLL_SECONDS / 2
        self._newsless[reference] = self._newsless.get(reference, 0) + 1 if at_once else 0
        if job is None:
            return None
        self._seen[reference] = job.revision
        if job.status in FINISHED and job.resolution_status is None:
            raise nonsense("GET job", f"/resolution_status: null, but the job is {job.status}")
        record = job.model_dump(exclude={"revision"})
        return JobRecord.model_validate({**record, "finished": job.status in FINISHED})

    def cancel(self, reference: str) -> None:
        """Stop the job; return when no agent works on it any more."""
        self._newsless.pop(reference, None)
        path = f"/tickets/{reference}/cancel"
        # 504 is the engine's own word for an agent that does not end.
        self._ask("POST", path, "the cancellation", read_seconds=CANCEL_SECONDS, again=BUSY)

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
        *,
        params: Mapping[str, str | int | float] | None = None,
        read_seconds: float = READ_SECONDS,
        again: frozenset[int] = BUSY | LOST,
    ) -> httpx.Response:
        """Ask about a ticket that was submitted; errors are those of the execute phase."""
        try:
            return self._client.request(method, path, params=params, read_seconds=read_seconds, again=again)
        except Unreachable as error:
            raise BenchError(Cause.ENGINE_DIED, f"the engine stopped answering: {error}") from None
        except Refused as error:
            if error.status == 404:
                message = f"the engine no longer knows ticket {path.split('/')[2]}; was it restarted?"
                raise BenchError(Cause.ENGINE_DIED, message) from None
            if error.status >= 500:
                raise BenchError(Cause.ENGINE_DIED, f"the engine did not give {what}: {error.detail}") from None
            raise _refusal(Cause.ENGINE_NONSENSE, f"the engine did not give {what}", error) from None

    def _note(self, name: str) -> None:
        """Write down that the engine is about to be told of a host or an agent."""
        if self._ledger is not None:
            self._ledger.add(self.name, name, str(self._client.url))

    def _sweep(self) -> None:
        """Remove hosts and agents of sessions that were killed; what is still at work stays for the next time."""
        left = [] if self._ledger is None else self._ledger.leases(self.name)
        for lease in sorted(left, key=lambda lease: lease.name):  # agt_… before hst_…
            if lease.session != str(self._client.url) or lease.owner_alive():
                continue
            table = "agents" if lease.name.startswith("agt_") else "hosts"
            try:
                self._client.request("DELETE", f"/{table}/{lease.name}", patience=PREFLIGHT_PATIENCE)
            except Unreachable:
                return
            except Refused as error:
                if error.status != 404:
                    continue
            assert self._ledger is not None
            self._ledger.remove(lease.name)

    def _resolve_doubts(self) -> None:
        """Stop the jobs of tickets whose submission was never answered: no run waits for them."""
        for correlation_id in sorted(self._doubtful):
            try:
                answer = self._client.request("GET", "/tickets", params={"correlation_id": correlation_id})
                for ticket in parse(answer, TicketList, "GET /tickets").tickets:
                    if ticket.correlation_id == correlation_id:
                        path = f"/tickets/{ticket.id}/cancel"
                        self._client.request("POST", path, read_seconds=CANCEL_SECONDS, again=BUSY)
            except (Unreachable, Refused) as error:
                message = f"the engine may work on ticket {correlation_id}, and could not be told to stop: {error}"
                raise BenchError(Cause.RESTORE_FAILED, message) from None
            self._doubtful.discard(correlation_id)


def registered_elsewhere() -> Ledger:
    """Return the ledger of what this user's sessions have registered with engines that outlive them."""
    return Ledger(default_cache_dir() / "registered")


def _refusal(cause: Cause, what: str, error: Refused) -> BenchError:
    if error.status in {401, 403}:
        return BenchError(cause, f"ENGINE_API_KEY is not accepted: {error.detail}")
    return BenchError(cause, f"{what}: {error.detail} (HTTP {error.status})")
