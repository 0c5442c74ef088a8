"""What is known of registered hosts: looked at over SSH once, remembered in the database."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pytest_2501bench.errors import BenchError
from pytest_2501bench.sandbox.host.look import (
    Facts,
    Seen,
    capabilities_from,
    connection_of,
    look,
    not_installed,
    settings_of,
    unresolved,
)
from pytest_2501bench.sandbox.protocol import KNOWN_CAPABILITIES, Capabilities, HostSpec, SshSettings
from pytest_2501bench.scratch import scratch
from pytest_2501bench.store.model import RegisteredHost
from pytest_2501bench.store.registry import Registry

_AT_ONCE = 8


@contextlib.contextmanager
def peeking(host: RegisteredHost) -> Iterator[SshSettings]:
    """Give SSH settings for a look at a host that nobody need have taken."""
    with scratch() as folder:
        yield settings_of(host, host.host_id.replace("_", "-"), folder)


def peek(host: RegisteredHost) -> Seen:
    """Look at a host that nobody need have taken."""
    try:
        with peeking(host) as ssh:
            return look(host, ssh)
    except BenchError as exc:
        return Seen({}, exc.message.rstrip("."), exc.remedy)


class HostKnowledge:
    """Facts by host, each looked for once per process at most."""

    def __init__(self, store: Callable[[], Registry], state: Path) -> None:
        self._store = store
        self._state = state
        self._facts: dict[str, Facts | None] = {}  # None: looked, and it did not answer
        self._answers: dict[tuple[str, ...], str | None] = {}

    def note(self, host: RegisteredHost, facts: Facts) -> None:
        """Remember what a look at *host* found."""
        self._facts[host.host_id] = facts
        if dict(facts) != host.facts:
            with contextlib.suppress(BenchError):  # it is a cache
                self._store().note_facts(host.host_id, facts)

    def _known(self, host: RegisteredHost) -> Facts | None:
        if host.facts is not None and host.facts.get("connection") == connection_of(host):
            return host.facts
        return self._facts.get(host.host_id)

    def _learn(self, hosts: Sequence[RegisteredHost]) -> dict[str, Facts]:
        def unknown() -> list[RegisteredHost]:
            return [host for host in hosts if self._known(host) is None and host.host_id not in self._facts]

        if unknown():
            self._state.mkdir(parents=True, exist_ok=True, mode=0o700)
            with (self._state / "look.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # all workers come at once, and one look is enough
                for host in self._store().hosts(mode="host"):
                    if host.facts is not None and host.facts.get("connection") == connection_of(host):
                        self._facts[host.host_id] = host.facts
                wanted = unknown()
                with ThreadPoolExecutor(_AT_ONCE) as pool:
                    for host, seen in zip(wanted, pool.map(peek, wanted), strict=True):
                        if seen.facts:
                            self.note(host, seen.facts)
                        else:
                            self._facts[host.host_id] = None
        return {host.host_id: facts for host in hosts if (facts := self._known(host)) is not None}

    def of_all(self, hosts: Sequence[RegisteredHost]) -> Capabilities:
        """Return what every one of *hosts* can do, and for the rest which one cannot."""
        facts = self._learn(hosts)
        names = set(KNOWN_CAPABILITIES)
        missing: dict[str, str] = {}
        for host in hosts:
            if host.host_id in facts:
                can = capabilities_from(facts[host.host_id], host.host_name)
            else:
                why = f"{host.host_name} did not answer when it was looked at"
                can = Capabilities(frozenset(), dict.fromkeys(KNOWN_CAPABILITIES, why))
            names &= can.names
            missing = {**can.missing, **missing}
        if not hosts:
            names, missing = set(), dict.fromkeys(KNOWN_CAPABILITIES, "no host is registered")
        missing["network"] = "registered hosts are asked for each other's names when a scenario needs several"
        return Capabilities(frozenset(names), {w: r for w, r in missing.items() if w not in names}, fresh=False)

    def lack(self, hosts: Sequence[RegisteredHost], specs: Sequence[HostSpec], wanted: Sequence[str]) -> str | None:
        """Return what the hosts of one run cannot do or lack, in one line, or None; also None where one is silent."""
        facts = self._learn(hosts)
        for host in hosts:
            if host.host_id in facts:
                reason = capabilities_from(facts[host.host_id], host.host_name).lack(
                    [word for word in wanted if word != "network"]
                )
                if reason is not None:
                    return reason
        for host, spec in zip(hosts, specs, strict=True):
            if host.host_id not in facts:
                continue
            others = [other.host_name for other in specs if other is not spec] if "network" in wanted else []
            reason = self._asked(host, "name", others, unresolved) or self._asked(
                host, "package", spec.packages, not_installed
            )
            if reason is not None:
                return reason
        return None

    def _asked(
        self,
        host: RegisteredHost,
        what: str,
        words: Sequence[str],
        ask: Callable[[SshSettings, Sequence[str]], list[str]],
    ) -> str | None:
        if not words:
            return None
        key = (host.host_id, what, *words)
        if key not in self._answers:
            with peeking(host) as ssh:
                lacking = ask(ssh, words)
            advice = {
                "name": "does not resolve {}: put them into its /etc/hosts",
                "package": "lacks the packages {}, and registered hosts get none from us: install them there",
            }[what]
            self._answers[key] = f"host {host.host_name} {advice.format(', '.join(lacking))}" if lacking else None
        return self._answers[key]
