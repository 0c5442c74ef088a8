"""One run at a time per host: a lease in the database, renewed by a thread, and a lock file on this machine.

The lease counts for everybody who shares the database. The lock counts for sessions of this user with other databases:
it is named after the place that is connected to, not after an id. A dead process loses both at once on its own
machine; elsewhere its lease runs out.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import itertools
import json
import os
import platform
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.ids import new_id
from pytest_2501bench.process_identity import Process, this_process
from pytest_2501bench.sandbox.protocol import Progress
from pytest_2501bench.store.leases import Holder, HostLease, Leases
from pytest_2501bench.store.model import RegisteredHost

LEASE_SECONDS = 60.0
"""After so long without a renewal others may have the host."""
BEAT_SECONDS = 10.0
LOOK_AGAIN = 0.5  # seconds between two attempts to get a host
REMIND = 30.0  # seconds after which it is said again who has it

_ours: set[str] = set()  # tokens that this process holds, whichever provider took them


def this_holder() -> Holder:
    """Return this process, as others see it in the database."""
    me = this_process()
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return Holder(user_name=user, machine=platform.node(), pid=me.pid, started=me.started, world=me.world)


def lease_is_free(lease: HostLease) -> bool:
    """Say whether a lease may be taken over: its process is gone, or where we cannot see it, it was not renewed."""
    holder, me = lease.holder, this_process()
    if (holder.machine, holder.world) != (platform.node(), me.world):
        return lease.expired
    if holder.pid == me.pid and holder.started == me.started:
        return lease.token not in _ours  # of a release that failed
    return not Process(holder.pid, holder.started, holder.world).alive()


def told(lease: HostLease) -> str:
    """Return who holds *lease* since when, for people."""
    since = time.strftime("%H:%M:%S", time.localtime(time.time() - lease.seconds))
    holder = lease.holder
    return f"{holder.user_name} on {holder.machine} (process {holder.pid}) since {since}"


def place_of(host: RegisteredHost) -> str:
    """Return a name of the machine behind *host*, the same in every database."""
    place = host.proxy_command or f"{host.ssh_address or host.host_name}:{host.ssh_port}"
    return hashlib.sha256(place.encode()).hexdigest()[:20]


@dataclass
class _Held:
    host: RegisteredHost
    token: str
    lock: IO[str]


@dataclass
class _Group:
    """What one sandbox holds."""

    held: list[_Held] = field(default_factory=list)
    lost: str | None = None


class HostHolds:
    """The hosts that this process holds, by sandbox. May be used from several threads."""

    def __init__(self, leases: Callable[[], Leases], locks: Path) -> None:
        self._leases = leases
        self._locks = locks
        self._guard = threading.Lock()
        self._groups: dict[str, _Group] = {}
        self._owed: set[str] = set()  # released, but the database did not hear it
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self, hosts: Sequence[RegisteredHost], sandbox: str, progress: Progress) -> None:
        """Return when this process alone has all *hosts*; waits for others, and says for whom.

        They are taken one by one, in an order that is the same for everybody, so that nobody waits in a circle.

        Raises:
            BenchError: ``database_lost``; ``sandbox_not_created`` when two of *hosts* are the same machine.
        """
        order = sorted(hosts, key=place_of)
        for one, other in itertools.pairwise(order):
            if place_of(one) == place_of(other):
                raise BenchError(
                    Cause.SANDBOX_NOT_CREATED,
                    f"hosts {one.host_name} and {other.host_name} are the same machine: {one.ssh_address}, "
                    f"port {one.ssh_port}.",
                )
        with self._guard:
            self._groups[sandbox] = _Group()
        try:
            for host in order:
                self._take_one(host, sandbox, progress)
        except BaseException:
            self.release(sandbox)
            raise

    def _take_one(self, host: RegisteredHost, sandbox: str, progress: Progress) -> None:
        token = f"{sandbox}-{new_id('run')[4:]}"
        self._locks.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (self._locks / f"{place_of(host)}.lock").open("a+", encoding="utf-8")
        waiting = _Waiting(host, progress)
        try:
            while not _locked(lock):
                waiting.on(_lock_owner(lock))
                time.sleep(LOOK_AGAIN)
            _sign(lock)
            _ours.add(token)
            while True:
                seen: list[HostLease] = []

                def free(lease: HostLease, seen: list[HostLease] = seen) -> bool:
                    seen.append(lease)
                    return lease_is_free(lease)

                lease = self._leases().take(
                    host.host_id, token, sandbox, this_holder(), seconds=LEASE_SECONDS, gone=free
                )
                if lease is None:
                    break
                if lease.token:  # else it was given back while we asked
                    waiting.on(told(lease))
                time.sleep(LOOK_AGAIN)
        except BaseException:
            _ours.discard(token)
            with self._guard:
                self._owed.add(token)  # an interrupt may have come after the database had said yes
            self._beat_from_now_on()
            lock.close()
            raise
        if seen:
            progress(f"host {host.host_name}: its last run died with {told(seen[0])}, and did not restore it")
        with self._guard:
            self._groups[sandbox].held.append(_Held(host, token, lock))
        self._beat_from_now_on()

    def lost(self, sandbox: str) -> str | None:
        """Return why *sandbox* has a host no longer to itself, or None."""
        group = self._groups.get(sandbox)
        return group.lost if group is not None else None

    def release(self, sandbox: str) -> None:
        """Give the hosts of *sandbox* back; harmless when repeated. What the database does not hear is said again."""
        with self._guard:
            group = self._groups.pop(sandbox, None)
            tokens = {held.token for held in group.held} if group is not None else set()
            self._owed |= tokens
        if group is None:
            return
        try:
            self._pay()
        finally:
            _ours.difference_update(tokens)
            for held in group.held:
                held.lock.close()
            if self._owed:
                self._beat_from_now_on()
            else:
                self._wake.set()  # the thread may end

    def _pay(self) -> None:
        with self._guard:
            owed = set(self._owed)
        if not owed:
            return
        try:
            self._leases().release(owed)
        except BenchError:
            return
        with self._guard:
            self._owed -= owed

    # ---- the heartbeat --------------------------------------------------------------------------------------------

    def _beat_from_now_on(self) -> None:
        with self._guard:
            if self._thread is not None and self._thread.is_alive():
                return
            self._thread = threading.Thread(target=self._beat, name="2501bench host leases", daemon=True)
            self._thread.start()

    def _beat(self) -> None:
        answered = time.monotonic()
        while True:
            started = time.monotonic()
            with self._guard:
                tokens = {held.token for group in self._groups.values() for held in group.held}
                if not tokens and not self._owed and not self._groups:
                    self._thread = None
                    return
            self._pay()
            try:
                kept = self._leases().renew(tokens, seconds=LEASE_SECONDS) if tokens else frozenset()
            except BenchError as exc:
                if time.monotonic() - answered > LEASE_SECONDS - BEAT_SECONDS:
                    self._note(tokens, f"could not be renewed for {LEASE_SECONDS - BEAT_SECONDS:.0f} s: {exc.message}")
            else:
                answered = started
                self._note(tokens - kept, "")
            self._wake.wait(BEAT_SECONDS)
            self._wake.clear()

    def _note(self, tokens: set[str], why: str) -> None:
        if not tokens:
            return
        who: dict[str, HostLease] = {}
        if not why:
            try:
                who = self._leases().all()
            except BenchError:
                who = {}
        with self._guard:
            for group in self._groups.values():
                for held in group.held:
                    if held.token in tokens and group.lost is None:
                        lease = who.get(held.host.host_id)
                        now = f"it is {told(lease)} who has it now" if lease is not None else "it was released"
                        group.lost = f"the lease of host {held.host.host_name} was lost: {why or now}"


class _Waiting:
    """Says whom one host is waited for, when that changes and now and then."""

    def __init__(self, host: RegisteredHost, progress: Progress) -> None:
        self._host = host
        self._progress = progress
        self._said: tuple[str, float] = ("", 0.0)

    def on(self, who: str) -> None:
        """Say that *who* has the host."""
        before, when = self._said
        if who != before or time.monotonic() - when > REMIND:
            self._said = (who, time.monotonic())
            self._progress(f"waiting for host {self._host.host_name}, in use by {who}")


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(lock: IO[str]) -> None:
    holder = this_holder()
    lock.truncate(0)
    lock.write(json.dumps({"user": holder.user_name, "pid": os.getpid(), "since": time.time()}))
    lock.flush()


def _lock_owner(lock: IO[str]) -> str:
    lock.seek(0)
    try:
        row = json.loads(lock.read())
        since = time.strftime("%H:%M:%S", time.localtime(row["since"]))
        return f"{row['user']} on this machine (process {row['pid']}) since {since}"
    except (ValueError, KeyError, TypeError):
        return "another session on this machine"
