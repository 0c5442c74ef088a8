"""One run from claim to stored report: the frame around :mod:`.phases`. Knows no pytest."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.evidence.folder import run_dir
from pytest_2501bench.evidence.log import EvidenceLog, read_evidence, write_report
from pytest_2501bench.evidence.model import Evidence, FailureRecord, RunStarted
from pytest_2501bench.gateway.protocol import Gateway
from pytest_2501bench.host_state.watch import asked
from pytest_2501bench.ids import new_id
from pytest_2501bench.matrix import Variant, run_name
from pytest_2501bench.phases import Announcer, RunPhases
from pytest_2501bench.report.build import build_report
from pytest_2501bench.report.model import CheckResult, ScenarioReport
from pytest_2501bench.sandbox.protocol import KNOWN_CAPABILITIES, KeptHosts
from pytest_2501bench.sandbox.ram import RamTicket
from pytest_2501bench.sandbox.templates import load_templates
from pytest_2501bench.scenario.model import LoadedScenario
from pytest_2501bench.scenario.resolve import form_obstacle, host_specs, required_capabilities
from pytest_2501bench.scoring.gates import score
from pytest_2501bench.session import BenchSession


def skip_reason(session: BenchSession, loaded: LoadedScenario) -> str | None:
    """Return why ``--mode`` cannot run the scenario on this machine, in one line, or None."""
    provider = session.provider
    fresh = provider.capabilities("debian-base").fresh
    obstacle = form_obstacle(loaded, fresh)
    if obstacle is not None:
        return f"--mode {session.settings.mode}: {obstacle}"
    wanted = required_capabilities(loaded)
    if isinstance(provider, KeptHosts):
        lack = provider.lack(host_specs(loaded, fresh), wanted)
        return None if lack is None else f"--mode {session.settings.mode}: {lack}"
    for template in dict.fromkeys(spec.template for spec in host_specs(loaded, fresh)):
        told = provider.capabilities(template)
        # A template that lacks everything cannot be made here at all, whatever the scenario wants.
        lack = told.lack(wanted) or (told.lack(sorted(KNOWN_CAPABILITIES)) if fresh and not told.names else None)
        if lack is not None:
            return f"--mode {session.settings.mode}: {lack}"
    return None


@dataclass
class Run:
    """One claimed (scenario, iteration). ``phases`` does the work; this keeps the record."""

    session: BenchSession
    phases: RunPhases
    loaded: LoadedScenario
    log: EvidenceLog
    memory: RamTicket | None = None
    checks: list[CheckResult] = field(default_factory=list)
    report: ScenarioReport | None = None
    settled: bool = False
    _recorded: tuple[Gateway, Gateway] | None = None  # the session's, and the one before it

    @classmethod
    def claim(
        cls,
        session: BenchSession,
        loaded: LoadedScenario,
        *,
        iteration: int,
        variant: Variant,
        nodeid: str,
        announce: Announcer,
        interrupts: tuple[type[Exception], ...] = (),
    ) -> Run:
        """Wait for the memory that its hosts take, and claim the run; of all processes that want it, one gets it.

        Whoever is interrupted while it waits has not begun the run, and leaves nothing of it.

        Args:
            session: what the session's runs share.
            loaded: the scenario.
            iteration: from 1.
            variant: what ``--matrix`` overrides in it.
            nodeid: how pytest names the run.
            announce: is told of each phase.
            interrupts: exceptions that end the session, as KeyboardInterrupt does, and are nobody's fault.

        Raises:
            AlreadyRun: it happened, or is happening, elsewhere.
            BenchError: ``evidence_not_written``.
        """
        settings = session.settings
        label = f"{loaded.scenario.key} {run_name(iteration, variant.name)}"
        memory = _memory(session, loaded, label, announce)
        try:
            log = _begun(session, loaded, iteration, variant, nodeid)
        except BaseException:
            _release(memory)
            announce.done()
            raise
        phases = RunPhases(
            loaded=loaded,
            label=label,
            log=log,
            provider=session.provider,
            playbooks=session.playbooks,
            store=None if session.worker else session.store,
            announce=announce,
            oracle=session.oracle,
            main_engine=variant.main_engine or settings.main_engine,
            secondary_engine=variant.secondary_engine or settings.secondary_engine,
            specialty=variant.specialty or settings.specialty,
            retries=settings.infra_retries,
            collateral=asked(loaded, settings.collateral),
            interrupts=interrupts,
        )
        return cls(session, phases, loaded, log, memory)

    @property
    def folder(self) -> str:
        """The run's folder, relative to the bench directory."""
        return self.log.run_dir.relative_to(self.session.settings.bench_dir).as_posix()

    def recorded(self, gateway: Gateway) -> Gateway:
        """Return *gateway* with the record of what agents do before it; the same one for the whole run."""
        if self._recorded is None or self._recorded[0] is not gateway:
            self._recorded = (gateway, self.session.recorded(gateway, self.log))
        return self._recorded[1]

    def fail(self, message: str, cause: Cause = Cause.HARNESS_BUG, phase: Phase | None = None) -> None:
        """Record what no phase has recorded: a fixture of the user's that failed, a run that was never begun."""
        with contextlib.suppress(BenchError):
            if read_evidence(self.log.path).failure is None:
                self.log.failure(FailureRecord(cause=cause, phase=phase, message=message))

    def conclude(self) -> ScenarioReport:
        """Score what is on disk, write ``report.json`` and store it; again when more has become known.

        Raises:
            BenchError: ``evidence_not_written``, ``evidence_missing`` or ``database_lost``.
        """
        evidence = read_evidence(self.log.path)
        report = self._scored(evidence)
        try:
            write_report(self.log.run_dir, report)
        except BenchError as exc:
            if self.report is None:  # no verdict that is not on disk; but the run is counted, as lost
                failure = FailureRecord(cause=exc.cause, phase=exc.phase, message=str(exc))
                with contextlib.suppress(BenchError):
                    self.session.keep(self._scored(evidence.model_copy(update={"failure": failure})))
            raise
        self.report = report
        self.session.keep(report)
        return report

    def _scored(self, evidence: Evidence) -> ScenarioReport:
        verdicts = score(
            self.loaded.scenario, evidence, has_validate=evidence.run.has_validate, custom=self.session.custom
        )
        return build_report(evidence, verdicts, self.checks, self.folder)

    def settle(self) -> None:
        """End the run: whatever happened, it has a report, and the report is stored.

        Raises:
            BenchError: as :meth:`conclude`; the evidence on disk stands, and ``2501bench sync`` imports it.
        """
        if self.settled:
            return
        self.settled = True
        self.phases.announce.done()
        _release(self.memory)  # the sandbox is gone, or named as left behind
        if self.report is None:
            evidence = read_evidence(self.log.path)
            if not any(phase.name is Phase.VALIDATE for phase in evidence.phases):
                self.fail("the run ended before its validation", Cause.INTERRUPTED)
        try:
            self.log.finish()
        finally:
            self.log.close()
            self.conclude()

    def discard(self) -> None:
        """Forget the run, which was skipped; unless something has happened already: then it is settled as usual."""
        if read_evidence(self.log.path).phases:
            return
        self.settled = True
        self.phases.announce.done()
        self.log.close()
        _release(self.memory)
        shutil.rmtree(self.log.run_dir, ignore_errors=True)


def _memory(session: BenchSession, loaded: LoadedScenario, label: str, announce: Announcer) -> RamTicket | None:
    needed = session.memory_of(loaded)
    if not needed:
        return None

    def waiting(line: str) -> None:
        if not told:
            announce.phase(label, Phase.PROVISION)
            told.append(line)
        announce.detail(line)

    told: list[str] = []
    try:
        return session.ram.take(needed, cap=session.settings.parallel_ram_cap, progress=waiting)
    except OSError as exc:
        # Counting memory needs a folder that can be written. Without a cap nobody is waiting for the count.
        if session.settings.parallel_ram_cap is None:
            return None
        raise BenchError(
            Cause.SANDBOX_NOT_CREATED,
            f"memory cannot be reserved: {exc.filename}: {exc.strerror}",
            phase=Phase.PROVISION,
        ) from None
    except BaseException:
        announce.done()
        raise


def _release(memory: RamTicket | None) -> None:
    if memory is not None:
        memory.release()


@contextlib.contextmanager
def memory_for(session: BenchSession, loaded: LoadedScenario, label: str, announce: Announcer) -> Iterator[None]:
    """Wait for the memory that the hosts of *loaded* take, and hold it. Raises ``sandbox_not_created``."""
    memory = _memory(session, loaded, label, announce)
    try:
        yield
    finally:
        _release(memory)


def _begun(session: BenchSession, loaded: LoadedScenario, iteration: int, variant: Variant, nodeid: str) -> EvidenceLog:
    key, folder = loaded.scenario.key, session.settings.bench_dir
    return EvidenceLog.create(
        run_dir(folder, session.benchmark_id, key, iteration, variant=variant.name),
        run_started(session, loaded, iteration, variant, nodeid),
    )


def run_started(
    session: BenchSession, loaded: LoadedScenario, iteration: int, variant: Variant, nodeid: str
) -> RunStarted:
    """Return the head of a new run's evidence."""
    settings, scenario = session.settings, loaded.scenario
    return RunStarted(
        run_id=new_id("run"),
        benchmark_id=session.benchmark_id,
        key=scenario.key,
        nodeid=nodeid,
        iteration=iteration,
        mode=settings.mode,
        gateway=settings.gateway,
        agent=settings.agent,
        main_engine=variant.main_engine or settings.main_engine,
        secondary_engine=variant.secondary_engine or settings.secondary_engine,
        specialty=variant.specialty or settings.specialty,
        started_at=time.time(),
        scenario=scenario.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        version_key=_version_key(session, loaded, variant),
        has_validate=loaded.playbook("validate") is not None,
    )


def _version_key(session: BenchSession, loaded: LoadedScenario, variant: Variant) -> dict[str, str]:
    settings = session.settings
    key = dict(loaded.digests)
    names = sorted({host.template or "debian-base" for host in loaded.scenario.hosts} or {"debian-base"})
    known = load_templates(settings.vm_templates_path)
    # By content: a run on another build of the same name is not comparable. Registered hosts have only the name.
    key["template"] = ",".join(f"{name}-{known[name].fingerprint()}" if name in known else name for name in names)
    key["mode"] = settings.mode
    for name in ("agent", "main_engine", "secondary_engine", "specialty"):
        value = getattr(variant, name, None) or getattr(settings, name)
        if value is not None:
            key[name] = value
    return key
