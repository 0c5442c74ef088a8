"""A pytest plugin with a fake mode and a fake gateway, for sessions that test the plugin and need no machine.

Both are written as a third party would write them: against the two protocols and the hooks, and nothing else. What they
do is told by ``fakes.json`` in the root directory; what was asked of them is in ``calls.log`` there, one call a line,
whatever process asked. (PYTEST_DONT_REWRITE: it is imported before any inner session can.)
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import JobRecord, TicketRecord
from pytest_2501bench.gateway.protocol import AgentRegistration, Gateway, HostRegistration, TicketSubmission
from pytest_2501bench.ids import new_id
from pytest_2501bench.options import Settings
from pytest_2501bench.sandbox.protocol import (
    Capabilities,
    Host,
    HostSpec,
    Image,
    Obstacle,
    Owned,
    Progress,
    Sandbox,
    SandboxProvider,
    SshSettings,
    silent,
)

JOB: dict[str, Any] = {
    "status": "completed",
    "finished": True,
    "resolution_status": "success",
    "resolution_summary": "a runaway log had filled the disk",
    "tasks": [
        {
            "id": "tsk_1",
            "status": "completed",
            "summary": "looked, and found a runaway log",
            "executed_commands": [{"command": "du -sh /var/log", "exit_status": 0}],
            "agent_messages": ["I will look at the disk first."],
            "input_tokens": 100,
            "output_tokens": 20,
            "finished_at": 1.0,
        }
    ],
}


class Script:
    """``fakes.json``: which call fails and how, and what the job says."""

    def __init__(self, root: Path) -> None:
        path = root / "fakes.json"
        self._log = root / "calls.log"
        self.told: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        self._faults: list[dict[str, Any]] = self.told.get("faults", [])

    def call(self, name: str, detail: str = "") -> None:
        """Write the call down; then raise, or wait, if that is what the script says of it."""
        with self._log.open("a") as log:  # one short write in append mode: lines of several processes stay whole
            log.write(f"{name} {detail}".rstrip() + "\n")
        for fault in self._faults:
            if fault["at"] == name and fault.get("times", 1_000) > 0 and fault.get("detail", "") in detail:
                fault["times"] = fault.get("times", 1_000) - 1
                time.sleep(fault.get("seconds", 0))
                if "raise" in fault:
                    _raise(fault["raise"], fault.get("message", "the fake was told to fail"))


def _raise(what: str, message: str) -> None:
    if what == "pytest.exit":
        pytest.exit(message)
    builtin: dict[str, type[BaseException]] = {
        "KeyboardInterrupt": KeyboardInterrupt,
        "SystemExit": SystemExit,
        "ValueError": ValueError,
    }
    if what in builtin:
        raise builtin[what](message)
    raise BenchError(Cause(what), message)


class FakeProvider:
    """Mode ``fake``: hosts that exist in name only."""

    mode = "fake"

    def __init__(self, root: Path) -> None:
        self._root = root
        self._script = Script(root)

    def preflight(self) -> list[Obstacle]:
        return [Obstacle(*each) for each in self._script.told.get("obstacles", [])]

    def capabilities(self, template: str) -> Capabilities:
        told = self._script.told
        names = frozenset(told.get("capabilities", ["systemd", "network"]))
        return Capabilities(names, told.get("missing", {}), fresh=told.get("fresh", True))

    def prepare_images(self, specs: Sequence[HostSpec], progress: Progress = silent) -> None:
        progress(f"images for {len(specs)} hosts")

    def create(self, specs: Sequence[HostSpec], progress: Progress = silent) -> Sandbox:
        name = new_id("sbx").replace("_", "-")
        self._script.call("provider.create", " ".join(spec.host_name for spec in specs))
        (self._root / "alive").mkdir(exist_ok=True)
        (self._root / "alive" / name).touch()
        return Sandbox(name, tuple(self._host(spec) for spec in specs), remove=f"rm alive/{name}")

    def _host(self, spec: HostSpec) -> Host:
        key, known_hosts = self._root / "fake_key", self._root / "fake_known_hosts"
        ssh = SshSettings("root", key, known_hosts, new_id("sbx"), port=9)
        return Host(spec.host_id or new_id("hst"), spec.host_name, ssh, template=spec.template)

    def reset(self, sandbox: Sandbox) -> Sandbox:
        self._script.call("provider.reset")
        return sandbox

    def alive(self, sandbox: Sandbox) -> str | None:
        self._script.call("provider.alive")
        gone: str | None = self._script.told.get("gone")
        return gone

    def destroy(self, sandbox: Sandbox) -> None:
        self._script.call("provider.destroy")
        (self._root / "alive" / sandbox.name).unlink(missing_ok=True)

    def list_owned(self) -> list[Owned]:
        return []

    def reap(self) -> list[str]:
        reaped: list[str] = self._script.told.get("reap", [])
        return reaped

    def quarantine(self, sandbox: Sandbox, reason: str) -> str:
        self._script.call("provider.quarantine", reason)
        return "Its hosts are in quarantine."

    def find(self, name: str) -> Sandbox | None:
        return None

    def keep(self, sandbox: Sandbox) -> None:
        self._script.call("provider.keep")

    def images(self) -> list[Image]:
        return []

    def remove_image(self, name: str) -> None:
        self._script.call("provider.remove_image", name)


class FakeGateway:
    """Gateway ``fake``: every ticket has been worked before it is asked for."""

    name = "fake"

    def __init__(self, root: Path) -> None:
        self._script = Script(root)
        self._tickets: dict[str, TicketSubmission] = {}
        self._cancelled: set[str] = set()

    def preflight(self) -> None:
        self._script.call("gateway.preflight")

    def register(self, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> None:
        self._script.call("gateway.register")

    def unregister(self, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> None:
        self._script.call("gateway.unregister")

    def flush_memory(self, agent_ids: Sequence[str]) -> None:
        self._script.call("gateway.flush_memory")

    def submit(self, ticket: TicketSubmission) -> str:
        self._script.call("gateway.submit", ticket.title)
        reference = new_id("tkt")
        self._tickets[reference] = ticket
        return reference

    def poll(self, reference: str) -> JobRecord | None:
        title = self._tickets[reference].title
        self._script.call("gateway.poll", title)
        said = JOB | self._script.told.get("job", {}) | self._script.told.get("jobs", {}).get(title, {})
        if reference in self._cancelled:
            said |= {"status": "cancelled", "finished": True, "resolution_status": "hard_failure"}
        return JobRecord.model_validate({"id": "job_1", **said})

    def cancel(self, reference: str) -> None:
        self._script.call("gateway.cancel")
        self._cancelled.add(reference)

    def fetch(self, reference: str) -> TicketRecord:
        self._script.call("gateway.fetch")
        said = {"status": "resolved", "messages": ["done"], "summary": "closed"} | self._script.told.get("ticket", {})
        return TicketRecord(id=reference, title=self._tickets[reference].title, **said)

    def close(self) -> None:
        self._script.call("gateway.close", str(os.getpid()))


def pytest_2501bench_sandbox_providers(config: pytest.Config) -> Mapping[str, Callable[[Settings], SandboxProvider]]:
    return {"fake": lambda settings: FakeProvider(config.rootpath)}


def pytest_2501bench_gateways(config: pytest.Config) -> Mapping[str, Callable[[Settings], Gateway]]:
    return {"fake": lambda settings: FakeGateway(config.rootpath)}
