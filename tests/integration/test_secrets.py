"""Keys and passwords are in nothing that a session shows, keeps or starts: canaries are planted, all is searched."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from fake_servicenow.process import fake_servicenow
from support.benchmark import AGENTS, command, environment
from support.canaries import Watch, canary, found_below, found_in
from support.fake_engine import fake_engine
from support.postgres import PostgresServer

from pytest_2501bench.errors import BenchError
from pytest_2501bench.evidence.folder import runs_in
from pytest_2501bench.evidence.log import read_evidence
from pytest_2501bench.evidence.model import Evidence
from pytest_2501bench.sandbox.namespace.provider import default_cache_dir
from pytest_2501bench.store.repository import Store

AGENT = str(AGENTS / "leaks_its_key.py")
SHOW_ALL = ("-vv", "-rA", "--tb=long", "--showlocals", "--log-level=DEBUG", "-o", "junit_logging=all")
PREPARE = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: what a playbook's commands see, there and here
      ansible.builtin.raw: env
    - name: here
      ansible.builtin.command: env
      delegate_to: localhost
"""
CONFTEST = """\
import os

def pytest_2501bench_checks(run):
    return {"fails": fails}

def fails(report, evidence, sandbox, gateway, scenario_run, bench_settings, bench_db, pytestconfig, request):
    whole = [vars(scenario_run), scenario_run.session, sandbox.hosts, bench_db.target]
    assert not scenario_run, f"{bench_settings} {whole} {gateway}"
"""


@dataclass
class Place:
    """A project, and folders of its own for everything that a session writes."""

    root: Path

    @property
    def produced(self) -> tuple[Path, ...]:
        return tuple(self.root / name for name in ("project", "bench", "cache", "t"))

    def start(self, *arguments: str, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        words = command("scenarios", *arguments, bench_dir=self.root / "bench")
        places = {"TMPDIR": str(self.root / "t"), "BENCH_CACHE_DIR": str(self.root / "cache")}
        places["GITHUB_STEP_SUMMARY"] = str(self.root / "project" / "summary.md")
        return subprocess.Popen(
            words,
            cwd=self.root / "project",
            env=environment(**places, FOUND=str(self.root / "found-on-host"), **env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def evidence(self) -> Evidence:
        return read_evidence(next(iter(runs_in(self.root / "bench"))).evidence)


@pytest.fixture
def place() -> Iterator[Place]:
    root = Path(tempfile.mkdtemp(prefix="cny-", dir="/tmp"))  # short: sockets' paths are limited
    images = default_cache_dir() / "namespace"
    (root / "cache" / "namespace").mkdir(parents=True)
    for name in ("rootfs", "layers"):
        (root / "cache" / "namespace" / name).symlink_to(images / name)
    for name in ("project/scenarios/a", "bench", "t"):
        (root / name).mkdir(parents=True)
    (root / "project" / "pytest.ini").write_text("[pytest]\naddopts = -p no:randomly -p no:cacheprovider\n")
    (root / "project" / "conftest.py").write_text(CONFTEST)
    rule = {"label": "never", "validator": "pattern_match", "pattern": "never said", "where": "job_resolution"}
    told = {"label": "told", "validator": "pattern_match", "pattern": "echo .*left", "where": "executed_commands"}
    scenario = {
        **{name: name for name in ("title", "description", "ticket_title", "ticket_body")},
        "key": "a",
        "hosts": [{"host_name": "web-01", "template": "debian-base"}],
        "validation": {"tasks": [told | {"negate": True}]},  # its finding quotes what the agent ran
        "bench": {"outcome": [rule]},
    }
    (root / "project" / "scenarios" / "a" / "scenario.json").write_text(json.dumps(scenario))
    (root / "project" / "scenarios" / "a" / "prepare.yml").write_text(PREPARE)
    yield Place(root)
    for name in ("rootfs", "layers"):
        (root / "cache" / "namespace" / name).unlink()
    shutil.rmtree(root, ignore_errors=True)


@pytest.mark.namespace
def test_an_agent_that_spreads_its_key_spreads_it_into_nothing_that_is_kept(place: Place) -> None:
    key, word, filed, mine = canary("agent"), canary("argv"), canary("envfile"), canary("mine")
    (place.root / "env").write_text(f"ENGINE_API_KEY={shlex.quote(filed)}\nSERVICENOW_PASSWORD='{filed[:30]}'\n")
    summary = place.root / "project" / "junit.xml"
    with Watch([filed], engines=[mine], agents=[key]) as watch:
        session = place.start(
            *("--agent-command", shlex.join([AGENT, "--api-key", word, f"token={word}"])),
            *("--bench-env-file", str(place.root / "env"), *SHOW_ALL),
            *(f"--junitxml={summary}", f"--html={place.root / 'project' / 'r.html'}", "--self-contained-html"),
            env={"AGENT_KEY": key, "BENCH_AGENT_ENV": "AGENT_KEY,FOUND", "AWS_SECRET_ACCESS_KEY": mine},
        )
        output = session.communicate(timeout=120)[0]

    assert b" failed" in output, output.decode()
    assert found_in("output", output) == []
    assert found_below(*place.produced) == []
    assert watch.found == set()
    assert watch.seen >= {"sandbox", "playbook", "agent", "engine"}
    assert (place.root / "found-on-host").read_text() == ""
    # It did spread it.
    text = place.evidence().model_dump_json()
    assert text.count("[AGENT_KEY]") > 20
    assert text.count("[PRIVATE KEY]") > 5
    for name in ("junit.xml", "r.html", "summary.md"):
        assert (place.root / "project" / name).stat().st_size > 500


@pytest.mark.namespace
@pytest.mark.postgres
def test_with_postgresql_servicenow_and_workers_no_password_is_kept(place: Place) -> None:
    key, database, engine, snow = canary("agent"), canary("db"), canary("engine"), canary("snow")
    with PostgresServer() as server, fake_servicenow("--user", f"bench:{snow}") as fake:
        name = server.new_database()
        quoted = database.replace("'", "''")
        server.execute(f"CREATE ROLE canary SUPERUSER LOGIN PASSWORD '{quoted}'")
        with Watch([database, quote(database, ""), engine, snow], agents=[key], not_in=[fake.pid]) as watch:
            session = place.start(
                *("--agent-command", AGENT, "--gateway", "servicenow", "--iter", "2", "-n", "2", *SHOW_ALL),
                *(f"--junitxml={place.root / 'project' / 'junit.xml'}", f"--html={place.root / 'project' / 'r.html'}"),
                env={
                    **{"AGENT_KEY": key, "BENCH_AGENT_ENV": "AGENT_KEY,FOUND", "ENGINE_API_KEY": engine},
                    **{"SERVICENOW_URL": fake.url, "SERVICENOW_USER": "bench", "SERVICENOW_PASSWORD": snow},
                    "DATABASE_URL": server.url(name, user="canary", password=quote(database, "")),
                },
            )
            output = session.communicate(timeout=180)[0]
        dump = subprocess.run(
            [server.bin / "pg_dump", "-h", server.directory, "-p", str(server.port), "-U", "admin", name],
            capture_output=True,
            check=True,
        ).stdout
        tickets = json.dumps([fake.rows(table) for table in ("incident", "sys_journal_field", "sys_attachment")])

    assert b" failed" in output, output.decode()
    assert found_in("output", output) == []
    assert found_in("database", dump) == []
    assert found_in("ServiceNow", tickets.encode()) == []
    assert found_below(*place.produced) == []
    assert watch.found == set()
    assert watch.seen >= {"sandbox", "playbook", "agent", "engine"}
    assert b"[AGENT_KEY]" in dump
    assert "[AGENT_KEY]" in tickets


@pytest.mark.namespace
def test_an_interrupted_session_that_shows_all_its_variables_shows_no_secret(place: Place) -> None:
    key, engine, database = canary("agent"), canary("engine"), canary("db")
    ready = place.root / "ready"
    session = place.start(
        *("--agent-command", AGENT, "--full-trace", *SHOW_ALL),
        env={
            **{"AGENT_KEY": key, "BENCH_AGENT_ENV": "AGENT_KEY,FOUND,WAIT", "WAIT": str(ready)},
            **{"ENGINE_API_KEY": engine, "SERVICENOW_PASSWORD": database},
        },
    )
    deadline = time.monotonic() + 60
    while not ready.exists():
        assert session.poll() is None, session.communicate()[0].decode()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(session.pid, signal.SIGINT)
    output = session.communicate(timeout=60)[0]

    assert b"KeyboardInterrupt" in output
    assert found_in("output", output) == []
    assert found_below(*place.produced) == []


@pytest.mark.postgres
def test_a_database_that_refuses_the_password_is_named_without_it(tmp_path: Path) -> None:
    word = canary("db")
    with PostgresServer() as server:
        at_server = server.url("postgres", password=quote(word, ""))
        with pytest.raises(BenchError) as refused:
            Store.open(at_server, tmp_path)
    with pytest.raises(BenchError) as silent:
        Store.open(at_server, tmp_path)
    for error in (refused, silent):
        assert found_in("error", "".join(traceback.format_exception(error.value)).encode()) == []


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:{}@127.0.0.1:1/d",
        "postgresql://u:{}/d",
        "postgresql://{}@127.0.0.1:1",
        "postgresql://u:{}@127.0.0.1:x/d",
        "postgresql://127.0.0.1:1/d?password={}",
        "postgresql://127.0.0.1:1/d?password={}&nonsense=1",
        "postgresql://127.0.0.1:1/d?sslpassword={}&sslmode=wrong",
        "mysql://u:{}@h/d",
        "u:{}@h/d",
        "{}",
    ],
)
@pytest.mark.parametrize("quoted", [True, False])
def test_a_wrong_database_url_is_explained_without_its_password(tmp_path: Path, url: str, quoted: bool) -> None:
    word = canary("db")
    with pytest.raises(BenchError) as error:
        Store.open(url.format(quote(word, "") if quoted else word), tmp_path)
    assert found_in("error", "".join(traceback.format_exception(error.value)).encode()) == []


def test_preflight_errors_of_engine_and_servicenow_show_no_key(place: Place) -> None:
    engine, snow = canary("engine"), canary("snow")
    with fake_servicenow() as fake, fake_engine(lambda method, path: (401, {"detail": "no"})) as refusing:
        errors: list[str] = []
        for more in (
            {"ENGINE_URL": refusing.url},
            {"ENGINE_URL": f"http://user:{quote(engine, '')}@127.0.0.1:1"},
            {"SERVICENOW_URL": fake.url, "SERVICENOW_USER": "bench", "SERVICENOW_PASSWORD": snow},
            {"SERVICENOW_URL": fake.url, "SERVICENOW_CLIENT_ID": "bench-client", "SERVICENOW_CLIENT_SECRET": snow},
            {"BENCH_AGENT_COMMAND": f"agent --token {snow[:20]} 'unbalanced"},
            {"BENCH_MIRROR": f"http://user:{quote(snow, '')}@mirror.example/debian"},
        ):
            gateway = ("--gateway", "servicenow") if "SERVICENOW_URL" in more else ()
            session = place.start(*SHOW_ALL, *gateway, env={"ENGINE_API_KEY": engine, **more})
            output = session.communicate(timeout=60)[0]
            assert session.returncode == pytest.ExitCode.USAGE_ERROR, output.decode()
            errors += found_in(str(more), output)
    assert errors == []
    assert found_below(*place.produced) == []
