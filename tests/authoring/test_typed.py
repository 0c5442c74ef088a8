"""Recordings of sandboxes as the lines that a person entered."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

from pytest_2501bench.authoring.typed import Edit, Line, lines_of

from .conftest import Drive

Casts = Callable[..., None]


def prompt(number: int, line: str = "", status: int = 0, folder: str = "/root") -> tuple[str, str]:
    entry = base64.b64encode(f"  {number:3d}  {line}\n".encode()).decode() if number else ""
    return "o", f"\x1b]2501;p;{status};{entry};{folder}\x07# "


def file(name: str, text: str) -> tuple[str, str]:
    return "o", f"\x1b]2501;f;{base64.b64encode(text.encode()).decode()};{name}\x07"


def texts(tmp_path: Path) -> list[str]:
    return [line.text for line in lines_of(tmp_path / "recordings")]


def test_a_shell_that_really_ran_is_read(casts: Casts, drive: Drive, tmp_path: Path, home: Path) -> None:
    casts(("o", drive("cd /etc\r", "false\r").decode()))
    first, second = lines_of(tmp_path / "recordings")
    assert (first.text, first.status, first.folder) == ("cd /etc", 0, str(home))
    assert (second.text, second.status, second.folder, second.home) == ("false", 1, "/etc", str(home))
    assert (second.host, second.session, second.keys_only) == ("web-01", "web-01/0001", False)


def test_what_an_earlier_session_left_in_the_history_is_not_taken(casts: Casts, tmp_path: Path) -> None:
    casts(prompt(7, "rm -rf /"), prompt(7, "rm -rf /"), prompt(8, "ls"))
    assert texts(tmp_path) == ["ls"]


def test_a_shell_in_the_shell_is_read_from_its_keystrokes(casts: Casts, tmp_path: Path) -> None:
    casts(
        prompt(0),
        ("i", "sudo -i\r"),
        ("i", "cd /etc\rngx\x7finx -t\r"),
        ("i", "exit\r"),
        prompt(1, "sudo -i"),
        ("i", "id\r"),
        prompt(2, "id"),
    )
    assert [(line.text, line.keys_only) for line in lines_of(tmp_path / "recordings")] == [
        ("cd /etc", True),
        ("nginx -t", True),
        ("id", False),
    ]


def test_a_session_that_broke_off_in_such_a_shell_keeps_its_lines(casts: Casts, tmp_path: Path) -> None:
    casts(prompt(0), ("i", "sudo -i\r"), ("i", "nginx -t\r"), status=None)
    assert texts(tmp_path) == ["nginx -t"]


def test_a_session_without_marks_is_read_from_its_keystrokes(casts: Casts, tmp_path: Path) -> None:
    casts(("i", "nginx -t\r"), ("o", "ok\r\n"), ("i", "exit\r"), command=None)
    (line,) = lines_of(tmp_path / "recordings")
    assert (line.text, line.status, line.keys_only) == ("nginx -t", None, True)


def test_a_line_without_a_shell_has_its_exit_status(casts: Casts, tmp_path: Path) -> None:
    casts(("o", "no\r\n"), command="nginx -t", status=1)
    (line,) = lines_of(tmp_path / "recordings")
    assert (line.text, line.status) == ("nginx -t", 1)


def test_an_editors_file_belongs_to_its_line(casts: Casts, tmp_path: Path) -> None:
    casts(
        prompt(0, folder="/etc"),
        *(file("a", "1\n"), file("/etc/b", "x"), file("a", "2\n"), file("/etc/b", "x")),
        prompt(1, "vi a /etc/b", folder="/etc"),
        file("new", "n\n"),
        prompt(2, "vi new", folder="/etc"),
    )
    first, second = lines_of(tmp_path / "recordings")
    assert first.edits == (Edit("/etc/a", "1\n", "2\n"), Edit("/etc/b", "x", "x"))
    assert second.edits == (Edit("/etc/new", None, "n\n"),)


def test_hosts_and_sessions_are_in_order_and_what_is_no_recording_is_passed_over(casts: Casts, tmp_path: Path) -> None:
    casts(prompt(0), prompt(1, "first"), host="b")
    casts(prompt(0), prompt(1, "second"), host="a")
    (tmp_path / "recordings" / "a" / "0009.cast").write_text("{")
    found: list[Line] = lines_of(tmp_path / "recordings")
    assert sorted((line.host, line.text) for line in found) == [("a", "second"), ("b", "first")]
    assert [line.at for line in found] == sorted(line.at for line in found)


def test_a_session_that_is_open_counts_so_far(casts: Casts, tmp_path: Path) -> None:
    casts(prompt(0), prompt(1, "ls"))
    path = tmp_path / "recordings" / "web-01" / "0001.cast"
    path.write_bytes(path.read_bytes().rsplit(b"\n", 2)[0] + b'\n[1.0, "o", "cut')
    assert texts(tmp_path) == ["ls"]


def test_nothing_recorded_is_nothing(tmp_path: Path) -> None:
    assert lines_of(tmp_path / "recordings") == []
