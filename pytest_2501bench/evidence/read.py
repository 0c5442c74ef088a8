"""Reading a run's evidence back: the JSONL file folded into :class:`~pytest_2501bench.evidence.model.Evidence`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pytest_2501bench.evidence.folder import EVIDENCE_FILE, first_problem, unreadable
from pytest_2501bench.evidence.model import (
    AgentRecord,
    Evidence,
    FailureRecord,
    HostChanges,
    HostRecord,
    JobRecord,
    KeptRecord,
    LeftRunning,
    PhaseRecord,
    PlaybookRecord,
    Recording,
    RunStarted,
    TicketRecord,
)

SCHEMA_VERSION = 1


def read_evidence(path: Path) -> Evidence:
    """Fold *path* (the file, or the run's folder) into the run's evidence.

    A last line that a crash cut off is left out, with a warning in the result; anything else that is wrong is an error,
    because evidence with a hole in it must not be scored.

    Raises:
        BenchError: ``evidence_missing``, naming file and line.
    """
    if path.is_dir():
        path /= EVIDENCE_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(str(path), f"{error.strerror or error}.") from error
    lines = content.split(b"\n")
    cut_off = lines.pop()  # empty when the file ends with a line end, as it should
    fold = _Fold(path)
    for number, line in enumerate(lines, start=1):
        fold.add(number, _parse(path, number, line))
    if cut_off:
        number = len(lines) + 1
        try:
            entry = json.loads(cut_off)  # whole when only its line end is missing: a prefix of an object is none
        except ValueError:
            fold.warnings.append(f"{path.name}:{number}: the last line was cut off and is left out")
        else:
            fold.add(number, entry)
    return fold.result()


def _parse(path: Path, number: int, line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise unreadable(f"{path}:{number}", f"not a line of evidence: {error}") from error


class _Fold:
    """State while the lines are gone through: lists grow, single records are replaced by later ones."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run: RunStarted | None = None
        self.hosts: tuple[HostRecord, ...] = ()
        self.agents: tuple[AgentRecord, ...] = ()
        self.phases: list[PhaseRecord] = []
        self.playbooks: list[PlaybookRecord] = []
        self.ticket: TicketRecord | None = None
        self.job: JobRecord | None = None
        self.failure: FailureRecord | None = None
        self.warnings: list[str] = []
        self.left_running: tuple[LeftRunning, ...] | None = None
        self.recordings: tuple[Recording, ...] | None = None
        self.host_changes: HostChanges | None = None
        self.unreached: tuple[str, ...] = ()
        self.kept: KeptRecord | None = None
        self.finished_at: float | None = None

    def add(self, number: int, entry: Any) -> None:
        where = f"{self.path}:{number}"
        if not isinstance(entry, dict) or not {"seq", "at", "type", "data"} <= entry.keys():
            raise unreadable(where, "not a line of evidence: seq, at, type and data are needed.")
        if entry["seq"] != number:
            raise unreadable(
                where, f"line {number} has the sequence number {entry['seq']}: lines are missing or moved."
            )
        if (self.run is None) != (entry["type"] == "run"):
            raise unreadable(where, "evidence starts with one line of type run, and has no other.")
        try:
            self._apply(where, entry["type"], entry["data"])
        except ValidationError as error:
            raise unreadable(where, first_problem(error, "/data")) from error
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable(where, f"data of type {entry['type']} is malformed: {error}") from error

    def _apply(self, where: str, kind: object, data: dict[str, Any]) -> None:
        match kind:
            case "run":
                version = data["schema_version"]
                if version > SCHEMA_VERSION:
                    why = f"written by a newer version of this plugin (schema {version}, known up to {SCHEMA_VERSION})."
                    raise unreadable(where, why)
                self.run = RunStarted.model_validate(data)
            case "hosts":
                self.hosts = tuple(HostRecord.model_validate(host) for host in data["hosts"])
            case "agents":
                self.agents = tuple(AgentRecord.model_validate(agent) for agent in data["agents"])
            case "phase":
                self.phases.append(PhaseRecord.model_validate(data))
            case "playbook":
                self.playbooks.append(PlaybookRecord.model_validate(data))
            case "ticket":
                self.ticket = TicketRecord.model_validate(data)
            case "job":
                self.job = JobRecord.model_validate(data)
            case "failure":
                self.failure = FailureRecord.model_validate(data)
            case "warning":
                self.warnings.append(str(data["message"]))
            case "left_running":
                self.left_running = tuple(LeftRunning.model_validate(process) for process in data["processes"])
            case "recordings":
                self.recordings = tuple(Recording.model_validate(recording) for recording in data["recordings"])
            case "host_changes":
                self.host_changes = HostChanges.model_validate(data)
            case "unreached":
                self.unreached = tuple(str(host) for host in data["hosts"])
            case "kept":
                self.kept = KeptRecord.model_validate(data)
            case "finish":
                self.finished_at = float(data["at"])
            case _:
                raise unreadable(where, f"{kind!r} is not a type of evidence.")

    def result(self) -> Evidence:
        if self.run is None:
            raise unreadable(str(self.path), "no evidence: the file is empty.")
        return Evidence(
            run=self.run,
            hosts=self.hosts,
            agents=self.agents,
            phases=tuple(self.phases),
            playbooks=tuple(self.playbooks),
            ticket=self.ticket,
            job=self.job,
            failure=self.failure,
            warnings=tuple(self.warnings),
            left_running=self.left_running,
            recordings=self.recordings,
            host_changes=self.host_changes,
            unreached=self.unreached,
            kept=self.kept,
            finished_at=self.finished_at,
        )
