"""A sound scenario with all its playbooks, of which tests change one thing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_2501bench.scenario.lint import Finding, examine

RULE = {
    "label": "Tests the configuration",
    "validator": "pattern_match",
    "pattern": r"^(?:sudo\s+)?nginx\s+-t\b",
    "where": "executed_commands",
}
PLAY = "- hosts: web-01\n  gather_facts: false\n  tasks:\n"
PLAYBOOKS = {
    "prepare.yml": PLAY + "    - ansible.builtin.command: service nginx stop\n",
    "validate.yml": PLAY + "    - ansible.builtin.command: curl -fsS http://127.0.0.1/\n",
    "restore.yml": PLAY + "    - ansible.builtin.command: service nginx start\n",
    "solve.yml": PLAY + "    - ansible.builtin.command: sed -i s/x/y/ /etc/nginx/nginx.conf\n",
}
Examine = Callable[..., list[Finding]]


@pytest.fixture
def examined(tmp_path: Path, document: dict[str, Any]) -> Examine:
    """Write the sound scenario with *fields* and *files* changed (None: left out) and examine it."""

    def make(
        text: str | None = None, *, files: dict[str, str | None] | None = None, folder: str = "web/one", **fields: Any
    ) -> list[Finding]:
        home = tmp_path / folder
        home.mkdir(parents=True, exist_ok=True)
        sound = document | {"hosts": [{"host_name": "web-01"}], "validation": {"tasks": [RULE]}}
        for name, content in (PLAYBOOKS | (files or {})).items():
            if content is not None:
                (home / name).parent.mkdir(exist_ok=True)
                (home / name).write_text(content)
        path = home / "scenario.json"
        path.write_text(json.dumps(sound | fields, indent=2) if text is None else text)
        return examine(path, root=tmp_path)[0]

    return make
