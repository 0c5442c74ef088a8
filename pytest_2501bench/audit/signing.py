"""Ed25519 signatures with keys as ssh-keygen makes them, over the pre-authentication encoding of DSSE.

That encoding is ``"DSSEv1" SP LEN(type) SP type SP LEN(body) SP body``: what kind of bytes they are is signed too.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

from pytest_2501bench.errors import BenchError, Cause

_MAKE = "ssh-keygen -t ed25519 -N '' -f FILE makes one."
_BEGINS_SSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"


class Signer:
    """A private key. Its repr does not show it."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key()

    def sign(self, payload_type: str, content: bytes) -> bytes:
        """Return the signature, 64 bytes."""
        return self._key.sign(pae(payload_type, content))


def pae(payload_type: str, content: bytes) -> bytes:
    """Return what is signed for *content*."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(content), content)


def verified(key: Ed25519PublicKey, payload_type: str, content: bytes, signature: bytes) -> bool:
    """Return whether *signature* is that of *key*."""
    try:
        key.verify(signature, pae(payload_type, content))
    except InvalidSignature:
        return False
    return True


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return ``SHA256:…``, as ``ssh-keygen -l`` shows it."""
    blob = base64.b64decode(key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def raw(key: Ed25519PublicKey) -> bytes:
    """Return the key's 32 bytes."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def load_signer(path: Path) -> Signer:
    """Read a private key: OpenSSH's format or PEM, without a passphrase.

    Raises:
        BenchError: ``option_invalid``.
    """
    content = _read("--sign", path)
    load = load_ssh_private_key if _BEGINS_SSH in content else load_pem_private_key
    try:
        key = load(content, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        if isinstance(error, TypeError) or "password" in str(error).lower() or b"ENCRYPTED" in content:
            raise _wrong(
                "--sign",
                path,
                "the key has a passphrase, which is not asked for here.",
                f"ssh-keygen -p -N '' -f COPY takes it off a copy; or use a key for audits only: {_MAKE}",
            ) from None
        what = "this is the public half." if content.startswith(b"ssh-") else "not a private key."
        raise _wrong("--sign", path, what, _MAKE) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _wrong("--sign", path, "not an ed25519 key.", _MAKE)
    return Signer(key)


def load_public(path: Path) -> Ed25519PublicKey:
    """Read a public key: a line as in ``id_ed25519.pub``, or PEM.

    Raises:
        BenchError: ``option_invalid``.
    """
    content = _read("--key", path)
    if b"PRIVATE KEY-----" in content:
        raise _wrong("--key", path, "this is the private half.", f"Right would be {path}.pub.")
    try:
        key = load_ssh_public_key(content) if content.startswith(b"ssh-") else load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        raise _wrong("--key", path, "not a public key.", "Right would be a .pub file of ssh-keygen.") from None
    if not isinstance(key, Ed25519PublicKey):
        raise _wrong("--key", path, "not an ed25519 key.", "Right would be the .pub file beside the key that signed.")
    return key


def _read(option: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _wrong(option, path, f"{error.strerror or error}.", "") from error


def _wrong(option: str, path: Path, what: str, remedy: str) -> BenchError:
    return BenchError(Cause.OPTION_INVALID, f"{option} {path}: {what}", remedy=remedy)
