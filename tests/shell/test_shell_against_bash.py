"""What bash makes of a line, compared with what is said of it: words, and exit statuses."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_2501bench.shell.parse import parse

# --- words
# Without an escaped blank or $ behind a quoted part: there the grammar parts words that bash does not.

_TEXT = st.text("ab x;|&><$(){},#*'\"\\`~=!\n", max_size=6)
_BARE = st.text("abxyz019.,/:=+@%-", min_size=1, max_size=5)
_DOUBLE = st.text("ab x;|&><(){},#*'~=", max_size=6)
_PIECE = st.one_of(
    _BARE,
    _TEXT.filter(lambda text: "'" not in text).map(lambda text: f"'{text}'"),
    _DOUBLE.map(lambda text: f'"{text}"'),
    st.sampled_from("ab;|&><(){},#'\"`~*").map(lambda char: f"\\{char}"),
    st.lists(_BARE, min_size=2, max_size=3).map(lambda parts: "{" + ",".join(parts) + "}"),
    st.sampled_from(["\\\n", '"\\$"', '"\\""', '"\\\\"', "{1..3}", "{a}", "{}"]),
)
_WORD = st.lists(_PIECE, min_size=1, max_size=3).map("".join)
_LINE = st.lists(_WORD, max_size=4)


def _bash(script: str, folder: str) -> subprocess.CompletedProcess[bytes]:
    # No startup files, no history, nothing of the machine.
    environment = {"PATH": "/usr/bin:/bin", "HOME": folder, "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, env=environment, cwd=folder, timeout=60, check=False
    )


@settings(max_examples=40, deadline=None)
@given(lines=st.lists(_LINE, min_size=10, max_size=30))
def test_words_are_those_that_bash_passes_on(lines: list[list[str]]) -> None:
    typed = [" ".join(["show", *(f"x{word}" for word in words)]) for words in lines]
    with TemporaryDirectory() as folder:
        done = _bash("\n".join(["set -f", 'show() { printf \'%s\\0\' "$#" "$@"; }', *typed]), folder)
    assert done.stderr == b""
    said = iter(done.stdout.decode().split("\0"))
    for line in typed:
        by_bash = [next(said) for _ in range(int(next(said)))]
        (ran,) = parse(line)
        assert list(ran.words[1:]) == by_bash, line


# --- exit statuses

_LOG = 'c() { echo "$1 $2" >> log; return $2; }; export -f c; '


@st.composite
def _scripts(draw: st.DrawFn, depth: int = 3) -> str:
    counter = iter(range(1, 1000))

    def command() -> str:
        return f"c {next(counter)} {draw(st.sampled_from([0, 0, 1, 3]))}"

    def script(left: int) -> str:
        kind = draw(st.sampled_from(["c", "c", "&&", "||", ";", "|", "!", "()", "{}", "if", "sh", "guard", "for"]))
        if left == 0 or kind == "c":
            return command()
        if kind in ("&&", "||"):
            return f"{script(left - 1)} {kind} {script(left - 1)}"
        if kind == "|":
            return f"{command()} | {command()}"
        if kind == "!":
            return f"! {command()}"
        if kind == "()":
            return f"( {script(left - 1)} )"
        if kind == "{}":
            return f"{{ {script(left - 1)}; }}"
        if kind == "if":
            negated = draw(st.sampled_from(["", "! "]))
            other = f" else {script(left - 1)};" if draw(st.booleans()) else ""
            return f"if {negated}{command()}; then {script(left - 1)};{other} fi"
        if kind == "sh":
            return f"bash -c {shlex.quote(script(left - 1))}"
        if kind == "guard":
            return f"{command()} || exit 1; {command()}"
        if kind == "for":
            return f"for i in 1; do {script(left - 1)}; done"
        return f"{script(left - 1)}; {script(left - 1)}"

    return draw(st.sampled_from(["", "", "set -e; "])) + script(depth)


@settings(max_examples=150, deadline=None)
@given(line=_scripts())
def test_a_status_that_is_said_is_the_one_that_bash_saw(line: str) -> None:
    with TemporaryDirectory() as folder:
        done = _bash(_LOG + line, folder)
        log = Path(folder, "log")
        ended = [each.split() for each in log.read_text().splitlines()] if log.exists() else []
    assert b"syntax error" not in done.stderr
    statuses = {number: int(status) for number, status in ended}
    order = [number for number, _ in ended]
    found = parse(line, done.returncode)
    mine = {place: ran.words[1] for place, ran in enumerate(found) if ran.program == "c"}
    assert set(statuses) <= set(mine.values())
    for place, number in mine.items():
        ran = found[place]
        if ran.status is not None:
            assert statuses.get(number) == ran.status, f"{number} of {line!r}"
        if number in statuses:
            for earlier in ran.after:
                if earlier in mine:
                    assert statuses.get(mine[earlier]) == 0, f"{mine[earlier]} before {number} of {line!r}"
                    assert order.index(mine[earlier]) < order.index(number)
