"""One run from claim to stored report: the frame around :mod:`.phases`. Knows no pytest."""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import dataclass, field

from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.evidence.folder import run_dir
from pytest_2501bench.evidence.log import EvidenceLog, read_evidence, write_report
from pytest_2501bench.evidence.model import Evidence, FailureRecord, RunStarted
from pytest_2501bench.ids import new_id
from pytest_2501bench.phases import Announcer, RunPhases
from pytest_2501bench.report.build import build_report
from pytest_2501bench.report.model import CheckResult, ScenarioReport
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
    for template in dict.fromkeys(spec.template for spec in host_specs(loaded, fresh)):
        lack = provider.capabilities(template).lack(wanted)
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
    checks: list[CheckResult] = field(default_factory=list)
    report: ScenarioReport | None = None
    settled: bool = False

    @classmethod
    def claim(
        cls,
        session: BenchSession,
        loaded: LoadedScenario,
        *,
        iteration: int,
        nodeid: str,
        announce: Announcer,
        interrupts: tuple[type[Exception], ...] = (),
    ) -> Run:
        """Claim the run; of all processes that want it, one gets it.

        Args:
            session: what the session's runs share.
            loaded: the scenario.
            iteration: from 1.
            nodeid: how pytest names the run.
            announce: is told of each phase.
            interrupts: exceptions that end the session, as KeyboardInterrupt does, and are nobody's fault.

        Raises:
            AlreadyRun: it happened, or is happening, elsewhere.
            BenchError: ``evidence_not_written``.
        """
        settings = session.settings
        scenario = loaded.scenario
        log = EvidenceLog.create(
            run_dir(settings.bench_dir, session.benchmark_id, scenario.key, iteration),
            RunStarted(
                run_id=new_id("run"),
                benchmark_id=session.benchmark_id,
                key=scenario.key,
                nodeid=nodeid,
                iteration=iteration,
                mode=settings.mode,
                gateway=settings.gateway,
                agent=settings.agent,
                main_engine=settings.main_engine,
                secondary_engine=settings.secondary_engine,
                specialty=settings.specialty,
                started_at=time.time(),
                scenario=scenario.model_dump(mode="json", by_alias=True, exclude_defaults=True),
                version_key=_version_key(session, loaded),
                has_validate=loaded.playbook("validate") is not None,
            ),
        )
        phases = RunPhases(
            loaded=loaded,
            label=f"{scenario.key} run{iteration}",
            log=log,
            provider=session.provider,
            playbooks=session.playbooks,
            store=None if session.worker else session.store,
            announce=announce,
            oracle=session.oracle,
            main_engine=settings.main_engine,
            secondary_engine=settings.secondary_engine,
            specialty=settings.specialty,
            retries=settings.infra_retries,
            interrupts=interrupts,
        )
        return cls(session, phases, loaded, log)

    @property
    def folder(self) -> str:
        """The run's folder, relative to the bench directory."""
        return self.log.run_dir.relative_to(self.session.settings.bench_dir).as_posix()

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
        shutil.rmtree(self.log.run_dir, ignore_errors=True)


def _version_key(session: BenchSession, loaded: LoadedScenario) -> dict[str, str]:
    settings = session.settings
    key = dict(loaded.digests)
    templates = sorted({host.template or "debian-base" for host in loaded.scenario.hosts} or {"debian-base"})
    key["template"] = ",".join(templates)
    key["mode"] = settings.mode
    for name in ("agent", "main_engine", "secondary_engine", "specialty"):
        value = getattr(settings, name)
        if value is not None:
            key[name] = value
    return key
