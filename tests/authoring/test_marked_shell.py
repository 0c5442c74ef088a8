"""A bash that marks what was entered: run here, on a terminal."""

from __future__ import annotations

import base64
from itertools import pairwise
from pathlib import Path

from pytest_2501bench.authoring.marked_shell import COMMAND, File, Prompt, marks
from pytest_2501bench.bastion.typed_lines import reads_commands

from .conftest import Drive


def entered(shown: bytes) -> list[tuple[str, int]]:
    """The lines that were entered with their exit statuses; an empty one leaves the history's number as it was."""
    prompts = [mark for _, mark in marks(shown.decode("utf-8", "replace")) if isinstance(mark, Prompt)]
    return [(after.line, after.status) for before, after in pairwise(prompts) if after.number > before.number]


def test_the_bastion_takes_it_for_a_shell_so_keystrokes_are_recorded_too() -> None:
    assert reads_commands(COMMAND)


def test_lines_are_told_whole_with_their_status_also_those_from_history_and_completion(drive: Drive) -> None:
    shown = drive(
        "true\r", "\r", "false\r", " echo spaced\r", "echo spaced\r", "\x1b[A\r", "cat si\t\r", "sh -c 'exit 3'\r"
    )
    assert entered(shown) == [
        ("true", 0),
        ("false", 1),
        ("echo spaced", 0),
        ("echo spaced", 0),
        ("echo spaced", 0),
        ("cat site.conf", 0),
        ("sh -c 'exit 3'", 3),
    ]


def test_lines_of_several_lines_stay_one(drive: Drive) -> None:
    shown = drive("cat << EOF\n", "one\n", "EOF\r", "for n in 1 2\n", "do echo $n\n", "done\r")
    assert [line for line, _ in entered(shown)] == ["cat << EOF\none\nEOF", "for n in 1 2; do echo $n; done"]


def test_the_folder_is_told_after_each_line(drive: Drive, home: Path) -> None:
    text = drive("cd /etc\r", "cd -\r").decode()
    assert [mark.folder for _, mark in marks(text) if isinstance(mark, Prompt)] == [str(home), "/etc", str(home)]


def test_a_file_in_an_editor_is_told_as_it_was_and_as_it_is(drive: Drive, home: Path) -> None:
    path = "PATH=$HOME/bin:$PATH\r"  # /etc/profile has set another one
    shown = drive(path, "vi site.conf\n", "expires 8d\r", "cat site.conf\r").decode()
    files = [mark for _, mark in marks(shown) if isinstance(mark, File)]
    assert files == [File("site.conf", "expires 7d\n"), File("site.conf", "expires 7d\nexpires 8d\n")]
    (home / "site.conf").write_bytes(b"\x00\xff")
    shown = drive(path, "vi site.conf\n", "x\r").decode("utf-8", "replace")
    assert {mark.text for _, mark in marks(shown) if isinstance(mark, File)} == {None}


def test_nothing_of_it_stays_in_the_environment_in_nested_shells_or_on_the_disk(drive: Drive, home: Path) -> None:
    shown = drive("env | grep -cE '_25|PROMPT_COMMAND'\r", "bash -c 'echo $PROMPT_COMMAND-none'\r").decode()
    assert [status for _, status in entered(shown.encode())] == [1, 0]
    assert "\r-none\r" in shown
    assert sorted(path.name for path in home.iterdir()) == ["bin", "site.conf"]


def test_what_is_damaged_is_left_out() -> None:
    line = base64.b64encode(b"    1  true\n").decode()
    text = (
        f"\x1b]2501;p;x;{line};/\x07\x1b]2501;p;0;%%;/\x07\x1b]2501;f;YQ==\x07\x1b]2501;p;0;{line};/\x07\x1b]2501;p;0"
    )
    assert [mark for _, mark in marks(text)] == [Prompt(1, "true", 0, "/")]
