"""Python requirements of a template: pip runs in the template, and finds packages the way this machine's pip does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from pytest_2501bench.sandbox.namespace import sources
from pytest_2501bench.sandbox.templates import Template

INSIDE = "/run/pip"
_LINE = re.compile(r"(?:global|install|:env:)\.([a-z-]+)='(.*)'")
# Where packages are and how to get there; everything else (a cache, a prefix) is this machine's own business.
_KEPT = frozenset(
    {
        *("index-url", "extra-index-url", "find-links", "trusted-host", "proxy", "no-index", "pre"),
        *("cert", "client-cert", "timeout", "default-timeout", "retries", "constraint"),
    }
)
_INDEXES = frozenset({"index-url", "extra-index-url"})
_PLACE = re.compile(r"(?:file://)?(/[^\s]*)")


def pip_settings() -> dict[str, str]:
    """Ask this machine's pip how it is configured; empty where there is no pip."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False, timeout=60
    )
    found = (_LINE.fullmatch(line) for line in done.stdout.splitlines())
    return {match[1]: match[2] for match in found if match and match[1] in _KEPT}


def translate(settings: dict[str, str]) -> tuple[dict[str, str], list[tuple[Path, str]]]:
    """Return the environment for a pip inside, and what of this machine's files it must see: (path, path inside).

    Settings may name folders and files of this machine; those that do not exist are left out.
    """
    environment: dict[str, str] = {}
    places: list[tuple[Path, str]] = []
    for name, value in sorted(settings.items()):
        words = []
        for word in value.replace("\\n", " ").split():
            match = _PLACE.fullmatch(word)
            if match is None:
                words.append(word)
            elif Path(match[1]).exists():
                path, inside = Path(match[1]), f"{INSIDE}/{len(places)}"
                # The pages of an index refer to files beside them.
                places.append((path.parent if name in _INDEXES else path, inside))
                words.append(word.replace(match[1], f"{inside}/{path.name}" if name in _INDEXES else inside))
        if words:
            environment[f"PIP_{name.upper().replace('-', '_')}"] = " ".join(words)
    return environment, places


def write_requirements(part: Path, template: Template) -> dict[str, str]:
    """Write into *part* what ``layer.sh`` reads, and return the environment that pip needs."""
    environment, places = translate(pip_settings())
    if "PIP_CERT" not in environment and sources.ca_file() is not None:
        environment["PIP_CERT"] = "/run/machine-ca.crt"  # as apt
    (part / "requirements.txt").write_text("".join(f"{line}\n" for line in template.python), encoding="utf-8")
    (part / "python").write_text(f"{template.name}\n", encoding="utf-8")
    (part / "binds").write_text("".join(f"{inside} {path}\n" for path, inside in places), encoding="utf-8")
    return environment
