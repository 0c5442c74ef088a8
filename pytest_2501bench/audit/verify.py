"""Checking a document: its own bytes, then the evidence that it is about."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from pytest_2501bench.audit.chain import benchmark_root, join, root_of
from pytest_2501bench.audit.document import Read, read_document
from pytest_2501bench.audit.exhibits import BLOCK, exhibits
from pytest_2501bench.audit.gather import run_account
from pytest_2501bench.audit.model import FORMAT, Audit, BenchmarkAccount, Chain, Link, RunAccount
from pytest_2501bench.audit.paper import is_paper, read_paper
from pytest_2501bench.audit.seal import changes
from pytest_2501bench.audit.signing import fingerprint, raw
from pytest_2501bench.audit.statement import is_statement, read_statement
from pytest_2501bench.errors import BenchError
from pytest_2501bench.evidence.folder import EVIDENCE_FILE, RUNS, benchmark_dir, read_benchmark

_MOST_PLACES = 5
"""Of an account that does not follow from the evidence."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a check found.

    Attributes:
        audit: the document's content; None when it cannot be made out.
        problems: one line each; empty when everything is as it was.
        signer: the fingerprint of the key that signed it; None: not signed.
    """

    audit: Audit | None
    problems: tuple[str, ...]
    signer: str | None


def verify(content: bytes, name: str, *, evidence: Path | None, key: Ed25519PublicKey | None = None) -> Verified:
    """Check a document.

    Args:
        content: its bytes; of any format.
        name: how messages call it.
        evidence: the bench directory, or a copy of it; None: only the document itself is checked.
        key: who must have signed it; None: whoever it says, or nobody.
    """
    read = _read(content, name, key)
    problems = list(read.problems)
    if key is not None and read.signer is None:
        problems.append(f"{name}: not signed; --key {fingerprint(key)} asks for a signature")
    elif key is not None and read.signer is not None and raw(key) != raw(read.signer):
        problems.append(f"{name}: signed by {fingerprint(read.signer)}; --key is {fingerprint(key)}")
    if read.audit is not None:
        problems += _roots(read.audit, name)
        if evidence is not None:
            for benchmark in read.audit.benchmarks:
                problems += _benchmark(benchmark, evidence)
    return Verified(read.audit, tuple(problems), None if read.signer is None else fingerprint(read.signer))


def _read(content: bytes, name: str, key: Ed25519PublicKey | None) -> Read:
    if is_paper(content):
        return read_paper(content, name)
    if is_statement(content):
        return read_statement(content, name, key)
    return read_document(content, name)


def _roots(audit: Audit, name: str) -> Iterator[str]:
    """Yield roots that do not follow from the document's own links: somebody wrote them."""
    for benchmark in audit.benchmarks:
        for chain in (benchmark.files, *(run.chain for run in benchmark.runs)):
            if root_of(chain) != chain.root:
                yield f"{name}: the links of {chain.name} do not come to its root {chain.root[:16]}…"
        if benchmark_root(benchmark) != benchmark.root:
            yield f"{name}: the roots of {benchmark.benchmark.id} do not come to {benchmark.root[:16]}…"
    if join(FORMAT, *(each.root for each in audit.benchmarks)) != audit.root:
        yield f"{name}: its benchmarks do not come to the root {audit.root[:16]}…"


def _benchmark(then: BenchmarkAccount, evidence: Path) -> Iterator[str]:
    folder = benchmark_dir(evidence, then.benchmark.id)
    place = f"{RUNS}/{then.benchmark.id}"
    if not folder.is_dir():
        yield f"{place}: the folder is missing"
        return
    names = {Path(run.folder).name for run in then.runs}
    found = list(_chain(then.files, folder, place, deep=then.whole, without=names))
    yield from found
    if not found:
        yield from _differences(then.benchmark.model_dump(mode="json"), _now(folder), f"{place}: benchmark")
    for run in then.runs:
        yield from _run(run, evidence)


def _now(folder: Path) -> Any:
    return read_benchmark(folder).model_dump(mode="json")


def _run(then: RunAccount, evidence: Path) -> Iterator[str]:
    folder = evidence / then.folder
    if not folder.is_dir():
        yield f"{then.folder}: the folder is missing"
        return
    found = list(_chain(then.chain, folder, then.folder, deep=True))
    yield from found
    if found:  # what follows from other evidence is another story
        return
    try:
        now = run_account(folder, evidence, stored=None)
    except BenchError as error:
        yield f"{then.folder}: {error}"
        return
    # Whether the database agreed can only be known then.
    then_values, now_values = (each.model_dump(mode="json", exclude={"stored_alike"}) for each in (then, now))
    yield from _differences(then_values, now_values, f"{then.folder}: the account of it")


def _chain(then: Chain, folder: Path, place: str, *, deep: bool, without: set[str] | None = None) -> Iterator[str]:
    try:
        now = tuple(exhibits(folder, deep=deep, without=without or ()))
    except BenchError as error:
        yield str(error)
        return
    events = list(_events(then.links, now, f"{place}/{EVIDENCE_FILE}"))
    yield from events
    before = {link.file: link for link in then.links if link.event is None}
    after = {link.file: link for link in now if link.event is None}
    for name, link in before.items():
        if name not in after:
            yield f"{place}/{name}: missing"
        elif _changed(link, after[name]) and not (events and name == EVIDENCE_FILE):
            yield f"{place}/{name}: changed: {_where(link, folder / name)}"
    for name in after.keys() - before.keys():
        yield f"{place}/{name}: added"


def _changed(then: Link, now: Link) -> bool:
    return (then.kind, then.size, then.sha256) != (now.kind, now.size, now.sha256)


def _where(then: Link, path: Path) -> str:
    if then.kind != "file" or path.is_symlink() or not path.is_file():
        return "it is another kind of file, or leads elsewhere"
    content = path.read_bytes()
    if then.blocks is not None:
        return changes(content, then.size, BLOCK, then.blocks) or "somewhere"
    return (
        f"{then.size} bytes then, {len(content)} now" if len(content) != then.size else f"within its {then.size} bytes"
    )


def _events(then: tuple[Link, ...], now: tuple[Link, ...], place: str) -> Iterator[str]:
    before = [link for link in then if link.event is not None]
    after = [link for link in now if link.event is not None]
    digests = [link.sha256 for link in before], [link.sha256 for link in after]
    starts = [0]
    for link in after:
        starts.append(starts[-1] + link.size)
    for what, i, j, k, m in difflib.SequenceMatcher(None, digests[0], digests[1], autojunk=False).get_opcodes():
        at = f"bytes {starts[k]}–{starts[m] - 1}"
        match what:
            case "delete":
                yield f"{place}: {_span(i, j)} missing, before byte {starts[k]}"
            case "insert":
                yield f"{place}: {_span(k, m)} added ({at})"
            case "replace":
                yield f"{place}: {_span(i, j)} changed ({at})"


def _span(start: int, end: int) -> str:
    return f"event {start + 1}" if end == start + 1 else f"events {start + 1}–{end}"


def _differences(then: Any, now: Any, place: str) -> Iterator[str]:
    pointers = list(_pointers(then, now, ""))
    for pointer in pointers[:_MOST_PLACES]:
        yield f"{place} does not follow from the evidence: {pointer or '/'}"
    if len(pointers) > _MOST_PLACES:
        yield f"{place}: and {len(pointers) - _MOST_PLACES} more"


def _pointers(then: Any, now: Any, pointer: str) -> Iterator[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        for name in sorted(then.keys() | now.keys()):
            if (name in then) != (name in now):
                yield f"{pointer}/{name}"
            else:
                yield from _pointers(then[name], now[name], f"{pointer}/{name}")
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for number, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from _pointers(one, other, f"{pointer}/{number}")
    elif then != now:
        yield pointer
