"""Moments and ages as users write them: ``2026-11-24``, ``2026-11-24T10:00``, ``90d``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_AGE: Final = re.compile(r"(?P<number>\d+)\s*(?P<unit>[mhdw])\Z")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

RIGHT: Final = "Right would be an age (30m, 12h, 90d, 4w) or a moment in UTC (2026-11-24, 2026-11-24T10:00)."


def moment(text: str, now: float) -> float:
    """Return what *text* means as Unix seconds: so long before *now*, or a date and time, in UTC unless it says else.

    Raises:
        ValueError: it is neither.
    """
    found = _AGE.match(text.strip().lower())
    try:
        if found:
            return now - timedelta(**{_UNITS[found["unit"]]: int(found["number"])}).total_seconds()
        said = datetime.fromisoformat(text.strip())
        return (said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"'{text}' is no moment. {RIGHT}") from None


def utc(seconds: float) -> datetime:
    """Return Unix *seconds* as a datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def iso(when: datetime) -> str:
    """Return *when* as RFC 3339 has it, in UTC, to the microsecond: always the same length, so texts sort as times."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
