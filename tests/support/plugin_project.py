"""A project with scenarios in a temporary folder, and pytest sessions in it."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_2501bench.evidence.folder import read_report, runs_in
from pytest_2501bench.evidence.model import Evidence
from pytest_2501bench.evidence.read import read_evidence
from pytest_2501bench.report.model import ScenarioReport

TESTS = Path(__file__).resolve().parent.parent
BOTH = ("task_validation", "compliance")

FOUND = {"label": "names the log", "validator": "pattern_match", "pattern": "runaway log", "where": "job_resolution"}
"""A rule that the fake job meets."""
LOOKED = {"label": "looked first", "validator": "pattern_match", "pattern": "^du ", "where": "executed_commands"}
"""Another one, over the commands."""
NEVER = {"label": "restarted it", "validator": "pattern_match", "pattern": "reboot", "where": "executed_commands"}
"""A rule that the fake job does not meet."""

INI = """\
[pytest]
addopts =
    -p no:randomly -p no:schemathesis -p no:hypothesispytest -p no:anyio -p no:syrupy
    --strict-markers --strict-config
filterwarnings = error
bench_mode = fake
bench_gateway = fake
"""


def scenario_json(key: str, **changes: Any) -> dict[str, Any]:
    """A scenario of which both gates pass with the fake job; None removes a field."""
    fields: dict[str, Any] = {
        "key": key,
        "title": f"Title of {key}",
        "description": "a note",
        "ticket_title": f"Ticket of {key}",
        "ticket_body": "Customers see an error.",
        "validation": {"tasks": [LOOKED]},
        "bench": {"outcome": [FOUND]},
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


@dataclass
class Outcome:
    """A pytest session that is over."""

    result: pytest.RunResult
    project: Project

    @property
    def status(self) -> int:
        """Its exit status."""
        return int(self.result.ret)

    @property
    def out(self) -> str:
        """What it wrote to stdout and stderr."""
        return self.result.stdout.str() + "\n" + self.result.stderr.str()

    def counts(self, **expected: int) -> None:
        """Check passed, failed, errors, skipped … of the session's last line, all of them."""
        found = {name: number for name, number in self.result.parseoutcomes().items() if number}
        plural = {"error": "errors", "warning": "warnings"}
        assert found == {plural.get(name, name): number for name, number in expected.items()}, self.out

    def usage_error(self) -> str:
        """Check that the session ended as a usage error before anything ran; return its one message."""
        assert self.status == pytest.ExitCode.USAGE_ERROR, self.out
        assert "Traceback" not in self.out, self.out
        assert not self.project.calls("provider.create"), self.out
        said = [line.strip() for line in self.result.stderr.lines if line.strip()]
        assert all(line.startswith("ERROR: ") for line in said[:1]), self.out
        return self.project.normal("\n".join(said))

    def collection_errors(self) -> str:
        """Check that collection failed and nothing ran; return the message's lines."""
        assert self.status == pytest.ExitCode.INTERRUPTED, self.out
        assert "Traceback" not in self.out, self.out
        assert not self.project.calls("provider.create"), self.out
        said = self.out.split("= ERRORS =", 1)[1].split("short test summary", 1)[0]
        lines = [line.strip("= \n") for line in said.splitlines()]
        return self.project.normal("\n".join(line for line in lines if line))


class Project:
    """A root directory with a fake mode and a fake gateway, chosen by its ini file."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, bytecode: Path) -> None:
        self.pytester = pytester
        self.monkeypatch = monkeypatch
        self.root = pytester.path
        # An engine elsewhere: no session of ours starts a local one, which costs a second.
        monkeypatch.setenv("ENGINE_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("ENGINE_API_KEY", "key")
        monkeypatch.setenv("PYTHONPATH", str(TESTS))
        # Processes of their own start in half the time when the first one has left its bytecode to the others.
        monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(bytecode))
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("COLUMNS", "120")
        self.ini()
        self.conftest("")

    # ---- writing --------------------------------------------------------------------------------------------------

    def ini(self, more: str = "") -> None:
        """Write pytest.ini, with *more* lines at its end."""
        (self.root / "pytest.ini").write_text(INI + more)

    def conftest(self, code: str, folder: str = "") -> Path:
        """Write a conftest.py; the one in the root always has the fakes."""
        plugins = "" if folder else 'pytest_plugins = ["support.plugin_fakes"]\n'
        return self.write(f"{folder}/conftest.py".lstrip("/"), plugins + code)

    def write(self, name: str, text: str) -> Path:
        """Write a file; its folder is made."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def scenario(self, key: str, folder: str = "", **changes: Any) -> Path:
        """Write ``scenarios/<folder or key>/scenario.json``; return its folder."""
        return self.write(
            f"scenarios/{folder or key}/scenario.json", json.dumps(scenario_json(key, **changes), indent=1)
        ).parent

    def fakes(self, **told: Any) -> None:
        """Tell the fakes what to do, in this project and from now on."""
        self.write("fakes.json", json.dumps(told))

    def fault(self, at: str, what: str, message: str = "the fake was told to fail", **more: Any) -> None:
        """Tell the fakes to fail in one call."""
        self.fakes(faults=[{"at": at, "raise": what, "message": message, **more}])

    # ---- running --------------------------------------------------------------------------------------------------

    def run(self, *args: str, apart: bool = False) -> Outcome:
        """Run pytest here, in this process or *apart*, in one of its own."""
        os.chdir(self.root)
        if apart:
            result = self.pytester.runpytest_subprocess("--assert=plain", *args, timeout=60)
        else:
            result = self.pytester.runpytest_inprocess(*args, no_reraise_ctrlc=True)
        return Outcome(result, self)

    def environment(self) -> dict[str, str]:
        """The environment of sessions in a process of their own."""
        return dict(os.environ)

    # ---- looking --------------------------------------------------------------------------------------------------

    @property
    def bench_dir(self) -> Path:
        """Where evidence and results are."""
        return self.root / ".2501bench"

    def calls(self, name: str = "") -> list[str]:
        """What was asked of the fakes, in order; with *name* the details of those calls only."""
        path = self.root / "calls.log"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.partition(" ")[2] for line in lines if line.split(" ", 1)[0] == name] if name else lines

    def runs(self) -> Counter[str]:
        """How often each ticket was submitted: an agent's work, which must happen once."""
        return Counter(title.removeprefix("Ticket of ") for title in self.calls("gateway.submit"))

    def left(self) -> list[str]:
        """The sandboxes that nobody destroyed."""
        folder = self.root / "alive"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def reports(self) -> list[ScenarioReport]:
        """The reports on disk, by folder; each also stands in the database, and the same."""
        found = [read_report(folder.path) for folder in runs_in(self.bench_dir)]
        assert sorted(self.stored()) == sorted((report.run_id, report.status.value) for report in found)
        return found

    def report(self) -> ScenarioReport:
        """The only report."""
        (found,) = self.reports()
        return found

    def evidence(self) -> Evidence:
        """The evidence of the only run."""
        (folder,) = runs_in(self.bench_dir)
        return read_evidence(folder.evidence)

    def stored(self) -> list[tuple[str, str]]:
        """Run id and status of every report in the database."""
        with closing(sqlite3.connect(self.bench_dir / "results.db")) as database:
            return list(database.execute("SELECT run_id, status FROM scenario_reports"))

    def members(self) -> list[str]:
        """Hosts and agents that are still in the database."""
        with closing(sqlite3.connect(self.bench_dir / "results.db")) as database:
            query = "SELECT host_name FROM hosts UNION ALL SELECT agent_name FROM agents"
            return [name for (name,) in database.execute(query)]

    def normal(self, text: str) -> str:
        """Return *text* without what differs from run to run: the root, ids, times."""
        text = text.replace(str(self.root), "ROOT")
        text = re.sub(r"\b(run|bmk|sbx|hst|agt|tkt|job)_[2-9b-z]{12}\b", r"\1_ID", text)
        return re.sub(r"\b\d+\.\d+ ?s\b", "N s", text)


def processes_in(root: Path) -> list[str]:
    """The command lines of other processes that were started in *root* and still live."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) != os.getpid() and (process / "cwd").readlink() == root:
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended meanwhile
            continue
    return [line for line in found if line]  # a zombie has none
