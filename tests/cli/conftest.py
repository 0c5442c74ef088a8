"""The command line in a project with fakes, and a fake mode that a second process still knows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.plugin_fakes import FakeProvider
from support.plugin_project import TESTS, Project

from pytest_2501bench.cli import program
from pytest_2501bench.cli.main import app
from pytest_2501bench.cli.project import Project as Seen
from pytest_2501bench.evidence.model import PlaybookRecord, PlaybookStatus, TaskFailure
from pytest_2501bench.options import Settings, resolve
from pytest_2501bench.playbooks.model import PlaybookRequest
from pytest_2501bench.playbooks.run import AnsibleRunner
from pytest_2501bench.sandbox.ledger import Ledger
from pytest_2501bench.sandbox.protocol import HostSpec, Image, Owned, Progress, Sandbox, SandboxProvider, silent


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, bytecode: Path) -> Project:
    return Project(pytester, monkeypatch, bytecode)


@dataclass(frozen=True)
class Said:
    """A verb that ended."""

    status: int
    out: str
    err: str


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "pytest_2501bench.cli.main", *words]


def run_apart(*words: str, cwd: Path, env: dict[str, str] | None = None) -> Said:
    """Run the command in a process of its own."""
    done = subprocess.run(
        command(*words),
        cwd=cwd,
        # The folder is not on the path of the installed command; here it must not be, either.
        env=(env or dict(os.environ)) | {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


class PaperProvider(FakeProvider):
    """Mode ``fake``, with a ledger and sandboxes that another process finds again."""

    def __init__(self, root: Path, mode: str = "fake") -> None:
        super().__init__(root)
        self.mode = mode
        self.root = root
        self.ledger = Ledger(root / f"ledger-{mode}")

    def create(self, specs: Sequence[HostSpec], progress: Progress = silent) -> Sandbox:
        sandbox = super().create(specs, progress)
        (self.root / "fake_known_hosts").write_text(f"{sandbox.hosts[0].ssh.hostname} ssh-ed25519 AAAA\n")
        self.ledger.add(self.mode, sandbox.name, "test")
        made[sandbox.name] = sandbox
        return sandbox

    def destroy(self, sandbox: Sandbox) -> None:
        super().destroy(sandbox)
        self.ledger.remove(sandbox.name)
        made.pop(sandbox.name, None)

    def find(self, name: str) -> Sandbox | None:
        return made.get(name)

    def keep(self, sandbox: Sandbox) -> None:
        super().keep(sandbox)
        self.ledger.keep(sandbox.name)

    def list_owned(self) -> list[Owned]:
        return [
            Owned(each.name, each.owner_alive(), each.owner.pid, each.created_at, f"remove-{each.name}")
            for each in self.ledger.leases(self.mode)
        ]

    def reap(self) -> list[str]:
        dead = [each.name for each in self.list_owned() if not each.owner_alive]
        for name in dead:
            self.destroy(Sandbox(name, ()))
        return dead

    def images(self) -> list[Image]:
        return [Image("template-debian-base", "debian-base")]


made: dict[str, Sandbox] = {}


class PaperPlaybooks(AnsibleRunner):
    """Plays nothing; ``red`` names the playbooks that fail."""

    red: set[str]
    played: list[str]

    def run(self, request: PlaybookRequest) -> PlaybookRecord:
        name = request.playbook.name
        self.played.append(name)
        failed = name in self.red
        return PlaybookRecord(
            name=name,
            phase=request.phase,
            status=PlaybookStatus.TASK_FAILED if failed else PlaybookStatus.OK,
            rc=2 if failed else 0,
            started_at=0,
            seconds=0,
            failure=TaskFailure(task="look", host="host-01", message="no", file=f"{name}:3") if failed else None,
            log=request.log.name,
        )


class Bench:
    """The command line in this process, on a project whose modes are on paper."""

    def __init__(self, project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.project = project
        self.root = project.root
        self._capsys = capsys
        PaperPlaybooks.red, PaperPlaybooks.played = set(), []
        monkeypatch.setattr("pytest_2501bench.session.AnsibleRunner", PaperPlaybooks)
        monkeypatch.setattr("pytest_2501bench.cli.project.open_project", self._open)
        monkeypatch.chdir(project.root)
        self.modes: dict[str, object] = {}

    def _open(self, *, check_mode: bool = True, env_file: Path | None = None, **options: object) -> Seen:
        named = {name: str(value) for name, value in options.items() if value not in (None, False)}
        settings = resolve({"mode": "fake"} | named, {}, {}, self.root, None)

        def paper(settings: Settings) -> SandboxProvider:
            if settings.mode == "broken":
                raise ImportError("this plugin is broken")
            return PaperProvider(self.root, settings.mode)

        return Seen(self.root, settings, {"fake": paper, "other": paper} | dict.fromkeys(self.modes, paper))

    @property
    def red(self) -> set[str]:
        """Names of playbooks that fail."""
        return PaperPlaybooks.red

    @property
    def played(self) -> list[str]:
        """Names of the playbooks that were played."""
        return PaperPlaybooks.played

    def __call__(self, *words: str) -> Said:
        self._capsys.readouterr()
        status = program.run(app, list(words), name="2501bench")
        captured = self._capsys.readouterr()
        return Said(status, captured.out, captured.err)


@pytest.fixture
def bench(project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made.clear()
    yield Bench(project, capsys, monkeypatch)
    made.clear()
