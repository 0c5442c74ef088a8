"""A scenario's hosts for a person: provisioned and broken, put back, and one playbook of it played by hand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from pytest_2501bench.cli.kept import age, removal
from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.evidence.model import PlaybookRecord, PlaybookStatus
from pytest_2501bench.keeping import Book, Entry, Kind
from pytest_2501bench.phases import explain
from pytest_2501bench.playbooks.model import PlaybookRequest
from pytest_2501bench.run import skip_reason
from pytest_2501bench.sandbox.protocol import Host, Progress, Sandbox, SandboxProvider
from pytest_2501bench.scenario.load import load_scenario
from pytest_2501bench.scenario.model import LoadedScenario
from pytest_2501bench.scenario.resolve import DEFAULT_TEMPLATE, host_specs
from pytest_2501bench.session import BenchSession


def is_fresh(provider: SandboxProvider) -> bool:
    """Say whether the mode makes its hosts, so that removing them is all there is to do."""
    return provider.capabilities(DEFAULT_TEMPLATE).fresh


def check(bench: BenchSession, book: Book, loaded: LoadedScenario) -> None:
    """Check that the scenario can be staged here, and is not already.

    Raises:
        BenchError: ``tool_missing``, ``sandbox_unavailable``, or ``option_invalid``: there is a sandbox of it.
    """
    key, mode = loaded.scenario.key, bench.settings.mode
    for entry in book.entries():
        if entry.kind is not Kind.PREPARED or (entry.key, entry.mode) != (key, mode):
            continue
        if bench.provider.find(entry.name) is None:
            book.forget(entry.name)
            continue
        raise BenchError(
            Cause.OPTION_INVALID,
            f"-s {key}: was prepared {age(entry.created_at)} ago: {book.enter(entry)[0]}.",
            remedy=f"Remove that one first: {removal(entry, bench.settings)}",
        )
    bench.playbooks.preflight()
    obstacles = bench.provider.preflight()
    if obstacles:
        raise BenchError(Cause.SANDBOX_UNAVAILABLE, f"--mode {mode}: {obstacles[0].what}.", remedy=obstacles[0].remedy)
    reason = skip_reason(bench, loaded)
    if reason is not None:
        raise BenchError(Cause.SANDBOX_UNAVAILABLE, f"{key}: {reason}.")


def stage(bench: BenchSession, book: Book, loaded: LoadedScenario, progress: Progress) -> Entry:
    """Provision and prepare the hosts, and let them outlive this process.

    When anything goes wrong, and after Ctrl-C, what was made is removed again, or put back.

    Raises:
        BenchError: ``prepare_failed``, or as the provider has it.
    """
    provider, key = bench.provider, loaded.scenario.key
    fresh = is_fresh(provider)
    specs = host_specs(loaded, fresh)
    names = ", ".join(spec.host_name for spec in specs)
    provider.prepare_images(specs, progress)
    progress(f"{'making' if fresh else 'taking'} {names}")
    sandbox = provider.create(specs, progress)
    try:
        entry = Entry(
            name=sandbox.name,
            mode=provider.mode,
            kind=Kind.PREPARED,
            created_at=time.time(),
            host_names=tuple(host.host_name for host in sandbox.hosts),
            host_ids=tuple(host.host_id for host in sandbox.hosts),
            key=key,
            scenario=str(loaded.directory.absolute()),
        )
        book.add(entry, sandbox.hosts)
        play(bench, loaded, sandbox.hosts, "restore", phase=Phase.PREPARE, logs=book.folder)
        progress("playing prepare.yml" if loaded.playbook("prepare") else "no prepare.yml: the hosts stay as they are")
        record = play(bench, loaded, sandbox.hosts, "prepare", phase=Phase.PREPARE, logs=book.folder)
        if record is not None and record.status is not PlaybookStatus.OK:
            log = book.folder / (record.log or "")
            raise BenchError(Cause.PREPARE_FAILED, f"{explain(record)}. Nothing is left.", log=log)
        if not fresh:
            provider.quarantine(sandbox, f"prepared for a person; `{removal(entry, bench.settings)}` puts it back")
        provider.keep(sandbox)  # last: until then its removal is ours, and a reaper's when we are killed
    except BaseException:
        book.forget(sandbox.name)
        try:
            bench.playbooks.forget(sandbox.hosts)
            if not fresh:
                play(bench, loaded, sandbox.hosts, "restore", phase=Phase.RESTORE, logs=book.folder)
        finally:
            _destroy(provider, sandbox)
        raise
    return entry


def _destroy(provider: SandboxProvider, sandbox: Sandbox) -> None:
    try:
        provider.destroy(sandbox)
    except KeyboardInterrupt:  # the hosts must be gone all the same; one more is obeyed
        provider.destroy(sandbox)
        raise


def put_back(bench: BenchSession, book: Book, entry: Entry, sandbox: Sandbox) -> None:
    """Play restore.yml on registered hosts, and let them go.

    Raises:
        BenchError: ``restore_failed``; they stay in quarantine.
    """
    if entry.scenario is not None:
        loaded = scenario_of(bench, entry)
        record = play(bench, loaded, sandbox.hosts, "restore", phase=Phase.RESTORE, logs=book.folder)
        if record is not None and record.status is not PlaybookStatus.OK:
            why = f"{explain(record)}. In quarantine still: {', '.join(entry.host_names)}."
            raise BenchError(Cause.RESTORE_FAILED, why, log=book.folder / (record.log or ""))
    for host in sandbox.hosts:
        bench.store.quarantine_host(host.host_id, None)
    bench.provider.destroy(sandbox)


def scenario_of(bench: BenchSession, entry: Entry) -> LoadedScenario:
    """Load the scenario of *entry*, as its files are now. Raises ``scenario_invalid``."""
    rules = {name: rule.model for name, rule in bench.rule_types.items()}
    return load_scenario(Path(entry.scenario or ".") / "scenario.json", validators=rules, root=Path.cwd())


def play(
    bench: BenchSession, loaded: LoadedScenario, hosts: Sequence[Host], name: str, *, phase: Phase, logs: Path
) -> PlaybookRecord | None:
    """Play ``NAME.yml`` of *loaded* on *hosts*; None when there is none. Its log is ``KEY.NAME.log`` in *logs*."""
    playbook = loaded.playbook(name)  # type: ignore[arg-type]
    if playbook is None:
        return None
    limits = loaded.scenario.bench.timeouts
    deadlines = {"prepare": limits.prepare, "validate": limits.validate_, "restore": limits.restore}
    logs.mkdir(parents=True, exist_ok=True, mode=0o700)
    request = PlaybookRequest(
        playbook=playbook,
        phase=phase,
        hosts=hosts,
        deadline=deadlines[name],
        log=logs / f"{loaded.scenario.key.replace('/', '+')}.{name}.log",
        extra_inventory=loaded.inventory,
    )
    return bench.playbooks.run(request)
