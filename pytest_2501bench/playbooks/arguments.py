"""What a task did, as one line: the command as executed, or a module's arguments as the author wrote them.

Results carry every parameter of a module, defaults included, and for copy or template those of another module that
did the work. What the author wrote stands in two texts of the form ``name=value, name=value``: one in the task's start
event (right order, templates unresolved), one in its result event (any order, resolved, private parameters added).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from pytest_2501bench.playbooks.message import is_hidden, paragraph, shell_line

_FREE_FORM = frozenset({"raw", "script"})
COMMANDS = frozenset({"command", "shell"}) | _FREE_FORM
_NAME = re.compile(r"(?:^|, )([A-Za-z]\w*)=")
_FREE_FORM_END = re.compile(r", (?:chdir|cmd|creates|decrypt|executable|removes|_uses_shell|_ansible_\w+)=")
_SECRET_NAME = re.compile(r"pass(?:w(?:or)?d|phrase)?(?:$|_)|secret|token|credential|(?:api|private|access)_?key", re.I)
# These work on the controller first: what the module on the host was given, if it was called at all, is something else.
_FILES = frozenset({"assemble", "copy", "fetch", "template", "unarchive"})
_OF_FILES = frozenset(
    {"backup", "checksum", "content", "creates", "decrypt", "dest", "directory_mode", "exclude", "flat"}
)
_OF_FILES |= {"follow", "force", "group", "include", "local_follow", "mode", "owner", "regexp", "remote_src", "src"}
_OF_FILES |= {"trim_blocks", "lstrip_blocks", "newline_sequence", "validate"}
_MASK = "********"
_LONGEST_VALUE = 200


def short_name(action: str) -> str:
    """Return a module's name without its collection."""
    return action.rpartition(".")[2]


def _invocation(result: Mapping[str, Any]) -> Mapping[str, Any]:
    invocation = result.get("invocation")
    found = invocation.get("module_args") if isinstance(invocation, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _free_form(task_args: str) -> str | None:
    """Return the command of a raw or script task, whose result does not hold it."""
    for name in ("_raw_params=", "cmd="):
        before, found, text = task_args.partition(name)
        if found and (not before or before.endswith(", ")):
            return _FREE_FORM_END.split(text, maxsplit=1)[0].strip() or None
    return None


def command_line(action: str, result: Mapping[str, Any], task_args: str) -> str | None:
    """Return the command line of a command, shell, raw or script task as executed.

    None for other modules, for no_log, and when the task failed before it executed anything.
    """
    name = short_name(action)
    if name not in COMMANDS or is_hidden(result) or result.get("rc") is None:
        return None
    return shell_line(result.get("cmd")) or (_free_form(task_args) if name in _FREE_FORM else None)


def _written(names: list[str], task_args: str) -> dict[str, str]:
    """Split *task_args* at the parameters *names* and at Ansible's private ones."""
    known = "|".join(re.escape(name) for name in names)
    pieces = re.split(rf"(?:^|, )({known}|_ansible_\w+|_uses_shell)=", task_args)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def _shown(name: str, text: str | None, resolved: object) -> str | None:
    """Return one value for people, or None when there is nothing to show."""
    if isinstance(resolved, str) and ("NO_LOG" in resolved or resolved == _MASK):
        return _MASK
    if resolved is None and _SECRET_NAME.search(name):
        return _MASK
    if isinstance(resolved, bool):
        value = "true" if resolved else "false"
    elif isinstance(resolved, list) and all(isinstance(item, (str, int)) for item in resolved):
        value = ",".join(str(item) for item in resolved)
    elif text is not None:
        value = text
    else:
        return None
    value = value.replace("\r", "").replace("\n", "\\n")
    return shlex.quote(paragraph(value, _LONGEST_VALUE)) if value else "''"


def module_arguments(action: str, result: Mapping[str, Any], task_args: str, start_args: str) -> str | None:
    """Return ``name=nginx state=restarted``, in the author's order; None for commands, for no_log and for no arguments.

    Args:
        action: the module.
        result: ``res`` of the event; may be empty.
        task_args: arguments of the result event.
        start_args: arguments of the task's start event.
    """
    if short_name(action) in COMMANDS or is_hidden(result) or "'no_log: true'" in (start_args + task_args):
        return None
    resolved = _invocation(result)
    names = list(dict.fromkeys(_NAME.findall(start_args)))
    known = _OF_FILES if short_name(action) in _FILES else resolved
    if known:
        # A value may look like another parameter (content: "a, b=c"): what the module does not know is none.
        names = [name for name in names if name in known]
    if not names:
        return None
    written = _written(names, task_args)
    shown = ((name, _shown(name, written.get(name), resolved.get(name))) for name in names)
    return " ".join(f"{name}={value}" for name, value in shown if value is not None) or None
