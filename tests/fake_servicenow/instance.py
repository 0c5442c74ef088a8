"""What the fake instance holds: tables, journal, files, accounts, and the rules of incidents and changes."""

from __future__ import annotations

import itertools
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

INCIDENT_STATES = {"1": "New", "2": "In Progress", "3": "On Hold", "6": "Resolved", "7": "Closed", "8": "Canceled"}
CHANGE_STATES = {
    "-5": "New",
    "-4": "Assess",
    "-3": "Authorize",
    "-2": "Scheduled",
    "-1": "Implement",
    "0": "Review",
    "3": "Closed",
    "4": "Canceled",
}
STATES = {"incident": INCIDENT_STATES, "change_request": CHANGE_STATES}
JOURNAL = {"comments": "Additional comments", "work_notes": "Work notes"}
_SYSTEM = ("sys_id", "sys_created_on", "sys_created_by", "sys_updated_on", "sys_updated_by", "sys_mod_count")
_TASK = (
    *("number", "short_description", "description", "state", "priority", "impact", "urgency", "active", "opened_at"),
    *("correlation_id", "correlation_display", "assignment_group", "assigned_to", "cmdb_ci", "close_notes"),
    *("close_code", "comments", "work_notes", "closed_at"),
)
FIELDS: dict[str, tuple[str, ...]] = {
    "incident": (*_SYSTEM, *_TASK, "caller_id", "resolved_at", "category"),
    "change_request": (*_SYSTEM, *_TASK, "type", "requested_by"),
    "sys_journal_field": (*_SYSTEM, "name", "element", "element_id", "value"),
    "sys_user": (*_SYSTEM, "user_name", "name", "email", "active"),
    "sys_user_group": (*_SYSTEM, "name", "active"),
    "sys_attachment": (*_SYSTEM, "file_name", "content_type", "size_bytes", "table_name", "table_sys_id"),
}
REFERENCES = {
    "assignment_group": "sys_user_group",
    "caller_id": "sys_user",
    "assigned_to": "sys_user",
    "requested_by": "sys_user",
}
NUMBERS = {"incident": "INC", "change_request": "CHG"}
LONGEST = {"short_description": 160, "correlation_id": 100, "correlation_display": 100}


class ForbiddenError(Exception):
    """An access rule or a data policy is against it; the text is the error's detail."""


@dataclass
class FakeInstance:
    """Everything, in memory."""

    url: str
    user: str
    password: str
    client_id: str
    client_secret: str
    token_seconds: int = 1800
    page_cap: int = 10000
    settings: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, dict[str, dict[str, str]]] = field(default_factory=lambda: {name: {} for name in FIELDS})
    files: dict[str, bytes] = field(default_factory=dict)
    tokens: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(10001)
        for name in ("System Administrator", "Bench Caller"):
            self.insert("sys_user", {"user_name": name.split()[-1].lower(), "name": name, "active": "true"})
        self.insert("sys_user", {"user_name": self.user, "name": "Bench", "active": "true"})
        for name in ("Linux Operations", "Network"):
            self.insert("sys_user_group", {"name": name, "active": "true"})

    # ---- records --------------------------------------------------------------------------------------------------

    def insert(self, table: str, values: dict[str, str]) -> dict[str, str]:
        now = stamp()
        row = dict.fromkeys(FIELDS[table], "") | {
            "sys_id": secrets.token_hex(16),
            "sys_created_on": now,
            "sys_updated_on": now,
            "sys_created_by": self.user,
            "sys_updated_by": self.user,
            "sys_mod_count": "0",
        }
        if table in NUMBERS:
            row |= {
                "number": f"{NUMBERS[table]}{next(self._numbers):07}",
                "state": "1" if table == "incident" else "-5",
                "impact": "3",
                "urgency": "3",
                "priority": "5" if table == "incident" else "4",
                "active": "true",
                "opened_at": now,
            }
        self._set(table, row, values)
        self.tables[table][row["sys_id"]] = row
        return row

    def update(self, table: str, row: dict[str, str], values: dict[str, str]) -> None:
        changed = dict(row)
        self._set(table, changed, values)
        changed["sys_mod_count"] = str(int(row["sys_mod_count"]) + 1)
        changed["sys_updated_on"] = stamp()
        row.update(changed)

    def delete(self, table: str, sys_id: str) -> None:
        del self.tables[table][sys_id]

    def _set(self, table: str, row: dict[str, str], values: dict[str, str]) -> None:
        known = {name: value for name, value in values.items() if name in FIELDS[table] and name not in _SYSTEM}
        journal = {name: known.pop(name) for name in JOURNAL if name in known} if table in STATES else {}
        before = row.get("state", "")
        row |= {name: value[: LONGEST.get(name, len(value))] for name, value in known.items()}
        if table in STATES:
            self._policy(table, before, row)
        for element, text in journal.items():
            if text:
                entry = {"name": table, "element": element, "element_id": row["sys_id"], "value": text}
                self.insert("sys_journal_field", entry)

    def _policy(self, table: str, before: str, row: dict[str, str]) -> None:
        """Refuse what an instance refuses out of the box: states that do not exist, and ends without a reason."""
        state = row["state"]
        if state not in STATES[table]:
            raise ForbiddenError(f"Invalid choice for state: {state}")
        if table == "incident" and state in {"6", "7"} and not (row["close_code"] and row["close_notes"]):
            raise ForbiddenError(
                "Data Policy Exception: The following fields are mandatory: Resolution code, Resolution notes"
            )
        if table == "change_request" and state != before:
            if state == "3" and before not in {"0", "-1"}:
                raise ForbiddenError(f"Cannot close a change in state {CHANGE_STATES.get(before, before)}")
            if state == "-1" and self.settings.get("changes_need_approval"):
                raise ForbiddenError("The change is not approved")
        row["active"] = (
            "false" if state in {"7", "8"} or (table == "change_request" and state in {"3", "4"}) else "true"
        )
        if state == "6" and before != "6":
            row["resolved_at"] = stamp()
        if row["active"] == "false":
            row["closed_at"] = row["closed_at"] or stamp()

    # ---- how records are shown ------------------------------------------------------------------------------------

    def shown(self, table: str, row: dict[str, str], fields: list[str], display: str, links: bool) -> dict[str, Any]:
        names = [name for name in fields if name in row] if fields else list(row)
        return {name: self._value(table, row, name, display, links) for name in names}

    def _value(self, table: str, row: dict[str, str], name: str, display: str, links: bool) -> Any:
        value = row[name]
        if name in JOURNAL and table in STATES:
            value = ""
        if display == "false":
            if links and name in REFERENCES and value:
                return {"link": f"{self.url}/api/now/table/{REFERENCES[name]}/{value}", "value": value}
            return value
        shown = self._display(table, row, name)
        if display == "true":
            if links and name in REFERENCES and value:
                return {"display_value": shown, "link": f"{self.url}/api/now/table/{REFERENCES[name]}/{value}"}
            return shown
        return {"display_value": shown, "value": value}

    def _display(self, table: str, row: dict[str, str], name: str) -> str:
        value = row[name]
        if table in STATES and name in JOURNAL:
            entries = [
                entry
                for entry in self.tables["sys_journal_field"].values()
                if entry["element_id"] == row["sys_id"] and entry["element"] == name
            ]
            return "".join(
                f"{entry['sys_created_on']} - {self._person(entry['sys_created_by'])} ({JOURNAL[name]})\n"
                f"{entry['value']}\n\n"
                for entry in reversed(entries)
            )
        if table in STATES and name == "state":
            return STATES[table].get(value, value)
        if name in REFERENCES and value:
            return self.tables[REFERENCES[name]].get(value, {}).get("name", "")
        return value

    def _person(self, user_name: str) -> str:
        return next((u["name"] for u in self.tables["sys_user"].values() if u["user_name"] == user_name), user_name)

    # ---- accounts -------------------------------------------------------------------------------------------------

    def new_token(self) -> str:
        token = secrets.token_urlsafe(48)
        self.tokens[token] = time.monotonic() + self.token_seconds
        return token

    def takes(self, token: str) -> bool:
        return self.tokens.get(token, 0.0) > time.monotonic()


def stamp() -> str:
    """Return now as an instance stores times: UTC, whole seconds."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
