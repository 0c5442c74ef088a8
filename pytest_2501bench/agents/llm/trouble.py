"""When a model's endpoint does not answer: what is the infrastructure's, and what is the model's own."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_2501bench.agents.llm.endpoint import Endpoint
from pytest_2501bench.agents.llm.talk import Stop
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.masking import shown_text

CONNECT_SECONDS = 10.0
READ_SECONDS = 120.0
"""Seconds without a byte of the answer."""

RETRIES = 4
"""How often the client library repeats a request after 408, 409, 429, 5xx, or without a connection; it waits as long as
Retry-After says, else half a second, one, two, four."""

_CONTEXT = re.compile(
    r"context.{0,10}(?:length|window|size)|too many (?:input )?tokens|prompt is too long|maximum context", re.IGNORECASE
)
_REFUSED = re.compile(r"content[_ ](?:policy|filter)|safety|usage policies", re.IGNORECASE)
_LONGEST = 300


def model_unreachable(endpoint: Endpoint, why: str, remedy: str = "") -> BenchError:
    """Return the error for a model that cannot be used; *why* may be what its endpoint says."""
    if endpoint.key:  # some endpoints quote a wrong key
        why = why.replace(endpoint.key, f"[{endpoint.key_name}]")
    line = " ".join(shown_text(why).split())
    line = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
    where = shown_text(endpoint.url)
    return BenchError(Cause.MODEL_UNREACHABLE, f"{endpoint.name} at {where}: {line}".rstrip(".") + ".", remedy=remedy)


def said(body: object, otherwise: str) -> str:
    """Return an error's own message, from the body of an answer in either API's form."""
    while isinstance(body, Mapping):
        if isinstance(message := body.get("message"), str):
            return message
        body = body.get("error")
    return otherwise


def refused_request(endpoint: Endpoint, status: int, why: str) -> Stop:
    """Say what an answer with an HTTP error means, after all retries.

    Returns:
        Why the model stopped, where the request was too long or against a policy: that is the agent's.

    Raises:
        BenchError: ``model_unreachable``, for all else.
    """
    if status == 413 or (status in (400, 422) and _CONTEXT.search(why)):
        return "context"
    if status in (400, 403) and _REFUSED.search(why):
        return "refused"
    remedy = ""
    if status in (401, 403):
        remedy = f"Check {endpoint.key_name}." if endpoint.key else f"{endpoint.key_name} is not set."
    elif status == 404:
        remedy = "Check the model's name and the address."
    tried = f" after {RETRIES + 1} attempts" if status in (408, 409, 429) or status >= 500 else ""
    raise model_unreachable(endpoint, f"HTTP {status}{tried}: {why}", remedy)
