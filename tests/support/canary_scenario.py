"""A scenario whose every word, apart from ticket and incident, is a canary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

CANARY = "quokka"
"""In every word of the scenario that no agent may see."""

INI = "[pytest]\naddopts = -p no:randomly -p no:cacheprovider\n"

PREPARE = """\
- name: quokka play
  hosts: all
  gather_facts: true
  vars:
    quokka_variable: refused
  tasks:
    - name: quokka copies
      ansible.builtin.copy: {src: files/quokka.conf, dest: /etc/shop.conf, mode: "0644"}
    - name: quokka renders
      ansible.builtin.template: {src: files/quokka.j2, dest: /var/log/shop.log, mode: "0644"}
    - name: quokka runs a script
      ansible.builtin.script: files/quokka.sh
    - name: quokka leaves a program running
      ansible.builtin.shell: logger -t shopd "upstream refused"; nohup sleep 4321 > /dev/null 2>&1 &
    - name: quokka is interrupted, so that files of Ansible stay
      ansible.builtin.shell: |
        cd /
        for place in tmp/ansible_legacy.command_payload_quokka root/.ansible/tmp/quokka var/tmp/ansible-tmp-quokka; do
          mkdir -p $place/inner && echo quokka > $place/inner/AnsiballZ_command.py && ln -s /etc/passwd $place/link
        done
        mkdir -p /root/.config && echo kept > /root/.config/shop
"""
VALIDATE = """\
- name: quokka validation
  hosts: all
  gather_facts: false
  tasks:
    - name: quokka check
      ansible.builtin.command: test -e /etc/passwd
"""


def write_project(
    root: Path,
    *,
    prepare: str = PREPARE,
    validate: str = VALIDATE,
    restore: str = VALIDATE.replace("validation", "restoration"),
    bench: Mapping[str, object] | None = None,
) -> Path:
    """Write a project with one scenario into *root*, and return *root*; *bench* is what only this plugin knows."""
    folder = root / "scenarios" / "quokkas" / "001-quokka"
    (folder / "files").mkdir(parents=True)
    (root / "pytest.ini").write_text(INI)
    rule = {
        "label": "quokka label",
        "validator": "pattern_match",
        "pattern": "quokka pattern",
        "where": "executed_commands",
        "negate": True,
    }
    scenario = {
        "key": "quokka-001",
        "title": "quokka title",
        "description": "quokka description",
        "ticket_title": "The shop is slow",
        "ticket_body": "Customers wait. Please look at web-01.",
        "tags": ["quokka-tag"],
        "hosts": [{"host_name": "web-01", "template": "debian-base"}],
        "validation": {"tasks": [rule]},
        **({"bench": bench} if bench else {}),
    }
    (folder / "scenario.json").write_text(json.dumps(scenario))
    (folder / "prepare.yml").write_text(prepare)
    (folder / "validate.yml").write_text(validate)
    (folder / "solve.yml").write_text(VALIDATE.replace("validation", "solution"))
    (folder / "restore.yml").write_text(restore)
    (folder / "files" / "quokka.conf").write_text("backend = refused\n")
    (folder / "files" / "quokka.j2").write_text("backend {{ quokka_variable }} on {{ ansible_hostname }}\n")
    (folder / "files" / "quokka.sh").write_text("#!/bin/sh\ntouch /srv/shop\n")
    return root
