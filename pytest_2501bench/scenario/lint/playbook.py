"""A playbook as the linter sees it: plays and tasks with their places, read without Ansible and without running it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from pytest_2501bench.scenario.problems import Step, pointer

# What a task may have besides its module; a word that Ansible does not know is Ansible's to tell.
_KEYWORDS = (
    "action any_errors_fatal args async become become_exe become_flags become_method become_user changed_when "
    "check_mode collections connection debugger delay delegate_facts delegate_to diff environment failed_when "
    "ignore_errors ignore_unreachable listen local_action loop loop_control module_defaults name no_log notify poll "
    "port register remote_user retries run_once tags throttle timeout until vars when"
)
KEYWORDS = frozenset(_KEYWORDS.split())
_SECTIONS = ("pre_tasks", "tasks", "post_tasks")
_BLOCKS = ("block", "rescue", "always")
_Quick: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEP = 1000

FAULT_TAG: Final = "fault"
"""Tag of the tasks of prepare.yml that bring the fault in: without them, the host is healthy."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task, or what stands in its place.

    Attributes:
        module: as written; None if there is none or more than one.
        given: the module's arguments, a string or a mapping.
        keywords: everything else, with what its blocks say.
        rescued: a rescue section takes up its failure.
    """

    module: str | None
    given: Any
    keywords: Mapping[str, Any]
    rescued: bool
    pointer: str
    line: int
    column: int

    @property
    def short(self) -> str:
        """Return the module's last name, without a collection."""
        return (self.module or "").removeprefix("ansible.builtin.").removeprefix("ansible.legacy.")

    @property
    def name(self) -> str:
        """Return how messages call it."""
        return str(self.keywords.get("name") or self.module or "a task")

    @property
    def command(self) -> str | None:
        """Return the command line of a command, shell or raw task."""
        if self.short not in ("command", "shell", "raw", "script"):
            return None
        if isinstance(self.given, dict):
            argv = self.given.get("argv")
            return " ".join(map(str, argv)) if isinstance(argv, list) else str(self.given.get("cmd") or "")
        return str(self.given or "")


@dataclass(frozen=True, slots=True)
class Play:
    """A play of a playbook."""

    hosts: Any
    tasks: tuple[Task, ...]
    opaque: bool  # it has roles or imports: what they do is not seen
    pointer: str
    line: int
    column: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Playbook:
    """A playbook that was read.

    Attributes:
        problem: why there are no plays, with line and column; None if all is well.
    """

    path: Path
    plays: tuple[Play, ...] = ()
    problem: tuple[str, int, int] | None = None

    def tasks(self) -> Iterator[Task]:
        """Yield all tasks in order."""
        for play in self.plays:
            yield from play.tasks

    def has_tag(self, tag: str) -> bool:
        """Say whether a task, or a block around one, carries *tag*."""
        return any(tag in _tags(task.keywords.get("tags")) for task in self.tasks())


def _tags(value: object) -> set[str]:
    words = value if isinstance(value, list) else [value]
    return {part.strip() for word in words if isinstance(word, str) for part in word.split(",")}


def read_playbook(path: Path) -> Playbook:
    """Read *path*; what is wrong with it becomes its ``problem``."""
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=_loader(text))
    except OSError as error:
        return Playbook(path, problem=(f"cannot be read: {error.strerror or error}", 1, 1))
    except UnicodeDecodeError:
        return Playbook(path, problem=("is not UTF-8 text", 1, 1))
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        words = getattr(error, "problem", None) or getattr(error, "reason", None) or "nested too deeply"
        said = " ".join(str(words).split())
        place = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        return Playbook(path, problem=(f"broken YAML: {said}", *place))
    if node is None:
        return Playbook(path, problem=("is empty; it must hold a list of plays", 1, 1))
    if not isinstance(node, yaml.SequenceNode):
        return Playbook(path, problem=("must be a list of plays", *_mark(node)))
    plays = []
    for index, item in enumerate(node.value):
        if not isinstance(item, yaml.MappingNode):
            return Playbook(path, problem=(f"play {index + 1} must be a mapping", *_mark(item)))
        fields = _fields(item)
        if "hosts" not in fields and not any("import_playbook" in name for name in fields):
            return Playbook(path, problem=(f"play {index + 1} says no 'hosts'", *_mark(item)))
        try:
            plays.append(_play(index, item, fields))
        except _NotTasksError as error:
            return Playbook(path, problem=(str(error), error.line, error.column))
    return Playbook(path, tuple(plays))


def _loader(text: str) -> Any:
    # The quick loader calls itself for each level until the process crashes; the other one ends in an exception.
    levels = sum(text.count(sign) for sign in ("[", "{", "- -", "? ?"))
    return yaml.SafeLoader if levels > _DEEP or len(text) > 300_000 else _Quick


class _NotTasksError(Exception):
    def __init__(self, said: str, node: yaml.Node) -> None:
        super().__init__(said)
        self.line, self.column = _mark(node)


def _play(index: int, node: yaml.MappingNode, fields: dict[str, yaml.Node]) -> Play:
    tasks = [
        task
        for section in _SECTIONS
        if section in fields
        for task in _tasks(fields[section], (index, section), {}, rescued=False)
    ]
    hosts = fields.get("hosts")
    place = _mark(hosts if hosts is not None else node)
    return Play(
        hosts=_plain(hosts) if hosts is not None else None,
        tasks=tuple(tasks),
        opaque="roles" in fields or hosts is None,
        pointer=pointer((index, "hosts")),
        line=place[0],
        column=place[1],
        name=str(_plain(fields["name"]) or "") if "name" in fields else "",
    )


def _tasks(node: yaml.Node, steps: tuple[Step, ...], inherited: Mapping[str, Any], *, rescued: bool) -> Iterator[Task]:
    if isinstance(node, yaml.ScalarNode) and not node.value:
        return  # an empty section
    if not isinstance(node, yaml.SequenceNode):
        raise _NotTasksError(f"'{steps[-1]}' must be a list of tasks", node)
    for index, item in enumerate(node.value):
        if not isinstance(item, yaml.MappingNode):
            raise _NotTasksError(f"{steps[-1]}: entry {index + 1} is no task, which is a mapping", item)
        fields = _fields(item)
        here = (*steps, index)
        said = {name: _plain(value) for name, value in fields.items() if name in KEYWORDS or name.startswith("with_")}
        if "block" in fields:
            for section in _BLOCKS:
                if section in fields:
                    saved = rescued or (section == "block" and "rescue" in fields)
                    yield from _tasks(fields[section], (*here, section), {**inherited, **said}, rescued=saved)
            continue
        yield _task(item, fields, {**inherited, **said}, here, rescued=rescued)


def _task(
    node: yaml.MappingNode,
    fields: dict[str, yaml.Node],
    keywords: dict[str, Any],
    steps: tuple[Step, ...],
    *,
    rescued: bool,
) -> Task:
    modules = [name for name in fields if name not in KEYWORDS and not name.startswith("with_")]
    module, given, at = None, None, _mark(node)
    if len(modules) == 1:
        module, given = modules[0], _plain(fields[modules[0]])
    elif not modules and (old := fields.get("action", fields.get("local_action"))) is not None:
        words = _plain(old)
        if isinstance(words, str) and words.split():
            module, _, given = words.partition(" ")
        elif isinstance(words, dict):
            module, given = words.get("module"), words
    return Task(module, given, keywords, rescued, pointer(steps), *at)


def _fields(node: yaml.MappingNode) -> dict[str, yaml.Node]:
    return {str(key.value): value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def _plain(node: yaml.Node, depth: int = 0) -> Any:
    """Return the node's value; of scalars only what a check asks about is told apart."""
    if depth > 50:  # an alias that holds itself
        return None
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _plain(value, depth + 1) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, depth + 1) for item in node.value]
    if node.tag == "tag:yaml.org,2002:bool":
        return str(node.value).lower() in ("true", "yes", "on")
    return None if node.tag == "tag:yaml.org,2002:null" else str(node.value)


def _mark(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
