"""A record's journal: comments, which its caller sees, and work notes, which only those who work it see."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_2501bench.gateway.http import Refused
from pytest_2501bench.gateway.servicenow.client import TableClient

ELEMENTS = ("comments", "work_notes")
# "2026-05-04 12:30:01 - Abel Tuter (Work notes)": how a journal field is shown as text; the format of the date and
# the label depend on the user's settings.
_HEAD = re.compile(r"^(\S[^\n]{0,60}?) - ([^\n]{1,120}) \(([^()\n]{1,60})\)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. *when*: as the instance writes it; only good for sorting entries of one reading."""

    element: str  # comments | work_notes
    text: str
    when: str


def read_journal(client: TableClient, table: str, sys_id: str) -> list[Entry]:
    """Return all entries, oldest first; raises as :meth:`TableClient.rows`.

    They are rows of ``sys_journal_field``, which many instances show to administrators only: refused, or as an empty
    list. Then the text is taken that the record itself shows.
    """
    query = f"name={table}^element_id={sys_id}^elementIN{','.join(ELEMENTS)}^ORDERBYsys_created_on"
    try:
        rows = client.rows("sys_journal_field", query, ("element", "value", "sys_created_on"))
    except Refused as refused:
        if refused.status not in {401, 403, 404}:
            raise
        rows = []
    if rows:
        return [Entry(str(r.get("element")), str(r.get("value")), str(r.get("sys_created_on"))) for r in rows]
    shown = client.row(table, sys_id, ELEMENTS, display=True)
    entries = [entry for element in ELEMENTS for entry in entries_in(element, str(shown.get(element) or ""))]
    # Their times have whole seconds: entries of one second keep the order they have within their field.
    return sorted(entries, key=lambda entry: entry.when)


def entries_in(element: str, shown: str) -> list[Entry]:
    """Return the entries in a journal field's text, which has the newest first; oldest first."""
    heads = list(_HEAD.finditer(shown))
    ends = [*(head.start() for head in heads[1:]), len(shown)][: len(heads)]
    entries = [
        Entry(element, shown[head.end() : end].strip("\n"), head[1]) for head, end in zip(heads, ends, strict=True)
    ]
    return entries[::-1]
