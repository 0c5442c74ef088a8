"""``2501bench sandbox template list|build|delete``, and templates of one's own on pytest's command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.templates import TEMPLATES

pytestmark = pytest.mark.namespace

BASE = TEMPLATES["debian-base"]


def _run(project: Path, *words: str, cache: Path | None = None) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_", "BENCH_"))}
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=project,
        env=kept if cache is None else {**kept, "BENCH_CACHE_DIR": str(cache)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _template(project: Path, *words: str, cache: Path | None = None) -> subprocess.CompletedProcess[str]:
    return _run(project, "pytest_2501bench.cli.main", "sandbox", "template", *words, cache=cache)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a template of its own, ``tiny``."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    folder = tmp_path / "templates" / "tiny"
    folder.mkdir(parents=True)
    (folder / "template.toml").write_text('base = "debian-base"\ndescription = "a"\n', encoding="utf-8")
    return tmp_path


@pytest.fixture
def cache(images: None, tmp_path: Path) -> Path:
    """A cache with the machine's debian-base in it."""
    directory = tmp_path / "cache"
    shared, own = NamespaceProvider().cache.rootfs(BASE), NamespaceProvider(directory).cache.rootfs(BASE)
    own.mkdir(parents=True)
    (own / "root").symlink_to(shared / "root")
    (own / "built.json").write_text((shared / "built.json").read_text(encoding="utf-8"), encoding="utf-8")
    return directory


def test_a_template_is_listed_built_becomes_stale_and_is_deleted(project: Path, cache: Path) -> None:
    own = ("--vm-templates-path", "templates")
    listed = _template(project, "list", *own, cache=cache)
    assert listed.returncode == 0, listed.stderr
    lines = {line.split()[0]: line for line in listed.stdout.splitlines()}
    assert lines["mode"] == "mode namespace"
    assert lines["debian-base"].endswith("1 vCPU 1 GB  built")
    assert lines["tiny"].endswith("1 vCPU 1 GB  not built")
    assert "Kubernetes needs a kernel of its own" in lines["debian-k3s"]

    built = _template(project, "build", "tiny", *own, cache=cache)
    assert "tiny is built (" in built.stdout, built.stderr
    assert "template tiny: ready" in built.stdout
    refused = _template(project, "delete", "debian-base", *own, cache=cache)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "stands on it. Remove that first." in refused.stderr

    (project / "templates" / "tiny" / "template.toml").write_text('base = "debian-base"\n', encoding="utf-8")
    assert "  stale\n" in _template(project, "list", *own, cache=cache).stdout
    gone = _template(project, "delete", "--stale", *own, cache=cache)
    assert gone.stdout.startswith("deleted tiny-")
    assert _template(project, "delete", "tiny", *own, cache=cache).stdout == "nothing to delete.\n"


def test_mistakes_are_one_line(project: Path) -> None:
    for words, said in (
        (("build", "debian-podmn"), "there is no template 'debian-podmn'. Did you mean 'debian-podman'?"),
        (("build", "debian-k3s"), "mode namespace: template debian-k3s needs kubernetes: "),
        (("delete",), "template delete: needs NAME or --stale."),
        (("list", "--vm-templates-path", "nowhere"), "nowhere: no such folder."),
        (("list", "-m", "host"), "--mode host: its hosts are registered, not made from templates."),
    ):
        done = _template(project, *words)
        assert done.returncode == 2, (words, done.stderr)
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("template", "definition", "status", "said"),
    [
        ("tiny", 'package = ["curl"]', 4, "tiny/template.toml: /package: no such field. Did you mean 'packages'?"),
        ("tinny", 'base = "debian-base"', 0, "there is no template 'tinny'. Did you mean 'tiny'?"),
        ("tiny", 'base = "debian-base"\nrequires = ["own-kernel"]', 0, "template tiny needs own-kernel: "),
    ],
)
def test_a_wrong_definition_stops_a_session_and_a_template_that_cannot_be_had_skips_its_scenarios(
    project: Path, images: None, template: str, definition: str, status: int, said: str
) -> None:
    (project / "templates" / "tiny" / "template.toml").write_text(definition, encoding="utf-8")
    scenario = project / "scenarios" / "a"
    scenario.mkdir(parents=True)
    rule = {"label": "says it", "validator": "pattern_match", "where": "job_resolution", "pattern": "x"}
    words = dict.fromkeys(("key", "title", "description", "ticket_title", "ticket_body"), "a")
    document = {**words, "hosts": [{"host_name": "a", "template": template}], "bench": {"outcome": [rule]}}
    (scenario / "scenario.json").write_text(json.dumps(document), encoding="utf-8")

    done = _run(project, "pytest", "scenarios/", "--mode", "namespace", "--vm-templates-path", "templates", "-rs")

    shown = " ".join((done.stdout + done.stderr).split())
    assert said in shown
    assert done.returncode == status
    assert "Traceback" not in shown
