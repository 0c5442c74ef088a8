"""Regular expressions: the dialect, and that none can hang a run."""

from __future__ import annotations

import threading
import time

import pytest

from pytest_2501bench.scoring.patterns import Match, PatternError, PatternTimeoutError, compile_pattern, search

# Exponential even for a library that recognises (a+)+$.
CATASTROPHIC, VICTIM = "(a|aa)+$", "a" * 60 + "b"


def test_case_does_not_matter() -> None:
    assert search("NGINX -T", "sudo nginx -t", seconds=1) == Match(5, 13)


@pytest.mark.parametrize("pattern", ["^nginx -t$", "^rm", "ls$"])
def test_anchors_match_at_every_line(pattern: str) -> None:
    assert search(pattern, "ls\nnginx -t\nrm -rf /", seconds=1)


def test_a_dot_stays_on_its_line_unless_told() -> None:
    assert search("ls.*rm", "ls\nrm", seconds=1) is None
    assert search("(?s)ls.*rm", "ls\nrm", seconds=1) == Match(0, 5)


@pytest.mark.parametrize("pattern", [r"(?<name>rm)\s+-rf", r"(?P<name>rm) -rf", r"\/var\/log", r"(?<!sudo )rm"])
def test_the_dialects_that_authors_bring_along_work(pattern: str) -> None:
    assert search(pattern, "rm -rf /var/log", seconds=1)


@pytest.mark.parametrize(
    ("pattern", "position", "reason"),
    [
        ("(nginx", 6, "missing )"),
        ("*x", 0, "nothing to repeat"),
        ("[a", 2, "unterminated character set"),
        (r"\L<names>", 9, "undefined named list"),
        ("(?V0)(?V1)a", None, "mutually incompatible"),
        ("(" * 5000, None, "nested too deeply"),
    ],
)
def test_a_pattern_that_does_not_compile_says_where_and_why(pattern: str, position: int | None, reason: str) -> None:
    with pytest.raises(PatternError) as caught:
        compile_pattern(pattern)
    assert caught.value.position == position
    assert reason in caught.value.reason
    at = "" if position is None else f" at character {position + 1}"
    assert str(caught.value) == f"bad regular expression{at}: {caught.value.reason}"


def test_a_pattern_is_compiled_once() -> None:
    assert compile_pattern("once only") is compile_pattern("once only")


def test_a_catastrophic_pattern_ends_at_its_limit() -> None:
    start = time.monotonic()
    with pytest.raises(PatternTimeoutError, match=r"^no verdict within 0\.2 s$"):
        search(CATASTROPHIC, VICTIM, seconds=0.2)
    assert time.monotonic() - start < 20


def test_the_limit_holds_in_any_thread_and_lets_others_run() -> None:
    ended: list[str] = []

    def match() -> None:
        try:
            search(CATASTROPHIC, VICTIM, seconds=0.5)
        except PatternTimeoutError as error:
            ended.append(str(error))

    thread = threading.Thread(target=match)
    thread.start()
    beats = 0
    while thread.is_alive() and beats < 10_000:
        beats += 1
        time.sleep(0.01)
    thread.join(5)
    assert ended == ["no verdict within 0.5 s"]
    assert beats > 5  # this thread was not kept waiting


def test_endless_recursion_ends_too() -> None:
    with pytest.raises(PatternTimeoutError):
        search("(?R)", "abc", seconds=0.2)
