"""An Ansible runner, and a real sshd for it to reach."""

from __future__ import annotations

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
from pytest_2501bench.sandbox.protocol import Host


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def host(sshd: Sshd) -> Host:
    return sshd.host()


@pytest.fixture(scope="session")
def runner() -> Iterator[AnsibleRunner]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(*MARK.split("="))
        runner = AnsibleRunner(Patience(connect=3, alive_interval=1, alive_count=2))
        yield runner
        runner.close()


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
