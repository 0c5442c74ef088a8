"""The document for people: a PDF that carries the one for machines, and a seal behind its end.

Readers ignore the seal, because it is a comment. It covers the pages, the document in them and, when signed, both.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pytest_2501bench.audit.document import Read, check_seal, read_document, seal_line, write_document
from pytest_2501bench.audit.model import Audit
from pytest_2501bench.audit.signing import Signer, fingerprint
from pytest_2501bench.errors import BenchError, Cause

PAYLOAD_TYPE: Final = "application/pdf"
_BEGINS: Final = b"%PDF-"
_SEAL: Final = b"%2501bench-seal "
_MOST_BLOCKS: Final = 32
"""Readers look for the end of a PDF in its last 1024 bytes, so the seal must be short."""
_LEAST_BLOCK: Final = 1024


def write_paper(audit: Audit, signer: Signer | None = None, fonts: Sequence[Path] = ()) -> bytes:
    """Return the bytes of the PDF, signed if there is a *signer*; *fonts* are looked in before those of this machine.

    Raises:
        BenchError: ``tool_missing``: the extra is not installed; ``option_invalid``: a font cannot be used.
    """
    try:
        from pytest_2501bench.audit.pages import render
    except ImportError as error:
        raise BenchError(
            Cause.TOOL_MISSING, f"a PDF needs {error.name}.", remedy="pip install 'pytest-2501bench[audit]'"
        ) from error
    document = write_document(audit, signer)
    try:
        pages = render(audit, document, fonts, "" if signer is None else fingerprint(signer.public))
    except (OSError, ValueError) as error:
        if not fonts:
            raise
        raise BenchError(Cause.OPTION_INVALID, f"--font: {error}") from error
    if not pages.endswith(b"\n"):
        pages += b"\n"
    block = max(_LEAST_BLOCK, -(-len(pages) // _MOST_BLOCKS))
    place = [pages.index(document), len(document)]
    return pages + _SEAL + seal_line(pages, PAYLOAD_TYPE, block, signer, document=place) + b"\n"


def is_paper(content: bytes) -> bool:
    """Return whether *content* looks like a PDF."""
    return content.startswith(_BEGINS) or _SEAL in content[-2048:]


def read_paper(content: bytes, name: str) -> Read:
    """Read and check the PDF and the document in it."""
    at = content.rfind(_SEAL)
    if at < 0 or not content.endswith(b"\n"):
        return Read(None, (f"{name}: no seal at its end: bytes are changed or missing there",))
    pages, line = content[:at], content[at + len(_SEAL) : -1]
    problems, signer = check_seal(pages, line, PAYLOAD_TYPE, name, at + len(_SEAL))
    try:
        start, size = json.loads(line)["document"]
        document = pages[start : start + size]
    except (ValueError, TypeError, KeyError):
        return Read(None, (*problems, f"{name}: the seal does not say where the document is"), signer)
    inner = read_document(document, f"{name}: attached document")
    return Read(inner.audit, (*problems, *inner.problems), signer)
