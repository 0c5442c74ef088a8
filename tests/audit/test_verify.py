"""One byte that is not as it was, anywhere, is named."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.audited import Shelf, flipped, said

from pytest_2501bench.audit.document import write_document
from pytest_2501bench.audit.model import Audit
from pytest_2501bench.audit.paper import write_paper
from pytest_2501bench.audit.signing import Signer, load_public, load_signer
from pytest_2501bench.audit.statement import write_statement
from pytest_2501bench.audit.verify import verify

Write = Callable[[Audit, Signer | None], bytes]
WRITERS: dict[str, Write] = {
    "json": write_document,
    "in-toto": write_statement,
    "pdf": write_paper,
}
patient = partial(settings, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="session")
def documents(original: Shelf) -> dict[tuple[str, bool], bytes]:
    """Every format, without and with a signature."""
    audit, signer = original.audit(), load_signer(original.key("signs"))
    return {(name, bool(by)): write(audit, by) for name, write in WRITERS.items() for by in (None, signer)}


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", WRITERS)
def test_what_nobody_touched_is_sound(
    name: str, signed: bool, original: Shelf, documents: dict[tuple[str, bool], bytes]
) -> None:
    key = load_public(original.root / "signs.pub") if signed else None
    found = verify(documents[name, signed], "a", evidence=original.bench_dir, key=key)
    assert found.problems == ()
    assert found.audit == original.audit()
    assert (found.signer is not None) == signed


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", WRITERS)
@patient(max_examples=60)
@given(data=st.data())
def test_one_bit_of_a_document_is_named(
    data: st.DataObject, name: str, signed: bool, documents: dict[tuple[str, bool], bytes]
) -> None:
    content = documents[name, signed]
    at = data.draw(st.integers(0, len(content) - 1))
    spoilt = flipped(content, at, data.draw(st.integers(0, 7)))
    found = verify(spoilt, "audit", evidence=None)
    assert found.problems
    assert all(problem.startswith("audit") for problem in found.problems)


@patient(max_examples=200)
@given(data=st.data())
def test_the_place_in_a_json_document_is_named(data: st.DataObject, documents: dict[tuple[str, bool], bytes]) -> None:
    content = documents["json", False]
    at = data.draw(st.integers(0, content.rindex(b',\n"seal": ') - 1))
    text = said(verify(flipped(content, at), "audit.json", evidence=None).problems)
    place = re.search(r"audit\.json: changed: first difference in bytes (\d+)–(\d+)", text)
    assert place is not None, text
    assert int(place[1]) <= at <= int(place[2])


@pytest.mark.parametrize("name", WRITERS)
@patient(max_examples=25)
@given(data=st.data())
def test_a_missing_or_added_byte_of_a_document_is_named(
    data: st.DataObject, name: str, documents: dict[tuple[str, bool], bytes]
) -> None:
    content = documents[name, False]
    at = data.draw(st.integers(0, len(content) - 1))
    for spoilt in (content[:at] + content[at + 1 :], content[:at] + b"x" + content[at:], content[:at]):
        assert verify(spoilt, "audit", evidence=None).problems


@patient(max_examples=150)
@given(data=st.data())
def test_one_bit_of_the_evidence_is_named(
    data: st.DataObject, shelf: Shelf, documents: dict[tuple[str, bool], bytes]
) -> None:
    path = data.draw(st.sampled_from(shelf.files()))
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    path.write_bytes(flipped(content, at, data.draw(st.integers(0, 7))))
    try:
        problems = verify(documents["json", False], "audit", evidence=shelf.bench_dir).problems
    finally:
        path.write_bytes(content)
    name = path.relative_to(shelf.bench_dir).as_posix()
    assert [problem for problem in problems if not problem.startswith(name)] == [], said(problems)
    assert len(problems) == 1
    if path.name == "evidence.jsonl":
        event = content[:at].count(b"\n") + 1
        numbers = re.match(rf"{re.escape(name)}: events? (\d+)(?:–(\d+))? changed", problems[0])
        assert numbers is not None
        assert int(numbers[1]) <= event <= int(numbers[2] or numbers[1])
    if path.suffix == ".cast":
        place = re.search(r"bytes (\d+)–(\d+)", problems[0])
        assert place is not None
        assert int(place[1]) <= at <= int(place[2])


def _lines(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: [*lines[:3], *lines[4:]], "event 4 missing, before byte"),
        (lambda lines: [*lines[:3], lines[0], *lines[3:]], "event 4 added (bytes "),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "event "),
        (lambda lines: lines[:-2], "events 8–9 missing, before byte"),
    ],
)
def test_missing_added_and_moved_events_are_named(
    change: Callable[[list[bytes]], list[bytes]],
    words: str,
    shelf: Shelf,
    documents: dict[tuple[str, bool], bytes],
) -> None:
    _lines(shelf.run_folder(1) / "evidence.jsonl", change)
    problems = verify(documents["json", False], "a", evidence=shelf.bench_dir).problems
    assert any(f"evidence.jsonl: {words}" in problem and "run1/" in problem for problem in problems), said(problems)


def test_missing_and_added_files_links_and_runs_are_named(
    shelf: Shelf, documents: dict[tuple[str, bool], bytes]
) -> None:
    one, two = shelf.run_folder(1), shelf.run_folder(2)
    (one / "validate.log").unlink()
    (one / "more.log").write_text("")
    (one / "report.json").rename(shelf.root / "elsewhere.json")
    (one / "report.json").symlink_to(shelf.root / "elsewhere.json")
    shutil.copytree(two, two.with_name("nginx+001-broken-config+run3"))
    shutil.rmtree(two)
    base = "runs/bmk_1/nginx+001-broken-config"
    problems = set(verify(documents["json", False], "a", evidence=shelf.bench_dir).problems)
    assert problems >= {
        f"{base}+run1/validate.log: missing",
        f"{base}+run1/more.log: added",
        f"{base}+run1/report.json: changed: it is another kind of file, or leads elsewhere",
        f"{base}+run2: the folder is missing",
    }
    assert "runs/bmk_1/nginx+001-broken-config+run3/evidence.jsonl: added" in problems
    shutil.rmtree(shelf.bench_dir / "runs/bmk_1")
    assert verify(documents["json", False], "a", evidence=shelf.bench_dir).problems == (
        "runs/bmk_1: the folder is missing",
    )


def test_a_forged_account_over_true_evidence_is_named(original: Shelf) -> None:
    """Whoever writes a new document with a new seal must also change the evidence."""
    audit = original.audit()
    (benchmark,) = audit.benchmarks
    run, other = benchmark.runs
    action = run.actions[0].model_copy(update={"exit_status": 77})
    forged = run.model_copy(update={"actions": (action, *run.actions[1:]), "resolution": "All well."})
    document = audit.model_copy(update={"benchmarks": (benchmark.model_copy(update={"runs": (forged, other)}),)})
    assert verify(write_document(document), "a", evidence=original.bench_dir).problems == (
        f"{run.folder}: the account of it does not follow from the evidence: /actions/0/exit_status",
        f"{run.folder}: the account of it does not follow from the evidence: /resolution",
    )


def test_links_that_do_not_come_to_their_root_are_named(original: Shelf) -> None:
    audit = original.audit()
    (benchmark,) = audit.benchmarks
    run, other = benchmark.runs
    short = run.model_copy(update={"chain": run.chain.model_copy(update={"links": run.chain.links[1:]})})
    document = audit.model_copy(update={"benchmarks": (benchmark.model_copy(update={"runs": (short, other)}),)})
    (problem,) = verify(write_document(document), "a", evidence=None).problems
    assert problem.startswith("a: the links of run_1 do not come to its root ")


def test_another_key_or_none_is_not_who_should_have_signed(
    original: Shelf, documents: dict[tuple[str, bool], bytes]
) -> None:
    other = load_public(original.key("other").with_name("other.pub"))
    for name in WRITERS:
        (unsigned,) = verify(documents[name, False], "a", evidence=None, key=other).problems
        assert unsigned.startswith("a: not signed; --key SHA256:")
        assert "--key is SHA256:" in said(verify(documents[name, True], "a", evidence=None, key=other).problems)


def test_a_signature_does_not_cover_another_document(original: Shelf) -> None:
    """A valid seal and a valid signature, of different documents."""
    signer = load_signer(original.key("mine"))
    signed, content = write_document(original.audit(), signer), write_document(original.audit(1))
    at = re.search(rb'"key":"[0-9a-f]+",', signed)
    signature = re.search(rb'"signature":"[^"]+",', signed)
    assert at is not None
    assert signature is not None
    spliced = content.replace(b'"seal": {', b'"seal": {', 1)
    head, tail = spliced.rsplit(b'"sha256"', 1)
    spliced = head + signature[0] + b'"sha256"' + tail
    spliced = spliced[: spliced.rindex(b'"sha256"')].replace(b'"signature"', at[0] + b'"signature"', 1) + (
        b'"sha256"' + tail
    )
    assert "its signature is not one of key SHA256:" in said(verify(spliced, "a", evidence=None).problems)
