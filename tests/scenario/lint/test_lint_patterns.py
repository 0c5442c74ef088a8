"""What is said of regular expressions: proofs are proofs, texts do match, slow patterns are slow."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_2501bench.scenario.lint.emptiness import impossible
from pytest_2501bench.scenario.lint.mentions import REFUSALS, mentions
from pytest_2501bench.scenario.lint.patterns import pattern as pattern_findings
from pytest_2501bench.scenario.lint.sampling import matching_texts
from pytest_2501bench.scenario.lint.slowness import slow_text
from pytest_2501bench.scenario.lint.syntax_tree import ALPHABET, characters, tree_of
from pytest_2501bench.scenario.model import PatternMatch, Where
from pytest_2501bench.scoring.patterns import PatternError, PatternTimeoutError, compile_pattern, search

IMPOSSIBLE = [
    r"foo$bar",
    r"foo^bar",
    r"a\bb",
    r"\Ax\A",
    r"(?!)",
    r"(?!.*)x",
    r"(?=a)b",
    r"[^\s\S]",
    r"x\Z.",
    r"x{3}$y",
    r"(?<=[0-9])(?<![0-9])x",
    r"(?:a|b)\b(?:c|d)",
    r"(?:x$)+y",
    r"(?:[^\w\W]){2}",
    r"x(?!y)y",
    r"x(?=\s)\S",
    r"^(?!(?:a|))b",
]
POSSIBLE = [
    r"foo$\nbar",
    r"foo\Bbar",
    r"nginx$\n?restart",
    r"\bд",
    r"-\bд",
    r"(?<=a)b\Bc",
    r"(?s)a$.b",
    r"(a|b$)c",
    r"(?:x$)?y",
    r"(?:[^\w\W])?x",
    r"(?=a)[ab]",
    r"(?!a)[ab]",
    r"(x)\1",
    r"\w\b.\b\w",
    r"^(?=.*nginx)(?=.*reload).+$",
    r"$",
    r"(?i)K\b!",
    r"^\s*\n\s*$",
    r"[α-ω]\b ",
    r"x(?!y).",
    r"\A\Z",
    r"a(?<=a)b",
    r"(?>a+)b",
    r"\n^x",
    r"^$",
    r"-\B-\bx\b-",
]


@pytest.mark.parametrize("pattern", IMPOSSIBLE)
def test_what_can_match_nothing_is_proved_to(pattern: str) -> None:
    assert impossible(pattern)
    assert matching_texts(pattern) == ()


@pytest.mark.parametrize("pattern", POSSIBLE)
def test_what_can_match_something_is_never_called_impossible(pattern: str) -> None:
    assert not impossible(pattern)
    assert matching_texts(pattern)


def test_what_only_the_regex_library_knows_is_left_alone() -> None:
    assert tree_of(r"\p{Lu}+") is None
    assert not impossible(r"\p{Lu}$x")
    assert matching_texts(r"\p{Lu}+") is None
    assert slow_text(r"(\p{Lu}+)+$") is None


ATOMS = st.sampled_from(
    [
        "a",
        "b",
        "-",
        r"\n",
        " ",
        ".",
        r"\w",
        r"\W",
        r"\s",
        r"\S",
        r"\d",
        "[ab]",
        "[^a]",
        "[^\\n]",
        "^",
        "$",
        r"\b",
        r"\B",
        r"\A",
        r"\Z",
    ]
)
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["?", "*", "+", "{2}", "*?", "{1,3}"])).map(lambda p: f"(?:{p[0]}){p[1]}"),
        st.tuples(st.sampled_from(["(?=", "(?!"]), inner).map(lambda p: f"{p[0]}{p[1]})"),
        inner.map(lambda text: f"({text})"),
    ),
    max_leaves=8,
)
TEXTS = st.text(alphabet="ab- 1\n_é", max_size=8)


def found(pattern: str, text: str) -> bool:
    try:
        return search(pattern, text, seconds=1) is not None
    except (PatternError, PatternTimeoutError):
        return False


@settings(max_examples=200, deadline=None)
@given(PATTERNS, st.lists(TEXTS, max_size=12))
def test_no_text_matches_what_was_called_impossible(pattern: str, texts: list[str]) -> None:
    if impossible(pattern):
        assert [text for text in [*texts, "", "a", "a b", "a\nb", "-", "\n"] if found(pattern, text)] == []
        assert matching_texts(pattern) == ()


@settings(max_examples=60, deadline=None)
@given(PATTERNS)
def test_every_text_that_was_made_matches_and_is_the_same_each_time(pattern: str) -> None:
    texts = matching_texts(pattern)
    assert texts is not None
    assert all(found(pattern, text) for text in texts)
    assert matching_texts.__wrapped__(pattern) == texts


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(ALPHABET)),
    st.sampled_from([r"\w", r"\W", r"\s", r"\S", r"\d", "[^a-f]", "[a-f]", ".", "[^\\n]", "K"]),
)
def test_a_class_takes_what_the_matcher_takes(char: str, pattern: str) -> None:
    tree = tree_of(pattern)
    assert tree is not None
    assert (char in (characters(tree[0], line_breaks=False) or ())) is found(pattern, char)


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(x+x+)+y"])
def test_a_slow_pattern_comes_with_a_text_that_shows_it(pattern: str) -> None:
    text = slow_text(pattern)
    assert text is not None
    assert len(text) < 2500
    with pytest.raises(PatternTimeoutError):
        search(pattern, text, seconds=0.1)


@pytest.mark.parametrize(
    "pattern", [r"\bnginx\s+-t\b", r"[^\n]*foo[^\n]*bar", r"^(?:\w+\s)*x", r"(?:a|b)+c", r"^(\w+\s?)*$", r"(a|a)*b"]
)
def test_a_pattern_that_the_matcher_is_quick_with_is_not_called_slow(pattern: str) -> None:
    begin = time.perf_counter()
    assert slow_text(pattern) is None
    assert time.perf_counter() - begin < 1


@settings(max_examples=150, deadline=None)
@given(
    st.text(
        alphabet=st.sampled_from("ab \\n\\(){}[]^$.|?*+-,:=!<>1wWsSdDbBAZpPLu#i\N{SNOWMAN}"), min_size=1, max_size=12
    ),
    st.sampled_from(["executed_commands", "task_summary", "task_plan"]),
    st.booleans(),
)
def test_any_pattern_that_compiles_can_be_looked_at(written: str, where: str, negate: bool) -> None:
    try:
        compile_pattern(written)
    except PatternError:
        return
    rule = PatternMatch(label="l", validator="pattern_match", pattern=written, where=Where(where), negate=negate)
    for raw in pattern_findings("/p", rule):
        assert raw.message
        assert "\n" not in raw.message.replace(written, "")


def test_a_mention_of_several_commands_mentions_each() -> None:
    said = dict(mentions("nginx -t\nsystemctl reload nginx"))

    assert said["a comment"] == "# nginx -t\n# systemctl reload nginx"
    assert said["echo"] == 'echo "nginx -t"\necho "systemctl reload nginx"'
    assert said["grep"].splitlines()[0] == 'grep "nginx -t" /var/log/syslog'
    assert said["man"].splitlines()[0] == "man nginx -t"


def test_a_command_with_both_quotes_is_not_quoted() -> None:
    assert set(dict(mentions("""echo "it's" """))) == {"a comment", "man"}


def test_refusals_are_sentences_without_a_fact() -> None:
    assert len(set(REFUSALS)) == len(REFUSALS) > 30
    assert not any(re.search(r"[/\d]", text) for text in REFUSALS)
