"""Checks on the ticket: an agent is told symptoms, not solutions. All are hints: words have several uses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pytest_2501bench.scenario.lint.finding import Raw
from pytest_2501bench.scenario.lint.patterns import COMMANDS, REPORTS
from pytest_2501bench.scenario.lint.playbook import Playbook, Task
from pytest_2501bench.scenario.lint.rules import placed_rules
from pytest_2501bench.scenario.model import LoadedScenario, PatternMatch
from pytest_2501bench.scoring.patterns import PatternTimeoutError, search

_FIELDS = ("ticket_title", "ticket_body")
# Configuration is what repairs change; other paths, such as of data, a user may well name.
_FILE = re.compile(r"(?<![\w.$}/-])/(?:[\w.@+-]+/)*[\w.@+-]+")
_CONFIGURATION = re.compile(
    r"/(?:etc|usr/lib/systemd|lib/systemd)/.+|.+\.(?:conf|cfg|cnf|ini|service|socket|timer|env|ya?ml|json)"
)
_VERBS = {"started": "start", "restarted": "restart", "reloaded": "reload", "stopped": "stop"}
_COMMAND_VERBS = re.compile(
    r"\b(?:systemctl\s+(?:re)?(?:start|load|enable)|service\s+\S+\s+(?:re)?start|chmod\s+[0-7+ugoa]|chown\s+\w+\s+/|"
    r"apt(?:-get)?\s+install|rm\s+-\w+\s+/|sed\s+-i|truncate\s+-s|kubectl\s+(?:apply|delete|rollout|edit|patch)|"
    r"kill\s+-\d)",
    re.I,
)
_WORD = re.compile(r"[^\W_]+(?:[-.][^\W_]+)*")
_QUOTED = 7  # so many words in a row are no accident


def ticket(loaded: LoadedScenario, read: Mapping[str, Playbook]) -> Iterator[Raw]:
    """Yield where the ticket says more than its writer could know."""
    scenario = loaded.scenario
    for field in _FIELDS:
        text, place = str(getattr(scenario, field)), f"/{field}"
        yield from _fix(text, place, read.get("solve"))
        yield from _file(text, place, read.get("solve"))
        yield from _scenario(loaded, text, place)
        # The old form has one text for both.
        if not loaded.migrated and (run := _common_run(scenario.description, text)):
            yield Raw("SC204", f"repeats the internal description: '{run}'", place)
    yield from _rules(loaded)


def _fix(text: str, place: str, solve: Playbook | None) -> Iterator[Raw]:
    plain = " ".join(text.split()).casefold()
    for line in _commands(solve):
        if len(line.split()) > 1 and line.casefold() in plain:
            yield Raw("SC201", f"holds '{line}', which solve.yml runs", place)
            return
    if found := _COMMAND_VERBS.search(text):
        yield Raw("SC201", f"holds a command that changes the host: '{found[0]}'", place)
        return
    for task in solve.tasks() if solve is not None else ():
        given = task.given if isinstance(task.given, dict) else {}
        name, verb = given.get("name"), _VERBS.get(str(given.get("state")))
        if name and verb and re.search(rf"\b{verb}(?:ing)?\s+(?:the\s+)?{re.escape(str(name))}\b", text, re.I):
            yield Raw("SC201", f"asks to {verb} {name}, which is what solve.yml does", place)
            return


def _commands(solve: Playbook | None) -> Iterator[str]:
    for task in solve.tasks() if solve is not None else ():
        for line in (task.command or "").splitlines():
            yield " ".join(line.split())


def _file(text: str, place: str, solve: Playbook | None) -> Iterator[Raw]:
    named = {found.rstrip(".") for found in _FILE.findall(text)}
    for task in solve.tasks() if solve is not None else ():
        for path in _changed(task):
            if path in named:
                yield Raw("SC202", f"names {path}, which solve.yml changes", place)
                return


def _changed(task: Task) -> Iterator[str]:
    """Yield the files of configuration that *task* writes."""
    words = ""
    if (line := task.command) is not None:
        if re.search(r"\bsed\s+[^|;]*-i|\btee\b|>|\b(?:cp|mv|rm|install|chmod|chown|truncate|ln)\s", line):
            words = line
    elif isinstance(task.given, dict):
        words = " ".join(str(task.given.get(name) or "") for name in ("path", "dest", "name"))
    yield from (found for found in _FILE.findall(words) if _CONFIGURATION.fullmatch(found))


def _scenario(loaded: LoadedScenario, text: str, place: str) -> Iterator[Raw]:
    scenario = loaded.scenario
    telling = {"key": scenario.key, "folder": loaded.directory.name}
    if not loaded.migrated:
        telling["title"] = scenario.title
    for what, word in telling.items():
        # One word such as 'disk' is an ordinary one; a key of several parts is nobody's but ours.
        if re.search(r"[^\W_][\W_]+[^\W_]", word) and re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text, re.I):
            yield Raw("SC203", f"holds the scenario's {what}: '{word}'", place)
            return


def _common_run(note: str, text: str) -> str | None:
    """Return so many words in a row that both have, or None."""
    ours, theirs = ([found[0].casefold() for found in _WORD.finditer(part)] for part in (note, text))
    runs = {tuple(ours[at : at + _QUOTED]) for at in range(len(ours) - _QUOTED + 1)}
    for at in range(len(theirs) - _QUOTED + 1):
        if (run := tuple(theirs[at : at + _QUOTED])) in runs:
            return " ".join(run) + " …"
    return None


def _rules(loaded: LoadedScenario) -> Iterator[Raw]:
    scenario = loaded.scenario
    for placed in placed_rules(loaded):
        rule = placed.rule
        if not isinstance(rule, PatternMatch) or rule.negate or rule.where not in COMMANDS | REPORTS:
            continue
        for field in _FIELDS:
            if (found := _found(rule.pattern, str(getattr(scenario, field)))) is not None:
                if rule.where in COMMANDS:
                    yield Raw("SC206", f"matches the ticket, which says '{found}'", f"{placed.place}/pattern")
                else:
                    yield Raw("SC205", f"matches the ticket, which says '{found}'", f"{placed.place}/pattern")
                break


def _found(pattern: str, text: str) -> str | None:
    try:
        if search(pattern, "", seconds=0.2) or not (match := search(pattern, text, seconds=0.2)):
            return None
    except PatternTimeoutError:
        return None
    return " ".join(text[match.start : match.end].split())[:60]
