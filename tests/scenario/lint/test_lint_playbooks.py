"""Playbooks of every kind are read or told to be broken; none breaks the linter."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenario.lint.conftest import PLAY

from pytest_2501bench.scenario.lint.playbook import Task, read_playbook

WORDS = st.sampled_from(
    ["hosts", "tasks", "block", "rescue", "name", "service", "command", "cmd", "when", "web-01", "a", "argv", "action"]
)
TREES = st.recursive(
    WORDS | st.booleans() | st.none() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=15,
)


def tasks(tmp_path: Path, text: str) -> list[Task]:
    path = tmp_path / "solve.yml"
    path.write_text(text)
    playbook = read_playbook(path)
    assert playbook.problem is None, playbook.problem
    return list(playbook.tasks())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREES)
def test_any_yaml_is_read_or_has_a_problem_with_a_place(tmp_path: Path, tree: object) -> None:
    path = tmp_path / "any.yml"
    path.write_text(yaml.safe_dump(tree))
    playbook = read_playbook(path)
    if playbook.problem is not None:
        said, line, column = playbook.problem
        assert said
        assert line >= 1
        assert column >= 1
    assert [task for task in playbook.tasks() if not task.pointer or not task.name] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"- hosts: a\n  tasks: [", "broken YAML"),
        (b"- hosts: a\x00\n", "broken YAML"),
        (b"--- 1\n--- 2\n", "broken YAML"),
        (b"[" * 50_000, "broken YAML: nested too deeply"),
        (b"- " * 50_000, "broken YAML: nested too deeply"),
        (b"- [1]", "play 1 must be a mapping"),
        (b"- name: x\n", "play 1 says no 'hosts'"),
        (b"- hosts: a\n  tasks: {a: b}\n", "'tasks' must be a list of tasks"),
        (b"- hosts: a\n  tasks: [a]\n", "tasks: entry 1 is no task, which is a mapping"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.yml"
    path.write_bytes(content)
    problem = read_playbook(path).problem
    assert problem is not None
    assert problem[0].startswith(said)


@pytest.mark.parametrize(
    ("task", "command"),
    [
        ("command: a b", "a b"),
        ("ansible.builtin.command: {cmd: a b}", "a b"),
        ("ansible.builtin.command: {argv: [a, 1]}", "a 1"),
        ("shell: |\n        a\n        b", "a\nb"),
        ("action: command a b", "a b"),
        ("action: {module: command, cmd: a b}", "a b"),
        ("service: name=a", None),
    ],
)
def test_the_command_of_a_task_is_known_in_each_way_to_write_it(tmp_path: Path, task: str, command: str | None) -> None:
    (found,) = tasks(tmp_path, PLAY + f"    - {task}\n")
    assert (found.command.strip() if found.command is not None else None) == command


def test_an_alias_that_holds_itself_ends(tmp_path: Path) -> None:
    (found,) = tasks(tmp_path, PLAY + "    - debug: &x [*x]\n")
    assert found.module == "debug"
