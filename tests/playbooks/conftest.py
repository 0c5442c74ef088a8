"""An Ansible runner, and a real sshd for it to reach."""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.playbooks import MARK, Run
from support.sshd import Sshd, running_sshd

from pytest_2501bench.errors import Phase
from pytest_2501bench.evidence.model import PlaybookRecord
from pytest_2501bench.playbooks.environment import Patience
from pytest_2501bench.playbooks.model import PlaybookRequest
from pytest_2501bench.playbooks.run import AnsibleRunner
from pytest_2501bench.playbooks.warm import SHARED
from pytest_2501bench.sandbox.protocol import Host


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def host(sshd: Sshd) -> Host:
    return sshd.host()


@pytest.fixture(autouse=True)
def _no_server_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SHARED, raising=False)


@pytest.fixture
def way() -> str:
    """How Ansible starts; parametrize a test with ``way`` to have it both ways."""
    return "warm"


@pytest.fixture(scope="session")
def runners() -> Iterator[dict[str, AnsibleRunner]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(*MARK.split("="))
        patience = Patience(connect=3, alive_interval=1, alive_count=2)
        ways = {
            way: AnsibleRunner(patience, environ=ChainMap({"BENCH_ANSIBLE": way}, os.environ))
            for way in ("warm", "cold")
        }
        yield ways
        for runner in ways.values():
            runner.close()


@pytest.fixture
def runner(runners: dict[str, AnsibleRunner], way: str) -> AnsibleRunner:
    return runners[way]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scenario's folder."""
    scenario = tmp_path / "a scenario"
    scenario.mkdir()
    return scenario


@pytest.fixture
def run(runner: AnsibleRunner, folder: Path, tmp_path: Path, host: Host) -> Run:
    """Write a playbook and run it: ``run("tasks as YAML")``; the log is ``tmp_path/log``."""

    def do(tasks: str, *, name: str = "validate.yml", pattern: str = "all", **request: object) -> PlaybookRecord:
        playbook = folder / name
        indented = "".join(f"    {line}\n" for line in tasks.strip().splitlines())
        playbook.write_text(f"- hosts: {pattern}\n  gather_facts: false\n  tasks:\n{indented}")
        fields: dict[str, object] = {"hosts": [host], "deadline": 60.0, "log": tmp_path / "log", **request}
        return runner.run(PlaybookRequest(playbook=playbook, phase=Phase.VALIDATE, **fields))  # type: ignore[arg-type]

    return do
