"""Ansible's events folded into what a playbook did. Pure: no file, no clock, no process."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_2501bench.evidence.model import PlaybookTask, TaskFailure
from pytest_2501bench.playbooks.arguments import COMMANDS, command_line, module_arguments, short_name
from pytest_2501bench.playbooks.message import failed_result, failure_message, is_hidden, paragraph, was_not_run

Event = Mapping[str, Any]
_KEPT_LINES = 400  # of plain output: a parser's complaint is shorter
_STATUSES = {
    "runner_on_ok": "ok",
    "runner_item_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_item_on_failed": "failed",
    "runner_on_skipped": "skipped",
    "runner_item_on_skipped": "skipped",
    "runner_on_unreachable": "unreachable",
}
_PLAIN = frozenset({"verbose", "error", "warning", "system_warning"})


@dataclass(frozen=True, slots=True)
class Stats:
    """The recap at a playbook's end: host → count. A rescued failure is not in ``failures``."""

    processed: Mapping[str, int]
    failures: Mapping[str, int]
    dark: Mapping[str, int]
    rescued: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the events of one playbook say.

    ``failures`` and ``unreachable`` are in order, without ignored ones; rescued failures are still among them.
    """

    tasks: tuple[PlaybookTask, ...] = ()
    failures: tuple[TaskFailure, ...] = ()
    unreachable: tuple[TaskFailure, ...] = ()
    stats: Stats | None = None
    unmatched: tuple[str, ...] = ()  # patterns of plays that matched no host
    running: tuple[str, str] | None = None  # task and host that started last and has not ended
    text: str = ""  # output outside of tasks: warnings and errors


def start_of(event: Event) -> tuple[str, str] | None:
    """Return host and task when *event* says that a task starts on a host."""
    data = event.get("event_data") or {}
    if event.get("event") != "runner_on_start" or "host" not in data:
        return None
    return str(data["host"]), str(data.get("task") or "")


def printed(event: Event) -> str:
    """Return what *event* prints, for the log: line ends as on any system, task banners without their arguments."""
    text = str(event.get("stdout") or "").replace("\r\n", "\n").replace("\r", "\n")
    if event.get("event") == "playbook_on_task_start":
        arguments = (event.get("event_data") or {}).get("task_args")
        if arguments:
            text = text.replace(f" {arguments}]", "]", 1)
    return text


def _place(task_path: object, folder: Path) -> str | None:
    """Return ``validate.yml:12`` for a task's place, relative to *folder* when it lies within."""
    if not isinstance(task_path, str) or not task_path:
        return None
    name, colon, line = task_path.rpartition(":")
    path = Path(name)
    shown = path.relative_to(folder) if path.is_relative_to(folder) else path
    return f"{shown}{colon}{line}"


@dataclass(frozen=True, slots=True)
class _Result:
    """One result event: of a loop, all of its items."""

    host: str  # as in the recap; the tasks may have run elsewhere
    tasks: list[PlaybookTask]


@dataclass(slots=True)
class EventFold:
    """Takes events one by one, so that none is kept. *folder* is the scenario's, in the spelling given to Ansible."""

    folder: Path
    _results: list[_Result] = field(default_factory=list)
    _items: dict[tuple[str, str], list[PlaybookTask]] = field(default_factory=dict)
    _failures: list[TaskFailure] = field(default_factory=list)
    _unreachable: list[TaskFailure] = field(default_factory=list)
    _start_args: dict[str, str] = field(default_factory=dict)
    _running: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    _unmatched: list[str] = field(default_factory=list)
    _text: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))
    _stats: Stats | None = None

    def feed(self, event: Event) -> None:
        """Take one event as ansible-runner hands it over."""
        kind = str(event.get("event") or "")
        data: Mapping[str, Any] = event.get("event_data") or {}
        if kind in _PLAIN:
            self._text.append(printed(event))
        elif kind == "playbook_on_task_start":
            # A repeated task (serial, free strategy) gets a counter behind its uuid.
            self._start_args[str(data.get("task_uuid"))] = str(data.get("task_args") or "")
        elif kind == "runner_on_start":
            key = (str(data.get("task_uuid")), str(data.get("host")))
            self._running[key] = (str(data.get("task") or ""), key[1])
        elif kind == "playbook_on_no_hosts_matched":
            self._unmatched.append(str(data.get("play_pattern") or data.get("play") or "?"))
        elif kind == "playbook_on_stats":
            self._stats = Stats(
                *({str(h): int(n) for h, n in (data.get(part) or {}).items()} for part in _STATS_PARTS),
            )
        elif kind in _STATUSES:
            self._take_result(kind, data, _ran_on(event, data))

    def seen(self) -> Seen:
        """Return everything taken so far."""
        unfinished = [_Result(key[1], items) for key, items in self._items.items()]
        results = self._with_rescued([*self._results, *unfinished])
        return Seen(
            tasks=tuple(task for result in results for task in result.tasks),
            failures=tuple(self._failures),
            unreachable=tuple(self._unreachable),
            stats=self._stats,
            unmatched=tuple(self._unmatched),
            running=next(reversed(self._running.values()), None),
            text="\n".join(self._text),
        )

    def _take_result(self, kind: str, data: Mapping[str, Any], ran_on: str) -> None:
        key = (str(data.get("task_uuid")), str(data.get("host")))
        result = data.get("res")
        result = result if isinstance(result, Mapping) else {}
        status = _STATUSES[kind]
        if kind.startswith("runner_item_"):
            self._items.setdefault(key, []).append(self._task(data, result, status, ran_on))
            return
        self._running.pop(key, None)
        items = self._items.pop(key, [])
        ignored = bool(data.get("ignore_errors"))
        if status == "failed" and not ignored:
            failed = [item.message for item in items if item.status == "failed" and item.message]
            self._failures.append(self._failure(data, result, failed[-1] if failed else None))
        elif status == "unreachable":
            self._unreachable.append(self._failure(data, result))
        if not items or status == "unreachable":
            items = [*items, self._task(data, result, status, ran_on)]
        if ignored:
            items = _ignored(items)
        self._results.append(_Result(key[1], items))

    def _task(self, data: Mapping[str, Any], result: Mapping[str, Any], status: str, ran_on: str) -> PlaybookTask:
        action = str(data.get("resolved_action") or data.get("task_action") or "")
        task_args = str(data.get("task_args") or "")
        command = command_line(action, result, task_args)
        name = str(data.get("task") or action)
        if "ansible_loop_var" in result or "_ansible_item_label" in result:
            label = result.get("_ansible_item_label", result.get(str(result.get("ansible_loop_var"))))
            name += f" (item={paragraph(str(label), 80)})"
        if status == "ok" and short_name(action) in COMMANDS and was_not_run(result):
            status = "skipped"
        rc = result.get("rc")
        return PlaybookTask(
            task=name,
            host=ran_on,
            action=action,
            status="changed" if status == "ok" and result.get("changed") is True else status,
            seconds=data.get("duration"),
            command=command,
            exit_status=rc
            if isinstance(rc, int) and short_name(action) in COMMANDS and not is_hidden(result)
            else None,
            arguments=module_arguments(action, result, task_args, self._start_args.get(_uuid(data), "")),
            message=failure_message(failed_result(result), command) if status in ("failed", "unreachable") else None,
        )

    def _failure(self, data: Mapping[str, Any], result: Mapping[str, Any], of_item: str | None = None) -> TaskFailure:
        action = str(data.get("resolved_action") or data.get("task_action") or "")
        command = command_line(action, result, str(data.get("task_args") or ""))
        message = failure_message(result) if is_hidden(result) else failure_message(failed_result(result), command)
        return TaskFailure(
            task=str(data.get("task") or action),
            host=str(data.get("host") or ""),
            message=of_item or message,
            file=_place(data.get("task_path"), self.folder),
        )

    def _with_rescued(self, results: list[_Result]) -> list[_Result]:
        """Show failures that a rescue section took care of as ignored: the recap counts the others, which come last."""
        if self._stats is None:
            return results
        left = dict(self._stats.failures)
        shown: list[_Result] = []
        for result in reversed(results):
            host = result.host
            rescued = False
            if any(task.status == "failed" for task in result.tasks):
                rescued = not left.get(host) and bool(self._stats.rescued.get(host))
                left[host] = left.get(host, 0) - 1
            shown.append(_Result(host, _ignored(result.tasks)) if rescued else result)
        return shown[::-1]


# Where a delegated task ran stands in no field, only in the line: "changed: [web-01 -> localhost(127.0.0.1)]".
_DELEGATED = re.compile(r"^\w+: \[\S+ -> (?P<host>[^\s\]()]+)", re.M)
_STATS_PARTS = ("processed", "failures", "dark", "rescued")


def _ignored(tasks: list[PlaybookTask]) -> list[PlaybookTask]:
    return [t.model_copy(update={"status": "ignored"}) if t.status == "failed" else t for t in tasks]


def _uuid(data: Mapping[str, Any]) -> str:
    return str(data.get("task_uuid"))


def _ran_on(event: Event, data: Mapping[str, Any]) -> str:
    """Return where the task ran: the host it was delegated to, if any."""
    delegated = _DELEGATED.search(str(event.get("stdout") or ""))
    return delegated["host"] if delegated else str(data.get("host") or "")
