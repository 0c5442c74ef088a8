"""``2501bench audit``: documents from the command line, what they protect, and how mistakes are told."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from support.audited import Said, Shelf, flipped

from pytest_2501bench.audit.marker import marked
from pytest_2501bench.evidence.folder import read_report, write_benchmark
from pytest_2501bench.store.protection import history, protected
from pytest_2501bench.store.repository import Store


@pytest.fixture
def store(shelf: Shelf) -> Store:
    return Store.open(None, shelf.bench_dir)


def refused(said: Said) -> str:
    """The one line of a usage error."""
    assert (said.status, said.out) == (2, ""), said
    (line,) = said.err.splitlines()
    return line


@pytest.mark.parametrize("name", ["a.json", "a.pdf", "a.intoto"])
def test_a_document_is_written_and_found_sound(name: str, shelf: Shelf) -> None:
    made = shelf("last", "-o", name)
    assert (made.status, made.err) == (0, "")
    assert made.out.startswith(f"{name}: 2 runs of 1 benchmark, ")
    assert made.out.endswith(". The runs are protected.\n")
    checked = shelf("verify", name)
    assert checked.status == 0
    assert "as it was written, and so is the evidence in " in checked.out
    assert checked.out.endswith("; not signed.\n")


def test_options_may_come_first(shelf: Shelf) -> None:
    assert shelf("-o", "a.json", "run_1").status == 0
    assert [run["run_id"] for run in json.loads(Path("a.json").read_text())["audit"]["benchmarks"][0]["runs"]] == [
        "run_1"
    ]


def test_a_changed_byte_ends_with_status_one_and_its_place(shelf: Shelf) -> None:
    shelf("last", "-o", "a.json")
    log = shelf.run_folder(1) / "validate.log"
    log.write_bytes(flipped(log.read_bytes(), 3))
    said = shelf("verify", "a.json")
    assert said.status == 1
    assert said.out.splitlines() == [
        "runs/bmk_1/nginx+001-broken-config+run1/validate.log: changed: within its 24 bytes",
        "a.json: 1 problem; not signed.",
    ]
    assert shelf("verify", "a.json", "--document-only").status == 0


def test_verifying_needs_a_copy_of_the_evidence_and_no_database(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf("last", "-o", "a.json")
    copy = shelf.root / "copy"
    copy.mkdir()
    (shelf.bench_dir / "runs").rename(copy / "runs")
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/nothing")
    assert shelf("verify", "a.json", "--evidence", copy).status == 0
    assert "no folder runs/ in it" in refused(shelf("verify", "a.json"))


def test_the_marker_is_no_evidence(shelf: Shelf) -> None:
    shelf("last", "-o", "a.json")
    shelf("run_1", "-o", "b.json")
    assert (shelf.run_folder(1) / "audited.json").exists()
    assert shelf("verify", "a.json").status == 0


def test_audited_runs_are_protected_until_they_are_released(shelf: Shelf, store: Store) -> None:
    shelf("run_1", "-o", "a.json")
    shelf("run_1", "-o", "b.json")
    with store:
        (found,) = protected(store, ["run_1", "run_2"]).values()
        assert (found.run_id, len(found.document_digest)) == ("run_1", 64)
        assert marked(shelf.run_folder(1))
        assert not marked(shelf.run_folder(2))
        said = shelf("release", "last", "--reason", "the contract ended")
        assert (said.status, said.out) == (0, "run_1\n1 run released, 1 were not protected.\n")
        assert protected(store, ["run_1"]) == {}
        assert not marked(shelf.run_folder(1))
        assert [each.release_reason for each in history(store, ["run_1"])] == ["the contract ended"] * 2
        assert shelf("release", "run_1", "--reason", "again").out == "0 runs released, 1 were not protected.\n"
        shelf("run_1", "-o", "c.json")
        assert list(protected(store, ["run_1"])) == ["run_1"]
        assert marked(shelf.run_folder(1))
    assert "a reason is needed" in refused(shelf("release", "last", "--reason", " "))


def test_a_marker_that_cannot_be_read_protects(shelf: Shelf) -> None:
    (shelf.run_folder(1) / "audited.json").write_text("{")
    assert marked(shelf.run_folder(1))


def test_a_signed_document_names_its_key(shelf: Shelf) -> None:
    key = shelf.key()
    for name in ("a.json", "a.pdf", "a.intoto"):
        assert ", signed. " in shelf("last", "-o", name, "--sign", key).out
        told = shelf("verify", name).out
        assert "signed by SHA256:" in told
        assert "a key that nobody vouched for here" in told
        checked = shelf("verify", name, "--key", f"{key}.pub")
        assert checked.status == 0
        assert "vouched" not in checked.out
        other = shelf.key("other")
        assert shelf("verify", name, "--key", f"{other}.pub").status == 1


def test_keys_of_ssh_keygen_work_and_the_fingerprint_is_the_same(shelf: Shelf) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "k"], check=True)
    shown = subprocess.run(["ssh-keygen", "-lf", "k.pub"], check=True, capture_output=True, text=True).stdout.split()[1]
    shelf("last", "-o", "a.json", "--sign", "k")
    assert f"signed by {shown}." in shelf("verify", "a.json", "--key", "k.pub").out


def test_keys_that_do_not_fit_are_told_apart(shelf: Shelf) -> None:
    shelf.key("locked", password=b"secret")
    shelf.key("mine")
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", "rsa"], check=True)
    Path("noise").write_text("noise")

    def sign(key: str) -> str:
        return refused(shelf("last", "-o", "a.json", "--sign", key))

    assert "--sign locked: the key has a passphrase, which is not asked for here. ssh-keygen -p" in sign("locked")
    assert "--sign mine.pub: this is the public half." in sign("mine.pub")
    assert "--sign rsa: not an ed25519 key." in sign("rsa")
    assert "--sign noise: not a private key." in sign("noise")
    assert "--sign absent: No such file or directory." in sign("absent")
    assert not Path("a.json").exists()
    shelf("last", "-o", "a.json", "--sign", "mine")
    for key, words in (
        ("mine", "--key mine: this is the private half. Right would be mine.pub."),
        ("rsa.pub", "--key rsa.pub: not an ed25519 key."),
        ("noise", "--key noise: not a public key."),
    ):
        assert words in refused(shelf("verify", "a.json", "--key", key))


def test_mistakes_are_one_line(shelf: Shelf) -> None:
    assert "a.txt: the suffix says no format" in refused(shelf("last", "-o", "a.txt"))
    assert shelf("last", "-o", "a.txt", "--format", "json").status == 0
    assert "nowhere: no such folder" in refused(shelf("last", "-o", "nowhere/a.json"))
    assert "there is no benchmark 'bmk_9'" in refused(shelf("bmk_9", "-o", "a.json"))
    assert "there is no benchmark 'run_9'" in refused(shelf("run_9", "-o", "a.json"))
    assert "absent.json: No such file or directory" in refused(shelf("verify", "absent.json"))
    assert "no such folder" in refused(shelf("last", "-o", "a.json", "--bench-dir", "elsewhere"))
    Path("a.json").write_text("{}")
    assert "not that of an audit document" in shelf("verify", "a.json").out


def test_missing_evidence_is_named_and_nothing_is_written(shelf: Shelf) -> None:
    (shelf.run_folder(2) / "evidence.jsonl").unlink()
    said = shelf("last", "-o", "a.json")
    assert said.status == 1
    assert "run2/evidence.jsonl: No such file or directory" in said.err
    assert not Path("a.json").exists()
    assert not marked(shelf.run_folder(1))


def test_a_benchmark_that_still_runs_is_left_alone(shelf: Shelf) -> None:
    head = shelf.audit().benchmarks[0].benchmark
    (shelf.bench_dir / "runs/bmk_1/owner.json").unlink()
    write_benchmark(shelf.bench_dir, head.model_copy(update={"finished_at": None}))  # by this process
    assert "bmk_1 still runs. Audit it when it is over." in refused(shelf("last", "-o", "a.json"))


def test_a_database_that_says_otherwise_is_a_contradiction(shelf: Shelf, store: Store) -> None:
    report = read_report(shelf.run_folder(1))
    with store:
        store.save_report(report.model_copy(update={"title": "Another"}))
    said = shelf("last", "-o", "a.json")
    assert said.status == 1
    assert said.err == "run_1: contradiction: the database has another report of this run\n"
    assert shelf("verify", "a.json").status == 0  # the document is as it was written


def test_the_in_toto_statement_has_every_file_as_a_subject(shelf: Shelf) -> None:
    shelf("last", "-o", "plain.json", "--format", "in-toto")
    statement = json.loads(Path("plain.json").read_bytes())
    assert list(statement) == ["_type", "subject", "predicateType", "predicate"]
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    sums = {each["name"]: each["digest"]["sha256"] for each in statement["subject"]}
    evidence = {
        path.relative_to(shelf.bench_dir).as_posix(): path for path in shelf.files() if path.name != "audited.json"
    }
    assert sums.keys() == evidence.keys()
    listed = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    subprocess.run(["sha256sum", "--check", "--quiet"], input=listed, text=True, check=True, cwd=shelf.bench_dir)


def test_a_signed_statement_is_a_dsse_envelope(shelf: Shelf) -> None:
    import base64

    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    key = shelf.key()
    shelf("last", "-o", "a.intoto", "--sign", key)
    envelope = json.loads(Path("a.intoto").read_bytes())
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    payload = base64.b64decode(envelope["payload"])
    assert json.loads(payload)["_type"] == "https://in-toto.io/Statement/v1"
    (signature,) = envelope["signatures"]
    public = load_ssh_public_key(Path(f"{key}.pub").read_bytes())
    # As the protocol says, and not by our own function.
    signed = b"DSSEv1 28 application/vnd.in-toto+json " + str(len(payload)).encode() + b" " + payload
    public.verify(base64.b64decode(signature["sig"]), signed)  # type: ignore[call-arg]


def test_the_encoding_is_that_of_the_dsse_protocol() -> None:
    from pytest_2501bench.audit.signing import pae

    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
