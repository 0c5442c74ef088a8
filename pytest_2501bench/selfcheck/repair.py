"""A whole run in which the oracle plays a repair: solve.yml, a cheat or an alternative. Scored as any run is."""

from __future__ import annotations

import contextlib
from pathlib import Path

from pytest_2501bench.errors import Phase
from pytest_2501bench.evidence.log import EvidenceLog, read_evidence
from pytest_2501bench.evidence.model import PlaybookRecord, PlaybookStatus
from pytest_2501bench.host_state.compare import changes
from pytest_2501bench.host_state.model import Change
from pytest_2501bench.host_state.take import take
from pytest_2501bench.matrix import Variant
from pytest_2501bench.phases import Announcer, RunPhases, explain
from pytest_2501bench.playbooks.model import PlaybookRequest
from pytest_2501bench.report.collateral import collateral_check
from pytest_2501bench.run import memory_for, run_started
from pytest_2501bench.sandbox.protocol import Sandbox
from pytest_2501bench.scenario.model import LoadedScenario
from pytest_2501bench.scoring.gates import score
from pytest_2501bench.selfcheck.model import Repair
from pytest_2501bench.selfcheck.stage import roots_of
from pytest_2501bench.session import BenchSession


def repair(
    bench: BenchSession,
    loaded: LoadedScenario,
    playbook: Path,
    *,
    folder: Path,
    label: str,
    announce: Announcer,
    take_back: bool,
) -> Repair:
    """Make a run of *loaded* in which the oracle plays *playbook*, with its evidence in *folder*.

    Args:
        bench: the session.
        loaded: the scenario.
        playbook: what the oracle plays.
        folder: must not exist.
        label: how the terminal calls the run.
        announce: is told of each phase.
        take_back: play restore.yml after it, and compare the hosts with what they were before prepare.yml.

    Raises:
        BenchError: the run was lost; its phase says where.
    """
    started = run_started(bench, loaded, 1, Variant(), nodeid=label)
    log = EvidenceLog.create(folder, started)
    phases = RunPhases(
        loaded=loaded,
        label=label,
        log=log,
        provider=bench.provider,
        playbooks=bench.playbooks,
        store=None,
        announce=announce,
        oracle=True,
        oracle_playbook=playbook,
        collateral=loaded.scenario.bench.collateral,
        restore_first=False,  # what it does to untouched hosts is a claim of its own
        retries=bench.settings.infra_retries,
    )
    phases.attach(bench.recorded(bench.gateway, log))
    with contextlib.ExitStack() as stack:
        stack.callback(announce.done)
        stack.callback(log.close)
        stack.enter_context(memory_for(bench, loaded, label, announce))
        sandbox = phases.provision()
        stack.callback(phases.restore, sandbox)
        before = take(bench.playbooks.ssh_command, sandbox.hosts, roots_of(loaded)) if take_back else None
        phases.prepare(sandbox)
        phases.flush()
        phases.execute(sandbox)
        phases.validate(sandbox)
        evidence = read_evidence(log.path)
        verdicts = score(loaded.scenario, evidence, has_validate=started.has_validate, custom=bench.custom)
        left: tuple[Change, ...] | None = None
        failed = ""
        if before is not None and (record := _restored(bench, loaded, sandbox, folder)) is not None:
            failed = "" if record.status is PlaybookStatus.OK else explain(record)
            left = changes(before, take(bench.playbooks.ssh_command, sandbox.hosts, roots_of(loaded)))
        third = collateral_check(evidence, started.scenario)
    return Repair(verdicts, third, not_restored=left, restore_failed=failed)


def _restored(bench: BenchSession, loaded: LoadedScenario, sandbox: Sandbox, folder: Path) -> PlaybookRecord | None:
    path = loaded.playbook("restore")
    if path is None:
        return None
    return bench.playbooks.run(
        PlaybookRequest(
            playbook=path,
            phase=Phase.RESTORE,
            hosts=sandbox.hosts,
            deadline=loaded.scenario.bench.timeouts.restore,
            log=folder / "restore-after.log",
            extra_inventory=loaded.inventory,
        )
    )
