"""Makes the client for an endpoint, and asks again when an answer breaks off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pytest_2501bench.agents.llm.endpoint import Endpoint, require_client
from pytest_2501bench.agents.llm.talk import Answer, BrokenAnswerError, Model, Tool, Turn
from pytest_2501bench.agents.llm.trouble import model_unreachable

ATTEMPTS = 3
"""How often an answer that breaks off is asked for."""

_PAUSE = 0.5  # seconds, doubled each time


class PatientModel:
    """A model that is asked again when its answer breaks off."""

    def __init__(self, model: Model, endpoint: Endpoint, on_broken: Callable[[str], None]) -> None:
        self.name = model.name
        self._model = model
        self._endpoint = endpoint
        self._on_broken = on_broken

    async def answer(
        self, system: str, turns: Sequence[Turn], tools: Sequence[Tool], on_text: Callable[[str], None]
    ) -> Answer:
        """Return the model's next message.

        Raises:
            BenchError: ``model_unreachable``.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._model.answer(system, turns, tools, on_text)
            except BrokenAnswerError as error:
                if attempt == ATTEMPTS:
                    why = f"its answer broke off {ATTEMPTS} times, the last time: {error}"
                    raise model_unreachable(self._endpoint, why) from None
                self._on_broken(f"(The answer broke off, and is asked for again: {error})")
                await asyncio.sleep(_PAUSE * 2 ** (attempt - 1))
        raise AssertionError

    async def close(self) -> None:
        """Release connections."""
        await self._model.close()


def make_model(endpoint: Endpoint, on_broken: Callable[[str], None]) -> PatientModel:
    """Return the model behind *endpoint*; *on_broken* is told when an answer is asked for again.

    Raises:
        BenchError: ``tool_missing``: its client library is not installed.
    """
    require_client(endpoint.wire)
    model: Model
    if endpoint.wire == "anthropic":
        from pytest_2501bench.agents.llm.anthropic_wire import AnthropicModel

        model = AnthropicModel(endpoint)
    else:
        from pytest_2501bench.agents.llm.openai_wire import OpenAiModel

        model = OpenAiModel(endpoint)
    return PatientModel(model, endpoint, on_broken)
