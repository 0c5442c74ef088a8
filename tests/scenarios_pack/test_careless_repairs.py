"""Repairs that look like one: each takes the symptom away, or half of it, and validate.yml must see through it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.hosts import on

from pytest_2501bench.errors import Phase
from pytest_2501bench.evidence.model import PlaybookRecord, PlaybookStatus
from pytest_2501bench.playbooks.model import PlaybookRequest
from pytest_2501bench.playbooks.run import AnsibleRunner
from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.protocol import Host
from pytest_2501bench.scenario.load import load_scenario
from pytest_2501bench.scenario.resolve import host_specs

pytestmark = pytest.mark.namespace
ROOT = Path(__file__).parents[2] / "scenarios"
HARDENING = "/etc/systemd/system/rates.service.d/hardening.conf"


@pytest.fixture(scope="module")
def runner() -> Iterator[AnsibleRunner]:
    runner = AnsibleRunner()
    yield runner
    runner.close()


class Stage:
    """The fresh hosts of a scenario."""

    def __init__(self, folder: Path, hosts: tuple[Host, ...], runner: AnsibleRunner, log: Path) -> None:
        self._folder, self._hosts, self._runner, self._log = folder, hosts, runner, log

    def play(self, name: str, phase: Phase) -> PlaybookRecord:
        return self._runner.run(
            PlaybookRequest(
                playbook=self._folder / name,
                phase=phase,
                hosts=self._hosts,
                deadline=120,
                log=self._log / f"{name}.log",
            )
        )

    def type(self, host_name: str, command: str) -> None:
        (host,) = (host for host in self._hosts if host.host_name == host_name)
        done = on(host, command)
        assert done.returncode == 0, done.stderr


@contextmanager
def staged(scenario: str, runner: AnsibleRunner, directory: Path) -> Iterator[Stage]:
    loaded = load_scenario(ROOT / scenario / "scenario.json")
    provider = NamespaceProvider(state_dir=directory)
    sandbox = provider.create(host_specs(loaded, True))
    try:
        yield Stage(loaded.directory, sandbox.hosts, runner, directory)
    finally:
        runner.forget(sandbox.hosts)
        provider.destroy(sandbox)


@pytest.mark.parametrize(
    ("scenario", "host", "repair", "seen"),
    [
        pytest.param(
            "nginx/001-broken-config",
            "web-01",
            "sed -i '/expires 7d/d' /etc/nginx/sites-available/shop; nginx -t && service nginx start",
            "assets may no longer be cached for 7 days",
            id="the faulty line is deleted",
        ),
        pytest.param(
            "disk/001-filling-disk",
            "app-01",
            "truncate -s 0 /srv/orders/log/orders.log",
            "/srv/orders grew by",
            id="the log is emptied and its cause stays",
        ),
        pytest.param(
            "disk/001-filling-disk",
            "app-01",
            "sed -i s/DEBUG/INFO/ /etc/orders/orders.conf; rm -rf /srv/orders/*; "
            "mkdir /srv/orders/log /srv/orders/incoming; service orders restart",
            "0 of the 24 orders that waited are left",
            id="the disk is cleared with the orders on it",
        ),
        pytest.param(
            "systemd/001-unit-fails",
            "svc-01",
            f"rm {HARDENING}; systemctl daemon-reload; systemctl reset-failed rates; systemctl start rates; sleep 0.5",
            "the hardening is gone",
            id="the hardening is removed",
        ),
        pytest.param(
            "web/001-two-hosts",
            "db-01",
            "redis-cli -a tide-Gauge-41 config set bind '* -::*'",
            "Status code was 503",
            id="the running server is changed, not its configuration",
        ),
    ],
)
def test_a_careless_repair_does_not_pass_validation(
    scenario: str, host: str, repair: str, seen: str, runner: AnsibleRunner, tmp_path: Path
) -> None:
    with staged(scenario, runner, tmp_path) as stage:
        assert stage.play("prepare.yml", Phase.PREPARE).status is PlaybookStatus.OK
        stage.type(host, repair)
        record = stage.play("validate.yml", Phase.VALIDATE)

    assert record.status is PlaybookStatus.TASK_FAILED, record.message
    assert record.failure is not None
    assert seen in record.failure.message


def test_a_database_without_its_password_is_no_repair(runner: AnsibleRunner, tmp_path: Path) -> None:
    with staged("web/001-two-hosts", runner, tmp_path) as stage:
        assert stage.play("prepare.yml", Phase.PREPARE).status is PlaybookStatus.OK
        stage.type(
            "db-01",
            "sed -i 's/^bind.*/bind 0.0.0.0/; s/^protected-mode.*/protected-mode no/; /^requirepass/d' "
            "/etc/redis/redis.conf; service redis-server restart",
        )
        record = stage.play("validate.yml", Phase.VALIDATE)

    assert record.status is PlaybookStatus.TASK_FAILED


def test_restoring_a_fresh_host_and_doing_anything_twice_is_harmless(runner: AnsibleRunner, tmp_path: Path) -> None:
    names = ("restore.yml", "prepare.yml", "prepare.yml", "solve.yml", "validate.yml", "restore.yml", "restore.yml")
    with staged("nginx/001-broken-config", runner, tmp_path) as stage:
        played = [stage.play(name, Phase.PREPARE).status for name in names]

    assert played == [PlaybookStatus.OK] * len(names)
