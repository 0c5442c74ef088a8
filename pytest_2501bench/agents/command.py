"""The agent that is any program: it gets the ticket and a way to the hosts, and its commands are recorded on that way.

One invocation works the whole ticket. Each of the ticket's hosts has a task record with the commands that ran on it;
the summary, the plan and the messages are the same for all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from pytest_2501bench.agents import desk
from pytest_2501bench.agents.invocation import check_agent_command
from pytest_2501bench.agents.protocol import Assignment, Journal, Outcome
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import Command, ResolutionStatus

HANDED_OVER = "BENCH_AGENT_ENV"
"""Names of variables, separated by commas, that the user hands over to the agent: API keys, for one."""

TAIL = 16_384
"""Characters of standard output that make the summary if there is no report."""

_SHORTEST_SECRET = 6


class CommandAgent:
    """Runs a program per ticket."""

    name = "command"
    whole_ticket = True

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Prepare to run *command*; *environment* is where :data:`HANDED_OVER` and the few others are taken from.

        Raises:
            BenchError: ``option_invalid``: the program cannot be run.
        """
        self._command = check_agent_command(command)
        self._environment = dict(os.environ if environment is None else environment)

    def warm_up(self) -> None:
        """Import asyncssh, which takes a third of a second."""
        from pytest_2501bench.agents import recorder

        recorder.warm_up()

    async def work(self, assignment: Assignment, journal: Journal) -> Outcome:
        """Run the program with the ticket; see :mod:`.desk` for what it finds, and :func:`resolve` for how it ends."""
        from pytest_2501bench.agents import supervised
        from pytest_2501bench.agents.recorder import Recorder

        handed_over = self._handed_over()
        redact = redactor(handed_over)
        task_of = {task.host.host_name: task.task_id for task in assignment.tasks}

        def say(line: str) -> None:
            for task_id in task_of.values():
                journal.task(task_id).message(redact(line))

        output = Output(say)
        recorder = Recorder(
            [task.host for task in assignment.tasks],
            lambda host: journal.task(task_of[host]).commands(_redacted(recorder.commands(host), redact)),
        )
        for task_id in task_of.values():
            journal.task(task_id).commands(())
        errors = assignment.log_directory / f"{assignment.ticket_id}.stderr.log"
        with desk.working_directory() as directory, errors.open("w+b") as stderr:
            async with recorder:
                desk.furnish(directory, assignment, recorder.doors, recorder.client_key)
                ended = await supervised.run(
                    self._command,
                    cwd=directory,
                    env=desk.environment(directory, assignment, self._environment, handed_over),
                    stdin=desk.ticket_text(assignment).encode(),
                    stderr=stderr,
                    on_output=output.feed,
                )
            output.end()
            if ended.error is not None:
                raise BenchError(Cause.TOOL_MISSING, f"the agent's program could not be run: {ended.error}")
            plan = desk.read_text(directory / "plan.md")
            if plan is not None:
                for task_id in task_of.values():
                    journal.task(task_id).plan(redact(plan))
            stderr.seek(0)
            last_words = stderr.read()[-2000:].decode("utf-8", "replace").replace("\x00", "�").strip()
            report = desk.read_text(directory / "report.md")
            return resolve(
                exit_status=ended.exit_status,
                word=desk.read_text(directory / "resolution"),
                report=redact(report if report is not None else output.tail),
                last_words=redact(last_words),
            )

    def close(self) -> None:
        """Nothing to release."""

    def _handed_over(self) -> dict[str, str]:
        names = [name.strip() for name in self._environment.get(HANDED_OVER, "").split(",")]
        return {name: self._environment[name] for name in names if name in self._environment}


class Output:
    """A program's standard output: its lines as messages, its end as a report."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""
        self._tail = ""

    def feed(self, data: bytes) -> None:
        """Take a piece."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        # A program that never ends a line must not fill the memory.
        if len(self._rest) > 1_000_000:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._emit(line)

    def end(self) -> None:
        """Take the end; a last line without a newline counts."""
        if self._rest:
            self._emit(self._rest)
            self._rest = b""

    @property
    def tail(self) -> str:
        """The last lines."""
        return self._tail.strip()

    def _emit(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").replace("\x00", "�").rstrip("\r")
        self._tail = f"{self._tail}{text}\n"
        if len(self._tail) > 2 * TAIL:
            self._tail = self._tail[-TAIL:]
        if text.strip():
            self._on_line(text)


def resolve(*, exit_status: int | None, word: str | None, report: str, last_words: str) -> Outcome:
    """Return how the program's work ended.

    Status 0 is ``success``, any other ``agentic_failure``; *word*, from the file ``resolution``, may say it more
    exactly, but cannot make a success of a failed program.
    """
    if exit_status == 0:
        resolution, note = ResolutionStatus.SUCCESS, ""
    else:
        resolution = ResolutionStatus.AGENTIC_FAILURE
        note = f"The agent's program ended with status {'unknown' if exit_status is None else exit_status}."
        if not report:
            note = f"{note} {last_words}".strip()
    if word:
        try:
            said = ResolutionStatus(word.lower())
        except ValueError:
            resolution = ResolutionStatus.AGENTIC_FAILURE
            note = f"{note} The file 'resolution' says {word[:80]!r}, which is no resolution status.".strip()
        else:
            if exit_status == 0 or said is not ResolutionStatus.SUCCESS:
                resolution = said
    return Outcome(resolution, "\n\n".join(part for part in (report, note) if part))


def redactor(secrets: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that puts ``[NAME]`` in the place of handed over values: they must not end in the evidence."""
    values = sorted(
        ((v, n) for n, v in secrets.items() if len(v) >= _SHORTEST_SECRET), key=lambda pair: len(pair[0]), reverse=True
    )

    def redact(text: str) -> str:
        for value, name in values:
            text = text.replace(value, f"[{name}]")
        return text

    return redact


def _redacted(commands: Sequence[Command], redact: Callable[[str], str]) -> tuple[Command, ...]:
    return tuple(
        command
        if (text := redact(command.command)) == command.command
        else command.model_copy(update={"command": text})
        for command in commands
    )
