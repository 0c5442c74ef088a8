"""What OpenSSH's complaint means, in one line."""

from __future__ import annotations

_MEANINGS = (
    ("host key verification failed", "its host key is not the one that was recorded"),
    ("no matching host key", "it has none of the host key types that were recorded"),
    ("permission denied", "it refuses our user or key"),
    ("invalid format", "our key file is not a private key that OpenSSH can read"),
    ("error in libcrypto", "our key file is not a private key that OpenSSH can read"),
    ("no such file or directory", "our key file, or the program of the proxy command, is missing"),
    ("could not resolve", "its address cannot be resolved"),
    ("connection refused", "it refuses connections: no SSH server listens there"),
    ("no route to host", "there is no route to it"),
    ("network is unreachable", "its network is unreachable"),
    ("timed out", "it does not answer"),
)


def ssh_reason(stderr: str) -> str:
    """Return the reason in *stderr*; ssh's own last line if it is none of the usual ones."""
    folded = stderr.lower()
    for words, meaning in _MEANINGS:
        if words in folded:
            return meaning
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "the connection was closed without a word"


def key_changed(stderr: str) -> bool:
    """Say whether the host showed another key than the recorded ones."""
    return "host key verification failed" in stderr.lower()
