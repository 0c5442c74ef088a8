"""Values and private keys become their names, whatever form a program gave them, and wherever a stream is cut."""

from __future__ import annotations

import base64
import json
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_2501bench.bastion.redaction import Redaction

SECRET = "pa/ss+w\"or'd %42&\\x"
OPENSSH = "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\nAAECAwQ=\n-----END OPENSSH PRIVATE KEY-----".format(
    "\n".join(["b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW"] * 3)
)


def in_pieces(redaction: Redaction, text: str, size: int) -> str:
    stream = redaction.stream()
    return "".join([stream.feed(text[at : at + size]) for at in range(0, len(text), size)]) + stream.end()


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps({"a": [SECRET]}),
        shlex.quote(SECRET),
        f"https://h/?k={quote(SECRET, '')}&x",
        f"https://h/?k={quote(SECRET)}",
        f"k={quote_plus(SECRET)}",
        f"k={quote(SECRET, '').replace('%2B', '%2b').replace('%2F', '%2f').replace('%5C', '%5c')}",
        SECRET.encode().hex(),
        *(
            base64.b64encode(f"{before}{SECRET}{after}".encode()).decode()
            for before in ("", "u", "u:")
            for after in ("", "\n")
        ),
        base64.urlsafe_b64encode(f"{SECRET}???>>>".encode()).decode(),
    ],
)
def test_a_value_is_found_as_programs_write_it(written: str) -> None:
    redaction = Redaction({"KEY": SECRET})
    for said in (redaction.text(f"a {written} b"), *(in_pieces(redaction, f"a {written} b", n) for n in (1, 3, 7))):
        assert "[KEY]" in said
        assert said.startswith("a ")
        assert said.endswith(" b")
        assert len(said) < 34, "what is left are the words around it"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\\n"])
@pytest.mark.parametrize("kind", ["OPENSSH", "RSA", ""])
def test_a_private_key_that_nobody_told_of_is_found(end: str, kind: str) -> None:
    key = OPENSSH.replace("OPENSSH ", f"{kind} ".lstrip()).replace("\n", end)
    for redaction in (Redaction(), Redaction({"KEY": SECRET})):
        for size in (1, 7, 64, 5000):
            assert in_pieces(redaction, f"key: {key}{end}next", size) == f"key: [PRIVATE KEY]{end}next"
        assert redaction.text(f"echo '{key}' > k") == "echo '[PRIVATE KEY]' > k"


def test_half_a_private_key_is_found_too_and_words_about_keys_stay() -> None:
    assert Redaction().text(OPENSSH[:120]) == "[PRIVATE KEY]"
    assert in_pieces(Redaction(), OPENSSH[:120], 10) == "[PRIVATE KEY]"
    for text in (
        "grep -r -- '-----BEGIN RSA PRIVATE KEY-----' /etc",
        "-----BEGIN CERTIFICATE-----\nMIIB",
        "a-----",
        "--",
    ):
        assert Redaction().text(text) == in_pieces(Redaction(), text, 1) == text


def test_a_value_with_a_newline_at_its_end_is_found_without_it() -> None:
    assert Redaction({"KEY": "canary-1\n"}).text("x canary-1 y") == "x [KEY] y"


def test_a_value_of_several_lines_is_found_as_a_terminal_shows_it() -> None:
    assert in_pieces(Redaction({"KEY": "first\nsecond"}), "first\r\nsecond", 4) == "[KEY]"


def test_of_two_values_the_longer_one_is_named() -> None:
    assert Redaction({"A": "canary", "B": "canary-of-b"}).text("canary-of-b canary") == "[B] [A]"


def test_a_short_value_is_left_alone_and_the_names_are_all_that_a_repr_shows() -> None:
    redaction = Redaction({"A": "12345", "B": "canary"})
    assert redaction.text("12345") == "12345"
    assert repr(redaction) == "Redaction(B)"


@given(st.lists(st.text(alphabet="abc-B\nEGIN ", max_size=12)), st.integers(1, 9))
def test_other_text_passes_whole_in_whatever_pieces(words: list[str], size: int) -> None:
    text = "".join(words)
    assert in_pieces(Redaction({"KEY": "abcabc"}), text, size) == Redaction({"KEY": "abcabc"}).text(text)
