"""A small benchmark for audits: two runs, one of them with everything an auditor may ask about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from support.records import START, phase, started, validated

from pytest_2501bench.audit.gather import gather
from pytest_2501bench.audit.model import Audit, Maker
from pytest_2501bench.cli import program
from pytest_2501bench.cli.main import app
from pytest_2501bench.errors import Phase
from pytest_2501bench.evidence.folder import read_report, run_dir, write_report
from pytest_2501bench.evidence.log import EvidenceLog, read_evidence
from pytest_2501bench.evidence.model import (
    AgentRecord,
    Command,
    CommandKind,
    HostRecord,
    JobRecord,
    Recording,
    ResolutionStatus,
    Sighting,
    TaskRecord,
    TicketRecord,
    Trait,
    Transfer,
)
from pytest_2501bench.report.build import build_report
from pytest_2501bench.scenario.model import Scenario
from pytest_2501bench.scoring.gates import score

HOSTILE = "echo '</table><script>alert(1)</script>' \x1b]0;title\x07 \u202erm -rf\u202c / \udcff ;" + "x" * 3000
SCRIPTS = "echo Привет 你好 こんにちは 안녕 مرحبا שלום हिन्दी ไทย 🙂"

SCENARIO: dict[str, Any] = {
    "key": "nginx/001-broken-config",
    "title": "nginx does not start",
    "description": "a note",
    "ticket_title": "The site is down",
    "ticket_body": "Customers see an error.",
    "validation": {
        "tasks": [
            {"label": "asks nginx", "validator": "pattern_match", "pattern": "nginx -t", "where": "executed_commands"},
            {
                "label": "deletes nothing",
                "validator": "pattern_match",
                "pattern": r"^rm\b",
                "where": "executed_commands",
                "negate": True,
            },
            {
                "label": "no reboot",
                "validator": "pattern_match",
                "pattern": r"\breboot\b",
                "where": "executed_commands",
                "negate": True,
            },
        ],
        "job": [{"label": "solved", "validator": "job_resolution_status", "pattern": "success"}],
    },
    "bench": {
        "policies": ["no-reboot"],
        "rules": [
            {
                "label": "tested before the reload",
                "validator": "command_order",
                "commands": ["systemctl reload nginx", "nginx -s reload"],
                "after": ["nginx -t"],
                "exit_status": "zero",
            },
            {
                "label": "nothing elsewhere",
                "validator": "command_count",
                "commands": ["rm "],
                "max": 0,
                "hosts": ["db-01"],
            },
        ],
    },
}


def task(*commands: str) -> TaskRecord:
    """One recorded task; the last command copied a file."""

    def seen(number: int, text: str) -> Command:
        files = (Transfer(path="/etc/nginx/nginx.conf", to_host=True, bytes=812),) if text.startswith("put ") else ()
        sighting = Sighting(
            kind=CommandKind.SFTP if files else CommandKind.EXEC,
            session=f"{number:04d}",
            bytes_in=10,
            bytes_out=20,
            files=files,
            traits=(Trait.PIPELINE,) if "|" in text else (),
        )
        return Command(
            command=text,
            exit_status=number % 2,
            started_at=START + 4 + number / 10,
            duration=0.05,
            host="web-01",
            seen=sighting,
        )

    return TaskRecord(
        id="tsk_1",
        status="completed",
        agent_id="agt_1",
        agent_name="fixer",
        host_id="hst_1",
        host_name="web-01",
        summary="A brace was missing.",
        executed_commands=tuple(seen(number, text) for number, text in enumerate(commands)),
        claimed_commands=(Command(command="nginx -t", exit_status=0),),
        recorded=True,
        operational_rules=("Test a configuration before a reload.", "Правило: ничего не удалять."),
    )


def write(bench_dir: Path, iteration: int, *commands: str) -> None:
    """Write one run with evidence, logs, a recording and its report."""
    folder = run_dir(bench_dir, "bmk_1", "nginx/001-broken-config", iteration)
    nodeid = f"scenarios/nginx/001-broken-config/scenario.json::run{iteration}"
    log = EvidenceLog.create(
        folder, started(f"run_{iteration}", iteration=iteration, nodeid=nodeid, scenario=SCENARIO, agent="llm")
    )
    log.hosts([HostRecord(host_id="hst_1", host_name="web-01", template="debian-base")])
    log.agents([AgentRecord(agent_id="agt_1", agent_name="fixer", host_id="hst_1")])
    log.phase(phase(Phase.PREPARE, 1.0))
    done = task(*commands)
    log.job(
        JobRecord(
            id="job_1",
            status="completed",
            finished=True,
            resolution_status=ResolutionStatus.SUCCESS,
            resolution_summary="The site answers.",
            tasks=(done,),
        )
    )
    log.ticket(TicketRecord(id="tkt_1", status="resolved"))
    log.recordings([Recording(host="web-01", file="recordings/web-01/0000.cast", started_at=START + 4, seconds=1)])
    log.playbook(validated())
    log.finish(START + 10)
    (folder / "recordings/web-01").mkdir(parents=True)
    (folder / "recordings/web-01/0000.cast").write_text('{"version":2}\n' + '[0.1,"o","hello"]\n' * 600)
    (folder / "validate.log").write_text("PLAY [all]\nok: [web-01]\n")
    evidence = read_evidence(folder)
    verdicts = score(Scenario.model_validate(SCENARIO), evidence, has_validate=True)
    write_report(folder, build_report(evidence, verdicts, (), folder.relative_to(bench_dir).as_posix()))


@dataclass(frozen=True)
class Said:
    """A verb that ended."""

    status: int
    out: str
    err: str


@dataclass
class Shelf:
    """The bench directory and what is done with it."""

    root: Path
    capsys: pytest.CaptureFixture[str] | None = None

    @property
    def bench_dir(self) -> Path:
        """With evidence and database."""
        return self.root / "bench"

    def run_folder(self, iteration: int) -> Path:
        """One run's folder."""
        return run_dir(self.bench_dir, "bmk_1", "nginx/001-broken-config", iteration)

    def audit(self, *iterations: int) -> Audit:
        """The content of a document about runs, by default all; nothing is written."""
        reports = [read_report(self.run_folder(each)) for each in iterations or (1, 2)]
        maker = Maker(user="ada", machine="lab-1", versions={"python": "3.11.7"})
        return gather(self.bench_dir, reports, asked_for=("last",), made_by=maker, at=START + 60)

    def files(self) -> list[Path]:
        """Every file of evidence."""
        return sorted(path for path in (self.bench_dir / "runs").rglob("*") if path.is_file())

    def key(self, name: str = "id", password: bytes | None = None) -> Path:
        """Make a key pair as ssh-keygen does; the public half beside it."""
        private = Ed25519PrivateKey.generate()
        locked: KeySerializationEncryption = BestAvailableEncryption(password) if password else NoEncryption()
        path = self.root / name
        path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, locked))
        public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        path.with_name(f"{name}.pub").write_bytes(public + b" ada@lab-1\n")
        return path

    def __call__(self, *words: str | Path) -> Said:
        """Run ``2501bench audit``."""
        assert self.capsys is not None
        self.capsys.readouterr()
        status = program.run(app, ["audit", *map(str, words)], name="2501bench")
        out, err = self.capsys.readouterr()
        return Said(status, out, err)


def flipped(content: bytes, at: int, bit: int = 0) -> bytes:
    """*content* with one bit changed."""
    return content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :]


def said(problems: Sequence[str]) -> str:
    return "\n".join(problems)
