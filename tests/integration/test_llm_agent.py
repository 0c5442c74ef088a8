"""A whole benchmark with the agent ``llm``, whose model is a fake, ends like one with a program of the same steps."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from fake_model.process import fake_model
from fake_servicenow.process import fake_servicenow
from support.benchmark import AGENTS, ROOT, Finished, benchmark
from support.canaries import canary, found_below, found_in

from pytest_2501bench.scoring.model import Status

pytestmark = pytest.mark.namespace
NGINX = "scenarios/nginx/001-broken-config"
SCRIPT = ROOT / "tests" / "fake_model" / "shipped.json"
PROGRAM = shlex.join([str(AGENTS / "replays_script.py"), str(SCRIPT)])


def talks() -> list[dict[str, Any]]:
    """Return the script that the program follows, with some trouble on the way that must not decide anything."""
    (talk,) = [t for t in json.loads(SCRIPT.read_text())["talks"] if t["when"] == "shop.example.com is down"]
    steps = talk["steps"]
    steps[1]["text"] = "The semicolon is missing.\n\nI keep a copy first."
    steps[2]["faults"] = [{"status": 429, "retry_after": 0.1}, {"cut": True}]
    steps.insert(3, {"calls": [{"name": "run_command", "arguments": '{"host": "web-01", "comm'}]})
    return [talk]


def verdicts(finished: Finished) -> object:
    report = finished.reports[NGINX]
    gates = (report.task_validation, report.compliance)
    return [(gate.status, [(rule.label, rule.status) for rule in getattr(gate, "rules", ())]) for gate in gates]


def executed(finished: Finished) -> list[tuple[str, int | None, object]]:
    (task,) = finished.evidence(NGINX).job.tasks  # type: ignore[union-attr,misc]
    return [(c.command, c.exit_status, c.seen and c.seen.kind) for c in task.executed_commands or ()]


def test_a_model_and_a_program_that_do_the_same_have_the_same_verdicts(tmp_path: Path) -> None:
    key = canary("model")
    llm = ("--agent", "llm", "--main-engine", "fake/scripted", "--agent-limit", "turns=20,cost=5")
    with fake_model(talks(), "--key", key) as fake, fake_servicenow() as snow:
        env = fake.variables | {"FAKE_API_KEY": key, "BENCH_MODEL_PRICES": "fake/scripted=1:10"}
        direct = benchmark(NGINX, *llm, "--log-level=DEBUG", bench_dir=tmp_path / "direct", env=env)
        through = benchmark(
            *(NGINX, *llm, "--gateway", "servicenow"), bench_dir=tmp_path / "snow", env=env | snow.variables
        )
        tickets = json.dumps([snow.rows("incident"), snow.rows("sys_journal_field")])
        refused = benchmark(NGINX, *llm[:4], bench_dir=tmp_path / "refused", env=env | {"FAKE_API_KEY": f"{key[:-1]}-"})
    by_program = benchmark(NGINX, "--agent-command", PROGRAM, bench_dir=tmp_path / "program")

    assert by_program.status == 0, by_program.output
    assert direct.status == 0, direct.output
    assert through.status == 0, through.output
    assert verdicts(direct) == verdicts(through) == verdicts(by_program)
    assert executed(direct) == executed(through) == executed(by_program)
    commands = [command for command, _, _ in executed(direct)]
    assert len(commands) == 6
    for finished in (direct, through):
        job = finished.evidence(NGINX).job
        assert job is not None
        assert job.tasks is not None
        assert (job.resolution_summary or "").startswith("nginx is up again")
        assert job.main_engine == "fake/scripted"
        assert [claim.command for claim in job.tasks[0].claimed_commands or ()] == commands
        assert (job.tasks[0].input_tokens, job.tasks[0].output_tokens) == (800, 160)
        assert job.tasks[0].cost_usd == pytest.approx(0.0024)
        assert "I keep a copy first." in (job.tasks[0].agent_messages or ())
        text = (finished.folders[NGINX].evidence.parent / "messages.jsonl").read_text()
        roles = [json.loads(line)["role"] for line in text.splitlines()]
        assert (roles[:2], roles.count("assistant"), roles.count("tool")) == (["system", "user"], 8, 7)

    # A key that is not taken is nobody's failure.
    assert refused.reports[NGINX].task_validation.status is Status.ERROR, refused.output
    assert "model_unreachable" in refused.reports[NGINX].model_dump_json()
    assert "Check FAKE_API_KEY." in refused.output

    for name, finished in (("direct", direct), ("through", through), ("refused", refused)):
        assert found_in(name, finished.output.encode()) == []
    assert found_in("tickets", tickets.encode()) == []
    assert found_below(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "env", "why"),
    [
        ([], {}, "--agent llm: needs --main-engine PROVIDER/MODEL."),
        (["--main-engine", "gpt"], {}, "--main-engine gpt: is no PROVIDER/MODEL"),
        (["--main-engine", "openai/x"], {"OPENAI_API_KEY": ""}, "OPENAI_API_KEY is not set in the environment."),
        (["--matrix", "main-engine=lab/a,lab/b"], {}, "where is lab? LAB_BASE_URL is not set in the environment."),
        (["--main-engine", "openai/x", "--agent-limit", "turn=1"], {}, "--agent-limit turn=1: has no limit 'turn'"),
    ],
)
def test_a_model_that_cannot_be_asked_is_one_line_before_anything_runs(
    tmp_path: Path, options: list[str], env: dict[str, str], why: str
) -> None:
    finished = benchmark(NGINX, "--agent", "llm", *options, bench_dir=tmp_path, env=env)
    assert finished.status == pytest.ExitCode.USAGE_ERROR, finished.output
    (line,) = [line for line in finished.output.splitlines() if line.startswith("ERROR")]
    assert why in line
    assert "Traceback" not in finished.output
