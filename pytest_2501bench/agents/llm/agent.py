"""The agent ``llm``: one conversation per ticket with a model behind an API, on the hosts through the recorder."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_2501bench.agents.command import HANDED_OVER
from pytest_2501bench.agents.llm.endpoint import Endpoint, endpoint_of
from pytest_2501bench.agents.llm.limits import Limits, Meter, prices_of
from pytest_2501bench.agents.llm.talk import Stopped
from pytest_2501bench.agents.protocol import Assignment, Journal, Outcome
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import Command, ResolutionStatus

if TYPE_CHECKING:
    from pytest_2501bench.agents.llm.conversation import Record
    from pytest_2501bench.agents.llm.models import PatientModel
    from pytest_2501bench.agents.llm.tools import Finish
    from pytest_2501bench.bastion.recorder import Recorder
    from pytest_2501bench.bastion.redaction import Redaction

LAST_SECONDS = 5.0
"""Before the job's deadline the loop ends by itself, so that what was used and said is in the record."""

_RESOLUTIONS = {
    "success": ResolutionStatus.SUCCESS,
    "partial": ResolutionStatus.PARTIAL,
    "no_action": ResolutionStatus.NO_ACTION,
    "failure": ResolutionStatus.AGENTIC_FAILURE,
}


class LlmAgent:
    """Works tickets with the models that they name as main and secondary engine."""

    name = "llm"
    whole_ticket = True

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Take keys, addresses, prices and limits from *environment* (default: this process's own).

        Raises:
            BenchError: ``option_invalid``: limits or prices cannot be read.
        """
        self._environment = dict(os.environ if environment is None else environment)
        self._limits = Limits.of(self._environment)
        self._prices = prices_of(self._environment)

    def warm_up(self) -> None:
        """Import what takes long, so that the first ticket need not wait for it."""
        from pytest_2501bench.bastion import recorder

        recorder.warm_up()
        for name in (
            "httpx",
            "httpx2",
            "openai",
            "anthropic",
        ):  # each request is a line of their logs, with its address
            logging.getLogger(name).setLevel(logging.WARNING)

    async def work(self, assignment: Assignment, journal: Journal) -> Outcome:
        """Work the ticket to its end.

        Raises:
            BenchError: ``model_unreachable``: not the agent's doing.
        """
        try:
            main, secondary = self._endpoints(assignment)
            return await _Ticket(self, assignment, journal, main, secondary).work()
        except BenchError as error:
            if error.cause in (Cause.OPTION_INVALID, Cause.TOOL_MISSING):
                raise BenchError(Cause.MODEL_UNREACHABLE, error.message, remedy=error.remedy) from None
            raise

    def close(self) -> None:
        """Nothing to release."""

    @property
    def limits(self) -> Limits:
        """What one ticket may use."""
        return self._limits

    def meter(self) -> Meter:
        """Return a meter for one ticket."""
        return Meter(self._limits, self._prices)

    def secrets(self, *endpoints: Endpoint | None) -> dict[str, str]:
        """Return the values that must not be written down, by the names to write in their place."""
        names = [name.strip() for name in self._environment.get(HANDED_OVER, "").split(",")]
        known = {name: self._environment[name] for name in names if name in self._environment}
        return known | {endpoint.key_name: endpoint.key for endpoint in endpoints if endpoint and endpoint.key}

    def _endpoints(self, assignment: Assignment) -> tuple[Endpoint, Endpoint | None]:
        if not assignment.main_engine:
            raise BenchError(Cause.OPTION_INVALID, "agent llm: the ticket names no main engine.")
        second = assignment.secondary_engine
        return (
            endpoint_of(assignment.main_engine, self._environment),
            endpoint_of(second, self._environment, "--secondary-engine") if second else None,
        )


class _Ticket:
    """One ticket's work."""

    def __init__(
        self, agent: LlmAgent, assignment: Assignment, journal: Journal, main: Endpoint, secondary: Endpoint | None
    ) -> None:
        from pytest_2501bench.bastion.redaction import Redaction

        self._assignment = assignment
        self._logs = {task.host.host_name: journal.task(task.task_id) for task in assignment.tasks}
        self._main = main
        self._secondary = secondary
        self._meter = agent.meter()
        self._secrets = agent.secrets(main, secondary)
        self._redaction: Redaction = Redaction(self._secrets)
        self._claims: dict[str, list[Command]] = {host: [] for host in self._logs}
        whole = assignment.deadline_seconds - min(LAST_SECONDS, assignment.deadline_seconds / 10)
        self._seconds = min(whole, agent.limits.time or whole)

    async def work(self) -> Outcome:
        from pytest_2501bench.agents.llm.conversation import Record
        from pytest_2501bench.agents.llm.models import make_model
        from pytest_2501bench.bastion.recorder import Recorder
        from pytest_2501bench.bastion.shelf import MESSAGES, recordings_of

        folders = recordings_of(self._assignment)
        recorder = Recorder(
            [task.host for task in self._assignment.tasks],
            lambda host: self._logs[host].commands(recorder.commands(host)),
            recordings=folders,
            secrets=self._secrets,
        )
        for log in self._logs.values():
            log.commands(())
            log.claimed(())
        async with contextlib.AsyncExitStack() as stack:
            record = Record(next(iter(folders.values())) / MESSAGES, self._redaction, self._say)
            stack.callback(record.close)
            main = make_model(self._main, record.say)
            stack.push_async_callback(main.close)
            secondary = make_model(self._secondary, record.say) if self._secondary else None
            if secondary is not None:
                stack.push_async_callback(secondary.close)
            await stack.enter_async_context(recorder)
            return await self._converse(main, secondary, record, recorder)

    async def _converse(
        self, main: PatientModel, secondary: PatientModel | None, record: Record, recorder: Recorder
    ) -> Outcome:
        from pytest_2501bench.agents.llm import prompts
        from pytest_2501bench.agents.llm.conversation import Conversation
        from pytest_2501bench.agents.llm.executor import Executor
        from pytest_2501bench.agents.llm.hosts import Hosts
        from pytest_2501bench.agents.llm.senior import Senior
        from pytest_2501bench.agents.llm.tools import EXECUTOR_TOOLS

        ticket = prompts.ticket_prompt(self._assignment)
        senior = Senior(secondary, ticket, record, self._meter) if secondary else None
        conversation = Conversation(
            "main", main, system=prompts.EXECUTOR, tools=EXECUTOR_TOOLS, record=record, meter=self._meter
        )
        async with Hosts(recorder.doors, recorder.client_key) as hosts:
            executor = Executor(
                conversation, hosts, tuple(self._logs), record, on_command=self._claim, on_turn=self._count
            )
            try:
                async with asyncio.timeout(self._seconds):
                    plan = await senior.plan() if senior else ""
                    self._count()
                    if plan:
                        for log in self._logs.values():
                            log.plan(self._redaction.text(plan))
                    conversation.tell(prompts.planned_prompt(ticket, plan) if plan else ticket)
                    finish, call = await executor.work()
                    if senior is not None:
                        review = await senior.review(executor.actions, finish)
                        if not review.approved:
                            conversation.answer_call(call, prompts.objections_prompt(review.objections.strip()))
                            finish, _ = await executor.work()
                    return self._finished(finish)
            except TimeoutError:
                return self._stopped(
                    f"The limit of {round(self._seconds, 1):g} seconds was reached.", executor.last_words
                )
            except Stopped as stopped:
                return self._stopped(str(stopped), executor.last_words)
            finally:
                self._count()

    def _finished(self, finish: Finish) -> Outcome:
        clean = self._redaction.text
        memory = None if finish.memory is None else clean(finish.memory)
        return Outcome(_RESOLUTIONS[finish.status], clean(finish.report.strip()), memory=memory)

    def _stopped(self, why: str, last_words: str) -> Outcome:
        self._say(why)
        said = f"{why}\n\nIts last words: {self._redaction.text(last_words)}" if last_words else why
        return Outcome(ResolutionStatus.AGENTIC_FAILURE, said)

    def _say(self, text: str) -> None:
        for log in self._logs.values():
            log.message(text)

    def _claim(self, host: str, command: str) -> None:
        self._claims[host].append(Command(command=self._redaction.text(command), host=host))
        self._logs[host].claimed(self._claims[host])

    def _count(self) -> None:
        """Write down what was used so far; of a ticket with several hosts, each has its share."""
        meter, hosts = self._meter, len(self._logs)
        for number, log in enumerate(self._logs.values()):
            tokens = [
                None if total is None else total // hosts + (number < total % hosts)
                for total in (meter.input_tokens, meter.output_tokens)
            ]
            cost = None if meter.cost_usd is None else meter.cost_usd / hosts
            log.cost(input_tokens=tokens[0], output_tokens=tokens[1], cost_usd=cost)
