"""Registering the hosts of ``--hosts``: once per session, harmless when several processes do it at once."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path

from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.sandbox.host.inventory import read_inventory
from pytest_2501bench.store.model import RegisteredHost
from pytest_2501bench.store.registry import Registry


def enrol_inventory(
    store: Registry,
    inventory: Path,
    state: Path,
    *,
    org_id: str | None = None,
    source: str = "--hosts",
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Register what *inventory* names; hosts that are there already keep their quarantine, agents and leases.

    The workers of one xdist session come here all at once: the first one does it.

    Raises:
        BenchError: ``option_invalid``, ``tool_missing`` or ``database_lost``.
    """
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    session = environ.get("PYTEST_XDIST_TESTRUNUID", "")
    stamp = f"{session} {store.target.shown} {inventory}" if session else ""
    with (state / "inventory.lock").open("a+", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if stamp and lock.read() == stamp:
            return
        for host in read_inventory(inventory, org_id=org_id, source=source):
            refuse_second_name(store, host, f"{source} {inventory}: host {host.host_name}")
            store.enrol_host(host)
        lock.truncate(0)
        lock.write(stamp)


def refuse_second_name(store: Registry, host: RegisteredHost, where: str) -> None:
    """Raise ``option_invalid`` if another registered host, or one of another mode, has *host*'s name or id."""
    for other in store.hosts():
        if other.host_id == host.host_id and other.mode != "host":
            what = f"host_id {host.host_id} is that of a host of mode {other.mode}."
            raise BenchError(Cause.OPTION_INVALID, f"{where}: {what}", phase=Phase.PREFLIGHT)
        if other.mode == "host" and other.host_name == host.host_name and other.host_id != host.host_id:
            if other.org_id != host.org_id:
                continue
            raise BenchError(
                Cause.OPTION_INVALID,
                f"{where}: {other.host_id} has this name already.",
                remedy=f"Give it host_id={other.host_id}, or remove the other with `2501bench hosts remove "
                f"{other.host_id}`.",
                phase=Phase.PREFLIGHT,
            )
