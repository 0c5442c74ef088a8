"""The public fixtures. Each may be overridden in any conftest.py, for the folder of that conftest.py only.

Order within one run: ``scenario`` → ``scenario_run`` → ``gateway`` → ``sandbox`` (provision) → ``evidence`` (prepare,
flush, execute, validate) → ``report`` (scored and stored). Everything happens once; the checks only look at ``report``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

import pytest

from pytest_2501bench.collect import ScenarioRun
from pytest_2501bench.state import STATE
from pytest_2501bench.wiring import RUN, announcer_of, session_of

if TYPE_CHECKING:
    from pytest_2501bench.errors import BenchError
    from pytest_2501bench.evidence.model import Evidence
    from pytest_2501bench.gateway.protocol import Gateway
    from pytest_2501bench.options import Settings
    from pytest_2501bench.report.model import ScenarioReport
    from pytest_2501bench.run import Run
    from pytest_2501bench.sandbox.protocol import Sandbox
    from pytest_2501bench.scenario.model import LoadedScenario
    from pytest_2501bench.store.repository import Store


_TOLD = pytest.StashKey[bool]()


def _lost(error: BenchError | str) -> NoReturn:
    """Turn a failure into one line, without a traceback: in setup it is a pytest *error*."""
    # From None: pytest would show the line once more, as that of the exception which is being handled.
    raise pytest.fail.Exception(str(error), pytrace=False) from None


def _left(request: pytest.FixtureRequest, error: BenchError) -> None:
    """Tell what a teardown could not do: an error of the last item, or a line when the session was interrupted.

    pytest would take a failure for its own crash then, because no item is there to have it. What else cannot be done in
    the teardown of the same run is a line, too: of two failures pytest would show the tracebacks.
    """
    first = not request.node.stash.get(_TOLD, False)
    request.node.stash[_TOLD] = True
    if first and request.session.exitstatus is not pytest.ExitCode.INTERRUPTED:
        _lost(error)
    terminal = request.config.pluginmanager.getplugin("terminalreporter")
    if terminal is not None:
        terminal.write_line(f"ERROR: {error}", red=True)


def _node(request: pytest.FixtureRequest) -> ScenarioRun:
    if not isinstance(request.node, ScenarioRun):
        pytest.fail(f"fixture '{request.fixturename}' is only for checks of a scenario run.", pytrace=False)
    return request.node


@pytest.fixture(scope="session")
def bench_settings(pytestconfig: pytest.Config) -> Settings:
    """Return the effective settings, frozen."""
    return pytestconfig.stash[STATE].settings


@pytest.fixture(scope="session")
def bench_db(pytestconfig: pytest.Config) -> Store:
    """Return the results database."""
    return session_of(pytestconfig).store


@pytest.fixture(scope="class")
def scenario(request: pytest.FixtureRequest) -> LoadedScenario:
    """Return the scenario of this run."""
    return _node(request).loaded


@pytest.fixture(scope="class")
def scenario_run(request: pytest.FixtureRequest, scenario: LoadedScenario) -> Iterator[Run]:
    """Claim this run, so that it happens once; settle it, whatever happened, at the end."""
    from pytest_2501bench.errors import BenchError
    from pytest_2501bench.evidence.log import AlreadyRun
    from pytest_2501bench.run import Run, skip_reason
    from pytest_2501bench.verdict import nothing_left_to_decide

    node = _node(request)
    session = session_of(request.config)
    reason = skip_reason(session, scenario) or nothing_left_to_decide(request.config, scenario, node.variant)
    if reason is not None:
        pytest.skip(reason)
    try:
        run = Run.claim(
            session,
            scenario,
            iteration=node.iteration,
            variant=node.variant,
            nodeid=node.nodeid,
            announce=announcer_of(request.config),
            interrupts=(pytest.exit.Exception,),
        )
    except AlreadyRun:
        _lost("this run already happened in this session; it is not repeated.")
    except BenchError as exc:
        _lost(exc)
    node.stash[RUN] = run
    yield run
    try:
        run.settle()
    except BenchError as exc:
        _left(request, exc)


@pytest.fixture(scope="class")
def gateway(request: pytest.FixtureRequest, scenario_run: Run) -> Gateway:
    """Return the path of the ticket."""
    from pytest_2501bench.errors import BenchError

    try:
        return session_of(request.config).gateway
    except BenchError as exc:
        _lost(exc)


@pytest.fixture(scope="class")
def sandbox(request: pytest.FixtureRequest, scenario_run: Run, gateway: Gateway) -> Iterator[Sandbox]:
    """Provide the hosts of this run, ready over SSH and registered; remove them, or put them back, at the end.

    With ``--keep-sandbox`` they are left up instead, and the summary says how to enter and remove them.
    """
    from pytest_2501bench.errors import BenchError
    from pytest_2501bench.keeping import keep_run, wanted

    phases = scenario_run.phases
    phases.attach(scenario_run.recorded(gateway))
    try:
        made = phases.provision()
    except BenchError as exc:
        _lost(exc)
    yield made
    interrupted = request.session.exitstatus is pytest.ExitCode.INTERRUPTED
    try:
        if wanted(scenario_run, interrupted=interrupted):
            keep_run(scenario_run, made)
        else:
            phases.restore(made)
    except BenchError as exc:
        _left(request, exc)


@pytest.fixture(scope="class")
def evidence(scenario_run: Run, sandbox: Sandbox, gateway: Gateway) -> Evidence:
    """Stage the incident, let the agent work, look at the host; return everything observed."""
    from pytest_2501bench.errors import BenchError
    from pytest_2501bench.evidence.log import read_evidence

    phases = scenario_run.phases
    phases.attach(scenario_run.recorded(gateway))
    try:
        phases.prepare(sandbox)
        phases.flush()
        phases.execute(sandbox)
        phases.validate(sandbox)
        return read_evidence(scenario_run.log.path)
    except BenchError as exc:
        _lost(exc)


@pytest.fixture(scope="class")
def report(request: pytest.FixtureRequest, scenario_run: Run, evidence: Evidence) -> ScenarioReport:
    """Return both verdicts, stored before the sandbox is removed."""
    from pytest_2501bench.errors import BenchError

    try:
        concluded = scenario_run.conclude()
    except BenchError as exc:
        _lost(exc)
    node = _node(request)
    node.ihook.pytest_2501bench_run_finished(run=node, report=concluded)
    return concluded
