"""What hooks of other plugins add, merged by name; two of the same name are a usage error that names both plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_2501bench.collect import ScenarioRun
    from pytest_2501bench.gateway.protocol import Gateway
    from pytest_2501bench.options import Settings
    from pytest_2501bench.sandbox.protocol import SandboxProvider
    from pytest_2501bench.scenario.rule_type import RuleType

_VALIDATORS = pytest.StashKey[dict[str, Any]]()


def _merge(caller: Any, what: str, **arguments: Any) -> dict[str, Any]:
    # Called one by one, and not through the hook, so that a clash can name the plugins.
    merged: dict[str, Any] = {}
    owner: dict[str, str] = {}
    for implementation in caller.get_hookimpls():
        wanted = {name: arguments[name] for name in implementation.argnames}
        for name, value in (implementation.function(**wanted) or {}).items():
            if name in merged:
                raise pytest.UsageError(
                    f"{what} '{name}' is defined by two plugins: {owner[name]} and {implementation.plugin_name}. "
                    "Disable one of them with -p no:NAME."
                )
            merged[name] = value
            owner[name] = str(implementation.plugin_name)
    return merged


def providers_of(config: pytest.Config) -> dict[str, Callable[[Settings], SandboxProvider]]:
    """Return mode → factory."""
    return _merge(config.hook.pytest_2501bench_sandbox_providers, "sandbox mode", config=config)


def gateways_of(config: pytest.Config) -> dict[str, Callable[[Settings], Gateway]]:
    """Return gateway name → factory."""
    return _merge(config.hook.pytest_2501bench_gateways, "gateway", config=config)


def agents_of(config: pytest.Config) -> dict[str, str]:
    """Return agent name → ``package.module:factory``."""
    return _merge(config.hook.pytest_2501bench_agents, "agent", config=config)


def validators_of(config: pytest.Config) -> dict[str, RuleType]:
    """Return validator → rule type of another plugin; asked once per session."""
    if _VALIDATORS not in config.stash:
        found = _merge(config.hook.pytest_2501bench_validators, "validator", config=config)
        for name in ("pattern_match", "job_resolution_status", "ticket_status", "task_count"):
            if name in found:
                raise pytest.UsageError(f"validator '{name}' of a plugin: the name is taken by a built-in one.")
        config.stash[_VALIDATORS] = found
    return config.stash[_VALIDATORS]


def checks_of(run: ScenarioRun) -> dict[str, Callable[..., Any]]:
    """Return the further checks of *run*."""
    checks = _merge(run.ihook.pytest_2501bench_checks, "check", run=run)
    for name, owner in (("task_validation", "a gate"), ("compliance", "a gate"), ("collateral", "the third check")):
        if name in checks:
            raise pytest.UsageError(f"check '{name}' of a plugin: the name is taken by {owner}.")
    return checks


def choose(flag: str, source: str, name: str, available: Mapping[str, Any] | Iterable[str], what: str) -> None:
    """Check that *name* is among *available*.

    Raises:
        pytest.UsageError: it is not; the message names the option's source, the nearest name and all of them.
    """
    names = sorted(available)
    if name in names:
        return
    import difflib

    near = difflib.get_close_matches(name, names, 1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    told = f" (from {source})" if source not in (flag, "default") else " (the default)" if source == "default" else ""
    choose_one = f" Choose one with {flag}, or with bench_{what} in the ini file." if source == "default" else ""
    raise pytest.UsageError(f"{flag} {name}{told}: no such {what}.{hint} Available: {', '.join(names)}.{choose_one}")
