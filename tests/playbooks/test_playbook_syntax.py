"""The syntax check, and Ansible's complaints made readable."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pytest_2501bench.playbooks.complaint import complaint
from pytest_2501bench.playbooks.environment import Patience, ansible_environment, search_path
from pytest_2501bench.playbooks.run import AnsibleRunner


def test_a_good_playbook_has_nothing_to_complain_about_and_is_asked_once(runner: AnsibleRunner, folder: Path) -> None:
    playbook = folder / "validate.yml"
    playbook.write_text("- hosts: web\n  tasks:\n    - command: 'true'\n")
    assert runner.syntax_check(playbook) is None
    started = time.perf_counter()
    assert runner.syntax_check(playbook) is None
    assert time.perf_counter() - started < 0.05
    playbook.write_text("- hosts: web\n  taskss: []\n")
    assert runner.syntax_check(playbook) == "validate.yml:2: 'taskss' is not a valid attribute for a Play"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "- hosts: all\n  tasks:\n    - nosuchmodule: {a: 1}\n",
            "prepare.yml:3: couldn't resolve module/action 'nosuchmodule'",
        ),
        (
            "- hosts: all\n  roles: [nope]\n",
            "prepare.yml:2: the role 'nope' was not found in roles/ or an installed collection",
        ),
        ("- hosts: all\n  tasks:\n    - a: 'b\n", "prepare.yml:4: YAML parsing failed: "),
        ("", "prepare.yml:1: Empty playbook, nothing to do: prepare.yml"),
        (
            "- hosts: all\n  tasks:\n    - import_tasks: more.yml\n",
            "prepare.yml:1: Unable to retrieve file contents. Could not find or access 'more.yml'",
        ),
    ],
)
def test_a_bad_playbook_gives_one_line_with_its_place(
    runner: AnsibleRunner, folder: Path, text: str, words: str
) -> None:
    (folder / "prepare.yml").write_text(text)
    found = runner.syntax_check(folder / "prepare.yml")
    assert found is not None
    assert found.startswith(words)
    assert "\n" not in found
    assert str(folder) not in found


def test_a_missing_playbook_is_said_without_ansible(runner: AnsibleRunner, folder: Path) -> None:
    assert runner.syntax_check(folder / "solve.yml") == "solve.yml:1: no such file"


def test_output_without_an_error_is_no_complaint() -> None:
    assert complaint("PLAY [all] ***\nok: [web-01]\n", Path("/s")) is None


def test_a_place_outside_of_the_scenario_stays_whole() -> None:
    found = complaint("[ERROR]: bad\nOrigin: /roles/r/tasks/main.yml:3:1\n", Path("/s"))
    assert str(found) == "/roles/r/tasks/main.yml:3: bad"


def test_the_environment_is_an_allow_list() -> None:
    environ = {
        "HOME": "/home/u",
        "PATH": "/bin",
        "ENGINE_API_KEY": "s",
        "SSH_AUTH_SOCK": "/x",
        "HTTP_PROXY": "http://u:p@h",
    }
    environ |= {"ANSIBLE_HOST_KEY_CHECKING": "0", "ANSIBLE_STDOUT_CALLBACK": "yaml", "LC_ALL": "C", "DATABASE_URL": "p"}
    made = ansible_environment(
        Path("/h"), path="/bin", config=Path("/c/ansible.cfg"), patience=Patience(), environ=environ
    )
    assert not {"ENGINE_API_KEY", "SSH_AUTH_SOCK", "HTTP_PROXY", "DATABASE_URL"} & made.keys()
    assert made["ANSIBLE_HOST_KEY_CHECKING"] == "True"
    assert made["ANSIBLE_COLLECTIONS_PATH"].startswith("/home/u/.ansible/collections:")
    assert made["LC_ALL"].endswith("UTF-8")


def test_our_interpreters_folder_comes_first() -> None:
    assert search_path(Path("/venv/bin"), {"PATH": "/usr/bin"}) == f"/venv/bin{os.pathsep}/usr/bin"
