"""The recipes of examples/agents: the agent in one file repairs nginx, the scripts call their programs rightly."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.benchmark import ROOT, benchmark

from pytest_2501bench.scoring.model import Status

RECIPES = ROOT / "examples" / "agents"
NGINX = "scenarios/nginx/001-broken-config"
KEY = "sk-canary-0123456789"
STEPS = (
    "nginx -t",
    "cp -p /etc/nginx/sites-available/shop /root/shop.conf.before",
    r"sed -i 's/^\( *expires 7d\)$/\1;/' /etc/nginx/sites-available/shop",
    "nginx -t",
    "service nginx start",
)
REPORT = "nginx runs again. A semicolon was missing in /etc/nginx/sites-available/shop."
# Before its first step the model makes nonsense, which an agent has to survive.
CALLS = ["{no json", json.dumps({"hostname": "web-01"}), *(json.dumps({"host": "web-01", "command": c}) for c in STEPS)]


@contextmanager
def replayed_model() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Give the address of an OpenAI-compatible endpoint that replays CALLS and then REPORT, and what it was asked."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append({"path": self.path, "key": self.headers["authorization"], **body})
            turn = sum(message["role"] == "tool" for message in body["messages"])
            message: dict[str, Any] = {"role": "assistant", "content": REPORT}
            if turn < len(CALLS):
                call = {"name": "run", "arguments": CALLS[turn]}
                message["tool_calls"] = [{"id": f"c{turn}", "type": "function", "function": call}]
                message["content"] = None
            data = json.dumps({"choices": [{"index": 0, "message": message}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.namespace
def test_the_agent_in_one_file_repairs_nginx_with_both_gates_green(tmp_path: Path) -> None:
    with replayed_model() as (url, asked):
        finished = benchmark(
            *(NGINX, "--agent-command", str(RECIPES / "python_agent.py"), "--main-engine", "some-model"),
            bench_dir=tmp_path,
            env={"BENCH_AGENT_ENV": "OPENAI_API_KEY,OPENAI_BASE_URL", "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url},
        )

    assert finished.status == 0, finished.output
    report = finished.reports[NGINX]
    assert (report.task_validation.status, report.compliance.status) == (Status.PASSED, Status.PASSED)
    job = finished.evidence(NGINX).job
    assert job is not None
    assert job.tasks is not None
    (task,) = job.tasks
    assert task.summary == REPORT
    assert [command.command for command in task.executed_commands or ()] == list(STEPS)
    assert [command.command for command in task.claimed_commands or ()] == list(STEPS)
    assert {(request["path"], request["key"], request["model"]) for request in asked} == {
        ("/v1/chat/completions", f"Bearer {KEY}", "some-model")
    }
    errors = [message["content"] for message in asked[-1]["messages"] if message["role"] == "tool"][:2]
    assert all(error.startswith("error: ") for error in errors)
    assert "shop.example.com" in asked[0]["messages"][1]["content"]


STUB = """\
#!/bin/sh
# Stands for the program of a recipe: tells how it was called.
printf '%s\\n' "$@" > "$HOME/arguments"
cat > "$HOME/input"
echo said
exit 7
"""
PROGRAMS = {
    "claude_code.sh": ("claude", ["--print", "--allowedTools", "--model\nfast"]),
    "codex.sh": ("codex", ["exec", "--skip-git-repo-check", "--sandbox\ndanger-full-access", "--model\nfast"]),
    "gemini.sh": ("gemini", ["--approval-mode\nyolo", "--skip-trust", "--model\nfast", "--prompt"]),
    "goose.sh": ("goose", ["run", "--no-session", "--model\nfast", "--instructions\n-"]),
    "mini_swe_agent.sh": ("mini", ["--yolo", "--exit-immediately", "--model\nfast", "--task"]),
    "opencode.sh": ("opencode", ["run", "--auto", "--model\nfast"]),
}


@pytest.mark.parametrize("recipe", sorted(PROGRAMS))
@pytest.mark.parametrize("model", ["fast", ""])
def test_a_recipe_hands_over_instructions_ticket_model_and_further_flags(
    tmp_path: Path, recipe: str, model: str
) -> None:
    program, words = PROGRAMS[recipe]
    stub = tmp_path / "bin" / program
    stub.parent.mkdir()
    stub.write_text(STUB)
    stub.chmod(0o755)
    (tmp_path / "ticket.md").write_text("# The shop is down\n\nHosts: web-01\n")
    env = {"HOME": str(tmp_path), "PATH": f"{stub.parent}:{os.environ['PATH']}"}
    env |= {"BENCH_TICKET": str(tmp_path / "ticket.md")} | ({"BENCH_MAIN_ENGINE": model} if model else {})

    ran = subprocess.run(
        [RECIPES / recipe, "--further", "two words"],
        cwd=tmp_path,
        env=env,
        input="# The shop is down\n",
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stdout, ran.stderr) == (7, "said\n", ""), "how the program ends is how the agent ends"
    arguments = (tmp_path / "arguments").read_text()
    told = arguments + (tmp_path / "input").read_text()
    assert "\n--further\ntwo words\n" in arguments
    assert told.count("You are an operations engineer.") == told.count("# The shop is down\n") == 1
    for word in words:
        assert (f"{word}\n" in arguments) == (bool(model) or "--model" not in word)


def test_every_recipe_is_in_the_table_and_every_row_has_its_recipe() -> None:
    rows = [line for line in (RECIPES / "README.md").read_text().splitlines() if line.startswith("| `")]
    named = {line.split("`")[1] for line in rows if line.split("`")[1].endswith((".sh", ".py"))}
    assert named == {path.name for path in RECIPES.iterdir() if path.suffix in {".sh", ".py"}}
    assert set(PROGRAMS) | {"shell_agent.sh", "python_agent.py"} == named


@pytest.mark.namespace
def test_the_first_agent_looks_around_and_changes_nothing(tmp_path: Path) -> None:
    agent = str(RECIPES / "shell_agent.sh")
    finished = benchmark("scenarios/disk/001-filling-disk", "--agent-command", agent, bench_dir=tmp_path)

    (name,) = finished.reports
    assert finished.reports[name].task_validation.status is Status.FAILED, finished.output
    job = finished.evidence(name).job
    assert job is not None
    assert job.resolution_status == "no_action"
    assert [task.claimed_commands for task in job.tasks or ()] == [None]
