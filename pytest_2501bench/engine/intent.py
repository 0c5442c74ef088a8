"""What a ticket asks for: ``@2501:investigate`` (look and report only) or ``@2501:remediate`` (the default)."""

from __future__ import annotations

import re

from pytest_2501bench.agents.protocol import Intent
from pytest_2501bench.engine.wire import TicketIn

_WORD = re.compile(r"(?<![A-Za-z0-9])@2501:(investigate|remediate)(?![A-Za-z0-9_-])", re.IGNORECASE)


def intent_of(ticket: TicketIn) -> Intent | None:
    """Return what the ticket's title or body says; None if nothing. Where both words stand, the careful one counts."""
    said = {word.lower() for word in _WORD.findall(f"{ticket.title}\n{ticket.body}")}
    if "investigate" in said:
        return "investigate"
    return "remediate" if said else None
