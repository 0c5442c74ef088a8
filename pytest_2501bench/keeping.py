"""Sandboxes that outlive the session that made them: which belongs to what, how to enter them, how to get rid of them.

What is known of each is a folder below the bench directory, on our side only. The provider's ledger says what exists;
this says what it is for.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import time
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.evidence.folder import canonical, not_written, replace_file
from pytest_2501bench.evidence.model import KeptRecord, PhaseRecord, PhaseStatus, Record
from pytest_2501bench.evidence.read import read_evidence
from pytest_2501bench.sandbox.protocol import Host, Sandbox
from pytest_2501bench.scoring.model import Status
from pytest_2501bench.store.members import remove_members

if TYPE_CHECKING:
    from pytest_2501bench.options import Settings
    from pytest_2501bench.run import Run

FOLDER = "sandboxes"
_ENTRY = "entry.json"
_SSH_CONFIG = "ssh_config"


class Kind(StrEnum):
    """Why a sandbox outlives what made it."""

    PREPARED = "prepared"  # 2501bench sandbox prepare
    KEPT = "kept"  # pytest --keep-sandbox
    CREATED = "created"  # 2501bench sandbox create


class Entry(Record):
    """One sandbox that outlives what made it."""

    name: str  # the provider's
    mode: str
    kind: Kind
    created_at: float  # Unix seconds
    host_names: tuple[str, ...]
    host_ids: tuple[str, ...]
    agent_ids: tuple[str, ...] = ()
    key: str | None = None  # of the scenario, for all but CREATED
    scenario: str | None = None  # its folder
    run: str | None = None  # "nginx-001 run2", for KEPT
    template: str | None = None  # for CREATED

    @property
    def what(self) -> str:
        """Say in a few words what it is."""
        if self.kind is Kind.PREPARED:
            return f"prepared: {self.key}"
        if self.kind is Kind.KEPT:
            return f"kept: {self.run}"
        return f"created: {', '.join(self.host_names)} ({self.template})"


class Book:
    """The entries of one bench directory; several processes may use it at once."""

    def __init__(self, bench_dir: Path) -> None:
        self.folder = bench_dir.absolute() / FOLDER

    def add(self, entry: Entry, hosts: Sequence[Host]) -> None:
        """Write *entry*, and the SSH configuration by which a person reaches its *hosts*.

        Raises:
            BenchError: ``evidence_not_written``.
        """
        place = self.folder / entry.name
        lines: list[str] = []
        for host in hosts:
            lines += [f"Host {host.host_name}", *(f"  {name} {value}" for name, value in host.ssh.options().items())]
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            (place / _SSH_CONFIG).write_text("\n".join(lines) + "\n", encoding="utf-8")
            replace_file(place / _ENTRY, canonical(entry.model_dump(mode="json")) + b"\n")
        except OSError as error:
            raise not_written(place, error) from error

    def entries(self) -> list[Entry]:
        """Return all entries, oldest first; what is not readable as one is left out."""
        found = []
        for path in self.folder.glob(f"*/{_ENTRY}"):
            with contextlib.suppress(OSError, ValidationError):
                found.append(Entry.model_validate_json(path.read_bytes()))
        return sorted(found, key=lambda entry: entry.created_at)

    def forget(self, name: str) -> None:
        """Remove what is known of a sandbox; harmless when repeated."""
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def recordings(self, name: str) -> Path:
        """Return where `sandbox enter` records what a person does in a sandbox: a folder per host."""
        return self.folder / name / "recordings"

    def enter(self, entry: Entry) -> tuple[str, ...]:
        """Return the commands that open a shell, one per host."""
        config = str(self.folder / entry.name / _SSH_CONFIG)
        return tuple(shlex.join(["ssh", "-F", config, name]) for name in entry.host_names)


def command(settings: Settings, *words: str) -> str:
    """Return a ``2501bench`` command line that finds the bench directory of *settings* again."""
    # An environment, an env file or an ini file will say the same then; an option is forgotten.
    named = settings.sources.get("bench_dir") == "--bench-dir"
    return shlex.join(["2501bench", *words, *(["--bench-dir", str(settings.bench_dir.absolute())] if named else [])])


# ---- pytest --keep-sandbox ------------------------------------------------------------------------------------------


def wanted(run: Run, *, interrupted: bool) -> bool:
    """Say whether ``--keep-sandbox`` means this run's hosts. An interrupted session leaves none: nobody would look."""
    policy = run.session.settings.keep_sandbox
    if policy == "none" or interrupted:
        return False
    try:
        failure = read_evidence(run.log.path).failure
    except BenchError:  # told when the run is settled; the hosts must not stay because of it
        return False
    if failure is not None and failure.cause is Cause.INTERRUPTED:
        return False
    if policy == "all" or run.report is None:
        return True
    checks = [check for check in (*run.report.checks, *run.checks) if check.required]
    return any(status is not Status.PASSED for status in (run.report.status, *(check.status for check in checks)))


def keep_run(run: Run, sandbox: Sandbox) -> None:
    """Leave the hosts of *run* up, in place of the restore phase; the engine and the database forget them.

    Registered hosts (host mode) are not put back and go into quarantine, so that no other run gets them.

    Raises:
        BenchError: they could not be kept; then they were removed, or put back, after all.
    """
    phases = run.phases
    phases.announce.phase(phases.label, Phase.RESTORE)
    wall, clock = time.time(), time.monotonic()
    try:
        for problem in _forgotten(run, sandbox):
            phases.log.warning(f"restore: {problem}")
        record = _kept(run, sandbox)
    except BaseException:  # Ctrl-C too: what is not kept must not stay
        Book(run.session.settings.bench_dir).forget(sandbox.name)
        phases.restore(sandbox)
        raise
    phases.log.kept(record)
    phases.log.phase(
        PhaseRecord(
            name=Phase.RESTORE,
            status=PhaseStatus.SKIPPED,
            started_at=wall,
            seconds=round(time.monotonic() - clock, 3),
            message=f"kept on purpose (--keep-sandbox {run.session.settings.keep_sandbox})",
        )
    )
    phases.log.warning(f"the hosts are still up, on purpose. Remove them with `{record.remove}`.")


def _forgotten(run: Run, sandbox: Sandbox) -> Iterator[str]:
    """End the sessions to the hosts, and make engine and database forget them; yield what went wrong."""
    phases = run.phases
    phases.playbooks.forget(sandbox.hosts)
    try:
        phases.gateway.unregister(phases.hosts, phases.agents)
        if phases.store is not None:
            remove_members(phases.store, phases.hosts if phases.fresh else (), phases.agents)
    except BenchError as exc:
        yield exc.message


def _kept(run: Run, sandbox: Sandbox) -> KeptRecord:
    phases, settings = run.phases, run.session.settings
    entry = Entry(
        name=sandbox.name,
        mode=phases.provider.mode,
        kind=Kind.KEPT,
        created_at=time.time(),
        host_names=tuple(host.host_name for host in sandbox.hosts),
        host_ids=tuple(host.host_id for host in sandbox.hosts),
        key=run.loaded.scenario.key,
        scenario=str(run.loaded.directory.absolute()),
        run=phases.label,
    )
    book = Book(settings.bench_dir)
    book.add(entry, sandbox.hosts)
    remove = command(settings, "sandbox", "restore", "-n", sandbox.name)
    if not phases.fresh:
        phases.provider.quarantine(sandbox, f"kept for a look at {phases.label}; `{remove}` puts it back")
    phases.provider.keep(sandbox)  # last: until then its removal is ours, and a reaper's when we are killed
    return KeptRecord(sandbox=sandbox.name, enter=book.enter(entry), remove=remove)
