"""The document as bytes: JSON with a seal at its end, so that a changed byte can be named. Pure."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from pytest_2501bench.audit.model import FORMAT, Audit
from pytest_2501bench.audit.seal import changes, seal
from pytest_2501bench.audit.signing import Signer, fingerprint, raw, verified
from pytest_2501bench.evidence.folder import canonical, first_problem

PAYLOAD_TYPE: Final = "application/vnd.2501bench.audit+json"
_HEAD: Final = b'{\n"audit": '
_SEAL: Final = b',\n"seal": '
_TAIL: Final = b"\n}\n"
_BLOCK: Final = 256


@dataclass(frozen=True)
class Read:
    """A document that was read.

    Attributes:
        audit: its content; None when it cannot be made out.
        problems: what was changed, one line each.
        signer: the key that signed it, as it says; None: not signed.
    """

    audit: Audit | None
    problems: tuple[str, ...] = ()
    signer: Ed25519PublicKey | None = None


def write_document(audit: Audit, signer: Signer | None = None) -> bytes:
    """Return the bytes of the document, signed if there is a *signer*."""
    text = json.dumps(audit.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False)
    sealed = _HEAD + text.encode("utf-8", "backslashreplace")  # lone surrogates, as JSON writes them
    return sealed + _SEAL + seal_line(sealed, PAYLOAD_TYPE, _BLOCK, signer) + _TAIL


def read_document(content: bytes, name: str) -> Read:
    """Read and check the bytes of a document; *name* is how messages call it."""
    at = content.rfind(_SEAL)
    if at < 0 or not content.endswith(_TAIL):
        problems = [f"{name}: its end is not that of an audit document: bytes are changed or missing there"]
        if at < 0:
            return Read(None, (*problems, *_not_json(content, name)))
    else:
        problems = []
    sealed, line = content[:at], content[at + len(_SEAL) :].removesuffix(_TAIL)
    found, signer = check_seal(sealed, line, PAYLOAD_TYPE, name, at + len(_SEAL))
    problems += found
    try:
        audit = Audit.model_validate(json.loads(sealed.removeprefix(_HEAD)))
    except ValidationError as error:
        return Read(None, (*problems, f"{name}: {first_problem(error, '/audit')}"), signer)
    except ValueError as error:
        return Read(None, (*problems, f"{name}: not JSON any more: {error}"), signer)
    if audit.format != FORMAT:
        problems.append(f"{name}: /audit/format: {audit.format!r} is not {FORMAT!r}")
    return Read(audit, tuple(problems), signer)


def seal_line(sealed: bytes, payload_type: str, block: int, signer: Signer | None, **more: Any) -> bytes:
    """Return the seal over *sealed* as one line of JSON, with *more* in it."""
    values: dict[str, Any] = asdict(seal(sealed, block)) | more
    if signer is not None:
        signature = signer.sign(payload_type, sealed)
        values |= {"key": raw(signer.public).hex(), "signature": base64.b64encode(signature).decode()}
    return canonical(values)


def check_seal(
    sealed: bytes, line: bytes, payload_type: str, name: str, at: int
) -> tuple[list[str], Ed25519PublicKey | None]:
    """Return what is wrong with *sealed* or its seal *line*, and the key that signed.

    Args:
        sealed: the bytes before the seal.
        line: the seal.
        payload_type: of what was signed.
        name: of the file, for messages.
        at: where in the file the seal begins.
    """
    where = f"{name}: bytes {at}–{at + len(line) - 1}: the seal"
    try:
        values = json.loads(line)
        size, digest, block, blocks = (values[key] for key in ("size", "sha256", "block", "blocks"))
        if not (isinstance(size, int) and isinstance(block, int) and block > 0 and isinstance(blocks, str)):
            raise TypeError
    except (ValueError, TypeError, KeyError, AttributeError):
        return [f"{where} cannot be read: it was changed"], None
    problems = []
    now = seal(sealed, block)
    if now.sha256 != digest:
        place = changes(sealed, size, block, blocks)
        problems.append(f"{name}: changed: {place}" if place else f"{where} was changed: its sha256")
    elif asdict(now) != {"size": size, "sha256": digest, "block": block, "blocks": blocks}:
        problems.append(f"{where} was changed: its block digests or size")
    if canonical(values) != line:  # the same values may be written in other bytes
        problems.append(f"{where} was changed: not in the form it was written")
    found, signer = _signature(values, sealed, payload_type, where)
    return problems + found, signer


def _signature(
    values: dict[str, Any], sealed: bytes, payload_type: str, where: str
) -> tuple[list[str], Ed25519PublicKey | None]:
    if "key" not in values and "signature" not in values:
        return [], None
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(values["key"]))
        signature = base64.b64decode(values["signature"], validate=True)
    except (KeyError, TypeError, ValueError):
        return [f"{where} was changed: its signature cannot be read"], None
    as_written = raw(key).hex() == values["key"] and base64.b64encode(signature).decode() == values["signature"]
    if not as_written or not verified(key, payload_type, sealed, signature):
        return [f"{where}: its signature is not one of key {fingerprint(key)} over this document"], key
    return [], key


def _not_json(content: bytes, name: str) -> list[str]:
    try:
        json.loads(content)
    except ValueError as error:
        return [f"{name}: not JSON: {error}"]
    return []
