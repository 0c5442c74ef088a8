"""What is read out of streams: typed lines and SFTP packets, whole or in pieces."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_2501bench.agents.command_log import MAX_COMMAND, CommandLog, clean
from pytest_2501bench.agents.sftp_log import SftpLog
from pytest_2501bench.agents.typed_lines import TypedLines, reads_commands


def typed(*pieces: bytes) -> list[str]:
    lines: list[str] = []
    watch = TypedLines(lines.append)
    for piece in pieces:
        watch.feed(piece)
    watch.end()
    return lines


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        (b"ls -l\rid\r", ["ls -l", "id"]),
        (b"ls\r\npwd\r\n", ["ls", "pwd"]),
        (b"lss\x7f -l\r", ["ls -l"]),
        (b"rm -rf /\x15ls\r", ["ls"]),
        (b"rm -rf /\x03ls\r", ["ls"]),
        (b"echo one two\x17three\r", ["echo one three"]),
        (b"l\x1b[D\x1b[1;5Cs\x1bOA\r", ["ls"]),
        (b"\r\r \r", []),
        ("echo é漢\r".encode(), ["echo é漢"]),
        (b"echo \xff\r", ["echo \ufffd"]),
        (b"no newline", ["no newline"]),
    ],
)
def test_keystrokes_become_lines(keys: bytes, lines: list[str]) -> None:
    assert typed(keys) == lines
    assert typed(*(bytes((byte,)) for byte in keys)) == lines


@given(st.lists(st.binary()))
def test_no_keystrokes_break_it_and_pieces_do_not_matter(pieces: list[bytes]) -> None:
    assert typed(*pieces) == typed(b"".join(pieces))


@pytest.mark.parametrize(
    "command",
    [None, "bash", "sh", "bash -s", "bash -l", "/bin/bash --login", "sudo bash", "sudo -i", "sudo -n -u root bash -s",
     "sudo su -", "su -", "exec bash", "env LANG=C bash", "bash -e", "bash -s -- arg", "sh -x"],
)  # fmt: skip
def test_a_shell_without_a_script_reads_commands(command: str | None) -> None:
    assert reads_commands(command)


@pytest.mark.parametrize(
    "command",
    ["cat > f", "bash -c 'id'", "bash script.sh", "ls", "python3", "sudo id", "sh ./x", "ssh b sh -c id"],
)  # fmt: skip
def test_other_programs_do_not(command: str) -> None:
    assert not reads_commands(command)


def packet(kind: int, number: int, *rest: bytes) -> bytes:
    body = bytes((kind,)) + struct.pack(">I", number) + b"".join(rest)
    return struct.pack(">I", len(body)) + body


def text(value: str) -> bytes:
    return struct.pack(">I", len(value.encode())) + value.encode()


def recorded(client: list[bytes], server: list[bytes]) -> list[tuple[str, int | None]]:
    log = CommandLog("web-01", lambda: None)
    watch = SftpLog(log.begin, log.end)
    for data in client:
        watch.client(data)
    for data in server:
        watch.server(data)
    return [(c.command, c.exit_status) for c in log.commands]


def test_operations_are_told_with_the_status_of_their_answer() -> None:
    client = packet(1, 3)[:9] + packet(3, 1, text("/etc/x"), struct.pack(">I", 0x1A)) + packet(6, 2, b"d" * 70_000)
    client += packet(13, 3, text("/etc/y")) + packet(18, 4, text("/a"), text("/b")) + packet(17, 5, text("/stat"))
    client += packet(200, 6, text("posix-rename@openssh.com"), text("/c"), text("/d")) + packet(
        3, 7, text("/r"), b"\0\0\0\1"
    )
    server = packet(2, 3)[:9] + packet(102, 1, text("h")) + packet(101, 2, b"\0\0\0\0") + packet(101, 3, b"\0\0\0\3")
    server += packet(101, 4, b"\0\0\0\0")
    wanted = [
        ("sftp: put /etc/x", 0),
        ("sftp: rm /etc/y", 3),
        ("sftp: rename /a /b", 0),
        ("sftp: rename /c /d", None),
        ("sftp: get /r", None),
    ]
    assert recorded([client], [server]) == wanted
    assert (
        recorded([client[n : n + 7] for n in range(0, len(client), 7)], [server[n : n + 1] for n in range(len(server))])
        == wanted
    )


@given(st.lists(st.binary()), st.lists(st.binary()))
def test_no_bytes_break_it(client: list[bytes], server: list[bytes]) -> None:
    recorded(client, server)


@given(st.text(st.characters(exclude_categories=())))
def test_every_command_can_be_stored(command: str) -> None:
    log = CommandLog("web-01", lambda: None)
    log.begin(command)
    assert "\x00" not in log.commands[0].command
    log.commands[0].model_dump_json().encode()


def test_a_huge_command_is_cut_and_says_so() -> None:
    log = CommandLog("web-01", lambda: None)
    log.begin("x" * (MAX_COMMAND + 1))
    assert log.commands[0].command.endswith(f"… ({MAX_COMMAND + 1} characters)")
    assert clean("a\udcffb\x00") == "a�b�"
