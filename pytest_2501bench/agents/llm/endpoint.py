"""From ``PROVIDER/MODEL`` and the environment to an endpoint: where the model is, and with which key."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pytest_2501bench.agents.llm.limits import Limits, prices_of
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.masking import shown_text

Wire = Literal["openai", "anthropic"]
"""Which of the two widespread APIs an endpoint speaks: OpenAI's chat completions, or Anthropic's messages."""

EXTRA = "pip install 'pytest-2501bench[llm]'"

_NAME = re.compile(r"(?P<provider>[a-z][a-z0-9_-]*)/(?P<model>\S+)")
_HOME: Mapping[str, tuple[Wire, str]] = {
    "openai": ("openai", "https://api.openai.com/v1"),
    "anthropic": ("anthropic", "https://api.anthropic.com"),
}
_OTHER_WIRE = "anthropic+"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is. *name* is what the user wrote: ``PROVIDER/MODEL``."""

    name: str
    provider: str
    model: str
    wire: Wire
    url: str
    key_name: str  # the variable
    key: str | None = field(repr=False)


def endpoint_of(name: str, environ: Mapping[str, str], option: str = "--main-engine") -> Endpoint:
    """Return the endpoint of model *name*.

    ``PROVIDER_BASE_URL`` says where it is, ``PROVIDER_API_KEY`` holds the key; OpenAI and Anthropic have addresses of
    their own. An address with ``anthropic+`` before it speaks Anthropic's API, any other one OpenAI's.

    Raises:
        BenchError: ``option_invalid``: the name has another form, or address or key are missing.
    """
    shown = f"{option} {name}"
    found = _NAME.fullmatch(name)
    if found is None:
        raise BenchError(
            Cause.OPTION_INVALID, f"{shown}: is no PROVIDER/MODEL, as in anthropic/NAME, openai/NAME or local/NAME."
        )
    provider, model = found["provider"], found["model"]
    prefix = provider.upper().replace("-", "_")
    wire, home = _HOME.get(provider, ("openai", ""))
    given = environ.get(f"{prefix}_BASE_URL", "").strip()
    url = given or home
    if not url:
        raise BenchError(
            Cause.OPTION_INVALID,
            f"{shown}: where is {provider}? {prefix}_BASE_URL is not set in the environment.",
            remedy=f"Set it to the address of its API (with /v1 as a rule), and {prefix}_API_KEY if it wants a key.",
        )
    if url.startswith(_OTHER_WIRE):
        wire, url = "anthropic", url.removeprefix(_OTHER_WIRE)
    if not re.match(r"https?://[^/\s]", url):
        raise BenchError(Cause.OPTION_INVALID, f"{prefix}_BASE_URL {shown_text(url)}: is no http(s) address.")
    key_name = f"{prefix}_API_KEY"
    key = environ.get(key_name, "").strip() or None
    if key is None and not given:
        raise BenchError(
            Cause.OPTION_INVALID, f"{shown}: {key_name} is not set in the environment.", remedy="Set it to your key."
        )
    return Endpoint(name, provider, model, wire, url.rstrip("/"), key_name, key)


def check_models(
    main: Iterable[str], secondary: Iterable[str], limits: Limits, environ: Mapping[str, str], *, option: str
) -> None:
    """Check before anything runs that each model can be asked: name, address, key, client library, price.

    *option*: where the main engine is to be named when there is none.

    Raises:
        BenchError: ``option_invalid`` or ``tool_missing``; one line.
    """
    executing, planning = tuple(main), tuple(secondary)
    if not executing:
        raise BenchError(Cause.OPTION_INVALID, f"{option} llm: needs --main-engine PROVIDER/MODEL.")
    endpoints = [endpoint_of(name, environ, "--main-engine") for name in executing]
    endpoints += [endpoint_of(name, environ, "--secondary-engine") for name in planning]
    prices = prices_of(environ)
    for endpoint in endpoints:
        require_client(endpoint.wire)
        if limits.cost is not None and endpoint.name not in prices:
            raise BenchError(
                Cause.OPTION_INVALID,
                f"--agent-limit cost={limits.cost:g}: nobody knows what {endpoint.name} costs.",
                remedy=f"Set BENCH_MODEL_PRICES={endpoint.name}=IN:OUT (USD per million tokens).",
            )


def require_client(wire: Wire) -> None:
    """Raise ``tool_missing`` unless the client library for *wire* is installed."""
    if importlib.util.find_spec(wire) is None:
        raise BenchError(
            Cause.TOOL_MISSING, f"--agent llm: the package '{wire}' is not installed.", remedy=f"Run: {EXTRA}."
        )
