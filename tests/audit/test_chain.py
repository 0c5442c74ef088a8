"""A chain has one root, and any other evidence has another."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from pytest_2501bench.audit.chain import broken_at, join, make_chain, root_of
from pytest_2501bench.audit.exhibits import events
from pytest_2501bench.audit.model import Link
from pytest_2501bench.audit.seal import block_digests, changes, seal
from pytest_2501bench.evidence.folder import canonical

LINKS = st.lists(
    st.builds(
        Link,
        file=st.text(max_size=5),
        event=st.none() | st.integers(1, 5),
        size=st.integers(0, 9),
        sha256=st.binary(max_size=2).map(lambda raw: hashlib.sha256(raw).hexdigest()),
    ),
    max_size=6,
)


@given(st.text(max_size=3), LINKS, st.text(max_size=3), LINKS)
def test_two_chains_have_the_same_root_only_if_they_are_the_same(
    name: str, links: list[Link], other_name: str, others: list[Link]
) -> None:
    one, other = make_chain(name, links), make_chain(other_name, others)
    assert (one.root == other.root) == ((name, links) == (other_name, others))
    assert root_of(one) == one.root


@given(LINKS.filter(bool), st.data())
def test_a_missing_added_or_moved_link_gives_another_root(links: list[Link], data: st.DataObject) -> None:
    root = make_chain("run_1", links).root
    at = data.draw(st.integers(0, len(links) - 1))
    assert make_chain("run_1", links[:at] + links[at + 1 :]).root != root
    assert make_chain("run_1", [*links[:at], links[at], *links[at:]]).root != root
    assert (make_chain("run_1", links[::-1]).root == root) == (links == links[::-1])


def test_the_root_is_what_the_page_says_it_is() -> None:
    """Computed by hand, so that anybody can."""
    digest = hashlib.sha256(b"hello").hexdigest()
    link = hashlib.sha256(b"pytest-2501bench/audit/v1\nrun_1").digest()
    entry = f'{{"event":null,"file":"a.log","kind":"file","sha256":"{digest}","size":5}}'
    link = hashlib.sha256(link + hashlib.sha256(entry.encode()).digest()).digest()
    assert make_chain("run_1", [Link(file="a.log", size=5, sha256=digest)]).root == link.hex()
    assert join("x", "aa") != join("x", "ab")


def test_where_blocks_are_noted_does_not_change_the_root() -> None:
    link = Link(file="a.log", size=5, sha256="00")
    assert make_chain("r", [link]).root == make_chain("r", [link.model_copy(update={"blocks": "AAAA"})]).root


@given(st.binary(max_size=40), st.integers(1, 9), st.data())
def test_a_changed_byte_is_found_in_its_block(content: bytes, block: int, data: st.DataObject) -> None:
    whole = seal(content, block)
    assert changes(content, whole.size, block, whole.blocks) == ""
    if content:
        at = data.draw(st.integers(0, len(content) - 1))
        other = content[:at] + bytes([content[at] ^ data.draw(st.integers(1, 255))]) + content[at + 1 :]
        first = at // block * block
        last = min(first + block, len(content)) - 1
        expected = f"first difference in bytes {first}–{last}"
        assert changes(other, whole.size, block, whole.blocks) == expected


def test_missing_and_added_bytes_are_counted() -> None:
    blocks = block_digests(b"abcdefgh", 4)
    assert changes(b"abcdefg", 8, 4, blocks) == "1 byte missing, first difference in bytes 4–7"
    assert changes(b"abcdefghij", 8, 4, blocks) == "2 bytes added, first difference in bytes 8–9"
    assert changes(b"", 8, 4, blocks).startswith("8 bytes missing")


def _written(*data: int) -> list[bytes]:
    lines: list[bytes] = []
    for number in data:
        entry = {"data": number} | ({"prev": hashlib.sha256(lines[-1]).hexdigest()} if lines else {})
        lines.append(canonical(entry) + b"\n")
    return lines


@given(st.lists(st.integers(), min_size=2, max_size=8), st.data())
def test_an_event_that_was_changed_after_it_was_written_breaks_the_chain_of_then(
    values: list[int], data: st.DataObject
) -> None:
    lines = _written(*values)
    assert broken_at(lines) is None
    at = data.draw(st.integers(0, len(lines) - 2))  # nobody holds the digest of the last one
    changed = json.loads(lines[at])
    changed["data"] += 1
    lines[at] = canonical(changed) + b"\n"
    assert broken_at(lines) == at + 1
    assert broken_at(_written(*values)[:at] + _written(*values)[at + 1 :]) in ({at} if at else {None, 1})


def test_evidence_of_older_versions_has_no_such_chain() -> None:
    assert broken_at([b'{"seq":1}\n', b'{"seq":2}\n']) == 0
    assert broken_at([b'{"seq":1}\n', b'{"seq"']) == 1


@given(st.binary(max_size=30))
def test_events_are_all_bytes_in_order(content: bytes) -> None:
    found = events(content)
    assert b"".join(found) == content
    assert all(line.endswith(b"\n") for line in found[:-1])
    assert all(line.count(b"\n") <= 1 for line in found)
