"""Checks on playbooks: can validate.yml fail, does it look before it touches, are its hosts the scenario's."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pytest_2501bench.scenario.crosscheck import DEFAULT_HOST_NAME
from pytest_2501bench.scenario.lint.finding import Raw, Severity
from pytest_2501bench.scenario.lint.playbook import Play, Playbook, Task
from pytest_2501bench.scenario.model import LoadedScenario
from pytest_2501bench.scenario.problems import suggestion

# They succeed whatever the host is like.
_QUIET = (
    "debug set_fact set_stats meta pause setup gather_facts service_facts package_facts stat find ping add_host "
    "group_by wait_for_connection include_vars"
)
_NEVER_FAIL = frozenset(_QUIET.split())
_INSTALLERS = "apt apt_key apt_repository deb822_repository dnf dnf5 package pip yum get_url"
_PACKAGES = frozenset(_INSTALLERS.split())
_WRITERS = (
    "assemble blockinfile copy cron file group hostname iptables known_hosts lineinfile replace systemd "
    "systemd_service service sysvinit template unarchive user"
)
_WRITES = _PACKAGES | frozenset(_WRITERS.split())
_SERVICES = frozenset({"service", "systemd", "systemd_service", "sysvinit"})
_ALWAYS_TRUE = re.compile(r"(?:\|\||;)\s*(?:true|:|exit 0)\s*\Z|\n\s*(?:true|:|exit 0)\s*\Z")
_GROUP = re.compile(r"^\s*\[([^:\]\s]+)", re.M)
_PLAIN_HOST = re.compile(r"[\w.-]+\Z")


def playbooks(loaded: LoadedScenario, read: Mapping[str, Playbook]) -> Iterator[Raw]:
    """Yield what is to be said of the playbooks of a scenario.

    Args:
        loaded: the scenario.
        read: its playbooks by name, without suffix.
    """
    known = _hosts(loaded)
    for name, playbook in read.items():
        if playbook.problem is not None:
            said, line, column = playbook.problem
            yield Raw("SC401", said, path=playbook.path, line=line, column=column)
            continue
        for play in playbook.plays:
            yield from _unknown_hosts(playbook, play, known)
        for task in playbook.tasks():
            yield from _module(playbook, task)
            if name == "prepare" and task.short in _PACKAGES:
                yield _at(
                    playbook, task, "SC407", f"'{task.name}' uses {task.short}, which needs a mirror during the run"
                )
        if name == "validate":
            yield from _validate(playbook)


def _at(playbook: Playbook, task: Task, code: str, said: str, **more: Any) -> Raw:
    return Raw(code, said, task.pointer, playbook.path, task.line, task.column, **more)


def _validate(playbook: Playbook) -> Iterator[Raw]:
    tasks = list(playbook.tasks())
    if not any(play.opaque for play in playbook.plays) and not any(_can_fail(task) for task in tasks):
        what = "holds no task" if not tasks else "holds no task that can fail"
        yield Raw("SC403", f"{what}: whatever the agent leaves, it passes", path=playbook.path, line=1, column=1)
        return
    for task in tasks:
        if why := _held_back(task):
            yield _at(playbook, task, "SC404", f"'{task.name}' cannot fail: {why}")
    for play in playbook.plays:
        yield from _changes(playbook, play)


def _can_fail(task: Task) -> bool:
    told = "failed_when" in task.keywords or "until" in task.keywords
    return (told or task.short not in _NEVER_FAIL) and _tolerated(task) is None


def _tolerated(task: Task) -> str | None:
    """Return what lets *task* succeed whatever happens, or None."""
    keywords = task.keywords
    if keywords.get("ignore_errors") is True:
        return "ignore_errors"
    wanted = keywords.get("failed_when")
    if wanted is False or (isinstance(wanted, str) and wanted.strip().lower() in ("false", "no")):
        return "failed_when: false"
    if task.rescued:
        return "a rescue section takes its failure up"
    if task.short == "shell" and "failed_when" not in keywords and _ALWAYS_TRUE.search((task.command or "").rstrip()):
        return "its last command always succeeds"
    return None


def _held_back(task: Task) -> str | None:
    return None if "register" in task.keywords or task.short in _NEVER_FAIL else _tolerated(task)


def _changes(playbook: Playbook, play: Play) -> Iterator[Raw]:
    looked = False
    for task in play.tasks:
        if task.short in _WRITES and task.keywords.get("check_mode") is not True:
            state = task.given.get("state") if isinstance(task.given, dict) else _state(str(task.given or ""))
            if not looked or (task.short in _SERVICES and state == "started"):
                doing = f"{task.short}{f' with state: {state}' if state else ''}"
                said = f"'{task.name}' ({doing}) may repair what the agent left undone"
                yield _at(playbook, task, "SC405", said + ("" if looked else ", and nothing was looked at before"))
        elif _can_fail(task):
            looked = True


def _state(words: str) -> str | None:
    found = re.search(r"\bstate=(\w+)", words)
    return found[1] if found else None


def _hosts(loaded: LoadedScenario) -> frozenset[str] | None:
    """Return what a play may name, or None if that is only known when the scenario runs."""
    hosts = loaded.scenario.hosts
    if any(host.host_name is None for host in hosts):
        return None
    names = {host.host_name or "" for host in hosts} or {DEFAULT_HOST_NAME}
    groups: set[str] = {"all", "ungrouped"}
    if (inventory := loaded.inventory) is not None:
        try:
            text = inventory.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        if inventory.suffix != ".ini":
            return None  # groups within groups: Ansible's to say
        groups |= set(_GROUP.findall(text))
    return frozenset(names | groups)


def _unknown_hosts(playbook: Playbook, play: Play, known: frozenset[str] | None) -> Iterator[Raw]:
    words = play.hosts if isinstance(play.hosts, list) else re.split(r"[,:]", str(play.hosts or ""))
    for word in (str(word).strip() for word in words):
        if known is None or not _PLAIN_HOST.match(word) or word in known:
            continue  # '!db', '*', '{{ … }}' and '~regex' are Ansible's to say
        said = f"'{word}' is no host of this scenario"
        right = suggestion(word, sorted(known - {"all", "ungrouped"}), noun="Its hosts")
        yield Raw("SC406", said, play.pointer, playbook.path, play.line, play.column, right=right)


def _module(playbook: Playbook, task: Task) -> Iterator[Raw]:
    if task.module is None:
        said = f"'{task.name}' has no module, or more than one"
        yield _at(playbook, task, "SC401", said, right="A task has exactly one key that is no keyword: its module.")
        return
    known = _builtin()
    if not known or "{{" in task.module:
        return
    if "." in task.module and task.short == task.module:
        said = f"'{task.module}' is of a collection that ansible-core does not bring along"
        right = "Use ansible.builtin modules, or a command: then the scenario runs wherever this project does."
        yield _at(playbook, task, "SC402", said, severity=Severity.HINT, right=right)
    elif task.short not in known:
        right = suggestion(task.short, sorted(known), noun="Modules")
        right = right if right.startswith("Did") else "2501bench runs ansible-core: its modules are ansible.builtin.*."
        yield _at(playbook, task, "SC402", f"'{task.module}' is no module of Ansible", right=right)


@cache
def _builtin() -> frozenset[str]:
    """Return the names of ansible-core's own modules and actions, by their files: it is never imported."""
    found = importlib.util.find_spec("ansible")
    folders = [Path(place) for place in (found.submodule_search_locations or ())] if found is not None else []
    names = {
        path.stem
        for folder in folders
        for part in ("modules", "plugins/action")
        for path in (folder / part).glob("*.py")
        if not path.stem.startswith("_")
    }
    return (
        frozenset(names | {"meta", "include_role", "import_role", "include_tasks", "import_tasks"})
        if names
        else frozenset()
    )
