"""One run, phase by phase: provision, prepare, flush, execute, validate, restore. Knows no pytest.

Each phase is one method of :class:`RunPhases`. What a phase observes is in the evidence log before the next one starts.
Whatever fails is a :class:`~pytest_2501bench.errors.BenchError` with its phase set, already recorded.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pytest_2501bench.errors import BenchError, Cause, Phase, Verdict
from pytest_2501bench.evidence.log import EvidenceLog, read_evidence
from pytest_2501bench.evidence.model import (
    AgentRecord,
    FailureRecord,
    HostRecord,
    JobRecord,
    PhaseRecord,
    PhaseStatus,
    PlaybookRecord,
    PlaybookStatus,
)
from pytest_2501bench.gateway.protocol import AgentRegistration, Gateway, HostRegistration, TicketSubmission
from pytest_2501bench.guards import violation
from pytest_2501bench.host_state.watch import Watch
from pytest_2501bench.ids import new_id
from pytest_2501bench.playbooks.model import PlaybookRequest, PlaybookRunner
from pytest_2501bench.sandbox.protocol import Sandbox, SandboxProvider
from pytest_2501bench.scenario.model import Collateral, LoadedScenario
from pytest_2501bench.scenario.resolve import DEFAULT_TEMPLATE, agent_specs, host_specs
from pytest_2501bench.scoring.reach import own_doing
from pytest_2501bench.store.members import add_members, remove_members
from pytest_2501bench.store.patience import patiently
from pytest_2501bench.store.repository import Store
from pytest_2501bench.traces.isolation import Isolation

Result = TypeVar("Result")

ALIVE_EVERY = 5.0  # seconds between two looks at the sandbox while a job runs
POLL_EVERY = 0.25  # seconds between two polls of a gateway that answers at once
CANCEL_GRACE = 30.0  # seconds that a cancelled job may need to end


class Announcer:
    """Says which phase a run is in; the terminal shows it. Does nothing by itself."""

    def phase(self, run: str, phase: Phase) -> None:
        """Say that *phase* of *run* starts."""

    def detail(self, line: str) -> None:
        """Say how the phase moves on."""

    def done(self) -> None:
        """Say that the run is over."""


@dataclass
class RunPhases:
    """One run's means, and what it holds between phases."""

    loaded: LoadedScenario
    label: str  # "nginx/001-broken-config run1", for people only
    log: EvidenceLog
    provider: SandboxProvider
    playbooks: PlaybookRunner
    store: Store | None
    announce: Announcer = field(default_factory=Announcer)
    oracle: bool = False  # the local engine plays the scenario's solve.yml
    oracle_playbook: Path | None = None  # what it plays in place of that
    restore_first: bool = True  # False: the hosts are new, and it is known that restore.yml does nothing to them
    main_engine: str | None = None
    secondary_engine: str | None = None
    specialty: str | None = None
    retries: int = 0
    collateral: Collateral | None = None  # what is looked at for the third check; None: nothing
    interrupts: tuple[type[Exception], ...] = ()  # end the session like Ctrl-C, although they are Exceptions
    hosts: tuple[HostRegistration, ...] = ()
    agents: tuple[AgentRegistration, ...] = ()
    _gateway: Gateway | None = None
    _cut_off: bool = False  # whether the last playbook was, so that its commands may still run on the hosts

    def __post_init__(self) -> None:
        touched = any(self.loaded.playbook(name) is not None for name in ("prepare", "validate", "restore"))
        self._isolation = Isolation(self.playbooks, self.log, touched)
        self._watch = Watch(self.playbooks, self.log, self.collateral, alone=not touched)

    @property
    def gateway(self) -> Gateway:
        """The ticketing path; attached before the first phase."""
        assert self._gateway is not None, "attach() comes first"
        return self._gateway

    def attach(self, gateway: Gateway) -> None:
        """Use *gateway* for this run."""
        self._gateway = gateway

    @property
    def fresh(self) -> bool:
        """Whether hosts are made for the run, and removed after it."""
        return self.provider.capabilities(DEFAULT_TEMPLATE).fresh

    # ---- the phases, in order -------------------------------------------------------------------------------------

    def provision(self) -> Sandbox:
        """Make the hosts, and register hosts and agents with the store and the engine."""
        specs = host_specs(self.loaded, self.fresh)

        def attempt() -> Sandbox:
            self.provider.prepare_images(specs, self.announce.detail)
            return self.provider.create(specs, self.announce.detail)

        with self._phase(Phase.PROVISION):
            sandbox = self._retried(attempt)
            try:
                self.adopt(sandbox)
            except BaseException:
                if self.fresh:
                    self._remove(sandbox)
                else:
                    self._let_go(sandbox)
                raise
        return sandbox

    def adopt(self, sandbox: Sandbox) -> None:
        """Register *sandbox*'s hosts and agents; also for a sandbox that a user's own fixture made."""
        self.log.hosts(
            [
                HostRecord(host_id=host.host_id, host_name=host.host_name, template=host.template, address=host.address)
                for host in sandbox.hosts
            ]
        )
        self.hosts = tuple(
            HostRegistration(host.host_id, host.host_name, host.ssh, host.python) for host in sandbox.hosts
        )
        ids = {word: host.host_id for host in sandbox.hosts for word in (host.host_id, host.host_name)}
        self.agents = tuple(
            AgentRegistration(
                agent_id=agent.agent_id or new_id("agt"),
                agent_name=agent.agent_name,
                host_id=ids[agent.host_name],
                specialty_key=self.specialty or agent.specialty_key,
                existing=agent.agent_id is not None,
            )
            for agent in agent_specs(self.loaded, self.fresh)
            if agent.host_name in ids
        )
        self.log.agents(
            [
                AgentRecord(
                    agent_id=agent.agent_id,
                    agent_name=agent.agent_name,
                    specialty_key=agent.specialty_key,
                    host_id=agent.host_id,
                )
                for agent in self.agents
            ]
        )
        if (store := self.store) is not None:
            made = sandbox if self.fresh else None
            patiently(store, lambda: add_members(store, made, self.agents, mode=self.provider.mode))
        self._retried(lambda: self.gateway.register(self.hosts, self.agents))

    def prepare(self, sandbox: Sandbox) -> None:
        """Silent restore.yml, which clears a failed earlier run; then prepare.yml, which brings the incident in.

        Then whatever our own tooling left on the hosts is removed: the agent sees the incident, not how it was staged.
        """
        with self._phase(Phase.PREPARE):
            if not self.hosts:
                self.adopt(sandbox)

            def attempt() -> None:
                if not self.fresh:
                    self._isolation.survey(sandbox.hosts)
                if self.restore_first or not self.fresh:
                    self._play(sandbox, "restore", Phase.PREPARE, self.loaded.scenario.bench.timeouts.restore)
                self._watch.healthy(sandbox.hosts)
                record = self._play(sandbox, "prepare", Phase.PREPARE, self.loaded.scenario.bench.timeouts.prepare)
                if record is not None and record.status is not PlaybookStatus.OK:
                    raise self._not_prepared(sandbox, record)
                self._watch.broken(sandbox.hosts)
                self._isolation.scrub(sandbox.hosts)

            def again() -> None:
                self.playbooks.forget(sandbox.hosts)
                self.provider.reset(sandbox)

            self._retried(attempt, again)
            self._still_ours(sandbox)

    def flush(self) -> None:
        """Empty the agents' memory."""
        with self._phase(Phase.FLUSH):
            self._retried(lambda: self.gateway.flush_memory([agent.agent_id for agent in self.agents]))

    def execute(self, sandbox: Sandbox) -> None:
        """Submit the ticket and wait for its job, with guards at every poll.

        A job past its deadline and a guard that was violated are the agent's failures: recorded, not raised.
        """
        with self._phase(Phase.EXECUTE) as phase:
            limit = self.loaded.scenario.bench.timeouts.execute
            ticket = self._ticket(limit)  # one, however often it is sent: its correlation id keeps it from being two
            reference = self._retried(lambda: self.gateway.submit(ticket))
            deadline = time.monotonic() + limit
            try:
                failure = self._wait(sandbox, reference, deadline)
            except BaseException:
                # The agent must not go on working on a sandbox that is about to be removed.
                with contextlib.suppress(BenchError):
                    self.gateway.cancel(reference)
                raise
            if failure is not None:
                self.log.failure(FailureRecord(cause=failure.cause, phase=Phase.EXECUTE, message=failure.message))
                phase.status, phase.message = PhaseStatus.FAILED, failure.message
                self._cancel(reference)
            self._fetch(reference)
            self._still_ours(sandbox)
            self._still_there(sandbox)

    def validate(self, sandbox: Sandbox) -> None:
        """Let the fix hold for as long as the scenario wants, then run validate.yml. Scoring decides what it means.

        Before that, what is left of the agent's logins is ended: the hosts are judged as they are without it. What the
        agent changed on them is recorded, if the third check asks for it.
        """
        playbook = self.loaded.playbook("validate")
        with self._phase(Phase.VALIDATE) as phase:
            self._isolation.end_logins(sandbox.hosts, fresh=self.fresh)
            hold = self.loaded.scenario.bench.hold_seconds
            if hold:
                self.announce.detail(f"the fix must hold for {hold:g} s")
                time.sleep(hold)
            self._watch.finished(sandbox.hosts)
            if playbook is None:
                phase.message = "no validate.yml; the report decides"
                return
            timeout = self.loaded.scenario.bench.timeouts.validate_
            record = self._play(sandbox, "validate", Phase.VALIDATE, timeout)
            self._still_ours(sandbox)
            if record is not None and record.status is not PlaybookStatus.OK:
                failed = record.status is PlaybookStatus.TASK_FAILED
                phase.status = PhaseStatus.FAILED if failed else PhaseStatus.ERROR
                phase.message = explain(record)

    def restore(self, sandbox: Sandbox) -> None:
        """Remove fresh hosts and their records, or put registered ones back with restore.yml.

        Raises:
            BenchError: ``restore_failed``; what is left is named, with the command that removes it.
        """
        with self._phase(Phase.RESTORE, record_failure=False):
            problems: list[str] = []
            if self.fresh:
                problems += self._remove(sandbox)
            elif (gone := self.provider.alive(sandbox)) is not None:
                # Somebody else's run may be on the hosts: they are no longer ours to touch.
                problems += [f"not restored: {gone}", *self._let_go(sandbox)]
            else:
                record = self._play(sandbox, "restore", Phase.RESTORE, self.loaded.scenario.bench.timeouts.restore)
                if record is not None and record.status is not PlaybookStatus.OK:
                    problems.append(f"{explain(record)}. {self.provider.quarantine(sandbox, explain(record))}".rstrip())
                problems += [*self._isolation.leave(sandbox.hosts), *self._let_go(sandbox)]
            for problem in problems:
                self.log.warning(f"restore: {problem}")

    # ---- what they share ------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _phase(self, name: Phase, *, record_failure: bool = True) -> Iterator[_Outcome]:
        """Time a phase, announce it, record its end; give every failure its phase."""
        self.announce.phase(self.label, name)
        outcome = _Outcome()
        wall, start = time.time(), time.monotonic()
        try:
            yield outcome
        except BenchError as exc:
            exc.phase = exc.phase or name
            error: BenchError | None = exc
            raised: BaseException | None = exc
        except BaseException as exc:  # noqa: BLE001 - raised again below
            if isinstance(exc, (Exception, SystemExit)) and not isinstance(exc, self.interrupts):
                error = raised = self._bug(exc, name)  # an extension's fault must not look like the agent's
            else:
                error = BenchError(Cause.INTERRUPTED, f"interrupted by {type(exc).__name__}", phase=name)
                raised = exc
        else:
            error = raised = None
        if error is not None:
            outcome.status = PhaseStatus.WARNING if error.row.verdict is Verdict.WARNING else PhaseStatus.ERROR
            outcome.message = error.message
            if record_failure:
                with contextlib.suppress(BenchError):  # a full disk is named by its own error, which is under way
                    self.log.failure(FailureRecord(cause=error.cause, phase=name, message=str(error)))
        record = PhaseRecord(
            name=name,
            status=outcome.status,
            started_at=wall,
            seconds=round(time.monotonic() - start, 3),
            message=outcome.message,
        )
        if raised is None:
            self.log.phase(record)
            return
        with contextlib.suppress(BenchError):
            self.log.phase(record)
        raise raised

    def _bug(self, exc: BaseException, phase: Phase) -> BenchError:
        log = self.log.run_dir / "traceback.log"
        with contextlib.suppress(OSError):
            log.write_text("".join(traceback.format_exception(exc)), encoding="utf-8")
        error = BenchError(Cause.HARNESS_BUG, f"{type(exc).__name__}: {exc}", phase=phase, log=log)
        error.__cause__ = exc
        return error

    def _retried(self, attempt: Callable[[], Result], again: Callable[[], object] = lambda: None) -> Result:
        """Call *attempt*; repeat it after faults that the table calls retryable, *again* in between."""
        left = self.retries
        while True:
            try:
                return attempt()
            except BenchError as exc:
                if not exc.row.retry or left == 0:
                    raise
                left -= 1
                self.log.warning(f"tried again after: {exc.message}")
                again()

    def _play(self, sandbox: Sandbox, name: str, phase: Phase, deadline: float) -> PlaybookRecord | None:
        path = self.loaded.playbook(name)  # type: ignore[arg-type]
        if path is None:
            return None
        log = self.log.run_dir / (f"{phase}-{path.stem}.log" if name == "restore" else f"{path.stem}.log")
        if self._cut_off and not self.fresh:
            self._isolation.end_commands(sandbox.hosts)
        self._cut_off = True  # unless it is seen to come to its end
        record = self.playbooks.run(
            PlaybookRequest(
                playbook=path,
                phase=phase,
                hosts=sandbox.hosts,
                deadline=deadline,
                log=log,
                extra_inventory=self.loaded.inventory,
                progress=self.announce.detail,
            )
        )
        self._cut_off = record.status in (PlaybookStatus.TIMED_OUT, PlaybookStatus.CANCELLED)
        record = record.model_copy(update={"log": log.name})
        self.log.playbook(record)
        return record

    def _let_go(self, sandbox: Sandbox) -> list[str]:
        """Give registered hosts back, and make the engine forget what was told it for this run."""
        problems: list[str] = []
        try:
            self.playbooks.forget(sandbox.hosts)
            with _collected(problems):
                self.gateway.unregister(self.hosts, self.agents)
            if (store := self.store) is not None:
                with _collected(problems):
                    patiently(store, lambda: remove_members(store, (), self.agents))
        finally:
            self.provider.destroy(sandbox)
        return problems

    def _remove(self, sandbox: Sandbox) -> list[str]:
        """Remove fresh hosts, and what engine and store know of them; return what went wrong on the way."""
        problems: list[str] = []
        try:
            self.playbooks.forget(sandbox.hosts)
            with _collected(problems):
                self.gateway.unregister(self.hosts, self.agents)
            if (store := self.store) is not None:
                with _collected(problems):
                    patiently(store, lambda: remove_members(store, self.hosts, self.agents))
        finally:
            try:
                self.provider.destroy(sandbox)
            except KeyboardInterrupt:  # the hosts must be gone all the same; a second Ctrl-C is obeyed
                self.provider.destroy(sandbox)
                raise
        return problems

    def _still_ours(self, sandbox: Sandbox) -> None:
        """Raise ``sandbox_vanished`` if registered hosts went to another run: what was seen proves nothing."""
        if not self.fresh and (gone := self.provider.alive(sandbox)) is not None:
            raise BenchError(Cause.SANDBOX_VANISHED, gone)

    def _still_there(self, sandbox: Sandbox) -> None:
        """Raise ``sandbox_vanished`` if a fresh host ended, unless the agent may have shut it down: that is judged."""
        if not self.fresh or (gone := self.provider.alive(sandbox)) is None:
            return
        job = read_evidence(self.log.path).job
        ran = [command for task in (job.tasks if job else None) or () for command in task.executed_commands or ()]
        if not own_doing(ran):
            raise BenchError(Cause.SANDBOX_VANISHED, gone)

    def _not_prepared(self, sandbox: Sandbox, record: PlaybookRecord) -> BenchError:
        gone = self.provider.alive(sandbox)
        log = self.log.run_dir / (record.log or "")
        if gone is not None:
            return BenchError(Cause.SANDBOX_VANISHED, gone, log=log)
        cause = Cause.SSH_NOT_UP if record.status is PlaybookStatus.UNREACHABLE else Cause.PREPARE_FAILED
        return BenchError(cause, explain(record), log=log)

    def _ticket(self, limit: float) -> TicketSubmission:
        scenario = self.loaded.scenario
        return TicketSubmission(
            title=scenario.ticket_title,
            body=scenario.ticket_body,
            correlation_id=new_id("run"),
            host_ids=tuple(host.host_id for host in self.hosts),
            agent_ids=tuple(agent.agent_id for agent in self.agents),
            deadline_seconds=limit,
            main_engine=self.main_engine,
            secondary_engine=self.secondary_engine,
            specialty=self.specialty,
            oracle_playbook=(self.oracle_playbook or self.loaded.playbook("solve")) if self.oracle else None,
            oracle_inventory=self.loaded.inventory if self.oracle else None,
        )

    def _wait(self, sandbox: Sandbox, reference: str, deadline: float) -> BenchError | None:
        """Poll until the job is finished; return the agent's failure, if there is one."""
        looked = time.monotonic()
        allowed = self.loaded.scenario.validation
        while True:
            asked = time.monotonic()
            job = self.gateway.poll(reference)
            now = time.monotonic()
            if job is not None:
                self.log.job(job, sync=job.finished)
                if job.finished and job.cut_off:
                    raise BenchError(
                        Cause.ENGINE_DIED, f"the agent was cut off: {job.resolution_summary or 'no reason'}"
                    )
                if job.finished and job.model_unreachable:
                    raise BenchError(Cause.MODEL_UNREACHABLE, job.resolution_summary or "the model could not be used")
                broken = violation(job, allowed.allowed_agents, allowed.allowed_hosts)
                if broken is not None:
                    return BenchError(Cause.GUARD_VIOLATED, broken)
                if job.finished:
                    return None
                self.announce.detail(_progress_of(job))
            if now > deadline:
                limit = self.loaded.scenario.bench.timeouts.execute
                return BenchError(Cause.JOB_TIMED_OUT, f"the job did not finish within {limit:g} s")
            if now - looked > ALIVE_EVERY:
                looked = now
                gone = self.provider.alive(sandbox)
                if gone is not None:
                    raise BenchError(Cause.SANDBOX_VANISHED, gone)
            if now - asked < POLL_EVERY:  # a gateway that waits for news itself needs no pause of ours
                time.sleep(POLL_EVERY)

    def _cancel(self, reference: str) -> None:
        """Stop the job and record how far it came."""
        self.gateway.cancel(reference)
        deadline = time.monotonic() + CANCEL_GRACE
        while time.monotonic() < deadline:
            job = self.gateway.poll(reference)
            if job is not None and job.finished:
                self.log.job(job)
                return
            time.sleep(POLL_EVERY)
        raise BenchError(Cause.ENGINE_DIED, f"the cancelled job did not end within {CANCEL_GRACE:g} s")

    def _fetch(self, reference: str) -> None:
        try:
            self.log.ticket(self.gateway.fetch(reference))
        except BenchError as exc:
            # The job is over and recorded. Only rules that look at the ticket miss their evidence, and say so.
            self.log.warning(f"the ticket could not be read back: {exc.message}")


@dataclass
class _Outcome:
    status: PhaseStatus = PhaseStatus.OK
    message: str = ""


@contextlib.contextmanager
def _collected(problems: list[str]) -> Iterator[None]:
    try:
        yield
    except BenchError as exc:
        problems.append(exc.message)


def explain(record: PlaybookRecord) -> str:
    """Return why a playbook did not end well, in one line: the failing task's name, file and message."""
    if record.failure is not None:
        failure = record.failure
        where = f" ({failure.file})" if failure.file else ""
        return f"{record.name}: task '{failure.task}'{where} on {failure.host}: {failure.message}"
    return f"{record.name}: {record.message or record.status.value.replace('_', ' ')}"


def _progress_of(job: JobRecord) -> str:
    tasks = job.tasks or ()
    done = sum(1 for task in tasks if task.finished_at is not None)
    return f"job {job.status}, {done} of {len(tasks)} tasks done" if tasks else f"job {job.status}"
