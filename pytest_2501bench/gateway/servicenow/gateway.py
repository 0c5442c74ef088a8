"""The gateway: tickets go to ServiceNow; what their jobs did is asked of the engine that works them there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pytest_2501bench.engine.intake_wire import Announcement
from pytest_2501bench.engine.wire import TicketList, TicketOut
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import JobRecord, TicketRecord
from pytest_2501bench.gateway.http import EngineClient, Refused, Unreachable, parse
from pytest_2501bench.gateway.protocol import AgentRegistration, HostRegistration, TicketSubmission
from pytest_2501bench.gateway.runner import RunnerGateway
from pytest_2501bench.gateway.servicenow.client import PATIENCE, NoInstance, TableClient
from pytest_2501bench.gateway.servicenow.desk import Desk, Ticket, same_text
from pytest_2501bench.gateway.servicenow.instance import Instance
from pytest_2501bench.gateway.servicenow.states import derived_job, status_word

if TYPE_CHECKING:
    from pytest_2501bench.options import Settings

NO_ENGINE = "none"
"""``ENGINE_URL=none``: the engine that works the tickets has no API that could be asked."""

PREFLIGHT_PATIENCE = 10.0
SOONEST, LATEST = 1.0, 20.0
"""Seconds between two looks at a record while its job runs: from the one to the other, the longer nothing happens."""

TAKING_SECONDS = 180.0
"""How long an engine that was told of a record may take to find it."""

POSTING_SECONDS = 20.0
"""How long the end of a job may take to appear on its record."""


class ServiceNowGateway:
    """See :class:`pytest_2501bench.gateway.protocol.Gateway`. The reference of a ticket is its record's sys_id."""

    name = "servicenow"

    def __init__(self, instance: Instance, engine: tuple[str, str] | None, *, local: bool = False) -> None:
        """Use *instance*; *engine*: URL and key of the engine's API, None if it has none."""
        self._instance = instance
        self._client = TableClient(instance)
        self._desk = Desk(instance, self._client)
        self._runner = RunnerGateway(*engine, local=local) if engine else None
        self._engine = EngineClient(*engine) if engine else None
        self._tickets: dict[str, str] = {}  # record → the engine's ticket
        self._looks: dict[str, _Looks] = {}
        self._open: list[str] = []
        self._awaited: dict[str, float] = {}  # record that the engine was told of → when it should have it
        self._local = local

    @classmethod
    def of(cls, settings: Settings, *, local: bool) -> ServiceNowGateway:
        """Return the gateway that *settings* describe.

        Raises:
            BenchError: ``gateway_unavailable``: a setting is missing or wrong.
        """
        instance = Instance.of(settings.servicenow)
        if settings.engine_url != NO_ENGINE:
            return cls(instance, (settings.engine_url or "", settings.engine_api_key or ""), local=local)
        for name in ("main_engine", "secondary_engine", "specialty"):
            if getattr(settings, name) is not None:
                option = f"--{name.replace('_', '-')}"
                raise BenchError(
                    Cause.GATEWAY_UNAVAILABLE,
                    f"{option}: cannot be told to an engine without an API (ENGINE_URL=none).",
                    remedy=f"Leave {option} out, or name the engine with ENGINE_URL.",
                )
        return cls(instance, None)

    def preflight(self) -> None:
        """Raise unless the instance takes these credentials and shows such records, and the engine answers."""
        self._client.patience = PREFLIGHT_PATIENCE
        try:
            with self._told(Cause.GATEWAY_UNAVAILABLE):
                self._desk.check()
        finally:
            self._client.patience = PATIENCE
        if self._runner is not None:
            self._runner.preflight()

    # ---- hosts and agents are the engine's ------------------------------------------------------------------------

    def register(self, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> None:
        """Make hosts and agents known to the engine; one without an API must know them."""
        if self._runner is not None:
            self._runner.register(hosts, agents)
            return
        known = {agent.host_id for agent in agents if agent.existing}
        for host in hosts:
            if host.host_id not in known:
                raise BenchError(
                    Cause.SUBMIT_FAILED,
                    f"host {host.host_name} cannot be told to an engine without an API (ENGINE_URL=none).",
                    remedy="Use --mode host with agents that it knows.",
                )

    def unregister(self, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> None:
        """Remove what :meth:`register` made; close the records of the run."""
        try:
            if self._runner is not None:
                self._runner.unregister(hosts, agents)
        finally:
            self._close_records()

    def flush_memory(self, agent_ids: Sequence[str]) -> None:
        """Empty the agents' memory, where there is an API for it."""
        if self._runner is not None:
            self._runner.flush_memory(agent_ids)

    # ---- the ticket -----------------------------------------------------------------------------------------------

    def submit(self, ticket: TicketSubmission) -> str:
        """Open the record (once, however often it has to be sent); return its sys_id."""
        with self._told(Cause.SUBMIT_FAILED):
            announced = self._announce(ticket)
            opened: Ticket | None = None
            try:
                opened = self._desk.open(ticket.title, ticket.body, ticket.correlation_id)
                self._desk.attach(opened, ticket.attachments)
            except BaseException:
                # Nobody may work what this run will not wait for.
                with contextlib.suppress(BenchError, Refused, Unreachable, NoInstance):
                    self._withdraw(ticket.correlation_id)
                    if opened is not None:
                        self._desk.cancel(opened, "Not submitted as a whole.")
                raise
        self._open.append(opened.sys_id)
        if announced:
            self._awaited[opened.sys_id] = time.monotonic() + TAKING_SECONDS
        return opened.sys_id

    def poll(self, reference: str) -> JobRecord | None:
        """Return the job as it is now; it is finished only when its end is on the record too."""
        look = self._looks.setdefault(reference, _Looks())
        if self._runner is None:
            if not look.due():
                time.sleep(look.left())
            record = look.take(self._read(reference))
            return derived_job(self._desk.table, record.number, record.state, record.close_code, record.close_notes)
        if look.due():  # the run must not go on for long without the system that it is about
            look.take(self._read(reference))
        engine_ticket = self._engine_ticket(reference)
        if engine_ticket is None and reference in self._awaited and time.monotonic() > self._awaited[reference]:
            why = "see its log" if self._local else "is it connected to the same instance?"
            raise BenchError(Cause.ENGINE_DIED, f"the engine did not take the ticket from ServiceNow; {why}")
        job = self._runner.poll(engine_ticket) if engine_ticket else None
        if job is not None and job.finished and engine_ticket:
            self._await_posting(reference, engine_ticket)
        return job

    def cancel(self, reference: str) -> None:
        """Stop the job; return when none of its agents works any more. A record that nobody began is cancelled."""
        record = self._read(reference)
        if self._runner is None:
            with self._told(Cause.ENGINE_DIED):
                self._desk.cancel(record, "Cancelled on request.")
            return
        with self._told(Cause.ENGINE_DIED):
            self._withdraw(record.correlation_id)
        engine_ticket = self._engine_ticket(reference)
        if engine_ticket is not None:
            self._runner.cancel(engine_ticket)
            return
        with self._told(Cause.ENGINE_DIED):
            self._desk.cancel(record, "Cancelled on request.")
        raise BenchError(Cause.ENGINE_DIED, f"no engine took {record.number} from ServiceNow")

    def fetch(self, reference: str) -> TicketRecord:
        """Return the record with its comments and work notes."""
        record = self._read(reference)
        with self._told(Cause.ENGINE_DIED):
            entries = self._desk.journal(reference)
        return TicketRecord(
            id=record.number,
            status=status_word(self._desk.table, record.state),
            title=record.title,
            body=record.body,
            messages=tuple(entry.text for entry in entries),
            summary=record.close_notes or None,
            comments=tuple(entry.text for entry in entries if entry.element == "comments"),
            work_notes=tuple(entry.text for entry in entries if entry.element == "work_notes"),
        )

    def close(self) -> None:
        """Close what records are left open, and connections; harmless when repeated."""
        with contextlib.suppress(BenchError):
            self._close_records()
        self._client.close()
        for part in (self._runner, self._engine):
            if part is not None:
                part.close()

    # ---- parts ----------------------------------------------------------------------------------------------------

    def _announce(self, ticket: TicketSubmission) -> bool:
        """Tell the engine what a record cannot hold: which hosts and agents, until when, with which models.

        Returns:
            Whether it will look for the record now; else it finds it, and its hosts, in a way of its own.
        """
        if self._engine is None:
            return False
        announcement = Announcement(
            host_ids=ticket.host_ids,
            agent_ids=ticket.agent_ids,
            deadline_seconds=float(ticket.deadline_seconds),
            main_engine=ticket.main_engine,
            secondary_engine=ticket.secondary_engine,
            specialty=ticket.specialty,
            oracle_playbook=_path(ticket.oracle_playbook),
            oracle_inventory=_path(ticket.oracle_inventory),
            attachments=len(ticket.attachments),
        )
        try:
            self._engine.request("PUT", f"/intake/{ticket.correlation_id}", body=announcement)
        except Refused as refused:
            if refused.status in {404, 405}:
                return False
            raise BenchError(Cause.SUBMIT_FAILED, f"the engine: {refused.detail} (HTTP {refused.status})") from None
        except Unreachable as silence:
            raise BenchError(Cause.SUBMIT_FAILED, f"the engine does not answer: {silence}") from None
        return True

    def _withdraw(self, correlation_id: str) -> None:
        if self._engine is None:
            return
        try:
            self._engine.request("DELETE", f"/intake/{correlation_id}")
        except Refused as refused:
            if refused.status not in {404, 405}:
                raise BenchError(Cause.ENGINE_DIED, f"the engine: {refused.detail} (HTTP {refused.status})") from None
        except Unreachable as silence:
            raise BenchError(Cause.ENGINE_DIED, f"the engine stopped answering: {silence}") from None

    def _read(self, reference: str) -> Ticket:
        with self._told(Cause.ENGINE_DIED):
            return self._desk.read(reference)

    def _engine_ticket(self, reference: str) -> str | None:
        """Return the engine's ticket for a record; None while it has none."""
        if reference in self._tickets or self._engine is None:
            return self._tickets.get(reference)
        correlation_id = self._looks.setdefault(reference, _Looks()).correlation_id
        if correlation_id is None:
            correlation_id = self._looks[reference].take(self._read(reference)).correlation_id
        found = self._ask_engine(correlation_id)
        if found is not None:
            self._tickets[reference] = found.id
        return found.id if found else None

    def _ask_engine(self, correlation_id: str) -> TicketOut | None:
        assert self._engine is not None
        try:
            answer = self._engine.request("GET", "/tickets", params={"correlation_id": correlation_id})
        except Unreachable as silence:
            raise BenchError(Cause.ENGINE_DIED, f"the engine stopped answering: {silence}") from None
        except Refused as refused:
            cause = Cause.ENGINE_DIED if refused.status >= 500 else Cause.ENGINE_NONSENSE
            raise BenchError(cause, f"the engine did not list tickets: {refused.detail}") from None
        tickets = parse(answer, TicketList, "GET /tickets").tickets
        return next((ticket for ticket in tickets if ticket.correlation_id == correlation_id), None)

    def _await_posting(self, reference: str, engine_ticket: str) -> None:
        """Return when the record says what the engine's ticket says, or after a while: then rules see what is there."""
        assert self._runner is not None
        end = time.monotonic() + POSTING_SECONDS
        pause = 0.1
        while True:
            ticket = self._runner.fetch(engine_ticket)
            record = self._read(reference)
            last = ticket.messages[-1] if ticket.messages else None
            if ticket.status == "resolved":
                posted = record.state in self._desk.model.ended
            elif ticket.status == "cancelled":
                posted = record.state in self._desk.model.over
            else:
                posted = last is None
            if (
                not posted
                and ticket.status == "in_progress"
                and last is not None
                and (not ticket.summary or same_text(ticket.summary, record.close_notes))
            ):
                with self._told(Cause.ENGINE_DIED):
                    posted = any(same_text(last, entry.text) for entry in self._desk.journal(reference))
            if posted or time.monotonic() + pause > end:
                return
            time.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _close_records(self) -> None:
        problems = []
        while self._open:
            reference = self._open.pop()
            self._looks.pop(reference, None)
            self._tickets.pop(reference, None)
            if not self._instance.close:
                continue
            try:
                with self._told(Cause.RESTORE_FAILED):
                    self._desk.end(reference, "The benchmark run is over.")
            except BenchError as error:
                problems.append(f"record {reference} was not closed: {error.message}")
        if problems:
            raise BenchError(Cause.RESTORE_FAILED, "; ".join(problems))

    @contextlib.contextmanager
    def _told(self, cause: Cause) -> Iterator[None]:
        """Turn what the client raises into the error of the phase."""
        try:
            yield
        except Refused as refused:
            self._refused(cause, refused)
        except Unreachable as silence:
            stopped = cause is Cause.ENGINE_DIED
            what = "ServiceNow stopped answering" if stopped else f"no answer from {self._instance.url}"
            raise BenchError(cause, f"{what}: {silence}") from None
        except NoInstance as other:
            what = f"what answers at {self._instance.url} is no ServiceNow instance that is awake: {other}"
            raise BenchError(cause, what) from None
        except LookupError as missing:
            raise BenchError(cause, str(missing)) from None
        except OSError as error:
            raise BenchError(cause, f"an attachment cannot be read: {error}") from None

    def _refused(self, cause: Cause, refused: Refused) -> NoReturn:
        if refused.status == 401:
            pair = (
                "CLIENT_ID and SERVICENOW_CLIENT_SECRET" if self._instance.client_id else "USER and SERVICENOW_PASSWORD"
            )
            raise BenchError(cause, f"SERVICENOW_{pair} are not accepted: {refused.detail}") from None
        if refused.status == 403:
            message = f"{self._instance.url} does not allow this user: {refused.detail}"
            raise BenchError(cause, message) from None
        if refused.status == 404 and cause is Cause.ENGINE_DIED:
            raise BenchError(cause, f"ServiceNow no longer has the record: {refused.detail}") from None
        raise BenchError(cause, f"ServiceNow refused: {refused.detail} (HTTP {refused.status})") from None


class _Looks:
    """When to look at a record again: less and less often while it stays the same."""

    def __init__(self) -> None:
        self.correlation_id: str | None = None
        self._state = ""
        self._pause = SOONEST
        self._next = 0.0

    def due(self) -> bool:
        return time.monotonic() >= self._next

    def left(self) -> float:
        """Return for how long to wait, two seconds at most: a poll must come back."""
        return max(min(self._next - time.monotonic(), 2.0), 0.0)

    def take(self, record: Ticket) -> Ticket:
        self._pause = SOONEST if record.state != self._state else min(self._pause * 1.5, LATEST)
        self._state, self.correlation_id = record.state, record.correlation_id
        self._next = time.monotonic() + self._pause
        return record


def _path(path: Path | None) -> str | None:
    return str(path.absolute()) if path else None
