"""One kind of record of an instance: opened once, read, ended. For the gateway, and for an engine's intake."""

from __future__ import annotations

import logging
import mimetypes
import time
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.evidence.model import ResolutionStatus
from pytest_2501bench.gateway.http import Refused, Unreachable
from pytest_2501bench.gateway.servicenow.client import NoInstance, Row, TableClient, Unclear
from pytest_2501bench.gateway.servicenow.instance import SYS_ID, Instance
from pytest_2501bench.gateway.servicenow.journal import Entry, read_journal
from pytest_2501bench.gateway.servicenow.states import MODELS, UNRESOLVED

log = logging.getLogger(__name__)

FIELDS = (
    *("sys_id", "number", "state", "short_description", "description", "correlation_id", "priority"),
    *("assignment_group", "close_code", "close_notes", "sys_created_on"),
)
SHORT = 160
"""Characters of a short description; an instance cuts off the rest without a word."""

ORIGIN = "pytest-2501bench"
_LOOKS = (0.0, 0.5, 1.0)
"""Seconds between the looks for a record after an unclear answer: the instance may still be inserting it."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A record as it stands."""

    sys_id: str
    number: str
    state: str
    title: str
    body: str
    correlation_id: str
    priority: str
    group: str
    close_code: str
    close_notes: str

    @classmethod
    def of(cls, row: Row) -> Ticket:
        """Return the record in *row*; raises :class:`NoInstance` if it is none."""
        said = {name: row.get(name) for name in FIELDS}
        if not SYS_ID.match(str(said["sys_id"])) or not said["number"] or said["state"] is None:
            raise NoInstance("/result: a record without sys_id, number or state")
        text = {name: "" if value is None else str(value) for name, value in said.items()}
        title, body = whole_texts(text["short_description"], text["description"])
        return cls(
            sys_id=text["sys_id"],
            number=text["number"],
            state=text["state"],
            title=title,
            body=body,
            correlation_id=text["correlation_id"],
            priority=text["priority"],
            group=text["assignment_group"],
            close_code=text["close_code"],
            close_notes=text["close_notes"],
        )


def cut_texts(title: str, body: str) -> tuple[str, str]:
    """Return short description and description; a title that is too long stands in the latter once more, whole."""
    if len(title) <= SHORT:
        return title, body
    return f"{title[: SHORT - 1]}…", f"{title}\n\n{body}"


def whole_texts(short: str, description: str) -> tuple[str, str]:
    """Return the title and the body that :func:`cut_texts` was given."""
    if short.endswith("…") and description.startswith(short[:-1]) and "\n\n" in description:
        title, _, body = description.partition("\n\n")
        return title, body
    return short, description


class Desk:
    """The records of ``SERVICENOW_TABLE``. Raises what :class:`TableClient` raises."""

    def __init__(self, instance: Instance, client: TableClient) -> None:
        self.instance = instance
        self.table = instance.table
        self.model = MODELS[instance.table]
        self.client = client
        self._ids: dict[tuple[str, str], str] = {}

    # ---- opening --------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Look whether records can be read, and whether group and caller exist.

        Raises:
            LookupError: one of the two does not; the message names it.
        """
        self.client.rows(self.table, "", ("sys_id",), limit=1)
        self.group()
        self.caller()

    def group(self) -> str | None:
        """Return the sys_id of ``SERVICENOW_GROUP``."""
        return self._id_of("GROUP", self.instance.group, "sys_user_group", "name")

    def caller(self) -> str | None:
        """Return the sys_id of ``SERVICENOW_CALLER``."""
        return self._id_of("CALLER", self.instance.caller, "sys_user", "user_name")

    def open(self, title: str, body: str, correlation_id: str) -> Ticket:
        """Return the one record with *correlation_id*; insert it if there is none."""
        there = self.find(correlation_id)
        if there is not None:
            return there
        short, description = cut_texts(title, body)
        values = {
            "short_description": short,
            "description": description,
            "correlation_id": correlation_id,
            "correlation_display": ORIGIN,
        }
        if (group := self.group()) is not None:
            values["assignment_group"] = group
        if (caller := self.caller()) is not None:
            values["caller_id" if self.table == "incident" else "requested_by"] = caller
        end = time.monotonic() + self.client.patience
        while True:
            try:
                return Ticket.of(self.client.create(self.table, values))
            except Unclear as unclear:
                there = self._look_for(correlation_id)
                if there is not None:
                    return there
                if time.monotonic() > end:
                    raise Unreachable(str(unclear)) from None

    def find(self, correlation_id: str) -> Ticket | None:
        """Return the record with *correlation_id*, or None.

        Should a slow instance have made two, it is the oldest, and the others are cancelled.
        """
        query = f"correlation_id={correlation_id}^ORDERBYsys_created_on^ORDERBYnumber"
        found = [Ticket.of(row) for row in self.client.rows(self.table, query, FIELDS, limit=10)]
        # An instance ignores a condition that it does not understand: then this would be somebody else's record.
        found = [ticket for ticket in found if ticket.correlation_id == correlation_id]
        for ticket in found[1:]:
            if ticket.state not in self.model.ended:
                self.cancel(ticket, f"Opened twice by a lost answer; see {found[0].number}.")
        return found[0] if found else None

    def attach(self, ticket: Ticket, files: tuple[Path, ...]) -> None:
        """Add *files* to the record, each once.

        Raises:
            OSError: one cannot be read.
        """
        for path in files:
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            content = path.read_bytes()
            end = time.monotonic() + self.client.patience
            while not any(row.get("file_name") == path.name for row in self.client.attachments(ticket.sys_id)):
                try:
                    self.client.attach(self.table, ticket.sys_id, path.name, kind, content)
                except Unclear as unclear:
                    if time.monotonic() > end:
                        raise Unreachable(str(unclear)) from None
                    time.sleep(0.5)

    # ---- reading --------------------------------------------------------------------------------------------------

    def read(self, sys_id: str) -> Ticket:
        """Return the record as it is now."""
        return Ticket.of(self.client.row(self.table, sys_id, FIELDS))

    def journal(self, sys_id: str) -> list[Entry]:
        """Return comments and work notes, oldest first."""
        return read_journal(self.client, self.table, sys_id)

    # ---- working and ending ---------------------------------------------------------------------------------------

    def begin(self, ticket: Ticket) -> None:
        """Say that it is worked. An instance may refuse that of a change which nobody approved."""
        try:
            self.client.change(self.table, ticket.sys_id, {"state": self.model.working})
        except Refused as refused:
            if refused.status != 403 or self.table == "incident":
                raise
            log.warning("%s stays in its state: %s", ticket.number, refused.detail)

    def note(self, sys_id: str, text: str) -> None:
        """Post a work note, once."""
        end = time.monotonic() + self.client.patience
        while True:
            try:
                self.client.change_once(self.table, sys_id, {"work_notes": text})
                return
            except Unclear as unclear:
                notes = [entry.text for entry in self.journal(sys_id) if entry.element == "work_notes"]
                if same_text(text, notes[-1] if notes else ""):
                    return
                if time.monotonic() > end:
                    raise Unreachable(str(unclear)) from None
                time.sleep(0.5)

    def resolve(self, sys_id: str, resolution: ResolutionStatus, summary: str) -> None:
        """Say that it is done, and how."""
        code = self.model.close_codes.get(resolution, UNRESOLVED[self.table])
        values = {"state": self.model.done, "close_code": code, "close_notes": summary or resolution.value}
        self.client.change(self.table, sys_id, values)

    def cancel(self, ticket: Ticket, why: str) -> None:
        """Cancel it, if it is not over; nobody begins to work it after that."""
        if ticket.state not in self.model.ended:
            self.client.change(self.table, ticket.sys_id, {"state": self.model.cancelled, "close_notes": why})

    def end(self, sys_id: str, why: str) -> None:
        """Close it, or cancel what cannot be closed from its state."""
        ticket = self.read(sys_id)
        if ticket.state in self.model.over:
            return
        values = {"state": self.model.closed}
        if not ticket.close_code or not ticket.close_notes:
            values |= {"close_code": ticket.close_code or UNRESOLVED[self.table], "close_notes": why}
        if self.table == "change_request" and ticket.state in self.model.new:
            values = {"state": self.model.cancelled}
        self.client.change(self.table, sys_id, values)

    # ---- parts ----------------------------------------------------------------------------------------------------

    def _look_for(self, correlation_id: str) -> Ticket | None:
        for pause in _LOOKS:
            time.sleep(pause)
            if (there := self.find(correlation_id)) is not None:
                return there
        return None

    def _id_of(self, what: str, said: str | None, table: str, column: str) -> str | None:
        if said is None or SYS_ID.match(said):
            return said
        if (table, said) not in self._ids:
            rows = self.client.rows(table, f"{column}={said}", ("sys_id", column), limit=10)
            ids = [str(row.get("sys_id")) for row in rows if row.get(column) == said]
            if len(ids) != 1:
                found = "no" if not ids else f"{len(ids)} records"
                raise LookupError(f"SERVICENOW_{what}={said}: {found} such {column} in {table} that this user may read")
            self._ids[table, said] = ids[0]
        return self._ids[table, said]


def same_text(one: str, other: str) -> bool:
    """Say whether two texts are one, after an instance has had its way with line ends and blanks."""
    return one.split() == other.split()
