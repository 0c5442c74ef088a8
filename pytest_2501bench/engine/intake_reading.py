"""From a record of ServiceNow, with its files and journal, to the ticket that an engine takes."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_2501bench.engine.intake_wire import Announcement
from pytest_2501bench.engine.wire import TicketIn
from pytest_2501bench.engine.wire_attachments import AttachmentIn
from pytest_2501bench.gateway.servicenow.desk import Desk, Ticket

log = logging.getLogger(__name__)

MOST_FILE_BYTES = 4 * 1024 * 1024
"""Of all files of one record together; what is more is not handed on."""

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9 ._()+=@-]")


def submission_of(
    desk: Desk, ticket: Ticket, correlation_id: str, announcement: Announcement, files: Sequence[Mapping[str, Any]]
) -> TicketIn:
    """Return the ticket to submit for a record, with its *files* (rows of the attachment table).

    Raises:
        pydantic.ValidationError: the record holds what no ticket may.
        Refused, Unreachable, NoInstance: the instance did not give what is still to be read.
    """
    shown = desk.client.row(desk.table, ticket.sys_id, ("priority", "assignment_group"), display=True)
    comments = tuple(entry.text for entry in desk.journal(ticket.sys_id))
    said = announcement.model_dump(exclude={"attachments"})
    return TicketIn(
        title=ticket.title or ticket.number,
        body=ticket.body,
        correlation_id=correlation_id,
        reference=ticket.number,
        priority=_line(shown.get("priority")),
        assignment_group=_line(shown.get("assignment_group")),
        comments=comments,
        attachments=_attachments(desk, ticket, files),
        **said,
    )


def _attachments(desk: Desk, ticket: Ticket, files: Sequence[Mapping[str, Any]]) -> tuple[AttachmentIn, ...]:
    taken: dict[str, AttachmentIn] = {}
    left = MOST_FILE_BYTES
    for row in files:
        name = _NOT_IN_A_NAME.sub("_", str(row.get("file_name", "")))[:200].lstrip(" .()+=@-")
        content = desk.client.download(str(row.get("sys_id")))
        if not name or name.lower() in taken or len(content) > left:
            log.warning("%s: attachment %r is not handed on", ticket.number, row.get("file_name"))
            continue
        left -= len(content)
        taken[name.lower()] = AttachmentIn(
            name=name,
            content_type=_line(row.get("content_type")) or "application/octet-stream",
            content=base64.b64encode(content).decode(),
        )
    return tuple(taken.values())


def _line(value: object) -> str | None:
    text = re.sub(r"[\x00-\x1f\x7f]+", " ", str(value or "")).strip()[:255]
    return text or None
