"""Hook wiring only: options in, items out, reports on. Loaded in every project, so it imports next to nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_2501bench.options import add_options, settings_of
from pytest_2501bench.state import STATE, State

if TYPE_CHECKING:
    from pytest_2501bench.options import Settings


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register our options."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register our hook specifications."""
    from pytest_2501bench import hooks

    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Resolve settings, and check what was asked for on purpose even if nothing is collected."""
    workerinput = getattr(config, "workerinput", None)
    state = State(settings_of(config), worker=workerinput is not None)
    if workerinput is not None:
        state.benchmark_id = workerinput.get("bench2501_benchmark")
    config.stash[STATE] = state
    from pytest_2501bench import fixtures

    config.pluginmanager.register(fixtures, "2501bench-fixtures")
    if state.settings.meant:
        from pytest_2501bench.wiring import check_choices

        check_choices(config, defaults=False)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Register what must come after every other plugin, or only where a report is written."""
    from pytest_2501bench.course import Course
    from pytest_2501bench.html_wiring import register_columns

    # Now, and not at configure: its wrapper around pytest_collection_modifyitems must be the outermost.
    session.config.pluginmanager.register(Course(session.config), "2501bench-course")
    register_columns(session.config)  # first of all: pytest-html asks for columns in its own pytest_sessionstart


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Refuse ``--parallel`` without xdist; make ``--bench-check`` in one process. A wrapper, to come before xdist's."""
    option = config.option
    if getattr(option, "numprocesses", None) is not None:
        if not config.pluginmanager.hasplugin("xdist"):
            raise pytest.UsageError("--parallel: needs pytest-xdist; do not switch it off with -p no:xdist.")
        if option.bench_check:
            option.numprocesses, option.dist, option.tx = 0, "no", []
    return (yield)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Say what ``-n auto`` means where there are scenarios."""
    from pytest_2501bench.xdist.workers import auto_workers

    return auto_workers(config)


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take a directory with a scenario.json for a scenario."""
    if not (path / "scenario.json").is_file():
        return None
    from pytest_2501bench.collect import ScenarioDirectory

    return ScenarioDirectory.from_parent(parent, path=path)


@pytest.hookimpl(trylast=True)
def pytest_2501bench_sandbox_providers(config: pytest.Config) -> Mapping[str, Callable[[Settings], Any]]:
    """Our modes."""

    def namespace(settings: Settings) -> Any:
        from pytest_2501bench.sandbox.namespace import NamespaceProvider

        return NamespaceProvider.of(settings)

    def host(settings: Settings) -> Any:
        from pytest_2501bench.sandbox.host import HostProvider

        return HostProvider.of(settings)

    def incus(settings: Settings) -> Any:
        from pytest_2501bench.sandbox.incus import IncusProvider

        return IncusProvider.of(settings)

    def lima(settings: Settings) -> Any:
        from pytest_2501bench.sandbox.lima import LimaProvider

        return LimaProvider.of(settings)

    return {"host": host, "incus": incus, "lima": lima, "namespace": namespace}


@pytest.hookimpl(trylast=True)
def pytest_2501bench_gateways(config: pytest.Config) -> Mapping[str, Callable[[Settings], Any]]:
    """Our gateways."""
    own_engine = config.stash[STATE].settings.engine_url is None

    def runner(settings: Settings) -> Any:
        from pytest_2501bench.gateway.runner import RunnerGateway, registered_elsewhere

        ledger = None if own_engine else registered_elsewhere()
        return RunnerGateway(settings.engine_url or "", settings.engine_api_key or "", local=own_engine, ledger=ledger)

    def servicenow(settings: Settings) -> Any:
        from pytest_2501bench.gateway.servicenow import ServiceNowGateway

        return ServiceNowGateway.of(settings, local=own_engine)

    return {"runner": runner, "servicenow": servicenow}


@pytest.hookimpl(trylast=True)
def pytest_2501bench_agents(config: pytest.Config) -> Mapping[str, str]:
    """Our agents of the local engine."""
    return {"oracle": "oracle", "noop": "noop", "command": "command", "llm": "llm"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Give the reports of our checks what junit, html and the controller need."""
    from pytest_2501bench.collect import Check

    if not isinstance(item, Check):
        return (yield)
    from pytest_2501bench.item_report import after, before

    before(item, call)
    report = yield
    after(item, call, report)
    return report
