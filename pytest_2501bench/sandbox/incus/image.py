"""Makes an Incus image from a root filesystem and its layers: nothing is fetched from an image server."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.incus.access import FOLDER, SSHD_CONFIG
from pytest_2501bench.sandbox.namespace.shell import environment, last_lines

_PIECE: Final = 1 << 20

# Incus writes these files itself before it starts an instance: no call is needed to put a key in, no network trusted.
_EVERY_START: Final = ("start",)
_ONCE: Final = ("create", "copy")
_FILES: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("/etc/hostname", '{{ config_get("user.host_name", "template") }}\n', _ONCE),
    ("/etc/hosts", '{{ config_get("user.hosts", "127.0.0.1\tlocalhost") }}\n', _ONCE),
    ("/etc/machine-id", '{{ config_get("user.machine_id", "") }}\n', _ONCE),
    ("/etc/ssh/ssh_host_ed25519_key", '{{ config_get("user.host_key", "") }}\n', _ONCE),
    ("/etc/ssh/ssh_host_ed25519_key.pub", '{{ config_get("user.host_key_public", "") }}\n', _ONCE),
    (f"{FOLDER}/host_key", '{{ config_get("user.host_key", "") }}\n', _EVERY_START),
    (f"{FOLDER}/authorized_keys", '{{ config_get("user.login_key", "") }}\n', _EVERY_START),
)
_PRESENT: Final[tuple[tuple[str, str, int], ...]] = (
    (f"{FOLDER}/sshd_config", SSHD_CONFIG, 0o600),
    # A file that is there keeps its mode when Incus writes it; a new one would be readable by all.
    (f"{FOLDER}/host_key", "", 0o600),
    (f"{FOLDER}/authorized_keys", "", 0o600),
    ("/etc/ssh/ssh_host_ed25519_key", "", 0o600),
    ("/etc/machine-id", "", 0o444),
    # An empty list means "ask 127.0.0.1", which refuses at once: no scenario waits for a name server.
    ("/etc/resolv.conf", "# no name servers: this host has no route to outside\n", 0o644),
)
RECIPE: Final = json.dumps([_FILES, _PRESENT])
"""Changes with what we put into every image."""

# GNU tar would rename the targets of symbolic links too, hence the flag S.
_TAR: Final = r"""
set -eu
meta=$1 target=$2 options=$3 lower=$1/files
shift 3
for layer; do lower=$lower:$layer; done
mount -t overlay -o "lowerdir=$lower$options" overlay "$target"
exec tar --create --numeric-owner --xattrs --xattrs-include='*' --exclude='./dev/*' \
  --transform='s,^\.\(/\|$\),rootfs\1,S' --directory "$meta" metadata.yaml templates --directory "$target" .
"""


def _lay_out(meta: Path, description: str) -> None:
    (meta / "templates").mkdir()
    templates = {}
    for number, (path, text, when) in enumerate(_FILES):
        (meta / "templates" / f"{number}.tpl").write_text(text, encoding="utf-8")
        templates[path] = {"when": list(when), "template": f"{number}.tpl"}
    metadata = {
        "architecture": platform.machine(),
        "creation_date": 1,
        "properties": {"description": description, "os": "Debian"},
        "templates": templates,
    }
    (meta / "metadata.yaml").write_text(json.dumps(metadata), encoding="utf-8")  # JSON is YAML
    for path, text, mode in _PRESENT:
        file = meta / "files" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)
    # As the topmost layer, these folders lend their mode to what lies below them.
    for folder in (meta / "files", *(path for path in (meta / "files").rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    (meta / "files" / FOLDER.lstrip("/")).chmod(0o700)


def unified_tar(layers: Sequence[Path], description: str, place: Path) -> Iterator[bytes]:
    """Yield, piece by piece, an image with what *layers* (topmost first) hold together.

    Args:
        layers: folders of the namespace mode's cache.
        description: of the image.
        place: an empty folder for what is needed on the way; on a failure its ``image.log`` says more.

    Raises:
        BenchError: ``sandbox_unavailable``; the layers could not be read. Incus gets no whole archive then.
    """
    meta, target, log = place / "meta", place / "mount", place.with_name("image.log")
    meta.mkdir()
    target.mkdir()
    _lay_out(meta, description)
    root = os.geteuid() == 0
    users = [] if root else ["--user", "--map-auto", "--map-root-user"]
    options = "" if root else ",userxattr"
    argv = ["unshare", *users, "--mount", "--propagation", "private", "sh", "-c", _TAR, "sh"]
    argv += [str(meta), str(target), options, *map(str, layers)]
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=environment()
        ) as process,
    ):
        assert process.stdout is not None
        try:
            while piece := process.stdout.read(_PIECE):
                yield piece
        finally:
            if process.poll() is None and process.stdout.read(1):
                process.kill()  # whoever took the pieces has had enough
    if process.returncode != 0:
        raise BenchError(Cause.SANDBOX_UNAVAILABLE, f"image {description}: {last_lines(log)}", log=log)
    log.unlink()
