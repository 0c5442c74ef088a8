"""The secondary engine's part: a plan before the work, and a review after it, which may send the work back once."""

from __future__ import annotations

from pytest_2501bench.agents.llm.conversation import Conversation, Record
from pytest_2501bench.agents.llm.limits import Meter
from pytest_2501bench.agents.llm.prompts import PLANNER, REVIEWER, review_prompt
from pytest_2501bench.agents.llm.talk import Model
from pytest_2501bench.agents.llm.tools import REVIEW_TOOL, Finish, MistakeError, Review, review_of

ATTEMPTS = 3
"""How often a review is asked for, until it is one."""

UNUSABLE = "The review gave no verdict that could be read; the work was not sent back."


class Senior:
    """Plans and reviews one ticket."""

    def __init__(self, model: Model, ticket: str, record: Record, meter: Meter) -> None:
        self._model = model
        self._ticket = ticket
        self._record = record
        self._meter = meter
        self._plan = ""

    async def plan(self) -> str:
        """Return the plan; empty if the model has none (a refusal, say), which is no reason not to try.

        Raises:
            Stopped: a limit is reached.
            BenchError: ``model_unreachable``.
        """
        conversation = Conversation(
            "plan", self._model, system=PLANNER, tools=(), record=self._record, meter=self._meter
        )
        conversation.tell(self._ticket)
        answer = await conversation.ask()
        self._plan = answer.text.strip() if answer.stop in ("done", "length") else ""
        return self._plan

    async def review(self, actions: list[str], finish: Finish) -> Review:
        """Return what it thinks of the work.

        Raises:
            Stopped: a limit is reached.
            BenchError: ``model_unreachable``.
        """
        conversation = Conversation(
            "review", self._model, system=REVIEWER, tools=(REVIEW_TOOL,), record=self._record, meter=self._meter
        )
        conversation.tell(review_prompt(self._ticket, self._plan, "\n\n".join(actions), finish.status, finish.report))
        for _ in range(ATTEMPTS):
            answer = await conversation.ask()
            if answer.stop in ("refused", "context"):
                break
            if not answer.calls:
                conversation.tell("Call the tool review.")
                continue
            for call in answer.calls:
                try:
                    review = review_of(call)
                except MistakeError as mistake:
                    conversation.answer_call(call, f"Error: {mistake}")
                    continue
                verdict = "approved" if review.approved else f"objections: {review.objections.strip()}"
                self._record.say(f"Review: {verdict}")
                return review
        self._record.say(UNUSABLE)
        return Review(approved=True)
