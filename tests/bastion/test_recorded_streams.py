"""What is read out of streams: typed lines and SFTP packets, whole or in pieces."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_2501bench.bastion.command_log import MAX_COMMAND, CommandLog, clean
from pytest_2501bench.bastion.prompts import PromptWatch
from pytest_2501bench.bastion.redaction import Redaction
from pytest_2501bench.bastion.scp_log import ScpLog, is_scp
from pytest_2501bench.bastion.session_log import SessionLog
from pytest_2501bench.bastion.typed_lines import TypedLines, reads_commands
from pytest_2501bench.evidence.model import Command, Transfer


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


def recorded(*pieces: tuple[str, bytes], step: int = 1_000_000) -> tuple[Command, ...]:
    """Return what a session of these ``client`` and ``server`` pieces, cut into *step* bytes, leaves."""
    log = CommandLog("web-01", lambda: None)
    session = SessionLog(log, None, "sftp")
    for side, data in pieces:
        for at in range(0, len(data), step):
            (session.client if side == "client" else session.server)(data[at : at + step])
    session.end(0)
    return log.commands


@pytest.mark.parametrize("step", [1, 7, 1_000_000])
def test_operations_are_told_with_the_status_of_their_answer_and_the_bytes_that_passed(step: int) -> None:
    ask = packet(1, 3)[:9] + packet(3, 1, text("/etc/x"), struct.pack(">I", 0x1A))
    ask += packet(3, 2, text("/r"), b"\0\0\0\1") + packet(3, 3, text("/none"), b"\0\0\0\1")
    opened = packet(2, 3)[:9] + packet(102, 1, text("h")) + packet(102, 2, text("r")) + packet(101, 3, b"\0\0\0\2")
    move = packet(6, 4, text("h"), b"\0" * 8, text("d" * 70_000)) + packet(6, 5, text("h"), b"\0" * 8, text("d" * 30))
    move += packet(5, 6, text("r"), b"\0" * 8, b"\0\1\0\0") + packet(5, 7, text("r"), b"\0" * 8, b"\0\1\0\0")
    move += packet(4, 8, text("h")) + packet(4, 9, text("r"))
    moved = packet(101, 4, b"\0\0\0\0") + packet(101, 5, b"\0\0\0\0") + packet(103, 6, text("y" * 5000))
    moved += packet(101, 7, b"\0\0\0\1") + packet(101, 8, b"\0\0\0\0") + packet(101, 9, b"\0\0\0\0")
    other = packet(13, 10, text("/etc/y")) + packet(18, 11, text("/a"), text("/b")) + packet(17, 12, text("/stat"))
    other += packet(200, 13, text("posix-rename@openssh.com"), text("/c"), text("/d"))
    done = packet(101, 10, b"\0\0\0\3") + packet(101, 11, b"\0\0\0\0")
    talk = [
        ("client", ask),
        ("server", opened),
        ("client", move),
        ("server", moved),
        ("client", other),
        ("server", done),
    ]
    found = recorded(*talk, step=step)
    assert [(c.command, c.exit_status) for c in found] == [
        ("sftp: put /etc/x", 0),
        ("sftp: get /r", 0),
        ("sftp: get /none", 2),
        ("sftp: rm /etc/y", 3),
        ("sftp: rename /a /b", 0),
        ("sftp: rename /c /d", None),
    ]
    assert found[0].seen is not None
    assert found[1].seen is not None
    assert found[0].seen.files == (Transfer(path="/etc/x", to_host=True, bytes=70_030),)
    assert found[1].seen.files == (Transfer(path="/r", to_host=False, bytes=5000),)
    assert (found[0].seen.bytes_in, found[1].seen.bytes_out) == (70_030, 5000)


def test_a_transfer_that_was_cut_off_has_no_status_but_its_bytes() -> None:
    talk = [("client", packet(3, 1, text("/x"), b"\0\0\0\x1a")), ("server", packet(102, 1, text("h")))]
    (command,) = recorded(*talk, ("client", packet(6, 2, text("h"), b"\0" * 8, text("d" * 9))))
    assert command.exit_status is None
    assert command.seen is not None
    assert command.seen.files[0].bytes == 9


@given(st.lists(st.binary()), st.lists(st.binary()))
def test_no_bytes_break_it(client: list[bytes], server: list[bytes]) -> None:
    recorded(*(("client", data) for data in client), *(("server", data) for data in server))


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


@given(st.text(), st.lists(st.integers(0, 40)), st.integers(1, 5))
def test_no_secret_leaves_a_stream_however_it_is_cut(noise: str, places: list[int], step: int) -> None:
    secret = "sk-sk-canary"  # begins as it goes on: the hard case
    whole = noise
    for place in places:
        whole = whole[:place] + secret + whole[place:]
    stream = Redaction({"KEY": secret, "SHORT": "a"}).stream()
    told = "".join(stream.feed(whole[at : at + step]) for at in range(0, len(whole), step)) + stream.end()
    assert secret not in told
    assert told.replace("[KEY]", secret) == whole or "[KEY]" in whole


def test_what_is_typed_at_a_password_prompt_is_not_written_down() -> None:
    watch = PromptWatch()
    assert watch.client(b"sudo id\r") == b"sudo id\r"
    watch.server(b"sudo id\r\n[sudo] pass")
    watch.server(b"word for ada: ")
    assert watch.client(b"hun") == b""
    assert watch.client(b"ter2\rls\r") == b"\rls\r"
    watch.server(b"uid=0 the password: is told\r\n$ ")
    assert watch.client(b"ls") == b"ls"


def test_old_scp_tells_its_files() -> None:
    log = ScpLog("scp -r -t /srv")
    for piece in (b"D0755 0 site\nC0644 5 a b.txt\nhel", b"lo\0T1 0 1 0\nC0600 0 empty\n\0E\n", b"C0644 3 c\nabc\0"):
        log.client(piece)
    assert log.files == [
        Transfer(path="/srv/site/a b.txt", to_host=True, bytes=5),
        Transfer(path="/srv/site/empty", to_host=True, bytes=0),
        Transfer(path="/srv/c", to_host=True, bytes=3),
    ]
    log = ScpLog("scp -f /etc/motd")
    log.client(b"\0")
    log.server(b"C0644 4 motd\nhey\n\0")
    assert log.files == [Transfer(path="/etc/motd", to_host=False, bytes=4)]
    assert not is_scp("scp /etc/passwd other:/tmp")


@given(st.lists(st.binary()))
def test_no_bytes_break_the_reading_of_old_scp(pieces: list[bytes]) -> None:
    log = ScpLog("scp -t /srv")
    for piece in pieces:
        log.client(piece)
