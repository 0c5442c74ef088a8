"""An engine's way to work tickets of ServiceNow: records in, work notes and resolutions back.

It is a client of both sides: of the instance's Table API, and of its own engine's API. So a ticket that came this way
is worked like any other. It runs in a thread of the engine's process.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pytest_2501bench.engine.intake_book import Book, Work
from pytest_2501bench.engine.intake_reading import submission_of
from pytest_2501bench.engine.intake_wire import Announcement
from pytest_2501bench.engine.wire import FINISHED, JobOut, TicketCreated, TicketOut
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import ResolutionStatus
from pytest_2501bench.gateway.http import EngineClient, Refused, Unreachable, parse
from pytest_2501bench.gateway.servicenow.client import NoInstance, TableClient
from pytest_2501bench.gateway.servicenow.desk import FIELDS, Desk, Ticket, same_text
from pytest_2501bench.gateway.servicenow.instance import Instance

log = logging.getLogger(__name__)

PATIENCE = 15.0
"""Seconds for which a busy instance is asked again before other tickets get their turn."""

BEAT = 0.2
"""Seconds between two looks at the engine's own tickets."""

SOONEST, LATEST = 0.25, 10.0
"""Seconds between two looks for new records: soon after one was announced, then less and less often."""

AGAIN = 3.0
"""Seconds until what a record refused is tried again."""

FILES_SECONDS = 60.0
"""How long a record may take to get the files that were announced."""

STOP_SECONDS = 5.0

_PROBLEMS = (Refused, Unreachable, NoInstance, BenchError)


@dataclass(slots=True)
class _Progress:
    """How far a ticket is on its record."""

    posted: int | None  # engine's comments that are on it; None: unknown, after a restart
    begun: bool = False  # it is known to say that it is being worked
    not_before: float = field(default=0.0)


class Intake:
    """Works announced records, and with *whole_group* every new one of the instance's assignment group."""

    def __init__(self, instance: Instance, engine: EngineClient, book: Path, *, whole_group: bool = False) -> None:
        self._client = TableClient(instance, patience=PATIENCE)
        self._desk = Desk(instance, self._client)
        self._engine = engine
        self._book = Book(book)
        self._whole_group = whole_group
        self._progress: dict[str, _Progress] = {}
        self._taking = threading.Lock()
        self._stopping = threading.Event()
        self._pause = SOONEST
        self._next_look = 0.0
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    def start(self) -> None:
        """Begin; the engine answers already."""
        self._thread.start()

    def stop(self) -> None:
        """End; a request that is under way may outlive this by its time limit."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        self._client.close()
        self._engine.close()

    def expect(self, correlation_id: str, announcement: Announcement) -> None:
        """Take the record with *correlation_id* when it appears."""
        self._book.expect(correlation_id, announcement)
        self._pause, self._next_look = SOONEST, 0.0

    def forget(self, correlation_id: str) -> None:
        """Do not take it; return when no ticket begins for it any more."""
        with self._taking:
            self._book.forget(correlation_id)

    # ---- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look_for_new()
            except (*_PROBLEMS, LookupError) as problem:  # the latter: a group that does not exist, or not yet
                log.warning("looking for new records: %s", problem)
            except Exception:
                log.exception("looking for new records")
            for work in self._book.work():
                if self._stopping.is_set():
                    return
                self.report(work)
            self._stopping.wait(BEAT)

    def look_for_new(self) -> None:
        """Make tickets of new records, if it is time to look for them."""
        expected = self._book.expected()
        if time.monotonic() < self._next_look or not (expected or self._whole_group):
            return
        self._pause = min(self._pause * 1.5, LATEST)
        self._next_look = time.monotonic() + self._pause
        for ticket in self._new(expected):
            try:
                self._take(ticket, expected.get(ticket.correlation_id))
            except _PROBLEMS as problem:
                log.warning("%s was not taken: %s", ticket.number, problem)
            except Exception:  # one record that nobody thought of must not keep the others waiting
                log.exception("%s was not taken", ticket.number)

    def _new(self, expected: Mapping[str, Announcement]) -> list[Ticket]:
        states = ",".join(sorted(self._desk.model.new))
        queries = []
        ids = sorted(expected)
        for start in range(0, len(ids), 20):  # the query is a part of the URL
            queries.append(f"correlation_idIN{','.join(ids[start : start + 20])}^stateIN{states}")
        if self._whole_group and (group := self._desk.group()) is not None:
            queries.append(f"assignment_group={group}^stateIN{states}")
        found: dict[str, Ticket] = {}
        worked = {work.sys_id for work in self._book.work()}
        for query in queries:
            for row in self._client.rows(self._desk.table, f"{query}^ORDERBYsys_created_on^ORDERBYnumber", FIELDS):
                ticket = Ticket.of(row)
                # Once more by ourselves: an instance ignores conditions that it does not understand.
                asked = ticket.correlation_id in expected or self._whole_group
                if asked and ticket.state in self._desk.model.new and ticket.sys_id not in worked:
                    found.setdefault(ticket.correlation_id or ticket.sys_id, ticket)
        return list(found.values())

    def _take(self, ticket: Ticket, announcement: Announcement | None) -> None:
        correlation_id = ticket.correlation_id or f"sn_{ticket.sys_id}"
        wanted = announcement.attachments if announcement else 0
        files = self._client.attachments(ticket.sys_id)
        if len(files) < wanted and self._book.since(correlation_id) < FILES_SECONDS:
            self._pause, self._next_look = SOONEST, 0.0
            return
        try:
            submission = submission_of(self._desk, ticket, correlation_id, announcement or Announcement(), files)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            self._give_back(ticket, f"/{'/'.join(map(str, first['loc']))}: {first['msg']}")
            return
        with self._taking:
            if announcement is not None and correlation_id not in self._book.expected():
                return  # withdrawn in the meantime
            try:
                answer = self._engine.request("POST", "/tickets", body=submission)
            except Refused as refused:
                self._give_back(ticket, refused.detail)
                return
            created = parse(answer, TicketCreated, "POST /tickets").id
            self._book.begin(Work(correlation_id, ticket.sys_id, ticket.number, created, len(submission.comments)))
            self._progress[correlation_id] = _Progress(None if answer.status_code == 200 else 0)
        log.info("%s is ticket %s", ticket.number, created)

    def _give_back(self, ticket: Ticket, why: str) -> None:
        """Leave the record to people: this engine will not be able to take it later either."""
        log.warning("%s cannot be taken: %s", ticket.number, why)
        self._book.forget(ticket.correlation_id)
        self._desk.note(ticket.sys_id, f"Not taken: {why}")

    # ---- back to the record ---------------------------------------------------------------------------------------

    def report(self, work: Work) -> None:
        """Bring the record up to date with the engine's ticket; what does not go now is tried again later."""
        progress = self._progress.setdefault(work.correlation_id, _Progress(None))
        if time.monotonic() < progress.not_before:
            return
        try:
            self._report(work, progress)
        except Refused as refused:
            if refused.status == 404:
                log.warning("%s or its ticket %s is gone", work.number, work.ticket_id)
                self._book.end(work.correlation_id)
            else:
                log.warning("%s: %s (HTTP %s)", work.number, refused.detail, refused.status)
                progress.not_before = time.monotonic() + AGAIN
        except (Unreachable, NoInstance, BenchError) as problem:
            log.warning("%s: %s", work.number, problem)
            progress.not_before = time.monotonic() + 1.0
        except Exception:
            log.exception("%s", work.number)
            progress.not_before = time.monotonic() + LATEST

    def _report(self, work: Work, progress: _Progress) -> None:
        # The job first: a ticket that is read after its job has ended has everything.
        answer = self._engine.request("GET", f"/tickets/{work.ticket_id}/job")
        job = parse(answer, JobOut, "GET job") if answer.status_code == 200 else None
        ticket = parse(self._engine.request("GET", f"/tickets/{work.ticket_id}"), TicketOut, "GET ticket")
        comments = (ticket.comments or ())[work.given :]
        if not progress.begun:
            record = self._desk.read(work.sys_id)
            if record.state in self._desk.model.new:
                self._desk.begin(record)
            progress.begun = True
        if progress.posted is None:
            progress.posted = self._on_record(work.sys_id, comments)
        for comment in comments[progress.posted :]:
            self._desk.note(work.sys_id, comment)
            progress.posted += 1
        if ticket.status == "cancelled":
            last = comments[-1] if comments else "Cancelled."
            self._desk.cancel(self._desk.read(work.sys_id), last)
        elif job is None or job.status not in FINISHED:
            return
        elif ticket.status == "resolved":
            resolution = job.resolution_status or ResolutionStatus.SUCCESS
            self._desk.resolve(work.sys_id, resolution, ticket.summary or "")
        elif ticket.summary:  # it goes back to people, with what was found
            self._desk.client.change(self._desk.table, work.sys_id, {"close_notes": ticket.summary})
        self._book.end(work.correlation_id)
        self._progress.pop(work.correlation_id, None)

    def _on_record(self, sys_id: str, comments: tuple[str, ...]) -> int:
        """Return how many of *comments* are on the record, after a restart that forgot it."""
        notes = [entry.text for entry in self._desk.journal(sys_id)]
        return next(
            (n for n, comment in enumerate(comments) if not any(same_text(comment, note) for note in notes)),
            len(comments),
        )


def group_settings(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of an intake for every new record of a group.

    Raises:
        BenchError: ``gateway_unavailable``: a setting is missing or wrong.
    """
    instance = Instance.of(variables)
    if instance.group is None:
        raise BenchError(Cause.GATEWAY_UNAVAILABLE, "SERVICENOW_GROUP: is not set; whose records shall be worked?")
    return instance.private() | {"whole_group": True}


def intake_of(settings: Mapping[str, Any], url: str, key: str, directory: Path) -> Intake:
    """Return the intake that *settings* (:meth:`Instance.private`) describe, for the engine at *url*."""
    said = dict(settings)
    whole_group = bool(said.pop("whole_group", False))
    # Every line of the instance's address, several times a second; and the log is where agents could look.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    engine = EngineClient(url, key, patience=0.5)
    return Intake(Instance(**said), engine, directory / "intake.json", whole_group=whole_group)
