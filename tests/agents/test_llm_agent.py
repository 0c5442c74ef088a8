"""The agent ``llm``: the real loop and client libraries, a real sshd, and the fake model server as a program."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fake_model.process import Fake, fake_model
from support.recorded_ssh import Log, assignment
from support.sshd import Sshd

from pytest_2501bench.agents.llm.agent import LlmAgent
from pytest_2501bench.agents.llm.executor import MISSTEPS
from pytest_2501bench.agents.protocol import Outcome
from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import ResolutionStatus
from pytest_2501bench.sandbox.protocol import Host

pytestmark = pytest.mark.sshd

WIRES = ("fake", "faked")  # OpenAI's and Anthropic's API
KEY = "sk-canary-0123456789abcdef"


class CountingLog(Log):
    """Keeps what was used, too."""

    used: tuple[int | None, int | None, float | None] = (None, None, None)

    def cost(self, *, input_tokens: int | None, output_tokens: int | None, cost_usd: float | None) -> None:
        self.used = (input_tokens, output_tokens, cost_usd)


class Journal:
    def __init__(self) -> None:
        self.logs: dict[str, CountingLog] = {}

    def task(self, task_id: str) -> CountingLog:
        return self.logs.setdefault(task_id, CountingLog())


@pytest.fixture(scope="module")
def fake() -> Iterator[Fake]:
    with fake_model([]) as server:
        yield server


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@dataclass
class Worked:
    outcome: Outcome | None
    error: BenchError | None
    journal: Journal
    folder: Path
    asked: list[dict[str, Any]] = field(default_factory=list)

    @property
    def log(self) -> CountingLog:
        return self.journal.logs["tsk_0"]

    @property
    def resolution(self) -> ResolutionStatus:
        assert self.outcome is not None, self.error
        return self.outcome.resolution

    @property
    def ran(self) -> list[str]:
        return [command.command for command in self.log.seen or ()]

    @property
    def messages(self) -> list[dict[str, Any]]:
        (file,) = self.folder.rglob("messages.jsonl")
        return [json.loads(line) for line in file.read_text().splitlines()]

    def told(self, number: int = -1) -> str:
        """Return what the model was last told in request *number*, in either API's form."""
        return json.dumps(self.asked[number]["body"]["messages"][-1], ensure_ascii=False)


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def run(command: str, **more: Any) -> dict[str, Any]:
    return {"calls": [call("run_command", host="web-01", command=command, **more)]}


def finish(status: str = "success", report: str = "All is well.", **more: Any) -> dict[str, Any]:
    return {"calls": [call("finish", status=status, report=report, **more)]}


@dataclass
class Bench:
    """A fake model server, a host, and a folder for what is written."""

    fake: Fake
    sshd: Sshd
    folder: Path

    def work(
        self,
        steps: Sequence[dict[str, Any]],
        *,
        model: str | None = "fake/executor",
        senior: Sequence[dict[str, Any]] = (),
        environment: Mapping[str, str] | None = None,
        key: str | None = None,
        hosts: Sequence[Host] = (),
        **more: Any,
    ) -> Worked:
        """Let scripted models work a ticket; *senior* has the talks of the secondary engine."""
        journal = Journal()
        self.fake.load([{"model": "executor", "steps": list(steps)}, *senior], key)
        given = assignment(hosts or [self.sshd.host()], self.folder, main_engine=model, **more)
        outcome = error = None
        try:
            outcome = asyncio.run(LlmAgent({**self.fake.variables, **(environment or {})}).work(given, journal))
        except BenchError as failure:
            error = failure
        return Worked(outcome, error, journal, self.folder, self.fake.requests())


@pytest.fixture
def bench(fake: Fake, sshd: Sshd, tmp_path: Path) -> Bench:
    return Bench(fake, sshd, tmp_path / "log")


@pytest.mark.parametrize("wire", WIRES)
def test_a_model_reads_runs_writes_and_reports(bench: Bench, tmp_path: Path, wire: str) -> None:
    path = tmp_path / "a file"
    path.write_text("before")
    worked = bench.work(
        [
            {"text": "Let me look.\n\nFirst the file.", "calls": [call("read_file", host="web-01", path=str(path))]},
            run("echo out; echo err >&2; exit 3"),
            {"calls": [call("write_file", host="web-01", path=str(path), content="nach – her\n", mode="0600")]},
            run(f"cat '{path}'"),
            finish(report="It is repaired.", memory="web-01 is fine"),
        ],
        model=f"{wire}/executor",
    )
    assert worked.outcome is not None, worked.error
    assert (worked.resolution, worked.outcome.summary) == (ResolutionStatus.SUCCESS, "It is repaired.")
    assert worked.outcome.memory == "web-01 is fine"
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("nach – her\n", 0o600)
    commands = ["echo out; echo err >&2; exit 3", f"cat '{path}'"]
    assert [line for line in worked.ran if not line.startswith("sftp: ")] == commands
    assert [line for line in worked.ran if line.startswith(("sftp: get", "sftp: put"))] == [
        f"sftp: get {path}",
        f"sftp: put {path}",
    ]
    assert [claim.command for claim in worked.log.claims or ()] == commands
    statuses = {command.command: command.exit_status for command in worked.log.seen or ()}
    assert statuses[commands[0]] == 3
    assert worked.log.messages[:4] == [
        *("Let me look.", "First the file.", f"web-01: read {path}", f"web-01$ {commands[0]}")
    ]
    assert worked.log.messages[4].startswith("exit status 3 (")
    assert "before" not in worked.log.messages  # what a host says is no message of the agent
    told = worked.told(2)
    assert "exit status 3" in told
    assert "stdout:\\nout" in told
    assert "stderr:\\nerr" in told
    assert worked.log.used == (500, 100, None)
    roles = [message["role"] for message in worked.messages]
    assert roles == ["system", "user", *["assistant", "tool"] * 4, "assistant"]
    assert [m["input_tokens"] for m in worked.messages if m["role"] == "assistant"] == [100] * 5


@pytest.mark.parametrize("wire", WIRES)
def test_malformed_calls_are_answered_with_what_is_wrong(bench: Bench, wire: str) -> None:
    mistakes: list[tuple[dict[str, Any], str]] = [
        ({"calls": [{"name": "run_command", "arguments": '{"host": "web-01", '}]}, "no valid JSON"),
        ({"calls": [{"name": "run_comand", "arguments": {}}]}, "Did you mean run_command?"),
        ({"calls": [call("run_command", host="db-01", command="id")]}, "not one of the ticket's hosts: web-01"),
        ({"calls": [call("run_command", host="web-01")]}, "command: Field required"),
        (run("true"), "exit status 0"),  # what is carried out makes up for mistakes before it
        ({"calls": [{"name": "finish", "arguments": "[1]"}]}, "must be a JSON object"),
        ({"text": "I think it works."}, "You called no tool"),
        ({}, "You called no tool"),
        ({"calls": [call("read_file", host="web-01", path="/none", more=1)]}, "Extra inputs"),
        (run("true"), "exit status 0"),
        ({"text": "cut", "too_long": True}, "Your answer was cut off"),
        ({"calls": [call("read_file", host="web-01", path="/no/such")]}, "could not be read"),
    ]
    steps = [step for step, _ in mistakes]
    worked = bench.work([*steps, finish("failure", "No.")], model=f"{wire}/executor")
    assert worked.resolution is ResolutionStatus.AGENTIC_FAILURE
    for number, (step, why) in enumerate(mistakes):
        assert why in worked.told(number + 1), step
    assert [line for line in worked.ran if "sftp" not in line] == ["true", "true"]


def test_a_model_that_calls_nothing_usable_any_more_has_failed(bench: Bench) -> None:
    worked = bench.work([{"text": f"thought {n}"} for n in range(9)])
    assert worked.resolution is ResolutionStatus.AGENTIC_FAILURE
    assert worked.outcome is not None
    assert worked.outcome.summary.startswith(f"{MISSTEPS} answers in a row had no tool call")
    assert worked.outcome.summary.endswith(f"Its last words: thought {MISSTEPS - 1}")
    assert len(worked.asked) == MISSTEPS


def test_calls_beside_finish_come_before_it_or_not_at_all(bench: Bench) -> None:
    both = run("echo 1")["calls"] + finish()["calls"] + run("echo 2")["calls"]
    worked = bench.work([{"calls": both}])
    assert worked.resolution is ResolutionStatus.SUCCESS
    assert worked.ran == ["echo 1"]


@pytest.mark.parametrize("wire", WIRES)
def test_a_refusal_is_the_models_own(bench: Bench, wire: str) -> None:
    worked = bench.work([{"text": "I can't help with that.", "refusal": True}], model=f"{wire}/executor")
    assert worked.resolution is ResolutionStatus.AGENTIC_FAILURE
    assert worked.outcome is not None
    assert "refused" in worked.outcome.summary


@pytest.mark.parametrize(
    ("limit", "why", "answers"),
    [
        ("turns=3", "The limit of 3 turns was reached.", 3),
        ("tokens=300", "The limit of 300 tokens was reached: 360 were used.", 3),
        ("cost=0.001", "The limit of 0.001 USD was reached: 0.0012 USD were used.", 2),
    ],
)
def test_a_limit_ends_the_work_as_the_agents_failure(bench: Bench, limit: str, why: str, answers: int) -> None:
    prices = "fake/executor=5:5:1"
    worked = bench.work([run("true")] * 9, environment={"BENCH_AGENT_LIMIT": limit, "BENCH_MODEL_PRICES": prices})
    assert worked.resolution is ResolutionStatus.AGENTIC_FAILURE
    assert worked.outcome is not None
    assert worked.outcome.summary == why
    assert worked.log.used[:2] == (100 * answers, 20 * answers)
    assert worked.log.used[2] == pytest.approx(0.0006 * answers)
    assert worked.ran == ["true"] * answers


def test_the_time_limit_ends_a_slow_model_and_a_running_command(bench: Bench) -> None:
    for step in ({"text": "word " * 200, "seconds": 30}, run("sleep 30")):
        worked = bench.work([step], environment={"BENCH_AGENT_LIMIT": "time=1.5"})
        assert worked.resolution is ResolutionStatus.AGENTIC_FAILURE
        assert worked.outcome is not None
        assert worked.outcome.summary.startswith("The limit of 1.5 seconds was reached.")


def test_a_command_that_does_not_end_is_ended_and_told_so(bench: Bench) -> None:
    worked = bench.work([run("echo begun; sleep 60", timeout=3), run("echo next"), finish()])
    assert worked.resolution is ResolutionStatus.SUCCESS
    assert "ended after its timeout" in worked.told(1)
    assert "begun" in worked.told(1)
    assert "exit status 0" in worked.told(2)


def test_long_output_is_shown_by_its_two_ends(bench: Bench) -> None:
    worked = bench.work([run("echo first; seq 1 20000; echo last"), finish()])
    told = worked.told(1)
    assert "first" in told
    assert "last" in told
    assert "bytes left out" in told
    assert len(told) < 25_000


def test_of_several_hosts_each_has_its_commands_and_its_share(bench: Bench) -> None:
    on_db = {"calls": [call("run_command", host="db-01", command="echo db")]}
    worked = bench.work([run("echo web"), on_db, finish()], hosts=[bench.sshd.host(), bench.sshd.host("db-01")])
    other = worked.journal.logs["tsk_1"]
    assert worked.ran == ["echo web"]
    assert [command.command for command in other.seen or ()] == ["echo db"]
    assert (worked.log.used[0], other.used[0]) == (150, 150)


SENIOR = {"model": "senior", "when": "Answer with the plan only", "steps": [{"text": "1. Look.\n2. Repair."}]}


def reviews(*verdicts: dict[str, Any]) -> list[dict[str, Any]]:
    return [SENIOR, {"model": "senior", "when": "Call review", "steps": list(verdicts)}]


@pytest.mark.parametrize("wire", WIRES)
def test_the_secondary_engine_plans_and_sends_the_work_back_once(bench: Bench, wire: str) -> None:
    objects = {"calls": [call("review", approved=False, objections="Nobody checked it.")]}
    worked = bench.work(
        [run("echo repaired"), finish(report="Done."), run("echo checked"), finish(report="Done and checked.")],
        model=f"{wire}/executor",
        senior=reviews(objects, objects),
        secondary_engine=f"{wire}/senior",
    )
    assert worked.outcome is not None, worked.error
    assert worked.outcome.summary == "Done and checked."
    assert worked.ran == ["echo repaired", "echo checked"]
    assert worked.log.plans == ["1. Look.\n2. Repair."]
    assert "1. Look.\\n2. Repair." in json.dumps(worked.asked[1])  # the main engine has the plan
    review = json.dumps(worked.asked[3]["body"])
    assert "web-01$ echo repaired" in review
    assert "Done." in review
    assert "Nobody checked it." in worked.told(4)
    assert "Review: objections: Nobody checked it." in worked.log.messages
    assert [m["part"] for m in worked.messages if m["role"] == "assistant"] == [
        *("plan", "main", "main", "review", "main", "main")
    ]
    assert worked.log.used[0] == 600


def test_a_review_that_is_none_does_not_hold_the_work_up(bench: Bench) -> None:
    bad = {"calls": [{"name": "review", "arguments": "{"}]}
    worked = bench.work([finish()], senior=reviews({"text": "Fine!"}, bad, bad), secondary_engine="fake/senior")
    assert worked.resolution is ResolutionStatus.SUCCESS
    assert any("no verdict" in message for message in worked.log.messages)


def test_rules_memory_intent_and_the_rest_reach_the_model(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("the attached words")
    worked = bench.work(
        [finish()],
        operational_rules=("Copy a file before editing it.",),
        memory="nginx was down in May",
        intent="investigate",
        priority="1 - Critical",
        environment=None,
        attachments=(tmp_path / "note.txt",),
    )
    prompt = worked.told(0)
    for words in (
        *("The site is down", "Visitors get an error.", "Copy a file before editing it.", "nginx was down in May"),
        *("only look and report; change nothing", "1 - Critical", "the attached words"),
    ):
        assert words in prompt


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "retry_after": 0.2, "kind": "rate_limit_error"},
        {"status": 500},
        {"status": 529, "kind": "overloaded_error"},
        {"cut": True},
        {"unfinished": True},
        {"garbage": True},
        {"error_event": True},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_a_passing_fault_of_the_endpoint_is_survived(bench: Bench, wire: str, fault: dict[str, Any]) -> None:
    step = {**run("echo once"), "text": "A text that is cut in the middle.", "faults": [fault]}
    worked = bench.work([step, finish()], model=f"{wire}/executor")
    assert worked.resolution is ResolutionStatus.SUCCESS
    assert worked.ran == ["echo once"]
    assert len(worked.asked) == 3


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"status": 429, "retry_after": 0.01, "kind": "rate_limit_error"}, "HTTP 429 after 5 attempts"),
        ({"status": 503, "retry_after": 0.01}, "HTTP 503 after 5 attempts"),
        ({"status": 404, "message": "no such model"}, "HTTP 404: "),
        ({"status": 400, "message": "what is that"}, "HTTP 400: "),
        ({"cut": True}, "broke off 3 times"),
        ({"garbage": True}, "broke off 3 times"),
    ],
    ids=lambda value: "-".join(str(v) for v in value.values()) if isinstance(value, dict) else "",
)
def test_an_endpoint_that_stays_away_is_not_the_agents_failure(
    bench: Bench, wire: str, fault: dict[str, Any], why: str
) -> None:
    step = {**run("echo never"), "text": "A text that is cut in the middle.", "faults": [fault] * 9}
    worked = bench.work([run("echo first"), step], model=f"{wire}/executor")
    assert worked.error is not None
    assert worked.error.cause is Cause.MODEL_UNREACHABLE
    assert f"{wire}/executor at http://127.0.0.1" in worked.error.message
    assert why in worked.error.message
    assert "\n" not in str(worked.error)
    assert worked.ran == ["echo first"]
    assert worked.log.used[0] == 100


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("status", "message", "why"),
    [
        (400, "This model's maximum context length is 8192 tokens", "no longer fits"),
        (413, "request too large", "no longer fits"),
        (400, "Blocked by our content policy", "refused"),
    ],
)
def test_a_request_that_the_endpoint_rightly_refuses_is_the_agents(
    bench: Bench, wire: str, status: int, message: str, why: str
) -> None:
    step = {"faults": [{"status": status, "message": message}]}
    worked = bench.work([step], model=f"{wire}/executor")
    assert worked.resolution is ResolutionStatus.AGENTIC_FAILURE
    assert worked.outcome is not None
    assert why in worked.outcome.summary


@pytest.mark.parametrize("wire", WIRES)
def test_nothing_at_the_address_is_not_the_agents_failure(
    bench: Bench, wire: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("openai_wire", "anthropic_wire"):
        monkeypatch.setattr(f"pytest_2501bench.agents.llm.{module}.RETRIES", 1)
    nowhere = {"FAKE_BASE_URL": "http://127.0.0.1:9/v1", "FAKED_BASE_URL": "anthropic+http://127.0.0.1:9"}
    worked = bench.work([], model=f"{wire}/executor", environment=nowhere)
    assert worked.error is not None
    assert worked.error.cause is Cause.MODEL_UNREACHABLE
    assert "no answer" in worked.error.message


@pytest.mark.parametrize("wire", WIRES)
def test_a_key_that_is_not_taken_is_named_and_not_shown(bench: Bench, wire: str) -> None:
    name = f"{wire.upper()}_API_KEY"
    worked = bench.work([finish()], key="another", model=f"{wire}/executor", environment={name: KEY})
    assert worked.error is not None
    assert worked.error.cause is Cause.MODEL_UNREACHABLE
    assert f"Incorrect API key: [{name}]" in worked.error.message
    assert f"Check {name}." in str(worked.error)
    assert len(worked.asked) == 1  # no use to ask again


@pytest.mark.parametrize("wire", WIRES)
def test_a_key_is_in_nothing_that_is_written(bench: Bench, tmp_path: Path, wire: str) -> None:
    name = f"{wire.upper()}_API_KEY"
    spread = run(f"echo {KEY}")
    spread |= {"text": f"The key is {KEY}, I think.\n\nIt is {KEY}."}
    worked = bench.work(
        [spread, finish(report=f"I used {KEY}.", memory=KEY)],
        key=KEY,
        model=f"{wire}/executor",
        environment={name: KEY},
    )
    assert worked.outcome is not None, worked.error
    assert worked.outcome.summary == f"I used [{name}]."
    assert worked.outcome.memory == f"[{name}]"
    kept = [worked.log.messages, worked.log.seen, worked.log.claims, worked.messages]
    assert KEY not in str(kept)
    assert str(kept).count(f"[{name}]") >= 6
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


def test_an_endpoint_may_say_the_cost_itself_and_counts_that_it_does_not_give_are_unknown(bench: Bench) -> None:
    steps = [run("true") | {"cost": 0.25}, finish() | {"cost": 0.5}]
    assert bench.work(steps).log.used == (200, 40, 0.75)
    silent = [run("true") | {"usage": None}, finish()]
    assert bench.work(silent).log.used == (None, None, None)
    limited = bench.work(silent, environment={"BENCH_AGENT_LIMIT": "tokens=1000"})
    assert limited.error is not None
    assert "does not say the tokens" in limited.error.message


def test_a_ticket_without_a_usable_model_is_not_the_agents_failure(bench: Bench) -> None:
    for model in (None, "fake", "elsewhere/x"):
        worked = bench.work([], model=model)
        assert worked.error is not None
        assert worked.error.cause is Cause.MODEL_UNREACHABLE


def test_a_host_that_is_away_is_told_to_the_model(bench: Bench) -> None:
    worked = bench.work([run("echo 1"), finish("failure", "web-01 is away")], hosts=[bench.sshd.host(port=9)])
    assert worked.resolution is ResolutionStatus.AGENTIC_FAILURE
    assert "exit status 255" in worked.told(1)


def test_cancelled_it_leaves_nothing_open(bench: Bench) -> None:
    journal = Journal()
    bench.fake.load([{"steps": [run("sleep 60")]}])

    async def cancelled(agent: LlmAgent) -> bool:
        given = assignment([bench.sshd.host()], bench.folder, main_engine="fake/executor")
        task = asyncio.create_task(agent.work(given, journal))
        for _ in range(400):
            if journal.logs and journal.logs["tsk_0"].seen:
                break
            await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait({task})
        return task.cancelled() and len(asyncio.all_tasks()) <= 2

    assert asyncio.run(cancelled(LlmAgent(bench.fake.variables)))
    assert [command.exit_status for command in journal.logs["tsk_0"].seen or ()] == [None]
