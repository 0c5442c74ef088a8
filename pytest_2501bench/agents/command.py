"""The agent that is any program: it gets the ticket and a way to the hosts, and its commands are recorded on that way.

One invocation works the whole ticket. Each of the ticket's hosts has a task record with the commands that ran on it;
the summary, the plan and the messages are the same for all.
"""

from __future__ import annotations

import codecs
import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from io import RawIOBase

from pytest_2501bench.agents import desk
from pytest_2501bench.agents.claims import claimed
from pytest_2501bench.agents.invocation import check_agent_command
from pytest_2501bench.agents.protocol import Assignment, Journal, Outcome
from pytest_2501bench.bastion.redaction import Redaction
from pytest_2501bench.bastion.shelf import recordings_of
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import Command, ResolutionStatus

HANDED_OVER = "BENCH_AGENT_ENV"
"""Names of variables, separated by commas, that the user hands over to the agent: API keys, for one."""

TAIL = 16_384
"""Characters of standard output that make the summary if there is no report."""

LAST_WORDS = 2000
"""Characters of standard error that are quoted when the program fails without a report."""


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
        from pytest_2501bench.bastion import recorder

        recorder.warm_up()

    async def work(self, assignment: Assignment, journal: Journal) -> Outcome:
        """Run the program with the ticket; see :mod:`.desk` for what it finds, and :func:`resolve` for how it ends."""
        from pytest_2501bench.agents import supervised
        from pytest_2501bench.bastion.recorder import Recorder

        handed_over = self._handed_over()
        redaction = Redaction(handed_over)
        redact = redaction.text
        task_of = {task.host.host_name: task.task_id for task in assignment.tasks}

        def say(line: str) -> None:
            for task_id in task_of.values():
                journal.task(task_id).message(line)

        output = Output(say, redaction)
        recorder = Recorder(
            [task.host for task in assignment.tasks],
            lambda host: journal.task(task_of[host]).commands(recorder.commands(host)),
            recordings=recordings_of(assignment),
            secrets=handed_over,
        )
        for task_id in task_of.values():
            journal.task(task_id).commands(())
        log = assignment.log_directory / f"{assignment.ticket_id}.stderr.log"
        with desk.working_directory() as directory, log.open("wb", buffering=0) as file:
            errors = Errors(file, redaction)
            async with recorder:
                desk.furnish(directory, assignment, recorder.doors, recorder.client_key)
                try:
                    ended = await supervised.run(
                        self._command,
                        cwd=directory,
                        env=desk.environment(directory, assignment, self._environment, handed_over),
                        stdin=desk.ticket_text(assignment).encode(),
                        on_output=output.feed,
                        on_errors=errors.feed,
                    )
                finally:
                    output.end()
                    errors.end()
            if ended.error is not None:
                raise BenchError(Cause.TOOL_MISSING, f"the agent's program could not be run: {ended.error}")
            plan = desk.read_text(directory / "plan.md")
            if plan is not None:
                for task_id in task_of.values():
                    journal.task(task_id).plan(redact(plan))
            claims = claimed(directory, tuple(task_of))
            for host, lines in (claims or {}).items():
                journal.task(task_of[host]).claimed([Command(command=redact(line), host=host) for line in lines])
            report = desk.read_text(directory / "report.md")
            outcome = resolve(
                exit_status=ended.exit_status,
                word=redact(desk.read_text(directory / "resolution") or ""),
                report=output.tail if report is None else redact(report),
                last_words=errors.tail,
            )
            memory = desk.kept_memory(directory, assignment)
            return outcome if memory is None else replace(outcome, memory=redact(memory))

    def close(self) -> None:
        """Nothing to release."""

    def _handed_over(self) -> dict[str, str]:
        names = [name.strip() for name in self._environment.get(HANDED_OVER, "").split(",")]
        return {name: self._environment[name] for name in names if name in self._environment}


class _Words:
    """What a program writes on one stream, as text without secrets."""

    def __init__(self, redaction: Redaction) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._redaction = redaction.stream()

    def feed(self, data: bytes, *, final: bool = False) -> str:
        """Take a piece; return what can be told by now."""
        text = self._redaction.feed(self._decoder.decode(data, final))
        return (text + self._redaction.end() if final else text).replace("\x00", "�")


class Output:
    """A program's standard output: its lines as messages, its end as a report."""

    def __init__(self, on_line: Callable[[str], None], redaction: Redaction) -> None:
        self._on_line = on_line
        self._words = _Words(redaction)
        self._rest = ""
        self._tail = ""

    def feed(self, data: bytes) -> None:
        """Take a piece."""
        self._take(self._words.feed(data))

    def end(self) -> None:
        """Take the end; a last line without a newline counts."""
        self._take(self._words.feed(b"", final=True))
        if self._rest:
            self._emit(self._rest)
            self._rest = ""

    @property
    def tail(self) -> str:
        """The last lines."""
        return self._tail.strip()

    def _take(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        # A program that never ends a line must not fill the memory.
        if len(self._rest) > 1_000_000:
            lines, self._rest = [*lines, self._rest], ""
        for line in lines:
            self._emit(line)

    def _emit(self, line: str) -> None:
        text = line.rstrip("\r")
        self._tail = f"{self._tail}{text}\n"
        if len(self._tail) > 2 * TAIL:
            self._tail = self._tail[-TAIL:]
        if text.strip():
            self._on_line(text)


class Errors:
    """A program's standard error: into a log, and its end to be quoted."""

    def __init__(self, file: RawIOBase, redaction: Redaction) -> None:
        self._file = file
        self._words = _Words(redaction)
        self._tail = ""

    def feed(self, data: bytes) -> None:
        """Take a piece."""
        self._take(self._words.feed(data))

    def end(self) -> None:
        """Take the end."""
        self._take(self._words.feed(b"", final=True))

    @property
    def tail(self) -> str:
        """The last words."""
        return self._tail.strip()

    def _take(self, text: str) -> None:
        self._tail = (self._tail + text)[-LAST_WORDS:]
        # At once: who looks at the log wants to know what the agent is at. A full disk is not the agent's fault.
        with contextlib.suppress(OSError):
            self._file.write(text.encode())


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
