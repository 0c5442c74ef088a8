"""Between pytest and the rooms that know no pytest: the session of a config, the run of an item."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_2501bench.extensions import agents_of, choose, gateways_of, providers_of, validators_of
from pytest_2501bench.state import STATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_2501bench.engine.process import Endpoint
    from pytest_2501bench.phases import Announcer
    from pytest_2501bench.run import Run
    from pytest_2501bench.session import BenchSession

RUN: pytest.StashKey[Run] = pytest.StashKey()
ANNOUNCER: pytest.StashKey[Announcer] = pytest.StashKey()


def check_choices(config: pytest.Config, *, defaults: bool = True) -> None:
    """Check the names that plugins provide, with *defaults* also those that nobody chose.

    Raises:
        pytest.UsageError: there is no such mode, gateway or agent.
    """
    settings = config.stash[STATE].settings
    source = settings.sources
    if defaults or source["mode"] != "default":
        choose("--mode", source["mode"], settings.mode, providers_of(config), "mode")
    if defaults or source["gateway"] != "default":
        choose("--gateway", source["gateway"], settings.gateway, gateways_of(config), "gateway")
    if settings.agent is not None and (defaults or source["agent"] != "default"):
        choose("--agent", source["agent"], settings.agent, agents_of(config), "agent")
        if settings.agent == "command" and settings.agent_command is not None:
            from pytest_2501bench.agents.invocation import check_agent_command
            from pytest_2501bench.errors import BenchError

            try:
                check_agent_command(settings.agent_command)
            except BenchError as exc:
                raise pytest.UsageError(str(exc)) from None
        if settings.agent == "llm" and settings.engine_url is None:
            check_llm(config)


def check_llm(config: pytest.Config) -> None:
    """Check that the models of ``--agent llm`` can be asked, as far as that can be known without asking.

    Raises:
        pytest.UsageError: no model, a name without an address, no key, no client library, no price for a cost limit.
    """
    from pytest_2501bench.agents.llm.endpoint import check_models
    from pytest_2501bench.agents.llm.limits import Limits
    from pytest_2501bench.errors import BenchError

    settings = config.stash[STATE].settings
    named = {"main-engine": [settings.main_engine], "secondary-engine": [settings.secondary_engine]}
    for axis, _, values in (word.partition("=") for word in settings.matrix):
        named[axis] = list(values.split(","))
    main, secondary = ([name for name in named[axis] if name] for axis in ("main-engine", "secondary-engine"))
    limits = Limits.parse(settings.agent_limit) if settings.agent_limit else Limits()
    try:
        check_models(main, secondary, limits, os.environ, option=settings.sources["agent"])
    except BenchError as exc:
        raise pytest.UsageError(str(exc)) from None


def session_of(config: pytest.Config) -> BenchSession:
    """Return the session's shared parts, opened on first use."""
    state = config.stash[STATE]
    if state.session is None:
        from pytest_2501bench.ids import new_id
        from pytest_2501bench.session import BenchSession

        check_choices(config)
        settings = state.settings
        state.benchmark_id = state.benchmark_id or new_id("bmk")
        make_gateway = gateways_of(config)[settings.gateway]
        shared_engine: Callable[[], Endpoint | None] = lambda: None  # noqa: E731
        if state.worker:
            from pytest_2501bench.xdist.worker import call_controller, telling

            line = call_controller(config)
            if line is not None:
                make_gateway, shared_engine = telling(make_gateway, line), line.engine
        state.session = BenchSession(
            settings=settings,
            benchmark_id=state.benchmark_id,
            root=config.rootpath,
            worker=state.worker,
            make_provider=providers_of(config)[settings.mode],
            make_gateway=make_gateway,
            agent=agents_of(config)[settings.agent] if settings.agent is not None else None,
            rule_types=validators_of(config),
            shared_engine=shared_engine,
        )
    return state.session


def announcer_of(config: pytest.Config) -> Announcer:
    """Return who shows the phases of this session's runs."""
    if ANNOUNCER not in config.stash:
        from pytest_2501bench.phases import Announcer

        config.stash[ANNOUNCER] = Announcer()
    return config.stash[ANNOUNCER]
