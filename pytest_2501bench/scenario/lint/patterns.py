"""Checks on one rule's regular expression."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from pytest_2501bench.scenario.lint.emptiness import impossible
from pytest_2501bench.scenario.lint.finding import Raw, Severity
from pytest_2501bench.scenario.lint.mentions import REFUSALS, mentions
from pytest_2501bench.scenario.lint.sampling import matching_texts
from pytest_2501bench.scenario.lint.slowness import SECONDS, slow_text
from pytest_2501bench.scenario.lint.syntax_tree import tree_of
from pytest_2501bench.scenario.model import PatternMatch, Where
from pytest_2501bench.scoring.patterns import PatternTimeoutError, search

COMMANDS = frozenset({Where.EXECUTED_COMMANDS, Where.CLAIMED_COMMANDS})
REPORTS = frozenset(
    {Where.TASK_SUMMARY, Where.JOB_RESOLUTION, Where.AGENT_MESSAGES, Where.GATEWAY_MESSAGES, Where.GATEWAY_SUMMARY}
)
_CONTROL = {"\b": r"\b", "\f": r"\f", "\v": r"\v", "\a": r"\a"}
# A pattern that matches nothing at all and this too matches every text there is.
_UNLIKELY = "\N{SNOWMAN}"
# A text with one of these would end the comment's or echo's own command: the shell, too, then runs what follows.
_SPECIAL = frozenset(";&|(`\"'$<>")
_COMMAND = re.compile(r"\s*[\w./-]")  # how the mentioned command may begin
_UNLIKE = ("ls", "No.", "uptime\ndf -h", "42", "/", "Z z", "é-_:", "a\nb\nc")  # that have nothing in common but text


def blocking_pattern(place: str, rule: PatternMatch) -> Iterator[Raw]:
    """Yield what stops pytest: quick, since it is asked of every rule at collection."""
    if control := next((char for char in rule.pattern if char in _CONTROL), None):
        written = _CONTROL[control]
        said = f"holds a control character: the regular expression {written} is written \\{written} in JSON"
        yield Raw("SC312", said, place)
    try:
        if search(rule.pattern, "", seconds=0.2) and search(rule.pattern, _UNLIKELY, seconds=0.2):
            never = ("SC302", "pass") if rule.negate else ("SC301", "fail")
            said = f"'{rule.pattern}' matches every text, so the rule can never {never[1]} where there is evidence"
            yield Raw(never[0], said, place, right="Write what must be there, or must not.")
    except PatternTimeoutError:
        said = f"'{rule.pattern}' takes too long even on an empty text: the rule will have no verdict"
        yield Raw("SC311", said, place, severity=Severity.ERROR, right="Write it without repeats in repeats.")


def pattern(place: str, rule: PatternMatch) -> Iterator[Raw]:
    """Yield what is to be said of the pattern of *rule*, which stands at *place*."""
    found = list(blocking_pattern(place, rule))
    yield from found
    if any(raw.code != "SC312" for raw in found):
        return
    if (slow := slow_text(rule.pattern)) is not None:
        said = f"has no verdict after {SECONDS:g} s on a text of {len(slow)} characters such as {_cut(slow)}"
        right = "Write repeats so that only one of them can take a character: ([^x]*x)* rather than (.*x)*."
        yield Raw("SC311", said, place, right=right)
        return
    texts = matching_texts(rule.pattern)
    if texts is None:
        return  # the dialect of regex alone: nothing is known
    if not texts:
        yield _without_match(place, rule)
        return
    if not rule.negate and rule.required and _matches_any(rule.pattern):
        yield Raw("SC304", f"'{rule.pattern}' matches any text that is not empty", place)
    if rule.where in COMMANDS:
        yield from _on_commands(place, rule, texts)
    elif (
        rule.where in REPORTS
        and not (rule.negate or _matches_any(rule.pattern))
        and (refusal := _first_match(rule.pattern, REFUSALS))
    ):
        yield Raw("SC305", f"also matches a refusal: '{refusal}'", place, severity=_by_weight(rule))


def _without_match(place: str, rule: PatternMatch) -> Raw:
    if impossible(rule.pattern):
        code, never = ("SC301", "fail") if rule.negate else ("SC302", "pass")
        said = f"'{rule.pattern}' can match no text, so the rule can never {never} where there is evidence"
        return Raw(
            code, said, place, right="Look at its anchors, word boundaries and lookarounds: two exclude each other."
        )
    said = f"no text was found that '{rule.pattern}' matches, in some hundred tries: it may match none"
    return Raw("SC303", said, place)


def _on_commands(place: str, rule: PatternMatch, texts: tuple[str, ...]) -> Iterator[Raw]:
    plain = next((text for text in texts if _COMMAND.match(text) and not _SPECIAL & set(text)), None)
    if plain is not None and (hit := _mention(rule.pattern, plain)):
        what, line = hit
        if rule.negate:
            yield Raw("SC307", f"also fails for {what} that runs nothing of it: {_cut(line)}", place)
        else:
            said = f"also passes with {what} that runs nothing of it: {_cut(line)}"
            yield Raw("SC306", said, place, severity=_by_weight(rule))
    if not rule.negate and _fixed_line_break(rule.pattern):
        yield Raw("SC315", "asks for two commands that directly follow one another, with nothing around", place)


def _by_weight(rule: PatternMatch) -> Severity:
    return Severity.WARNING if rule.required else Severity.HINT


@lru_cache(maxsize=4096)
def _matches_any(expression: str) -> bool:
    return all(_matches(expression, text) for text in _UNLIKE)


@lru_cache(maxsize=4096)
def _first_match(expression: str, texts: tuple[str, ...]) -> str | None:
    return next((text for text in texts if _matches(expression, text)), None)


@lru_cache(maxsize=4096)
def _mention(expression: str, text: str) -> tuple[str, str] | None:
    """Return how *text*, which the pattern matches, can be mentioned so that it still does."""
    if _matches_any(expression):
        return None
    return next(((what, lines) for what, lines in mentions(text) if _matches(expression, lines)), None)


@lru_cache(maxsize=4096)
def _fixed_line_break(expression: str) -> bool:
    nodes = tree_of(expression) or ()
    bare = [index for index, node in enumerate(nodes) if node in (("LITERAL", 10), ("LITERAL", 13))]
    return any(
        0 < index < len(nodes) - 1 and all(nodes[beside][0] == "LITERAL" for beside in (index - 1, index + 1))
        for index in bare
    )


def _matches(expression: str, text: str) -> bool:
    try:
        return search(expression, text, seconds=0.2) is not None
    except PatternTimeoutError:
        return False


def _cut(text: str) -> str:
    shown = repr(text)[1:-1]
    return f"'{shown if len(shown) <= 70 else shown[:40] + '…' + shown[-20:]}'"
