"""Tickets of this folder ask the agent to look and not to touch: its gateway marks each of them so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_2501bench.gateway.protocol import Gateway, TicketSubmission


class InvestigateOnly:
    """Any gateway, with ``@2501:investigate`` in front of each ticket."""

    def __init__(self, inner: Gateway) -> None:
        self._inner = inner

    def submit(self, ticket: TicketSubmission) -> str:
        return self._inner.submit(replace(ticket, body=f"@2501:investigate\n\n{ticket.body}"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


# Class scope: one gateway per run. The fixture that it overrides is asked for by the same name.
@pytest.fixture(scope="class")
def gateway(gateway: Gateway) -> InvestigateOnly:
    return InvestigateOnly(gateway)
