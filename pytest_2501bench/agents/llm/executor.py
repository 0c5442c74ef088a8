"""The tool loop: the main engine calls tools on the hosts until it finishes, gives up or reaches a limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_2501bench.agents.llm.conversation import Conversation, Record
from pytest_2501bench.agents.llm.hosts import Hosts, OutOfReachError
from pytest_2501bench.agents.llm.prompts import NO_CALL, TOO_LONG
from pytest_2501bench.agents.llm.talk import Answer, Stopped, ToolCall
from pytest_2501bench.agents.llm.tools import Finish, MistakeError, ReadFile, Request, RunCommand, WriteFile, request_of

MISSTEPS = 5
"""Answers in a row of which nothing could be carried out, after which the model has failed."""

MAX_CALLS = 20
"""Calls of one answer that are carried out."""

_ERROR = "Error: "


class Executor:
    """Works one ticket with the main engine."""

    def __init__(
        self,
        conversation: Conversation,
        hosts: Hosts,
        host_names: Sequence[str],
        record: Record,
        *,
        on_command: Callable[[str, str], None],
        on_turn: Callable[[], None],
    ) -> None:
        """Speak in *conversation*; *on_command* gets host and command of each call, *on_turn* is called per answer."""
        self._conversation = conversation
        self._hosts = hosts
        self._host_names = tuple(host_names)
        self._record = record
        self._on_command = on_command
        self._on_turn = on_turn
        self.actions: list[str] = []
        """What was done, in one paragraph each, for the review."""
        self.last_words = ""

    async def work(self) -> tuple[Finish, ToolCall]:
        """Return how the model finishes, and the call by which it did; that call is not answered yet.

        Raises:
            Stopped: it refused, gave up, or reached a limit.
            BenchError: ``model_unreachable``.
        """
        missteps = 0
        while True:
            answer = await self._conversation.ask()
            self._on_turn()
            self.last_words = answer.text.strip() or self.last_words
            self._still_at_it(answer)
            if not answer.calls:
                self._conversation.tell(NO_CALL + (TOO_LONG if answer.stop == "length" else ""))
                useful = 0
            else:
                finished, useful = await self._carry_out(answer)
                if finished is not None:
                    return finished
            missteps = 0 if useful else missteps + 1
            if missteps == MISSTEPS:
                raise Stopped(f"{MISSTEPS} answers in a row had no tool call that could be carried out.")

    def _still_at_it(self, answer: Answer) -> None:
        if answer.stop == "refused":
            raise Stopped("The model refused to go on.")
        if answer.stop == "context":
            raise Stopped("The conversation no longer fits the model's context.")

    async def _carry_out(self, answer: Answer) -> tuple[tuple[Finish, ToolCall] | None, int]:
        """Carry the calls out, in order; return the one that finishes, and how many were carried out."""
        useful = 0
        finish: tuple[Finish, ToolCall] | None = None
        # Each call needs an answer, or the APIs refuse the next request; that of finish depends on the review.
        for number, call in enumerate(answer.calls):
            try:
                request = request_of(call, self._host_names)
                if finish is not None or number >= MAX_CALLS:
                    why = "finish was called before" if finish else f"an answer may have {MAX_CALLS} calls"
                    raise MistakeError(f"{call.name}: not carried out: {why}.")
            except MistakeError as mistake:
                text = f"{_ERROR}{mistake}" + (TOO_LONG if answer.stop == "length" else "")
                self._record.say(text)
                self._conversation.answer_call(call, text)
                continue
            useful += 1
            if isinstance(request, Finish):
                finish = request, call
                continue
            self._record.say(_shown(request))
            told = await self._do(request)
            if isinstance(request, RunCommand) or told.startswith(_ERROR):
                # What a host says is no message of the agent; the file of messages and the recordings have it.
                self._record.say(told.partition("\n")[0])
            self.actions.append(f"{_shown(request)}\n{told[:1000]}")
            self._conversation.answer_call(call, told)
        return finish, useful

    async def _do(self, request: Request) -> str:
        try:
            match request:
                case RunCommand():
                    self._on_command(request.host, request.command)
                    return (await self._hosts.run(request.host, request.command, request.timeout)).told()
                case ReadFile():
                    return await self._hosts.read(request.host, request.path) or "(the file is empty)"
                case WriteFile():
                    await self._hosts.write(request.host, request.path, request.content, request.mode)
                    return f"{len(request.content.encode('utf-8', 'replace'))} bytes written to {request.path}"
                case Finish():
                    return ""
        except OutOfReachError as error:
            return f"{_ERROR}{error}"


def _shown(request: Request) -> str:
    match request:
        case RunCommand():
            return f"{request.host}$ {request.command}"
        case ReadFile():
            return f"{request.host}: read {request.path}"
        case WriteFile():
            return f"{request.host}: write {request.path}"
        case Finish():
            return "finish"
