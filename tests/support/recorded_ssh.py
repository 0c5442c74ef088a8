"""A recorder before a host, and programs that go through it as an agent's would."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_2501bench.agents.protocol import Assignment, TaskAssignment
from pytest_2501bench.bastion.recorder import Recorder
from pytest_2501bench.evidence.model import Command
from pytest_2501bench.sandbox.protocol import Host


def assignment(hosts: Sequence[Host], log_directory: Path, **more: Any) -> Assignment:
    tasks = tuple(TaskAssignment(f"tsk_{n}", host, f"agt_{n}", "Fixer", "ANY") for n, host in enumerate(hosts))
    return Assignment(
        ticket_id="tkt_1",
        title="The site is down",
        body="Visitors get an error.",
        tasks=tasks,
        log_directory=log_directory,
        **{"deadline_seconds": 60.0} | more,
    )


class Log:
    """A task log that keeps everything."""

    def __init__(self) -> None:
        self.plans: list[str] = []
        self.messages: list[str] = []
        self.seen: tuple[Command, ...] | None = None
        self.claims: tuple[Command, ...] | None = None

    def plan(self, text: str) -> None:
        self.plans.append(text)

    def message(self, text: str) -> None:
        self.messages.append(text)

    def commands(self, commands: Sequence[Command]) -> None:
        self.seen = tuple(commands)

    def claimed(self, commands: Sequence[Command]) -> None:
        self.claims = tuple(commands)

    def cost(self, *, input_tokens: int | None, output_tokens: int | None, cost_usd: float | None) -> None:
        raise AssertionError


class Journal:
    """The logs by task id."""

    def __init__(self) -> None:
        self.logs: dict[str, Log] = {}

    def task(self, task_id: str) -> Log:
        return self.logs.setdefault(task_id, Log())


@dataclass
class Ran:
    """How a program ended."""

    status: int | None
    stdout: bytes
    stderr: bytes


@dataclass
class Way:
    """A running recorder, from a test's point of view."""

    directory: Path
    recorder: Recorder
    host_name: str
    call: Callable[[Coroutine[Any, Any, Any]], Any]
    changes: list[str] = field(default_factory=list)

    def run(self, *command: str, stdin: bytes | None = None, timeout: float = 30) -> Ran:
        """Run a program as an agent would."""
        return self.call(self._run(command, stdin, timeout))  # type: ignore[no-any-return]

    async def _run(self, command: Sequence[str], stdin: bytes | None, seconds: float) -> Ran:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.directory,
            env=self.env,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(stdin), seconds)
        finally:
            if process.returncode is None:
                process.kill()
        return Ran(process.returncode, out, err)

    @property
    def env(self) -> dict[str, str]:
        """The agent's environment."""
        return {
            **{name: value for name, value in os.environ.items() if name not in {"SSH_AUTH_SOCK", "DISPLAY"}},
            "HOME": str(self.directory),
            "PATH": f"{self.directory}/bin:{os.environ['PATH']}",
            "BENCH_SSH_CONFIG": str(self.config),
        }

    @property
    def config(self) -> Path:
        """The agent's ssh_config."""
        return self.directory / ".ssh" / "config"

    @property
    def commands(self) -> tuple[Command, ...]:
        """What was recorded."""
        return self.recorder.commands(self.host_name)

    @property
    def lines(self) -> list[str]:
        """The recorded command lines."""
        return [command.command for command in self.commands]
