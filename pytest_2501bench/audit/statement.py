"""The document as an in-toto Statement v1, in a DSSE envelope when it is signed. Pure.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md,
https://github.com/secure-systems-lab/dsse/blob/master/envelope.md
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from pytest_2501bench.audit.document import Read, read_document, write_document
from pytest_2501bench.audit.model import Audit
from pytest_2501bench.audit.signing import Signer, fingerprint, verified
from pytest_2501bench.evidence.folder import canonical

STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://pypi.org/project/pytest-2501bench/audit/v1"
"""Described in docs/audit.md. A name, not an address that must answer."""
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_BETWEEN: Final = b',"predicate":'


def write_statement(audit: Audit, signer: Signer | None = None) -> bytes:
    """Return the statement; with a *signer* the envelope around it."""
    # The predicate is the sealed document as it is, byte for byte: so a changed byte can be named in here, too.
    # Signed as well, because an envelope names its key and does not hold it.
    body = _head(audit) + _BETWEEN + write_document(audit, signer).rstrip(b"\n") + b"}\n"
    if signer is None:
        return body
    return _envelope(body, fingerprint(signer.public), signer.sign(PAYLOAD_TYPE, body))


def is_statement(content: bytes) -> bool:
    """Return whether *content* looks like one, or like an envelope."""
    begin = content[:200]
    return b'"_type"' in begin or begin.startswith(b'{"payload"')


def read_statement(content: bytes, name: str, key: Ed25519PublicKey | None) -> Read:
    """Read and check a statement or an envelope; by *key*, else by the one that the predicate's own signature holds."""
    if not content.startswith(b'{"payload"'):
        return _read(content, name)
    try:
        values = json.loads(content)
        body = base64.b64decode(values["payload"], validate=True)
        kind = values["payloadType"]
        signature = values["signatures"][0]
        sig, key_id = base64.b64decode(signature["sig"], validate=True), str(signature["keyid"])
    except (ValueError, TypeError, KeyError, IndexError) as error:
        return Read(None, (f"{name}: not a DSSE envelope any more: {error}",))
    inner = _read(body, f"{name}: payload")
    problems = list(inner.problems)
    if _envelope(body, key_id, sig) != content:
        problems.append(f"{name}: the envelope was changed: {_first(_envelope(body, key_id, sig), content)}")
    signer = key or inner.signer
    if signer is None:
        return Read(inner.audit, (*problems, f"{name}: signed, but by no key that could be checked: --key FILE"))
    if key_id != fingerprint(signer):
        problems.append(f"{name}: signatures[0].keyid is {key_id}, the key is {fingerprint(signer)}")
    if kind != PAYLOAD_TYPE or not verified(signer, PAYLOAD_TYPE, body, sig):
        problems.append(f"{name}: the signature is not one of key {fingerprint(signer)} over this payload")
    return Read(inner.audit, tuple(problems), inner.signer)


def _head(audit: Audit) -> bytes:
    values = {"_type": STATEMENT, "subject": subjects(audit), "predicateType": PREDICATE}
    # Not canonical(): its sorted keys would put the predicate before its type.
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").removesuffix(b"}")


def subjects(audit: Audit) -> list[dict[str, Any]]:
    """Return every file of evidence with its digest."""
    found = []
    for benchmark in audit.benchmarks:
        base = f"runs/{benchmark.benchmark.id}"
        for folder, chain in ((base, benchmark.files), *((run.folder, run.chain) for run in benchmark.runs)):
            found += [
                {"name": f"{folder}/{link.file}", "digest": {"sha256": link.sha256}}
                for link in chain.links
                if link.kind == "file"
            ]
    return found


def _read(content: bytes, name: str) -> Read:
    at = content.find(_BETWEEN)
    if at < 0 or not content.endswith(b"}\n"):
        return Read(None, (f"{name}: not a statement of an audit any more: its predicate or its end is changed",))
    # What write_statement took off the document's end is put back.
    read = read_document(content[at + len(_BETWEEN) : -2] + b"\n", f"{name}: predicate")
    if read.audit is None:
        return read
    problems = list(read.problems)
    if content[:at] != _head(read.audit):
        problems.append(f"{name}: type or subjects were changed: {_first(_head(read.audit), content[:at])}")
    return Read(read.audit, tuple(problems), read.signer)


def _envelope(body: bytes, key_id: str, signature: bytes) -> bytes:
    values = {
        "payload": base64.b64encode(body).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode()}],
    }
    return canonical(values) + b"\n"


def _first(then: bytes, now: bytes) -> str:
    at = next(
        (number for number, (a, b) in enumerate(zip(then, now, strict=False)) if a != b), min(len(then), len(now))
    )
    return f"first difference at byte {at}"
