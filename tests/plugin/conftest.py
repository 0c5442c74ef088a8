"""What sessions under test need is imported once, here: pytester forgets modules that an inner session imports first.

Forgotten, they would be imported again in every test, which costs a second each, and their classes would be others.
"""

from __future__ import annotations

from pathlib import Path

import alembic.command
import httpcore
import pytest
from support import plugin_fakes
from support.plugin_project import Project

import pytest_2501bench.announce
import pytest_2501bench.gateway.http
import pytest_2501bench.gateway.runner
import pytest_2501bench.item_report
import pytest_2501bench.report.html
import pytest_2501bench.report.markdown
import pytest_2501bench.run
import pytest_2501bench.sandbox.namespace
import pytest_2501bench.scenario.lint
import pytest_2501bench.scenario.select

__all__ = ["alembic", "httpcore", "plugin_fakes", "pytest_2501bench"]


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, bytecode: Path) -> Project:
    return Project(pytester, monkeypatch, bytecode)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask an engine that does not answer for a third of a second, not for five."""
    client = pytest_2501bench.gateway.http.EngineClient
    monkeypatch.setattr(
        pytest_2501bench.gateway.runner, "EngineClient", lambda url, key, patience: client(url, key, patience=0.3)
    )
