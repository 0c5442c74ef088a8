"""Projects for sessions under test."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.plugin_project import Project


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, bytecode: Path) -> Project:
    return Project(pytester, monkeypatch, bytecode)
