"""How far a model may go on one ticket, what it used so far, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from pytest_2501bench.agents.llm.talk import Stopped, Usage
from pytest_2501bench.errors import BenchError, Cause

PRICES = "BENCH_MODEL_PRICES"
LIMITS = "BENCH_AGENT_LIMIT"
CACHE_WRITE = 1.25
"""What writing to Anthropic's cache costs, as a multiple of an input token."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one ticket. *turns*: answers of the main engine; *cost*: USD; *time*: seconds. None: no limit of its own."""

    turns: int = 50
    tokens: int | None = None
    cost: float | None = None
    time: float | None = None

    @classmethod
    def parse(cls, text: str) -> Limits:
        """Read ``turns=50,tokens=200000,cost=1.5,time=600``; what is not named is as by default.

        Raises:
            ValueError: what is wrong, to be put after the option's name and value.
        """
        known = {field.name for field in fields(cls)}
        given: dict[str, float] = {}
        for word in filter(None, (word.strip() for word in text.split(","))):
            name, _, value = word.partition("=")
            if name not in known:
                raise ValueError(f"has no limit '{name}'; there are {', '.join(f.name for f in fields(cls))}")
            try:
                number = float(value)
            except ValueError:
                number = math.nan
            if not 0 < number < math.inf:
                raise ValueError(f"{name} must be a number above 0")
            if name in ("turns", "tokens") and number != int(number):
                raise ValueError(f"{name} must be a whole number")
            given[name] = number
        if not given:
            raise ValueError("must be like turns=50,tokens=200000,cost=1.5,time=600")
        whole = {name: int(number) for name, number in given.items() if name in ("turns", "tokens")}
        return cls(**{**given, **whole})  # type: ignore[arg-type]

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Limits:
        """Return the limits that the environment sets.

        Raises:
            BenchError: ``option_invalid``.
        """
        text = environ.get(LIMITS, "").strip()
        try:
            return cls.parse(text) if text else cls()
        except ValueError as error:
            raise BenchError(Cause.OPTION_INVALID, f"{LIMITS} {text}: {error}.") from None


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens."""

    input: float
    output: float
    cached: float  # input that the endpoint had in its cache

    def of(self, usage: Usage) -> float:
        """Return what *usage* costs, in USD."""
        fresh = usage.input_tokens - usage.cached_tokens - usage.cache_written_tokens
        written = usage.cache_written_tokens * CACHE_WRITE
        sum_ = (fresh + written) * self.input + usage.cached_tokens * self.cached + usage.output_tokens * self.output
        return sum_ / 1_000_000


def prices_of(environ: Mapping[str, str]) -> Mapping[str, Price]:
    """Return the prices by ``PROVIDER/MODEL`` that ``BENCH_MODEL_PRICES`` names: ``MODEL=IN:OUT[:CACHED],…``.

    Raises:
        BenchError: ``option_invalid``.
    """
    prices: dict[str, Price] = {}
    for word in filter(None, (word.strip() for word in environ.get(PRICES, "").split(","))):
        name, _, numbers = word.rpartition("=")
        try:
            values = [float(number) for number in numbers.split(":")]
        except ValueError:
            values = []
        if not name or len(values) not in (2, 3) or not all(0 <= value < math.inf for value in values):
            raise BenchError(
                Cause.OPTION_INVALID,
                f"{PRICES} {word}: must be PROVIDER/MODEL=IN:OUT[:CACHED], USD per million tokens.",
            )
        prices[name] = Price(values[0], values[1], values[-1] if len(values) == 3 else values[0])
    return prices


class Meter:
    """Counts what one ticket uses, for both engines together."""

    def __init__(self, limits: Limits, prices: Mapping[str, Price]) -> None:
        self.limits = limits
        self._prices = prices
        self.turns = 0
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.cost_usd: float | None = None
        self._uncounted = False
        self._unpriced = False

    def cost_of(self, model: str, usage: Usage | None) -> float | None:
        """Return what *usage* of *model* costs in USD; the endpoint's own word first, None if nobody knows."""
        if usage is None:
            return None
        if usage.cost_usd is not None:
            return usage.cost_usd
        price = self._prices.get(model)
        return price.of(usage) if price else None

    def add(self, model: str, usage: Usage | None) -> None:
        """Count one answer. A sum that misses a part is None: unknown."""
        cost = self.cost_of(model, usage)
        self._uncounted |= usage is None
        self._unpriced |= cost is None
        if usage is not None:
            self.input_tokens = (self.input_tokens or 0) + usage.input_tokens
            self.output_tokens = (self.output_tokens or 0) + usage.output_tokens
        self.cost_usd = None if self._unpriced else (self.cost_usd or 0.0) + (cost or 0.0)
        if self._uncounted:
            self.input_tokens = self.output_tokens = None
        if (self._uncounted and self.limits.tokens) or (self._unpriced and self.limits.cost):
            what = "tokens" if self._uncounted else "cost"
            raise BenchError(
                Cause.MODEL_UNREACHABLE, f"{model}: its endpoint does not say the {what} that --agent-limit limits."
            )

    def check(self) -> None:
        """Raise :class:`Stopped` if no more may be used."""
        limits = self.limits
        used = (self.input_tokens or 0) + (self.output_tokens or 0)
        if self.turns >= limits.turns:
            raise Stopped(f"The limit of {limits.turns} turns was reached.")
        if limits.tokens is not None and used >= limits.tokens:
            raise Stopped(f"The limit of {limits.tokens} tokens was reached: {used} were used.")
        if limits.cost is not None and (self.cost_usd or 0.0) >= limits.cost:
            raise Stopped(f"The limit of {limits.cost:g} USD was reached: {self.cost_usd or 0.0:.4f} USD were used.")
