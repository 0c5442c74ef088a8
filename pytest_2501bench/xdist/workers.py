"""How many workers: what ``-n auto`` and ``--parallel`` mean, and how the report header explains the number."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from pytest_2501bench.errors import BenchError
from pytest_2501bench.extensions import providers_of, validators_of
from pytest_2501bench.matrix import variants
from pytest_2501bench.options import Settings, settings_of
from pytest_2501bench.sandbox.protocol import KeptHosts, SandboxProvider
from pytest_2501bench.sandbox.ram import gigabytes, needed_gb
from pytest_2501bench.scenario.find import find_scenarios
from pytest_2501bench.scenario.load import load_scenario
from pytest_2501bench.scenario.model import LoadedScenario
from pytest_2501bench.scenario.resolve import DEFAULT_TEMPLATE, form_obstacle, host_specs
from pytest_2501bench.scenario.select import select

RUNS_PER_CPU: Final = 4
"""A run mostly waits: for its agent, for its host. Its playbooks and its sandbox want a processor now and then."""
WORKER_GB: Final = 0.15
"""Memory of a worker itself, with the playbooks that it runs."""
SPARE_GB: Final = 1.0
"""Free memory that is left alone."""

_FREE = Path("/proc/meminfo")
_LIMIT, _USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")


@dataclass(frozen=True, slots=True)
class Outlook:
    """What bears on the number of workers.

    Attributes:
        runs_gb: memory of each run, the biggest first.
        cpus: processors that this session may use.
        cap_gb: ``--parallel-ram-cap``, or None.
        free_gb: memory that is free now, or None where the system does not tell.
        hosts: registered hosts, in modes that have such; else None.
    """

    runs_gb: tuple[float, ...]
    cpus: int
    cap_gb: float | None = None
    free_gb: float | None = None
    hosts: int | None = None


AUTO: pytest.StashKey[str] = pytest.StashKey()
"""Why ``-n auto`` is the number that it is."""


def number_of_workers(outlook: Outlook) -> tuple[int, str]:
    """Return how many workers there should be, one at least, and what limits them."""
    limits = [(len(outlook.runs_gb), f"there are {len(outlook.runs_gb)} runs")]
    if outlook.hosts is not None:
        limits.append((outlook.hosts, f"{outlook.hosts} registered hosts take part"))
    most = max(outlook.runs_gb, default=0.0)
    if outlook.cap_gb is not None:
        told = f"{gigabytes(outlook.cap_gb)} GB for all runs, up to {gigabytes(most)} GB each"
        limits.append((_fitting(outlook.runs_gb, outlook.cap_gb), told))
    if outlook.free_gb is not None:
        told = f"{gigabytes(outlook.free_gb)} GB are free, up to {gigabytes(most)} GB per run"
        with_workers = [gb + WORKER_GB for gb in outlook.runs_gb]
        limits.append((_fitting(with_workers, outlook.free_gb - SPARE_GB), told))
    processors = f"{outlook.cpus} processor{'s' if outlook.cpus != 1 else ''}"
    limits.append((outlook.cpus * RUNS_PER_CPU, f"{processors}, {RUNS_PER_CPU} runs each"))
    number, why = min(limits, key=lambda limit: limit[0])
    return max(number, 1), why


def _fitting(sizes: Sequence[float], gb: float) -> int:
    """Return how many of *sizes* fit into *gb* whichever they are: the biggest first."""
    for count, size in enumerate(sizes):
        gb -= size
        if gb < -1e-9:
            return count
    return len(sizes)


def auto_workers(config: pytest.Config) -> int | None:
    """Return what ``-n auto`` means here; None when there are no scenarios, or the user told xdist himself.

    Raises:
        pytest.UsageError: a setting is wrong.
    """
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    settings = settings_of(config)
    loaded = _selected(config, settings)
    factory = providers_of(config).get(settings.mode)
    if not loaded or factory is None:  # a wrong mode is told by pytest_configure
        return None
    try:
        outlook = _outlook(factory(settings), settings, loaded)
    except BenchError as exc:
        raise pytest.UsageError(str(exc)) from None
    number, why = number_of_workers(outlook)
    config.stash[AUTO] = why
    return number


def workers_row(
    config: pytest.Config, provider: SandboxProvider, scenarios: Sequence[LoadedScenario]
) -> tuple[str, str, str]:
    """Return the row of the report header: the number of workers, of hosts if they are fewer, and the source."""
    number = len(config.getoption("tx"))
    value = str(number)
    hosts = hosts_of(provider, scenarios)
    if hosts is not None and hosts < number:
        value += f", {hosts} host{'s' if hosts != 1 else ''}: runs wait for each other"
    why = config.stash.get(AUTO, None)
    return "workers", value, f"-n auto: {why}" if why else "-n"


def hosts_of(provider: SandboxProvider, scenarios: Sequence[LoadedScenario]) -> int | None:
    """Return how many registered hosts the runs of *scenarios* have among them; None where hosts are made."""
    if not isinstance(provider, KeptHosts):
        return None
    return provider.places([host_specs(each, False) for each in scenarios if form_obstacle(each, False) is None])


def _selected(config: pytest.Config, settings: Settings) -> list[LoadedScenario]:
    """Return the scenarios below the session's arguments that can be read; what is wrong, collection tells."""
    validators = {name: rule_type.model for name, rule_type in validators_of(config).items()}
    here = config.invocation_params.dir
    files = {file for argument in config.args for file in find_scenarios(here / argument.split("::")[0])}
    loaded = []
    for file in sorted(files):
        try:
            loaded.append(load_scenario(file, validators=validators, root=config.rootpath))
        except BenchError:
            continue
    if not settings.scenarios:
        return loaded
    try:
        keys = select([(each.scenario.key, each.scenario.tags) for each in loaded], ",".join(settings.scenarios))
    except BenchError:
        return []
    return [each for each in loaded if each.scenario.key in keys]


def _outlook(provider: SandboxProvider, settings: Settings, loaded: Sequence[LoadedScenario]) -> Outlook:
    fresh = provider.capabilities(DEFAULT_TEMPLATE).fresh
    runs = [
        needed_gb(provider, host_specs(each, fresh))
        for each in loaded
        if form_obstacle(each, fresh) is None
        for _ in range(settings.iterations * len(variants(settings.matrix)))
    ]
    return Outlook(
        runs_gb=tuple(sorted(runs, reverse=True)),
        cpus=_cpus(),
        cap_gb=settings.parallel_ram_cap if fresh else None,
        free_gb=free_gb() if fresh and settings.parallel_ram_cap is None else None,
        hosts=hosts_of(provider, loaded),
    )


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_gb() -> float | None:
    """Return the GB that new sandboxes can have, a container's limit respected; None where the system does not tell."""
    free = None
    try:
        line = next(line for line in _FREE.read_text().splitlines() if line.startswith("MemAvailable:"))
        free = int(line.split()[1]) * 1024
    except (OSError, StopIteration, ValueError, IndexError):
        try:  # half of all: macOS does not say what is available
            free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
        except (OSError, ValueError):
            return None
    with contextlib.suppress(OSError, ValueError):  # no limit is the word "max"
        free = min(free, int(_LIMIT.read_text()) - int(_USED.read_text()))
    return free / 1e9
