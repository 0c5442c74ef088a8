"""Settings: option > environment > env file > ini > default, each with its source; secrets are never shown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.plugin_project import Project
from support.postgres import PASSWORD, PostgresServer

from pytest_2501bench.options import OPTIONS, Option, OptionError, Settings, resolve

ROOT = Path("/root-of-a-project")
PLACES = ("option", "environment", "env file", "ini")
VALUES: dict[str, tuple[str, ...]] = {
    "iterations": ("1", "2", "3", "4"),
    "infra_retries": ("0", "1", "2", "3"),
    "agent": ("oracle", "noop", "other", "more"),
    "agent_limit": ("turns=5", "tokens=100000", "cost=1.5,time=60", "turns=9,cost=2"),
    "require": ("pass-rate>=0.9", "both>=1 compliance>=0.5", "pass@3>=0.8", "web:both>=0.9"),
    "fail_on_regression": ("earlier", "last", "last~1", "commit=abc,agent=llm"),
    "changed_since": ("main", "HEAD~1", "v1", "abc123"),
    "stop_when_decided": ("no", "off", "0", "false"),
    "selfcheck": ("no", "off", "0", "false"),
    "matrix": ("main-engine=a", "main-engine=b,c", "main-engine=x", "main-engine=y"),
    "incus_vm": ("yes", "no", "true", "false"),
    "keep_sandbox": ("all", "failed", "none", "all"),
    "record": ("always", "never", "auto", "always"),
    "collateral": ("always", "never", "auto", "always"),
    "parallel_ram_cap": ("1", "2.5", "30", "4"),
    "report": ("a.html", "b.html", "c/d.html", "report"),
}
PATHS = ("bench_dir", "hosts", "report", "vm_templates_path")


def values_of(option: Option) -> tuple[str, ...]:
    return VALUES.get(option.name, ("one", "two", "three", "four"))


def settle(tmp: Path, given_in: dict[str, dict[str, str]]) -> Settings:
    """Resolve what is given in each place: place → option's name → text."""
    env_file = None
    if "env file" in given_in:
        env_file = tmp / "bench.env"
        env = {option.name: option.env for option in OPTIONS}
        env_file.write_text("".join(f"{env[name]}={text}\n" for name, text in given_in["env file"].items()))
    env_of = {option.name: option.env for option in OPTIONS}
    return resolve(
        given_in.get("option", {}),
        given_in.get("ini", {}),
        {env_of[name]: text for name, text in given_in.get("environment", {}).items()},
        tmp,
        None if env_file is None else str(env_file.relative_to(tmp)),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("options")


@hypothesis.settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_nearest_place_wins_and_is_named(folder: Path, data: st.DataObject) -> None:
    given_in: dict[str, dict[str, str]] = {place: {} for place in PLACES}
    expected: dict[str, tuple[str, str]] = {}
    for option in OPTIONS:
        possible = [
            place
            for place in PLACES
            if not (place == "option" and option.flag is None) and not (place == "ini" and not option.ini)
        ]
        chosen = data.draw(st.sets(st.sampled_from(possible)), label=option.name)
        if option.name == "matrix" and "main_engine" in expected:
            continue  # the two exclude each other
        if option.name in ("selfcheck_report", "selfcheck_results"):
            continue  # they need another option
        for place, text in zip(PLACES, values_of(option), strict=True):
            if place in chosen:
                given_in[place][option.name] = text
        for place in PLACES:
            if place in chosen:
                expected[option.name] = (place, given_in[place][option.name])
                break
    settings = settle(folder, given_in)
    for option in OPTIONS:
        if option.name not in expected:
            if option.name != "agent":  # which follows from agent_command
                assert settings.sources[option.name] == "default"
            continue
        place, text = expected[option.name]
        source = {
            "option": option.flag,
            "environment": f"{option.env} in the environment",
            "env file": f"{option.env} in bench.env",
            "ini": f"ini bench_{option.name}",
        }[place]
        assert settings.sources[option.name] == source
        found = getattr(settings, option.name)
        assert found == (folder / text if option.name in PATHS else option.parse(text))


def test_a_self_check_plays_the_oracle_on_a_local_engine_and_stores_nothing(tmp_path: Path) -> None:
    outside = {"engine_url": "http://127.0.0.1:1", "engine_api_key": "x", "database_url": "sqlite:///x.db"}
    settings = settle(tmp_path, {"option": {"selfcheck": "yes"}, "environment": outside})

    assert (settings.agent, settings.gateway) == ("oracle", "runner")
    assert (settings.engine_url, settings.engine_api_key, settings.database_url) == (None, None, None)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"selfcheck": "yes", "agent": "noop"}, "--agent noop cannot"),
        ({"selfcheck": "yes", "require": "pass-rate>=0.9"}, "--require has nothing to say"),
        ({"selfcheck_report": "x.md"}, "--selfcheck-report: needs --selfcheck"),
        ({"selfcheck_results": "x.jsonl"}, "--selfcheck-results: needs --selfcheck"),
    ],
)
def test_what_has_no_meaning_in_a_self_check_is_refused(tmp_path: Path, asked: dict[str, str], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        settle(tmp_path, {"option": asked})


def test_without_anything_all_are_defaults() -> None:
    settings = resolve({}, {}, {}, ROOT, None)
    assert set(settings.sources.values()) == {"default"}
    assert (settings.mode, settings.gateway, settings.agent, settings.iterations) == ("host", "runner", "oracle", 1)
    assert settings.bench_dir == ROOT / ".2501bench"
    assert settings.scenarios == ()


@pytest.mark.parametrize(
    ("environ", "agent", "source"),
    [
        ({}, "oracle", "default"),
        ({"ENGINE_URL": "http://engine"}, None, "default"),
        ({"BENCH_AGENT_COMMAND": "run it"}, "command", "BENCH_AGENT_COMMAND in the environment"),
        ({"BENCH_AGENT_COMMAND": "run it", "BENCH_AGENT": "noop"}, "noop", "BENCH_AGENT in the environment"),
        ({"BENCH_AGENT": "noop", "ENGINE_URL": "http://engine"}, "noop", "BENCH_AGENT in the environment"),
    ],
)
def test_the_agent_follows_from_what_is_known(environ: dict[str, str], agent: str | None, source: str) -> None:
    settings = resolve({}, {}, environ, ROOT, None)
    assert (settings.agent, settings.sources["agent"]) == (agent, source)


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    (tmp_path / "bench.env").write_text("BENCH_ITER=3\nORG_ID=\n")
    settings = resolve({}, {}, {"BENCH_ITER": "", "ORG_ID": ""}, tmp_path, "bench.env")
    assert (settings.iterations, settings.org_id) == (3, None)


def test_an_env_file_may_quote_export_and_comment(tmp_path: Path) -> None:
    text = "# who\nexport ORG_ID='org_1' # ours\n\nUSER_ID=\"usr 1\"\nUNKNOWN=1\nBROKEN\n"
    (tmp_path / "bench.env").write_text(text)
    settings = resolve({}, {}, {}, tmp_path, "bench.env")
    assert (settings.org_id, settings.user_id) == ("org_1", "usr 1")


def test_an_env_file_reaches_no_other_process(tmp_path: Path) -> None:
    (tmp_path / "bench.env").write_text("ENGINE_API_KEY=canary\n")
    resolve({}, {}, {}, tmp_path, "bench.env")
    assert "canary" not in os.environ.values()


def test_words_and_commands_are_parsed() -> None:
    given_as = {"scenarios": " nginx/001, web ,,nginx/001", "agent_command": "run 'two words' --fast"}
    settings = resolve(given_as, {}, {}, ROOT, None)
    assert settings.scenarios == ("nginx/001", "web", "nginx/001")
    assert settings.agent_command == ("run", "two words", "--fast")


@hypothesis.settings(deadline=None)
@given(text=st.text(st.characters(exclude_characters="\0"), max_size=20))
def test_any_text_is_a_number_of_iterations_or_one_clear_line(text: str) -> None:
    try:
        settings = resolve({"iterations": text}, {}, {}, ROOT, None)
    except OptionError as error:
        told = str(error)
    else:
        assert settings.iterations >= 1
        return
    assert told.startswith("--iter ")
    assert told.endswith(("must be a whole number.", "must be 1 or more."))


@hypothesis.settings(deadline=None)
@given(text=st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=40))
def test_any_text_is_an_agent_command_or_one_clear_line(text: str) -> None:
    try:
        settings = resolve({"agent_command": text}, {}, {}, ROOT, None)
    except OptionError as error:
        told = str(error)
    else:
        assert settings.agent_command
        return
    assert told.startswith("--agent-command ")


SECRETS = {option.env: f"canary-{option.name}" for option in OPTIONS if option.secret}


def test_secrets_are_in_no_representation() -> None:
    assert SECRETS.keys() == {"DATABASE_URL", "ENGINE_API_KEY"}
    settings = resolve({}, {}, SECRETS, ROOT, None)
    assert settings.engine_api_key == "canary-engine_api_key"
    for shown in (repr(settings), str(settings), repr(settings.public()), repr(settings.rows())):
        assert "canary" not in shown
    assert {"database url", "engine api key"} <= {name for name, _, _ in settings.rows()}


def test_a_wrong_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(text: str) -> Any:
        raise ValueError("is wrong")

    (key,) = [option for option in OPTIONS if option.name == "engine_api_key"]
    object.__setattr__(key, "parse", refuse)
    try:
        with pytest.raises(OptionError, match=r"^ENGINE_API_KEY \(from ENGINE_API_KEY in the environment\): is wrong"):
            resolve({}, {}, SECRETS, ROOT, None)
    finally:
        object.__setattr__(key, "parse", str)


EVERYTHING = ("-vv", "--junitxml=out/junit.xml", "--html=out/report.html", "--self-contained-html", "-l", "-rA")


def left_behind(project: Project) -> bytes:
    """All that a session with every report leaves, its terminal output included."""
    (project.root / "out").mkdir()
    project.monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.root / "out" / "step.md"))
    outcome = project.run(*EVERYTHING)
    assert outcome.status in (0, 1), outcome.out
    files = [path for path in project.root.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"junit.xml", "report.html", "step.md", "evidence.jsonl", "benchmark.json"}
    return b"\n".join([outcome.out.encode(), *(path.read_bytes() for path in files)])


@pytest.mark.parametrize("fault", [None, "gateway.poll", "provider.create", "provider.destroy"])
def test_the_engines_key_is_in_nothing_that_a_session_leaves(project: Project, fault: str | None) -> None:
    project.scenario("nginx/001")
    project.monkeypatch.setenv("ENGINE_API_KEY", "canary-of-the-engine")
    if fault:
        project.fault(fault, "ValueError")
    assert b"canary" not in left_behind(project)


@pytest.mark.postgres
def test_the_databases_password_is_in_nothing_that_a_session_leaves(project: Project) -> None:
    project.scenario("nginx/001")
    with PostgresServer() as server:
        project.monkeypatch.setenv("DATABASE_URL", server.url(server.new_database()))
        left = left_behind(project)
    assert PASSWORD.encode() not in left
    assert b"postgresql://bench:***@127.0.0.1" in left


def test_options_are_listed_with_their_help(project: Project) -> None:
    outcome = project.run("--help")
    for option in OPTIONS:
        if option.flag:
            assert option.flag in outcome.out
            assert not option.ini or f"bench_{option.name}" in outcome.out
