"""The commands that a playbook executed on its hosts, in order: what the oracle agent reports as its own."""

from __future__ import annotations

from pytest_2501bench.evidence.model import Command, PlaybookRecord, PlaybookTask
from pytest_2501bench.playbooks.arguments import COMMANDS, short_name
from pytest_2501bench.playbooks.message import HIDDEN

CONTROL = frozenset(
    {
        "add_host",
        "assert",
        "async_status",
        "debug",
        "fail",
        "gather_facts",
        "group_by",
        "import_playbook",
        "import_role",
        "import_tasks",
        "include_role",
        "include_tasks",
        "include_vars",
        "meta",
        "pause",
        "ping",
        "set_fact",
        "set_stats",
        "setup",
        "validate_argument_spec",
        "wait_for",
        "wait_for_connection",
    }
)
"""Modules that steer the playbook or wait, and do nothing to a host in the sense of a repair: they are left out."""

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_RAN = frozenset({"ok", "changed", "failed", "ignored"})


def _line(task: PlaybookTask) -> str | None:
    name = short_name(task.action)
    if name in COMMANDS:
        if task.command is None and task.status in ("failed", "ignored") and task.message != HIDDEN:
            return None  # it failed before there was a command: an undefined variable
        return task.command or name  # no_log hides the line, not that there was one
    return f"{name} {task.arguments}" if task.arguments else name


def executed_commands(record: PlaybookRecord) -> tuple[Command, ...]:
    """Return what *record*'s tasks executed, one entry per task and host, of a loop one per item.

    command, shell, raw and script give their command line with its exit status; any other module gives
    ``module name=value …`` without one. Skipped and unreachable tasks, tasks delegated to the machine that runs Ansible
    and modules in :data:`CONTROL` give nothing.
    """
    return tuple(
        Command(command=line, exit_status=task.exit_status, duration=task.seconds, host=task.host)
        for task in record.tasks
        if task.status in _RAN and task.host not in _HERE and short_name(task.action) not in CONTROL
        if (line := _line(task)) is not None
    )
