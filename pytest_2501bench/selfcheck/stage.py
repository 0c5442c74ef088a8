"""The hosts of one scenario without an agent: made, played on, looked at, removed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.evidence.model import PlaybookRecord, PlaybookStatus
from pytest_2501bench.host_state.compare import changes
from pytest_2501bench.host_state.model import Change, HostState
from pytest_2501bench.host_state.take import take
from pytest_2501bench.phases import Announcer, explain
from pytest_2501bench.playbooks.model import PlaybookRequest
from pytest_2501bench.run import memory_for
from pytest_2501bench.sandbox.protocol import Sandbox
from pytest_2501bench.scenario.lint.playbook import FAULT_TAG, read_playbook
from pytest_2501bench.scenario.model import Collateral, Kind, LoadedScenario
from pytest_2501bench.scenario.resolve import DEFAULT_TEMPLATE, host_specs
from pytest_2501bench.selfcheck.model import Step, Walk
from pytest_2501bench.session import BenchSession

State = dict[str, HostState]


def roots_of(loaded: LoadedScenario) -> tuple[str, ...]:
    """Return the folders whose files are compared."""
    return (loaded.scenario.bench.collateral or Collateral()).roots


@dataclass
class Stage:
    """Plays a scenario's playbooks on its hosts. *folder* gets their logs."""

    bench: BenchSession
    loaded: LoadedScenario
    sandbox: Sandbox
    folder: Path
    announce: Announcer

    def play(self, name: str, phase: Phase, log: str, *, skip_tags: tuple[str, ...] = ()) -> PlaybookRecord | None:
        """Play ``NAME.yml``; None when there is none, or nothing is left of it without the tags."""
        path = self.loaded.playbook(name)  # type: ignore[arg-type]
        if path is None:
            return None
        limits = self.loaded.scenario.bench.timeouts
        record = self.bench.playbooks.run(
            PlaybookRequest(
                playbook=path,
                phase=phase,
                hosts=self.sandbox.hosts,
                deadline={"prepare": limits.prepare, "validate": limits.validate_, "restore": limits.restore}[name],
                log=self.folder / f"{log}.log",
                extra_inventory=self.loaded.inventory,
                skip_tags=skip_tags,
                progress=self.announce.detail,
            )
        )
        if skip_tags and record.status is PlaybookStatus.NO_HOSTS:  # every task has the tag
            return None
        return record

    def look(self) -> State:
        """Return what is on the hosts now."""
        return take(self.bench.playbooks.ssh_command, self.sandbox.hosts, roots_of(self.loaded))


@contextlib.contextmanager
def staged(
    bench: BenchSession, loaded: LoadedScenario, folder: Path, label: str, announce: Announcer
) -> Iterator[Stage]:
    """Make the hosts of *loaded*, and remove them again, or put them back, whatever happens.

    Raises:
        BenchError: as the provider has it.
    """
    provider = bench.provider
    fresh = provider.capabilities(DEFAULT_TEMPLATE).fresh
    specs = host_specs(loaded, fresh)
    folder.mkdir(parents=True, exist_ok=True)
    with memory_for(bench, loaded, label, announce):
        announce.phase(label, Phase.PROVISION)
        provider.prepare_images(specs, announce.detail)
        sandbox = provider.create(specs, announce.detail)
        stage = Stage(bench, loaded, sandbox, folder, announce)
        try:
            yield stage
        finally:
            try:
                if not fresh:
                    record = stage.play("restore", Phase.RESTORE, "restore-last")
                    if record is not None and record.status is not PlaybookStatus.OK:
                        provider.quarantine(sandbox, explain(record))
                bench.playbooks.forget(sandbox.hosts)
            finally:
                try:
                    provider.destroy(sandbox)
                except KeyboardInterrupt:  # the hosts must be gone all the same; one more is obeyed
                    provider.destroy(sandbox)
                    raise
                finally:
                    announce.done()


def walk(stage: Stage, label: str) -> Walk:
    """Play the scenario through on *stage*'s hosts: healthy, with the fault, restored, each twice.

    Raises:
        BenchError: ``ssh_not_up``: a host cannot be looked at.
    """
    played: dict[Step, PlaybookRecord] = {}
    changed: dict[Step, tuple[Change, ...]] = {}
    prepare = stage.loaded.playbook("prepare")
    kind = stage.loaded.scenario.bench.kind
    # Where nothing is wrong, the whole of prepare.yml makes the healthy host.
    skip = (FAULT_TAG,) if kind is Kind.REMEDIATION else ()
    baseline = prepare is not None and (not skip or read_playbook(prepare).has_tag(FAULT_TAG))

    def play(step: Step, name: str, *, skip_tags: tuple[str, ...] = ()) -> None:
        phase = {"prepare": Phase.PREPARE, "validate": Phase.VALIDATE, "restore": Phase.RESTORE}[name]
        stage.announce.phase(label, phase)
        record = stage.play(name, phase, f"{len(played) + 1:02}-{step.name.lower()}", skip_tags=skip_tags)
        if record is not None:
            played[step] = record

    def validate(*steps: Step) -> None:
        if stage.loaded.playbook("validate") is None:
            return
        before = stage.look()
        for step in steps:
            play(step, "validate")
        changed[steps[-1]] = changes(before, stage.look())

    def healthy(step: Step) -> None:
        if baseline:
            play(step, "prepare", skip_tags=skip)

    untouched = stage.look()
    if stage.loaded.playbook("restore") is not None:
        play(Step.RESTORE_UNTOUCHED, "restore")
        changed[Step.RESTORE_UNTOUCHED] = changes(untouched, stage.look())
    healthy(Step.HEALTHY)
    validate(Step.VALIDATE_HEALTHY, Step.VALIDATE_HEALTHY_AGAIN)
    if prepare is not None:
        play(Step.PREPARE, "prepare")
        validate(Step.VALIDATE_FAULT)
        play(Step.PREPARE_AGAIN, "prepare")
        validate(Step.VALIDATE_FAULT_AGAIN)
    if stage.loaded.playbook("restore") is not None:
        play(Step.RESTORE, "restore")
        restored = stage.look()
        changed[Step.RESTORE] = changes(untouched, restored)
        play(Step.RESTORE_AGAIN, "restore")
        changed[Step.RESTORE_AGAIN] = changes(restored, stage.look())
        healthy(Step.HEALTHY_AGAIN)
        validate(Step.VALIDATE_HEALTHY_LAST)
    return Walk(played, changed)


def lost(error: BenchError) -> bool:
    """Say whether *error* is the scenario's own: its prepare.yml failed in a run, and not the machine around it."""
    return error.cause is Cause.PREPARE_FAILED and error.phase is Phase.PREPARE
