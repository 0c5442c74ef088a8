"""Tells a host that was lost from a login that ended: the one does not take us back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncssh

from pytest_2501bench.bastion.upstream import connect
from pytest_2501bench.sandbox.protocol import Host

SECONDS = 5.0
"""How long the end of an agent's work waits for such a look; a host that has not answered by then is lost."""


class Reach:
    """Which hosts were out of reach while an agent wanted them."""

    def __init__(self, unreached: Callable[[str], None]) -> None:
        """Prepare; *unreached* is called with the host_name."""
        self._unreached = unreached
        self._looks: dict[asyncio.Task[None], str] = {}

    def refused(self, host: Host) -> None:
        """Note that a connection to *host* did not come about."""
        self._unreached(host.host_name)

    def hung_up(self, host: Host) -> None:
        """Look whether *host*, which has ended a connection, takes another one."""
        look = asyncio.create_task(self._look(host))
        self._looks[look] = host.host_name
        look.add_done_callback(lambda done: self._looks.pop(done, None))

    async def settle(self) -> None:
        """Return when it is known of all hosts."""
        if not self._looks:
            return
        _done, waiting = await asyncio.wait(list(self._looks), timeout=SECONDS)
        for look in waiting:
            self._unreached(self._looks[look])
            look.cancel()
        if waiting:
            await asyncio.wait(waiting, timeout=1)

    async def _look(self, host: Host) -> None:
        try:
            again = await connect(host.ssh, host.host_name)
        except (OSError, asyncssh.Error):
            self._unreached(host.host_name)
        else:
            again.abort()
            await again.wait_closed()
