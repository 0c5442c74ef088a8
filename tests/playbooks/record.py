"""Record what Ansible's events look like, for the pure tests: ``python record.py VERSION PROGRAMS``.

Runs every playbook of recorded/ on this machine (connection local; gone-01 answers nobody) and writes its events to
recorded/VERSION/. Only what :mod:`pytest_2501bench.playbooks.events` reads is kept.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pytest_2501bench.playbooks.environment import Patience, ansible_environment, search_path
from pytest_2501bench.playbooks.launch import Launch, launch
from pytest_2501bench.playbooks.outcome import Stop

HERE = Path(__file__).parent / "recorded"
INVENTORY = """
all:
  vars: {ansible_python_interpreter: /usr/bin/python3}
  hosts:
    web-01: {ansible_connection: local}
    db-01: {ansible_connection: local}
    gone-01: {ansible_host: 127.0.0.1, ansible_port: 1}
"""
KEPT = {
    "host", "task", "task_uuid", "task_action", "resolved_action", "task_args", "task_path", "duration", "res",
    "ignore_errors", "play", "play_pattern", "processed", "failures", "dark", "rescued",
}  # fmt: skip
DROPPED = {"stdout_lines", "stderr_lines", "start", "end", "delta", "stat", "diff", "exception"}


def trimmed(event: Mapping[str, Any]) -> dict[str, Any]:
    data = {name: value for name, value in (event.get("event_data") or {}).items() if name in KEPT}
    if isinstance(data.get("res"), dict):
        data["res"] = {name: value for name, value in data["res"].items() if name not in DROPPED}
    return {"event": event.get("event"), "stdout": event.get("stdout"), "event_data": data}


def record(playbook: Path, version: str, programs: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="scenario") as work, tempfile.TemporaryDirectory() as private:
        folder = Path(work)
        shutil.copytree(HERE / "files", folder / "files")
        shutil.copy(playbook, folder)
        (folder / "inv.yml").write_text(INVENTORY)
        home = Path(private)
        (home / "ansible.cfg").touch()
        environment = ansible_environment(
            home / "h",
            path=search_path(programs, {"PATH": "/usr/bin:/bin"}),
            config=home / "ansible.cfg",
            patience=Patience(connect=3),
            environ={"HOME": private},
        )
        events: list[dict[str, Any]] = []
        spec = Launch(folder / playbook.name, (folder / "inv.yml",), {}, environment, home)
        until = time.monotonic() + 120
        ended = launch(
            spec,
            lambda event: events.append(trimmed(event)),
            lambda: Stop.DEADLINE if time.monotonic() > until else None,
        )
        text = json.dumps({"ended": asdict(ended), "events": events}, indent=0, ensure_ascii=False)
        text = text.replace(work, "/scenario").replace(private, "/private")
        (HERE / version).mkdir(exist_ok=True)
        (HERE / version / f"{playbook.stem}.json").write_text(text + "\n", encoding="utf-8")
        print(version, playbook.stem, ended, len(text))  # noqa: T201


if __name__ == "__main__":
    for found in sorted(HERE.glob("*.yml")):
        record(found, sys.argv[1], Path(sys.argv[2]))
