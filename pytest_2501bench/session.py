"""What the runs of one session share: store, engine, gateway, provider, playbooks; opened on first use.

Knows no pytest; whatever is wrong is a :class:`~pytest_2501bench.errors.BenchError`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_2501bench.engine.process import Endpoint, LocalEngine
from pytest_2501bench.engine.revival import Revival
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.folder import benchmark_dir, write_benchmark
from pytest_2501bench.evidence.log import EvidenceLog
from pytest_2501bench.gateway.protocol import Gateway
from pytest_2501bench.options import EARLIER, Settings
from pytest_2501bench.playbooks.control import sweep
from pytest_2501bench.playbooks.run import AnsibleRunner
from pytest_2501bench.playbooks.yaml_check import yaml_problem
from pytest_2501bench.provenance import git_state, versions
from pytest_2501bench.report.model import Benchmark, ScenarioReport
from pytest_2501bench.sandbox.namespace import default_cache_dir
from pytest_2501bench.sandbox.protocol import SandboxProvider
from pytest_2501bench.sandbox.ram import RamPool, gigabytes, needed_gb
from pytest_2501bench.scenario.model import LoadedScenario
from pytest_2501bench.scenario.resolve import DEFAULT_TEMPLATE, form_obstacle, host_specs
from pytest_2501bench.scenario.rule_type import RuleType
from pytest_2501bench.scoring.rules import CustomValidator
from pytest_2501bench.store.patience import patiently
from pytest_2501bench.store.repository import Store
from pytest_2501bench.store.unstored import clear, import_left, mark

if TYPE_CHECKING:
    from pytest_2501bench.bastion.place import Place
    from pytest_2501bench.bastion.session_bastion import SessionBastion


@dataclass
class BenchSession:
    """One pytest session (or one xdist worker of it)."""

    settings: Settings
    benchmark_id: str
    root: Path
    worker: bool
    make_provider: Callable[[Settings], SandboxProvider]
    make_gateway: Callable[[Settings], Gateway]
    agent: str | None  # name of a built-in agent, or package.module:factory
    rule_types: Mapping[str, RuleType] = field(default_factory=dict)
    shared_engine: Callable[[], Endpoint | None] = lambda: None  # a worker asks its controller for one
    reports: dict[str, ScenarioReport] = field(default_factory=dict)  # by run id, in order of arrival

    def __post_init__(self) -> None:
        self._open: list[Callable[[], None]] = []
        self._engine: LocalEngine | None = None
        self._revival: Revival | None = None
        self._unstored: set[str] = set()  # run ids
        self.baseline: tuple[ScenarioReport, ...] | None = None
        """The runs that ``--fail-on-regression=BASELINE`` names; None: all earlier ones."""
        self.imported: tuple[str, ...] = ()
        """Runs that an earlier session could not store, and that are in the database now."""
        self.benchmark = Benchmark(
            id=self.benchmark_id,
            started_at=time.time(),
            user=_user(),
            machine=platform.node(),
            mode=self.settings.mode,
            gateway=self.settings.gateway,
            agent=self.settings.agent,
            main_engine=self.settings.main_engine,
            secondary_engine=self.settings.secondary_engine,
            specialty=self.settings.specialty,
            org_id=self.settings.org_id,
            tenant_id=self.settings.tenant_id,
            user_id=self.settings.user_id,
            settings=self.settings.public(),
            versions=versions(),
            git=git_state(self.root),
        )

    # ---- the parts ------------------------------------------------------------------------------------------------

    @cached_property
    def folder(self) -> Path:
        """Where the evidence of this benchmark goes."""
        return benchmark_dir(self.settings.bench_dir, self.benchmark_id)

    @cached_property
    def store(self) -> Store:
        """The results database."""
        self.settings.bench_dir.mkdir(parents=True, exist_ok=True)
        store = Store.open(self.settings.database_url, self.settings.bench_dir, self._place_of("database_url"))
        self._open.append(store.close)
        return store

    @cached_property
    def playbooks(self) -> AnsibleRunner:
        """Ansible."""
        runner = AnsibleRunner()
        self._open.append(runner.close)
        return runner

    @cached_property
    def provider(self) -> SandboxProvider:
        """The sandboxes of ``--mode``."""
        return self.make_provider(self.settings)

    @cached_property
    def gateway(self) -> Gateway:
        """The way to the engine; starts the local engine when no other is named."""
        settings = self.settings
        if (endpoint := self.engine) is not None:
            settings = dataclasses.replace(settings, engine_url=endpoint.url, engine_api_key=endpoint.key)
        gateway = self.make_gateway(settings)
        self._open.append(gateway.close)
        return gateway

    @cached_property
    def engine(self) -> Endpoint | None:
        """The local engine, once it answers; None when another one is named."""
        if not self._local_engine:
            return None
        shared = self.shared_engine()
        if shared is not None:
            return shared
        self.start_engine()
        assert self._engine is not None
        endpoint = self._engine.wait_ready()
        self._revival = Revival(self._engine)
        self._revival.start()
        self._open.append(self._revival.stop)
        return endpoint

    @property
    def engine_pid(self) -> int | None:
        """Process id of the local engine that this session started, or None."""
        return self._engine.pid if self._engine is not None else None

    @property
    def engine_restarts(self) -> int:
        """How often the local engine died and was started again."""
        return self._revival.count if self._revival is not None else 0

    @cached_property
    def ram(self) -> RamPool:
        """The memory that sandboxes of all sessions take."""
        return RamPool(default_cache_dir() / "ram")

    @property
    def _local_engine(self) -> bool:
        return self.agent is not None and self.settings.engine_url is None

    def recorded(self, gateway: Gateway, log: EvidenceLog) -> Gateway:
        """Return *gateway* for one run, with the record of what its agents do before it."""
        from pytest_2501bench.bastion.gateway import RecordedGateway

        if self._local_engine or self.settings.engine_url is None:
            return RecordedGateway(gateway, log, engine_directory=self._engine_directory)
        always, why_not = self.settings.record == "always", self._why_not_recorded()
        if why_not or self.settings.record == "never":
            return RecordedGateway(gateway, log, always=always, why_not=why_not)
        return RecordedGateway(gateway, log, bastion=self._bastion, always=always)

    @cached_property
    def _bastion(self) -> SessionBastion:
        from pytest_2501bench.bastion.session_bastion import SessionBastion

        bastion = SessionBastion(self._bastion_place())
        self._open.append(bastion.close)
        return bastion

    def _bastion_place(self) -> Place:
        from pytest_2501bench.bastion.place import Place

        return Place.parse(self.settings.bastion) if self.settings.bastion else Place()

    def _why_not_recorded(self) -> str:
        """Return why an outside engine cannot be recorded, or ""."""
        from pytest_2501bench.bastion.place import on_this_machine

        if self.settings.record == "never" or self.settings.bastion or on_this_machine(self.settings.engine_url or ""):
            return ""
        return "the engine is on another machine, and --bastion does not say at which address it reaches this one"

    def _check_record(self) -> None:
        if self._local_engine or self.settings.engine_url is None or self.settings.record == "never":
            return
        why_not = self._why_not_recorded()
        if why_not and self.settings.record == "always":
            raise BenchError(Cause.OPTION_INVALID, f"--record always: {why_not}.", remedy="Give --bastion ADDRESS.")
        if self.settings.bastion and (obstacle := self._bastion_place().obstacle()):
            raise BenchError(
                Cause.OPTION_INVALID,
                f"--bastion {self.settings.bastion}: cannot listen there: {obstacle}.",
                remedy="Give an address that this machine has and that the engine reaches.",
            )

    @property
    def _engine_directory(self) -> Path:
        return self.settings.bench_dir / "engines" / self.benchmark_id

    def start_engine(self) -> None:
        """Start the local engine in the background, if this session needs one; harmless when repeated."""
        if self._engine is None and self.agent is not None and self._local_engine:
            self._engine = LocalEngine(
                self.agent,
                self.settings.agent_command if self.settings.agent == "command" else None,
                self._engine_directory,
                intake=self._intake(),
                variables={"BENCH_AGENT_LIMIT": self.settings.agent_limit} if self.settings.agent_limit else None,
            )
            self._open.append(self._engine.stop)
            self._engine.start_async()

    def _intake(self) -> Mapping[str, Any] | None:
        if self.settings.gateway != "servicenow":
            return None
        from pytest_2501bench.gateway.servicenow.instance import Instance

        return Instance.of(self.settings.servicenow).private()

    @property
    def custom(self) -> dict[str, CustomValidator]:
        """Evaluators of rule types of other plugins."""
        return {name: rule_type.evaluate for name, rule_type in self.rule_types.items()}

    @property
    def oracle(self) -> bool:
        """Whether the local engine plays solve.yml; then, and only then, it is told where that file is."""
        return self._local_engine and self.settings.agent == "oracle"

    # ---- the session's course -------------------------------------------------------------------------------------

    def preflight(self, scenarios: Sequence[LoadedScenario]) -> Iterator[tuple[str, str]]:
        """Check everything that the runs need, in an order that tells the cheapest mistake first.

        Yields:
            (what was checked, what was found).

        Raises:
            BenchError: the first thing that is wrong; nothing may run.
        """
        self._make_bench_dir()
        self._check_report_file()
        self.playbooks.preflight()  # first: an engine below us uses the Ansible that this begins to warm up
        self.start_engine()  # it gets ready while the rest is looked at
        yield "ansible", self.benchmark.versions.get("ansible-core", "?")
        yield "playbooks", f"{self._check_playbooks(scenarios)} readable"
        yield from self._check_store()
        obstacles = self.provider.preflight()
        if obstacles:
            first, *others = obstacles
            more = f" (and {len(others)} more: {'; '.join(o.what for o in others)})" if others else ""
            raise BenchError(
                Cause.SANDBOX_UNAVAILABLE, f"--mode {self.settings.mode}: {first.what}{more}.", remedy=first.remedy
            )
        self._check_memory(scenarios)
        yield "sandboxes", f"mode {self.settings.mode} works on this machine"
        self._check_record()
        self.gateway.preflight()
        yield "gateway", self._gateway_words()

    def _check_store(self) -> Iterator[tuple[str, str]]:
        if self.settings.selfcheck:  # it stores nothing
            return
        store = self.store
        sources = {name.upper(): self._place_of(name) for name in ("org_id", "tenant_id", "user_id")}
        store.check_identity(self.settings.org_id, self.settings.tenant_id, self.settings.user_id, sources=sources)
        yield "database", store.target.shown
        self._check_baseline()

    def _check_baseline(self) -> None:
        spec = self.settings.fail_on_regression
        if spec in (None, EARLIER):
            return
        from pytest_2501bench.analysis.sides import choose

        try:
            self.baseline = choose(str(spec), self.store.benchmarks(), self.store.reports())
        except BenchError as exc:
            raise BenchError(exc.cause, f"--fail-on-regression: {exc.message}") from None

    def _make_bench_dir(self) -> None:
        folder = self.settings.bench_dir
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            source = self.settings.sources.get("bench_dir", "default")
            where = "--bench-dir" if source == "default" else source
            raise BenchError(
                Cause.OPTION_INVALID,
                f"{where} {folder}: cannot be made: {exc.strerror}.",
                remedy="It must be a folder that you may write to.",
            ) from None

    def _check_report_file(self) -> None:
        # Now, because at the end it would be too late to name another one.
        file = self.settings.report
        if file is None:
            return
        obstacle = "" if not file.is_dir() else "is a folder"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            obstacle = f"{file.parent} cannot be made: {exc.strerror}"
        if not obstacle and not os.access(file.parent, os.W_OK | os.X_OK):
            obstacle = f"{file.parent} cannot be written to"
        if obstacle:
            source = self.settings.sources.get("report", "--bench-report")
            raise BenchError(Cause.OPTION_INVALID, f"{source} {file}: {obstacle}.", remedy="Name another file.")

    def write_report(self) -> str:
        """Write what ``--bench-report`` asks for. Returns why that was not possible; empty when all is well."""
        file = self.settings.report
        if file is None:
            return ""
        from pytest_2501bench.webreport.session_file import write_session_file

        try:
            write_session_file(self.store, self.settings.bench_dir, self.benchmark, file)
        except BenchError as exc:
            return f"--bench-report {file}: not written: {exc}"
        return ""

    def _place_of(self, name: str) -> str:
        """Return "the environment" or the env file's path: where a setting without an option came from."""
        return self.settings.sources.get(name, "the environment").removeprefix(f"{name.upper()} in ")

    def _gateway_words(self) -> str:
        where = f"local engine with agent {self.settings.agent}" if self._engine else self.settings.engine_url
        return f"{self.settings.gateway}: {where} answers" if where else self.settings.gateway

    def _check_playbooks(self, scenarios: Sequence[LoadedScenario]) -> int:
        # YAML only: Ansible's own syntax check takes most of a second per playbook.
        checked = 0
        for loaded in scenarios:
            own = [loaded.playbook(name) for name in ("prepare", "validate", "restore", "solve")]
            if self.settings.selfcheck:
                own += [*loaded.repairs("cheat").values(), *loaded.repairs("alt").values()]
            for path in own:
                if path is None:
                    continue
                checked += 1
                problem = yaml_problem(path, self.root)
                if problem is not None:
                    raise BenchError(Cause.SCENARIO_INVALID, problem)
        return checked

    def _check_memory(self, scenarios: Sequence[LoadedScenario]) -> None:
        cap = self.settings.parallel_ram_cap
        if cap is None:
            return
        for loaded in scenarios:
            needed = self.memory_of(loaded)
            if needed > cap:
                source = self.settings.sources.get("parallel_ram_cap", "default")
                told = "" if source == "--parallel-ram-cap" else f" (from {source})"
                raise BenchError(
                    Cause.OPTION_INVALID,
                    f"--parallel-ram-cap {gigabytes(cap)}{told}: a run of {loaded.scenario.key} needs "
                    f"{gigabytes(needed)} GB, so it could never start.",
                    remedy=f"Raise the cap to {gigabytes(needed)} or more, or leave the scenario out.",
                )

    def memory_of(self, loaded: LoadedScenario) -> float:
        """Return the GB that the hosts of one run take; 0 in modes that do not make hosts, or cannot for this one."""
        fresh = self.provider.capabilities(DEFAULT_TEMPLATE).fresh
        if not fresh or form_obstacle(loaded, fresh) is not None:
            return 0.0
        return needed_gb(self.provider, host_specs(loaded, fresh))

    def begin(self) -> list[str]:
        """Remove what dead sessions left, store what they could not, and record the benchmark. Not in a worker.

        Returns:
            What was removed.
        """
        removed = self.provider.reap()
        with contextlib.suppress(OSError):
            self.ram.taken_gb()  # sweeps what dead sessions held
        sweep()
        if self.settings.selfcheck:  # no benchmark: nobody is measured
            return removed
        write_benchmark(self.settings.bench_dir, self.benchmark)
        self.store.save_benchmark(self.benchmark)
        mark(self.settings.bench_dir, self.benchmark_id)
        self.imported = import_left(self.settings.bench_dir, self.store, self.custom)
        return removed

    def keep(self, report: ScenarioReport) -> None:
        """Take a run's report; the controller stores it. A report that comes again replaces the first."""
        self.reports[report.run_id] = report
        if not self.worker:
            self._unstored.add(report.run_id)
            patiently(self.store, lambda: self.store.save_report(report))
            self._unstored.discard(report.run_id)

    def end(self) -> None:
        """Record when the benchmark ended."""
        self.benchmark = self.benchmark.model_copy(update={"finished_at": time.time()})
        if not self.worker:
            write_benchmark(self.settings.bench_dir, self.benchmark)
            patiently(self.store, lambda: self.store.save_benchmark(self.benchmark))
            for run_id in sorted(self._unstored):  # while the database was away
                self.store.save_report(self.reports[run_id])
            self._unstored.clear()
            clear(self.settings.bench_dir, self.benchmark_id)

    def close(self) -> None:
        """End what was opened, the last first; harmless when repeated."""
        while self._open:
            with contextlib.suppress(Exception):  # the others must still be closed
                self._open.pop()()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"
