"""All codes of the linter: name, severity, what is found, what would be right. Codes are never given twice."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pytest_2501bench.scenario.lint.finding import Severity
from pytest_2501bench.scenario.problems import suggestion

ERROR, WARNING, HINT = Severity.ERROR, Severity.WARNING, Severity.HINT


@dataclass(frozen=True, slots=True)
class Code:
    """What a code stands for.

    Attributes:
        code: ``SC`` and three digits; the first one is the group.
        name: the same in words.
        severity: unless a finding says otherwise.
        title: what is found, a phrase.
        right: what would be right, a sentence; empty when each message says it.
        ignorable: whether a scenario may say that it is meant; a file that does not load may not.
        stops_pytest: whether pytest refuses such a scenario at collection.
    """

    code: str
    name: str
    severity: Severity
    title: str
    right: str = ""
    ignorable: bool = True
    stops_pytest: bool = False


_ALL = (
    # 0: the file
    Code("SC001", "broken-json", ERROR, "scenario.json cannot be read or is no JSON object", "", False, True),
    Code("SC002", "wrong-form", ERROR, "a field is unknown, missing or of the wrong kind", "", False, True),
    Code("SC003", "names-disagree", ERROR, "fields contradict each other or name what is not there", "", False, True),
    Code("SC004", "bad-pattern", ERROR, "a regular expression does not compile", "", False, True),
    Code("SC005", "unknown-validator", ERROR, "a rule's validator is not built in", ""),
    Code("SC006", "same-key", ERROR, "two scenarios have one key", "Keys must be unique.", False, True),
    Code("SC007", "beyond-limit", ERROR, "a number is outside of its limits", "", False, True),
    Code(
        "SC008",
        "old-form",
        WARNING,
        "the file is of the 0.3 form",
        "`2501bench validate` prints the new form below its findings, ready to paste.",
    ),
    Code("SC009", "unknown-code", WARNING, "bench.lint.ignore names a code that there is not", "", False),
    Code(
        "SC010",
        "idle-ignore",
        HINT,
        "bench.lint.ignore names a code of which nothing is found",
        "Remove the entry, or a later mistake of this kind goes unseen.",
    ),
    # 1: the scenario as a whole
    Code(
        "SC101",
        "no-validation",
        ERROR,
        "nothing tells whether the task was done",
        "Write validate.yml, or for an investigation a required rule under bench.outcome.",
        False,
        True,
    ),
    Code("SC102", "no-rules", HINT, "there are no rules, so compliance always passes", "Add rules under validation."),
    Code(
        "SC103",
        "no-required-rule",
        WARNING,
        "no rule is required, so compliance always passes",
        "Leave out 'required': false on the rules that a professional would insist on.",
    ),
    Code(
        "SC104",
        "no-prepare",
        HINT,
        "there is no prepare.yml",
        "Write prepare.yml, and let its last task prove that the incident is there.",
    ),
    Code(
        "SC105",
        "no-restore",
        WARNING,
        "a registered host stays as the agent left it",
        "Write restore.yml; it must also work on a host that is clean already.",
    ),
    Code("SC106", "no-solve", HINT, "there is no solve.yml", "Write solve.yml: it proves that the task can be done."),
    Code(
        "SC107",
        "long-deadline",
        WARNING,
        "a deadline is longer than any run lasts",
        "Deadlines are seconds, not milliseconds.",
    ),
    Code(
        "SC108",
        "allows-nothing",
        WARNING,
        "a guard allows no agent or no host, so every job is stopped",
        "Leave the field out to allow all, or name some.",
    ),
    # 2: the ticket: symptoms, not solutions
    Code(
        "SC201",
        "ticket-names-fix",
        HINT,
        "the ticket names a command of the repair",
        "Say what users see, and what must stay as it is; finding the remedy is the task.",
    ),
    Code(
        "SC202",
        "ticket-names-file",
        HINT,
        "the ticket names the file that the repair changes",
        "Say what does not work; finding the file is the task.",
    ),
    Code(
        "SC203",
        "ticket-names-scenario",
        HINT,
        "the ticket holds the scenario's key, folder or title",
        "The agent reads the ticket: write what a user would report, in other words than the title.",
    ),
    Code(
        "SC204",
        "ticket-quotes-note",
        HINT,
        "the ticket repeats the internal description",
        "The description may name the cause; the ticket must not.",
    ),
    Code(
        "SC205",
        "ticket-holds-answer",
        HINT,
        "a rule on the report matches the ticket's own text",
        "Ask for a fact that is not in the ticket: a report that only repeats it would pass.",
    ),
    Code(
        "SC206",
        "ticket-holds-command",
        HINT,
        "a rule on commands matches the ticket's own text",
        "Let the operational rule reach the agent in other words than the command.",
    ),
    # 3: rules
    Code("SC301", "never-fails", ERROR, "a rule can never fail where there is evidence", "", True, True),
    Code("SC302", "never-passes", ERROR, "a rule can never pass where there is evidence", "", True, True),
    Code(
        "SC303",
        "no-match-found",
        WARNING,
        "no text was found that the pattern matches; it may be unsatisfiable",
        "Try the pattern on a text that must match; simplify its lookarounds.",
    ),
    Code(
        "SC304",
        "matches-any-text",
        WARNING,
        "a required rule passes with whatever text there is",
        "Name what must be there.",
    ),
    Code(
        "SC305",
        "matches-refusal",
        WARNING,
        "a rule on the report also passes with a refusal",
        "Match what only a finished task can say, or a fact, such as a name or path.",
    ),
    Code(
        "SC306",
        "matches-mention",
        WARNING,
        "a rule on commands also passes when the command is only mentioned",
        r"Match where a command begins: '(?:^|[;&|]\s*|sudo\s+)' in front of its name.",
    ),
    Code(
        "SC307",
        "hits-mention",
        HINT,
        "a negated rule on commands also fails for a harmless mention",
        r"Match where a command begins: '(?:^|[;&|]\s*|sudo\s+)' in front of its name.",
    ),
    Code(
        "SC308",
        "negated-only",
        WARNING,
        "only negated rules are required, and they pass on an empty record",
        "Add a required rule that asks for something, such as what must be looked at or reported.",
    ),
    Code("SC309", "same-rule", WARNING, "a rule stands there twice", "Remove one: it counts twice in the score."),
    Code("SC310", "contradiction", ERROR, "two required rules cannot both pass", "Remove or change one of them."),
    Code("SC311", "slow-pattern", WARNING, "a pattern takes very long on some texts", "", True),
    Code("SC312", "control-character", ERROR, "a pattern holds a control character", "", True, True),
    Code("SC313", "other-scope", WARNING, "a rule's target is of another scope", "Move the rule, or its target."),
    Code("SC314", "same-label", WARNING, "two rules have one label", "Reports cannot tell them apart: reword one."),
    Code(
        "SC315",
        "line-break",
        WARNING,
        "a pattern on commands asks for a line break and nothing around it",
        r"Write [\s\S]*? (in JSON [\\s\\S]*?) for 'later, whatever ran between'.",
    ),
    # 4: playbooks
    Code("SC401", "broken-playbook", ERROR, "a playbook is no list of plays with tasks", ""),
    Code("SC402", "unknown-module", WARNING, "a task uses a module that Ansible itself does not have", ""),
    Code(
        "SC403",
        "validate-cannot-fail",
        ERROR,
        "no task of validate.yml can fail",
        "Let a task fail when the host is not repaired: assert, uri, or a command without ignore_errors.",
    ),
    Code(
        "SC404",
        "task-cannot-fail",
        WARNING,
        "a task of validate.yml can never fail, and nothing uses its result",
        "Let it fail, or register its result and assert it.",
    ),
    Code(
        "SC405",
        "validate-changes-host",
        WARNING,
        "validate.yml changes the host before it has looked at it",
        "Look first; or give the task check_mode: true and fail when it would change something.",
    ),
    Code("SC406", "unknown-host", ERROR, "a play is for a host that the scenario does not have", ""),
    Code(
        "SC407",
        "installs-packages",
        HINT,
        "a playbook installs packages while it runs",
        "Name them under bench.packages: hosts have no way to the internet.",
    ),
    Code("SC408", "ansible-syntax", ERROR, "Ansible refuses a playbook", ""),
    # 5: secrets
    Code(
        "SC501",
        "secret",
        ERROR,
        "a file of the scenario holds what looks like a real secret",
        "Replace it, and make it invalid where it came from.",
    ),
    # 6: the self-check
    Code(
        "SC601",
        "no-fault-tag",
        HINT,
        "no task of prepare.yml has the tag 'fault'",
        "Give it to the tasks that break something, or --selfcheck takes an untouched host for the healthy one.",
    ),
    Code(
        "SC602",
        "cheat-unexplained",
        WARNING,
        "a cheat has no entry under bench.cheats, or an entry has no playbook",
        "Say under bench.cheats which gate cheat-NAME.yml turns red, which rules it breaks, and why.",
    ),
    Code(
        "SC603",
        "rule-without-cheat",
        WARNING,
        "no cheat breaks a required rule",
        "Name it under the rules of a cheat that breaks it, or write such a cheat.",
    ),
)
CODES: Mapping[str, Code] = MappingProxyType({code.code: code for code in _ALL})
_BY_NAME = {code.name: code.code for code in _ALL}


class UnknownCodeError(ValueError):
    """A word is neither a code, nor a code's name, nor the beginning of codes."""


def codes_of(words: Iterable[str]) -> frozenset[str]:
    """Return the codes that *words* stand for: ``SC301``, ``never-fails``, or ``SC3`` for the whole group.

    Raises:
        UnknownCodeError: with what would be right.
    """
    found: set[str] = set()
    for word in words:
        upper = word.upper()
        hits = {code for code in CODES if code.startswith(upper)} if upper.startswith("SC") else set()
        if named := _BY_NAME.get(word.lower()):
            hits = {named}
        if not hits:
            raise UnknownCodeError(f"'{word}' is no code. {near_codes(word)}")
        found |= hits
    return frozenset(found)


def near_codes(word: str, known: Collection[str] = (*CODES, *_BY_NAME)) -> str:
    """Return ``Did you mean …?``, or where the codes stand."""
    near = suggestion(word, known)
    return near if near.startswith("Did") else "All codes are in docs/linting.md."
