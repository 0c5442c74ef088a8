"""Templates: what a definition says, what is wrong with a broken one, and when a fingerprint changes."""

from __future__ import annotations

import re
import shutil
import textwrap
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.pages import page

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.matrix import Variant
from pytest_2501bench.run import _version_key
from pytest_2501bench.sandbox.protocol import KNOWN_CAPABILITIES, SandboxProvider
from pytest_2501bench.sandbox.templates import SHIPPED, TEMPLATES, Template, load_templates, unknown_template

BASE = TEMPLATES["debian-base"]
PODMAN = TEMPLATES["debian-podman"]


def write(folder: Path, name: str, text: str, playbook: str | None = None) -> Path:
    """Write one template into *folder*; return *folder*."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "template.toml").write_text(textwrap.dedent(text), encoding="utf-8")
    if playbook is not None:
        (folder / name / "provision.yml").write_text(playbook, encoding="utf-8")
    return folder


# ---- the shipped ones -----------------------------------------------------------------------------------------------


def test_the_five_of_the_contract_are_there_with_its_resources() -> None:
    assert {name: (found.cpus, found.ram_gb, found.disk_gb) for name, found in TEMPLATES.items()} == {
        "debian-base": (1, 1.0, 10),
        "debian-docker": (1, 2.0, 10),
        "debian-podman": (1, 2.0, 10),
        "debian-k3s": (2, 2.0, 10),
        "debian-localstack": (1, 2.0, 10),
    }


def test_debian_base_has_what_the_contract_lists() -> None:
    assert {"curl", "wget", "python3", "vim", "git"} <= set(BASE.packages)
    assert {"openssh-server", "sudo", "iproute2", "procps", "cron", "systemd"} <= set(BASE.packages)


@pytest.mark.parametrize("name", sorted(set(TEMPLATES) - {"debian-base"}))
def test_the_others_stand_on_debian_base(name: str) -> None:
    found = TEMPLATES[name]
    assert found.base is BASE
    assert set(BASE.packages) < set(found.packages)
    assert not set(found.own_packages) & set(BASE.packages)
    assert found.playbook is not None
    assert set(found.requires) <= KNOWN_CAPABILITIES


# ---- fingerprints ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"packages": ("curl",)}, {"name": "other"}, {"ram_gb": 2.0}, {"python": ("moto",)}, {"content": "x"}]
)
def test_a_fingerprint_changes_with_the_definition(change: dict[str, object]) -> None:
    assert replace(BASE, **change).fingerprint() != BASE.fingerprint()  # type: ignore[arg-type]


def test_a_fingerprint_changes_with_the_recipe_and_with_nothing_else() -> None:
    assert BASE.fingerprint("a") != BASE.fingerprint("b")
    assert BASE.fingerprint("a") == replace(BASE).fingerprint("a")


def test_a_fingerprint_changes_with_the_base() -> None:
    assert replace(PODMAN, base=replace(BASE, content="x")).fingerprint() != PODMAN.fingerprint()


def test_a_fingerprint_changes_with_a_file_beside_the_playbook(tmp_path: Path) -> None:
    write(tmp_path, "web", 'base = "debian-base"', "- hosts: all\n")
    before = load_templates(tmp_path)["web"]
    (tmp_path / "web" / "site.conf").write_text("x", encoding="utf-8")
    after = load_templates(tmp_path)["web"]
    assert before.playbook == after.playbook == tmp_path / "web" / "provision.yml"
    assert before.fingerprint() != after.fingerprint()


def test_a_fingerprint_is_that_of_the_content_wherever_the_folder_lies(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED / "debian-podman", tmp_path / "debian-podman")
    assert load_templates(tmp_path)["debian-podman"].fingerprint() == PODMAN.fingerprint()


# ---- one's own ------------------------------------------------------------------------------------------------------


def test_a_template_adds_to_its_base_and_takes_what_it_does_not_say_from_it(tmp_path: Path) -> None:
    write(tmp_path, "edge", 'base = "debian-podman"\npackages = ["nginx-light", "curl"]\ndisk_gb = 20')
    found = load_templates(tmp_path)["edge"]
    assert found.own_packages == ("nginx-light",)
    assert (found.cpus, found.ram_gb, found.disk_gb) == (1, 2.0, 20)
    assert found.requires == PODMAN.requires
    assert [part.name for part in found.chain] == ["debian-base", "debian-podman", "edge"]


def test_python_requirements_bring_what_makes_their_environment(tmp_path: Path) -> None:
    write(tmp_path, "flask", 'base = "debian-base"\npython = ["flask>=3"]')
    assert load_templates(tmp_path)["flask"].own_packages == ("python3-venv",)


def test_ones_own_template_may_take_the_place_of_a_shipped_one(tmp_path: Path) -> None:
    write(tmp_path, "debian-base", 'packages = ["openssh-server", "python3"]')
    found = load_templates(tmp_path)
    assert found["debian-base"].packages == ("openssh-server", "python3")
    assert found["debian-podman"].base == found["debian-base"]


# ---- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("packages = [", "not readable as TOML"),
        ('package = ["curl"]', "/package: no such field. Did you mean 'packages'?"),
        ('packages = "curl"', "/packages: must be a list of texts, not 'curl'."),
        ('packages = ["Curl!"]', "/packages/0: 'Curl!' is not a Debian package name."),
        ('requires = ["docker"]', "/requires/0: 'docker' is no capability."),
        ("cpus = 0", "/cpus: must be a whole number above 0, not 0."),
        ("ram_gb = true", "/ram_gb: must be a number above 0, not True."),
        ("base = 12", "/base: must be the name of a template, not 12."),
        ('base = "debain-base"', "/base: there is no template 'debain-base'. Did you mean 'debian-base'?"),
        ('base = "web"', "/base: web on web goes round in a circle."),
    ],
)
def test_a_broken_definition_is_one_line_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, "web", text)
    with pytest.raises(BenchError) as caught:
        load_templates(tmp_path)
    assert caught.value.cause is Cause.OPTION_INVALID
    assert str(caught.value).startswith(f"{tmp_path / 'web' / 'template.toml'}: {said}")
    assert "\n" not in str(caught.value)


def test_bases_that_go_round_in_a_circle_are_named(tmp_path: Path) -> None:
    write(tmp_path, "a", 'base = "b"')
    write(tmp_path, "b", 'base = "a"')
    with pytest.raises(BenchError, match="/base: a on b on a goes round in a circle"):
        load_templates(tmp_path)


def test_a_folder_that_cannot_name_a_template_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "My Web", "packages = []")
    with pytest.raises(BenchError, match="'My Web' cannot name a template"):
        load_templates(tmp_path)


def test_a_path_without_templates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="there is no template in it"):
        load_templates(tmp_path)
    with pytest.raises(BenchError, match="no such folder"):
        load_templates(tmp_path / "nowhere")


def test_an_unknown_template_is_told_with_the_nearest_name() -> None:
    assert unknown_template("debian-podmn", TEMPLATES).endswith("Did you mean 'debian-podman'?")
    assert unknown_template("mars", ["b", "a"]) == "there is no template 'mars'. Available: a, b."


# ---- what they mean for a run ---------------------------------------------------------------------------------------


def test_the_version_key_of_a_run_names_the_content_of_its_template(tmp_path: Path) -> None:
    hosts = [SimpleNamespace(template="debian-podman"), SimpleNamespace(template=None)]
    loaded: Any = SimpleNamespace(digests={"rules": "1"}, scenario=SimpleNamespace(hosts=hosts))

    def key(more: Path | None) -> str:
        settings = SimpleNamespace(
            vm_templates_path=more,
            mode="namespace",
            agent=None,
            main_engine=None,
            secondary_engine=None,
            specialty=None,
        )
        session: Any = SimpleNamespace(settings=settings)
        return _version_key(session, loaded, Variant())["template"]

    shipped = f"debian-base-{BASE.fingerprint()},debian-podman-{PODMAN.fingerprint()}"
    assert key(None) == shipped
    write(tmp_path, "debian-podman", 'base = "debian-base"\npackages = ["podman"]')
    assert key(tmp_path).split(",")[0] == shipped.split(",", maxsplit=1)[0]
    assert key(tmp_path).split(",")[1] != shipped.split(",")[1]


# ---- the pages ------------------------------------------------------------------------------------------------------


def test_the_template_that_the_page_shows_is_one(tmp_path: Path) -> None:
    shown = page("docs/templates.md").files()
    for name, text in shown.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = load_templates(tmp_path / "templates")["shop"]
    assert found.own_packages == ("nginx-light", "python3-venv", "redis-server")
    assert found.playbook == tmp_path / "templates" / "shop" / "provision.yml"


def test_the_page_lists_every_template_and_every_field() -> None:
    pages = page("docs/templates.md")
    assert [row[0].strip("`") for row in pages.rows("## The five")] == sorted(TEMPLATES)
    named = {name for row in pages.rows("## Fields") for name in row[0].replace("`", "").split(", ")}
    made_by_us = {"name", "playbook", "content", "folder"}
    assert named == {field.name for field in fields(Template)} - made_by_us


def test_the_page_for_third_parties_lists_every_method_of_the_protocol() -> None:
    named = {
        word for row in page("docs/providers.md").rows("## Method by method") for word in re.findall(r"`(\w+)`", row[0])
    }
    assert named == {name for name, value in vars(SandboxProvider).items() if callable(value) and name[0] != "_"}
