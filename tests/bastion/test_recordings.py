"""Recordings of sessions: valid asciicast v2, whole, and without secrets."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.recorded_ssh import Way
from support.sshd import Sshd

from pytest_2501bench.bastion import cast
from pytest_2501bench.bastion.cast import Cast, recordings_in
from pytest_2501bench.bastion.recorder import Recorder
from pytest_2501bench.bastion.redaction import Redaction
from pytest_2501bench.bastion.shelf import fetch, found

Event = tuple[float, str, str]


def parsed(path: Path) -> tuple[dict[str, Any], list[Event]]:
    """Return header and events, after a look at all that the format's description demands."""
    first, *rest = path.read_bytes().decode("utf-8").splitlines()
    header = json.loads(first)
    assert header["version"] == 2
    assert all(isinstance(header[name], int) and header[name] > 0 for name in ("width", "height", "timestamp"))
    assert {type(header[name]) for name in ("command", "title") if name in header} <= {str}
    events: list[Event] = []
    for line in rest:
        moment, code, data = json.loads(line)
        assert isinstance(moment, int | float)
        assert moment >= (events[-1][0] if events else 0)
        assert code in {"o", "i", "m", "r"}
        assert isinstance(data, str)
        assert code != "r" or re.fullmatch(r"\d+x\d+", data)
        events.append((moment, code, data))
    return header, events


def replayed(events: Sequence[Event]) -> str:
    return "".join(data for _, code, data in events if code == "o")


def casts(folder: Path) -> list[Path]:
    return sorted((folder / "casts").glob("*.cast"))


@pytest.mark.sshd
def test_an_exec_session_can_be_replayed_and_says_how_it_ended(way: Way, tmp_path: Path) -> None:
    before = time.time()
    ran = way.run("ssh", "web-01", "echo one; sleep 0.3; echo zwölf; echo err >&2; exit 3")
    assert ran.status == 3
    (path,) = casts(tmp_path)
    header, events = parsed(path)
    assert header["command"].startswith("echo one; sleep")
    assert before - 1 <= header["timestamp"] <= time.time()
    assert replayed(events) == "one\r\nzwölf\r\nerr\r\n"
    assert events[1][0] - events[0][0] > 0.2
    assert events[-1][1:] == ("m", "end: status 3, 0 bytes in, 15 bytes out")
    (recording,) = recordings_in(path.parent, "web-01", tmp_path)
    assert (recording.host, recording.file) == ("web-01", "casts/0001.cast")
    assert (recording.exit_status, recording.bytes_in, recording.bytes_out) == (3, 0, 15)
    assert recording.seconds == events[-1][0]
    (command,) = way.commands
    assert command.seen is not None
    assert command.seen.session == "0001"
    assert (command.seen.bytes_in, command.seen.bytes_out) == (0, 15)


@pytest.mark.sshd
def test_a_terminal_session_has_what_was_typed_and_what_was_shown(way: Way, tmp_path: Path) -> None:
    way.run("ssh", "-tt", "web-01", stdin=b"stty size\recho typed-$((40+2))\rexit 7\r")
    header, events = parsed(casts(tmp_path)[0])
    assert "command" not in header
    assert "typed-42\r\n" in replayed(events)
    assert "".join(data for _, code, data in events if code == "i") == "stty size\recho typed-$((40+2))\rexit 7\r"
    assert events[-1][2].startswith("end: status 7, ")


@pytest.mark.sshd
def test_it_is_on_disk_while_the_session_goes_on(way: Way, tmp_path: Path) -> None:
    client = subprocess.Popen(
        ["ssh", "-F", str(way.config), "web-01", "echo now; sleep 30"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 10
    while not (casts(tmp_path) and '"o"' in casts(tmp_path)[0].read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    assert replayed(parsed(casts(tmp_path)[0])[1]) == "now\r\n"
    way.call(way.recorder.close())
    client.wait(10)
    assert parsed(casts(tmp_path)[0])[1][-1][2].startswith("end: status unknown, ")


@pytest.mark.sshd
def test_handed_over_secrets_and_typed_passwords_are_in_no_recording(way: Way, tmp_path: Path) -> None:
    way.run("ssh", "web-01", "printf sk-can; sleep 0.2; printf ary-123; echo sk-canary-123")
    keys = b"stty -echo; printf 'Password: '; read x; echo got ${#x}\r"
    script = f"(printf '{keys.decode().strip()}\\r'; sleep 1; printf 'hunter2-canary\\r'; sleep 0.5; printf 'exit\\r')"
    script = script.replace("'Password: '", '"Password: "')
    way.run("sh", "-c", f"{script} | ssh -tt web-01")
    everything = "".join(path.read_text() for path in casts(tmp_path)) + repr(way.commands)
    assert "got 14" in everything
    assert "canary" not in everything
    assert "[MY_KEY]" in everything


@pytest.mark.sshd
def test_files_and_the_input_of_other_programs_are_in_no_recording(way: Way, tmp_path: Path) -> None:
    (way.directory / "x").write_text("file-canary")
    assert way.run("scp", "x", f"web-01:{tmp_path}/y").status == 0
    assert way.run("scp", "-O", "x", f"web-01:{tmp_path}/z").status == 0
    assert way.run("ssh", "web-01", "cat > /dev/null", stdin=b"file-canary").status == 0
    assert [parsed(path)[0]["command"] for path in casts(tmp_path)] == ["cat > /dev/null"]
    assert "file-canary" not in casts(tmp_path)[0].read_text()
    put, old, cat = (command.seen for command in way.commands)
    assert put is not None
    assert old is not None
    assert cat is not None
    assert [(f.path, f.bytes) for f in (*put.files, *old.files)] == [(f"{tmp_path}/y", 11), (f"{tmp_path}/z", 11)]
    assert (put.kind, old.kind, cat.kind, cat.bytes_in) == ("sftp", "scp", "exec", 11)


def test_a_long_recording_is_cut_and_its_bytes_are_counted_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cast, "MAX_CAST", 1000)
    made = Cast(tmp_path, "web-01", "yes", size=None, redaction=Redaction())
    for _ in range(100):
        made.output(b"y\n" * 50)
    made.end(0, 1, 10_000)
    _, events = parsed(tmp_path / "0001.cast")
    assert next(event for event in events if event[1] == "m")[2] == "cut: only the first 1000 bytes are kept"
    assert events[-1][2] == "end: status 0, 1 bytes in, 10000 bytes out"
    assert (tmp_path / "0001.cast").stat().st_size < 2000


def test_a_letter_in_two_pieces_is_whole_and_bytes_that_are_no_text_stay_valid(tmp_path: Path) -> None:
    made = Cast(tmp_path, "web-01", None, size=(0, 0), redaction=Redaction())
    for piece in (b"\xe2\x82", b"\xac\xff\x00", b"\xe2"):
        made.output(piece)
    made.resize(100, 30)
    made.end(None, 0, 7)
    header, events = parsed(tmp_path / "0001.cast")
    assert (header["width"], header["height"]) == (80, 24)
    assert replayed(events) == "€\ufffd\x00\ufffd"


def test_a_disk_that_takes_no_more_ends_the_recording_only(tmp_path: Path, sshd: Sshd, way: Way) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")

    async def make() -> Recorder:
        return await Recorder([sshd.host()], recordings={"web-01": tmp_path / "taken"}).__aenter__()

    recorder = way.call(make())
    text = way.config.read_text().replace(str(way.recorder.doors[0].port), str(recorder.doors[0].port))
    (way.directory / ".ssh" / "id_ed25519").write_text(recorder.client_key)
    (way.directory / ".ssh" / "known_hosts").write_text(f"web-01 {recorder.doors[0].host_key}\n")
    (way.directory / "config2").write_text(text)
    assert way.run("ssh", "-F", "config2", "web-01", "echo fine").stdout == b"fine\n"
    way.call(recorder.close())
    assert [command.command for command in recorder.commands("web-01")] == ["echo fine"]


def test_recordings_come_from_the_engines_folder_into_that_of_the_run(tmp_path: Path) -> None:
    engine, run = tmp_path / "engine", tmp_path / "run"
    for number in (1, 2):
        made = Cast(engine / "recordings" / "hst_1", "web-01", f"c{number}", size=None, redaction=Redaction())
        made.end(number, 0, 0)
    (engine / "recordings" / "hst_1" / "0002.cast").write_bytes(
        (engine / "recordings" / "hst_1" / "0002.cast").read_bytes()[:-5]
    )
    fetch(engine, run, {"hst_1": "web-01", "hst_2": "db-01"})
    assert not (engine / "recordings" / "hst_1").exists()
    one, two = found(run, ("web-01", "db-01"))
    assert (one.file, one.command, one.exit_status) == ("recordings/web-01/0001.cast", "c1", 1)
    assert (two.file, two.command, two.exit_status) == ("recordings/web-01/0002.cast", "c2", None)
    Cast(engine / "recordings" / "hst_1", "web-01", "c3", size=None, redaction=Redaction()).end(0, 0, 0)
    fetch(engine, run, {"hst_1": "web-01"})
    assert [recording.command for recording in found(run, ("web-01",))] == ["c1", "c2", "c3"]
