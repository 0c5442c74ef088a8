"""What is left of the recorder's connections to hosts: nothing, whenever an agent hangs up."""

from __future__ import annotations

import asyncio
import contextlib
import gc

import asyncssh
import pytest
from support.sshd import Sshd

from pytest_2501bench.bastion import recorder as module
from pytest_2501bench.bastion.recorder import Recorder
from pytest_2501bench.bastion.upstream import connect
from pytest_2501bench.sandbox.protocol import SshSettings

pytestmark = pytest.mark.sshd


async def come(recorder: Recorder, sshd: Sshd) -> asyncssh.SSHClientConnection:
    """Return an agent's connection that has just been let in."""
    return await asyncssh.connect(
        recorder.doors[0].address,
        recorder.doors[0].port,
        config=None,
        username=sshd.host().ssh.user,
        client_keys=[asyncssh.import_private_key(recorder.client_key)],
        known_hosts=None,
        agent_path=None,
    )


def others() -> set[str]:
    """Return what else goes on in the loop."""
    current = asyncio.current_task()
    return {repr(task) for task in asyncio.all_tasks() if task is not current}


@pytest.mark.parametrize("milliseconds", range(0, 60, 3))
def test_closing_right_after_an_agent_hung_up_leaves_nothing(sshd: Sshd, milliseconds: int) -> None:
    async def main() -> set[str]:
        async with Recorder([sshd.host()]) as recorder:
            agent = await come(recorder, sshd)
            await asyncio.sleep(milliseconds / 1000)
            agent.abort()
            await agent.wait_closed()
        return others()

    assert asyncio.run(main()) == set()
    gc.collect()  # an open transport would warn of itself


def test_a_connection_that_is_made_although_the_agent_is_gone_is_cut(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: asyncio.Future[asyncssh.SSHClientConnection]

    async def uncancelled(ssh: SshSettings, host_name: str) -> asyncssh.SSHClientConnection:
        """Connect, as it happens when the connection stands in the very turn in which it is cancelled."""
        task = asyncio.create_task(connect(ssh, host_name))
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(task)
        made.set_result(task.result())
        return task.result()

    monkeypatch.setattr(module, "connect", uncancelled)

    async def main() -> None:
        nonlocal made
        made = asyncio.get_running_loop().create_future()
        async with Recorder([sshd.host()]) as recorder:
            (await come(recorder, sshd)).abort()
            await asyncio.wait_for((await made).wait_closed(), 5)

    asyncio.run(main())
