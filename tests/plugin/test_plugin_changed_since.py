"""``--changed-since``: only what a change touches is run."""

from __future__ import annotations

import json
import subprocess

import pytest
from support.plugin_project import FOUND, Project

KEYS = ("disk/001", "web/001", "web/002")


def git(project: Project, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *words], cwd=project.root, check=True, capture_output=True)


@pytest.fixture
def repository(project: Project) -> Project:
    """Three scenarios, one of which depends on a shared file and another on a template of its own."""
    project.write("shared/rules.md", "be careful")
    project.write("machines/big/template.toml", 'packages = ["nginx"]\nbase = "small"\n')
    project.write("machines/small/template.toml", 'packages = ["curl"]\n')
    project.scenario("disk/001")
    project.scenario("web/001", bench={"outcome": [FOUND], "depends_on": ["../../../shared/**"]})
    project.scenario("web/002", hosts=[{"host_name": "web-01", "template": "big"}])
    project.write(".gitignore", "*\n!*/\n!scenarios/**\n!shared/**\n!machines/**\n!conftest.py\n*.ignored\n")
    git(project, "init")
    git(project, "add", ".")
    git(project, "commit", "-m", "all of it")
    return project


def selected(project: Project, *arguments: str) -> set[str]:
    outcome = project.run("--collect-only", "-q", "--vm-templates-path", "machines", *arguments)
    assert outcome.status in (0, 5), outcome.out
    return {key for key in KEYS if f"scenarios/{key}/" in outcome.out}


@pytest.mark.parametrize(
    ("file", "touched"),
    [
        ("scenarios/disk/001/prepare.yml", {"disk/001"}),
        ("scenarios/disk/001/files/deep/new.conf", {"disk/001"}),
        ("scenarios/disk/001/note.ignored", set()),
        ("scenarios/disk/0011/new.txt", set()),
        ("shared/rules.md", {"web/001"}),
        ("shared/more/rules.md", {"web/001"}),
        ("machines/big/template.toml", {"web/002"}),
        ("machines/small/files/motd", {"web/002"}),
        ("scenarios/conftest.py", set(KEYS)),
        ("scenarios/web/conftest.py", {"web/001", "web/002"}),
        ("scenarios/readme.md", set()),
    ],
)
def test_a_change_selects_what_depends_on_it(repository: Project, file: str, touched: set[str]) -> None:
    path = repository.root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + "\n# changed\n")
    assert selected(repository, "--changed-since", "HEAD") == touched
    git(repository, "add", "-A")
    git(repository, "commit", "--allow-empty", "-m", "a change")
    assert selected(repository, "--changed-since", "HEAD~1") == touched
    assert selected(repository, "--changed-since", "HEAD") == set()


def test_a_link_out_of_the_folder_is_followed_and_a_deleted_file_counts(repository: Project) -> None:
    repository.write("elsewhere/role.yml", "- hosts: all")
    (repository.root / "scenarios/disk/001/role.yml").symlink_to("../../../elsewhere/role.yml")
    (repository.root / "scenarios/web/001/extra.yml").write_text("x")
    git(repository, "add", "-f", ".")
    git(repository, "commit", "-m", "a link")
    repository.write("elsewhere/role.yml", "- hosts: none")
    assert selected(repository, "--changed-since", "HEAD") == {"disk/001"}
    (repository.root / "scenarios/web/001/extra.yml").unlink()
    assert selected(repository, "--changed-since", "HEAD") == {"disk/001", "web/001"}


def test_what_others_changed_since_the_branches_parted_is_no_change(repository: Project) -> None:
    git(repository, "checkout", "-b", "ours")
    repository.write("scenarios/disk/001/ours.txt", "x")
    git(repository, "add", ".")
    git(repository, "commit", "-m", "ours")
    git(repository, "checkout", "main")
    repository.write("scenarios/web/001/theirs.txt", "x")
    git(repository, "add", ".")
    git(repository, "commit", "-m", "theirs")
    git(repository, "checkout", "ours")
    assert selected(repository, "--changed-since", "main") == {"disk/001"}


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_nothing_touched_is_no_failure(repository: Project, workers: tuple[str, ...]) -> None:
    outcome = repository.run("--changed-since", "HEAD", *workers, apart=bool(workers))
    assert outcome.status == 0, outcome.out
    assert "--changed-since HEAD: it touches no scenario" in outcome.out


def test_only_the_touched_one_runs_with_its_verdict(repository: Project) -> None:
    repository.write("scenarios/disk/001/ours.txt", "x")
    outcome = repository.run("--changed-since", "HEAD", "--require", "compliance>=1", "-k", "disk or web")
    assert outcome.status in (0, 1), outcome.out
    assert "disk/001" in outcome.out
    assert "web/001" not in outcome.out


def test_a_wrong_revision_and_a_folder_without_git_are_one_line(repository: Project) -> None:
    message = repository.run("--changed-since", "mian").usage_error()
    assert "--changed-since mian: the repository has no such revision." in message
    assert "--output=x" in repository.run("--changed-since=--output=x").usage_error()
    for path in sorted((repository.root / ".git").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    (repository.root / ".git").rmdir()
    assert "not a git repository" in repository.run("--changed-since", "HEAD").usage_error()


def test_the_field_is_no_new_version(repository: Project) -> None:
    """What a scenario depends on only selects; its runs stay comparable."""
    from pytest_2501bench.scenario.load import load_scenario

    file = repository.root / "scenarios/web/001/scenario.json"
    before = load_scenario(file).digests
    document = json.loads(file.read_text())
    document["bench"]["depends_on"] = ["../*.md"]
    file.write_text(json.dumps(document))
    assert load_scenario(file).digests == before
