"""A host that was out of reach: whose doing it was decides whether the agent is judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_2501bench.errors import Gate
from pytest_2501bench.evidence.model import Command, CommandKind, Evidence, Sighting, Trait
from pytest_2501bench.scoring.model import GateResult, Status
from pytest_2501bench.scoring.reach import out_of_reach, own_doing, without_reach

HARMLESS = [
    "nginx -t",
    "systemctl restart nginx",
    "service nginx start",
    "systemctl stop cron && systemctl status ssh",
    "cat /etc/ssh/sshd_config",
    "ip addr show",
    "journalctl -u ssh --no-pager",
    "sed -i 's/a/b/' /etc/nginx/sites-available/shop",
    "kill 4711",
    "/usr/sbin/nginx -t",
    "sh -c 'df -h; du -sh /var'",
    "sudo rm /var/log/shop.log.1",
    "curl -fsS http://127.0.0.1/",
]
OWN = [
    "reboot",
    "sudo shutdown -h now",
    "systemctl stop ssh",
    "systemctl --now disable sshd.service",
    "systemctl restart networking",
    "service ssh restart",
    "iptables -P INPUT DROP",
    "nft flush ruleset",
    "ip link set eth0 down",
    "ip route del default",
    "kill -9 1",
    "kill $PPID",
    "pkill sshd",
    "killall5",
    "echo b > /proc/sysrq-trigger",
    "systemctl isolate rescue.target",
    "sh -c 'sleep 1; poweroff'",
]
HIDDEN = [
    "bash /tmp/fix.sh",
    "/tmp/fix.sh",
    "./fix.sh",
    "sudo ./fix.sh",
    "python3 -c 'import os; os.system(\"x\")'",
    "perl fix.pl",
    "source /root/env",
    "eval $THING",
    "sh < /tmp/fix",
    "true; /opt/tool --repair",
    "sudo -ubackup ./fix.sh",
    "timeout -k5s 60 bash /tmp/fix.sh",
    "ionice -c 2 bash /tmp/fix.sh",
    "env -u HOME perl fix.pl",
    "taskset 1 python3 fix.py",
]


@pytest.mark.parametrize("command", HARMLESS)
def test_what_is_harmless_is_not_the_reason(command: str) -> None:
    assert not own_doing([Command(command=command)])


@pytest.mark.parametrize("command", [*OWN, *HIDDEN])
def test_what_takes_a_host_away_or_cannot_be_looked_into_may_be_the_reason(command: str) -> None:
    assert own_doing([Command(command="nginx -t"), Command(command=command)])


@pytest.mark.parametrize(
    "trait", [Trait.READS_COMMANDS, Trait.FETCHED_AND_RUN, Trait.WRITTEN_AND_RUN, Trait.DECODED_AND_RUN, Trait.ONWARD]
)
def test_what_the_bastion_saw_of_it_counts_too(trait: Trait) -> None:
    seen = Sighting(kind=CommandKind.EXEC, traits=(trait,))
    assert own_doing([Command(command="innocent", seen=seen)])
    assert not own_doing([Command(command="innocent", seen=Sighting(kind=CommandKind.EXEC, traits=(Trait.PIPELINE,)))])


def test_a_host_is_out_of_reach_only_if_nothing_of_the_agents_may_be_why(evidence_of: Callable[..., Evidence]) -> None:
    def lost(*commands: str, **rest: Any) -> tuple[str, ...]:
        return out_of_reach(evidence_of({"executed_commands": list(commands)}, unreached=("web-01",), **rest))

    assert lost("nginx -t") == ("web-01",)
    assert lost() == ("web-01",)
    assert lost("nginx -t", "reboot") == ()
    assert out_of_reach(evidence_of({"executed_commands": ["nginx -t"]})) == ()


@pytest.mark.parametrize("status", list(Status))
def test_only_a_failed_gate_loses_its_verdict(status: Status) -> None:
    gate = GateResult(gate=Gate.TASK_VALIDATION, status=status, reason="two tasks failed")
    assert without_reach(gate, ()) == gate
    after = without_reach(gate, ("web-01",))
    if status is Status.FAILED:
        assert after.status is Status.ERROR
        assert after.reason == "web-01 could not be reached while the agent worked; two tasks failed"
    else:
        assert after == gate
