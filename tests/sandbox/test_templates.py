"""Templates and their fingerprints."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_2501bench.sandbox.templates import TEMPLATES

BASE = TEMPLATES["debian-base"]


def test_debian_base_has_what_the_contract_lists() -> None:
    assert {"curl", "wget", "python3", "vim", "git"} <= set(BASE.packages)
    assert {"openssh-server", "sudo", "iproute2", "procps", "cron", "systemd"} <= set(BASE.packages)
    assert (BASE.cpus, BASE.ram_gb, BASE.disk_gb) == (1, 1.0, 10)


@pytest.mark.parametrize("change", [{"packages": ("curl",)}, {"name": "other"}, {"ram_gb": 2.0}])
def test_a_fingerprint_changes_with_the_definition(change: dict[str, object]) -> None:
    assert replace(BASE, **change).fingerprint() != BASE.fingerprint()  # type: ignore[arg-type]


def test_a_fingerprint_changes_with_the_recipe_and_with_nothing_else() -> None:
    assert BASE.fingerprint("a") != BASE.fingerprint("b")
    assert BASE.fingerprint("a") == replace(BASE).fingerprint("a")
