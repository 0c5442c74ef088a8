"""Gateway ``acme``: tickets for an engine whose API is not ours. All that differs from ours is in this file."""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from pydantic import ValidationError

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import JobRecord, TicketRecord
from pytest_2501bench.gateway.http import EngineClient, Refused, Unreachable, nonsense, one_line
from pytest_2501bench.gateway.protocol import AgentRegistration, HostRegistration, TicketSubmission

# ---- its words, and ours ------------------------------------------------------------------------------------------

ENDS = {"DONE": "completed", "FAILED": "failed", "ABORTED": "cancelled"}
STATES = {"WAITING": "queued", "RUNNING": "in_progress", "STOPPING": "in_progress", **ENDS}
TICKETS = {
    "OPEN": "new", "WORKING": "in_progress", "FIXED": "resolved", "RETURNED": "in_progress", "WITHDRAWN": "cancelled",
}  # fmt: skip
VERDICTS = {
    "FIXED": "success", "PARTLY_FIXED": "partial", "NOTHING_TO_DO": "no_action", "GAVE_UP": "agentic_failure",
    "STOPPED": "hard_failure", "PLATFORM_FAULT": "hard_failure", None: None,
}  # fmt: skip
STEP = {"description": "goal", "summary": "note", "agent_messages": "chatter", "operational_rules": "policies"}


def ours(table: Mapping[Any, Any], word: object, field: str) -> Any:
    """Return our word for *word*. One that is not in the table breaks the API; nobody guesses."""
    if word not in table:
        raise nonsense("acme", f"{field}: {str(word)[:40]!r} is none of {', '.join(map(str, table))}")
    return table[word]


def task_of(step: dict[str, Any]) -> dict[str, Any]:
    """Return a step as our task. What acme does not say is None, never an empty list."""
    lines, tokens, cents = step.get("shell_log"), step.get("tokens") or {}, step.get("cost_cents")
    agent, host = step.get("operator") or {}, step.get("machine") or {}
    return {
        "id": f"step-{step.get('step_no')}",
        "status": ours(STATES, step.get("state"), "/steps/state"),
        "agent_id": agent.get("external_ref"),
        "agent_name": agent.get("label"),
        "host_id": host.get("external_ref"),
        "host_name": host.get("label"),
        "executed_commands": lines and [{"command": ln.get("text"), "exit_status": ln.get("rc")} for ln in lines],
        "input_tokens": tokens.get("in"),
        "output_tokens": tokens.get("out"),
        "cost_usd": None if cents is None else cents / 100,
        **{name: step.get(its) for name, its in STEP.items()},
    }


def job_of(number: str, work: dict[str, Any]) -> JobRecord:
    """Return acme's work on an incident as our job."""
    state, verdict, steps = work.get("state"), work.get("verdict"), work.get("steps")
    if state in ENDS and verdict is None:
        raise nonsense("acme", f"/verdict: null, but the work is {state}")
    fields = {
        "id": f"work-{number}",
        "status": ours(STATES, state, "/state"),
        "finished": state in ENDS,
        "resolution_status": ours(VERDICTS, verdict, "/verdict"),
        "resolution_summary": work.get("note"),
        "plan": work.get("strategy"),
        "tasks": None if steps is None else [task_of(step) for step in steps],
        "cut_off": verdict == "PLATFORM_FAULT",  # an error of the run, not a failure of the agent
    }
    try:
        return JobRecord.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise nonsense("acme", f"our /{'/'.join(map(str, first['loc']))}: {first['msg']}") from None


# ---- its calls ----------------------------------------------------------------------------------------------------


class AcmeClient(EngineClient):
    """Repeats what was not answered, as for our own API. Path, header and the words of a refusal are acme's."""

    base = "/runner/v2"

    def credentials(self, api_key: str) -> dict[str, str]:
        return {"X-Acme-Token": api_key}

    def told(self, response: httpx.Response) -> str:
        with contextlib.suppress(ValueError, TypeError, LookupError):
            return one_line(response, response.json()["error"]["message"])
        return one_line(response, None)

    def ask(self, cause: Cause, method: str, path: str, **more: Any) -> dict[str, Any]:
        """Return the answer ({} if there is none); give silence and refusals the *cause* of their phase."""
        try:
            response = self.request(method, path, **more)
            said = response.json() if response.content else {}
        except Unreachable as error:
            raise BenchError(cause, f"acme does not answer: {error}") from None
        except Refused as error:
            raise BenchError(cause, f"acme refused {method} {path}: {error.detail} (HTTP {error.status})") from None
        except ValueError:
            raise nonsense(f"{method} {path}", "no JSON") from None
        return said if isinstance(said, dict) else {}

    def numbers(self, cause: Cause, table: str, ref: str, *, must: bool = False) -> list[int]:
        """Return what acme calls the thing that we call *ref*: its tables have numbers of their own."""
        found: list[int] = self.ask(cause, "GET", f"/{table}", params={"external_ref": ref}).get("numbers", [])
        if must and not found:
            raise BenchError(cause, f"acme has no {table.rstrip('s')} {ref!r}")
        return found

    def make(self, table: str, ref: str, row: Mapping[str, Any]) -> None:
        """Add a row, unless it is there: its answer may have got lost."""
        if not self.numbers(Cause.SUBMIT_FAILED, table, ref):
            try:
                self.ask(Cause.SUBMIT_FAILED, "POST", f"/{table}", body={"external_ref": ref, **row})
            except BenchError:
                self.numbers(Cause.SUBMIT_FAILED, table, ref, must=True)


class AcmeGateway:
    """Implements ``Gateway`` of gateway/protocol.py, which says what each method has to keep to."""

    name = "acme"

    def __init__(self, url: str, api_key: str) -> None:
        self.client = AcmeClient(url, api_key)
        self._unanswered: set[str] = set()  # tickets that may be there, although nobody said so
        self._pause = 0.0

    def preflight(self) -> None:
        said = self.client.ask(Cause.GATEWAY_UNAVAILABLE, "GET", "/ping", patience=5.0)
        if said.get("product") != "acme-runner":
            raise BenchError(Cause.GATEWAY_UNAVAILABLE, f"what answers at {self.client.url} is no acme runner")

    def register(self, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> None:
        for table, ref, row in rows(hosts, agents):
            if row is None:  # host mode: used, and left untouched
                self.client.numbers(Cause.SUBMIT_FAILED, table, ref, must=True)
            else:
                self.client.make(table, ref, row)

    def unregister(self, hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> None:
        cause = Cause.RESTORE_FAILED
        for key in list(self._unanswered):
            for number in self.client.numbers(cause, "incidents", key):
                self.client.ask(cause, "POST", f"/incidents/{number}/withdraw")
            self._unanswered.discard(key)
        for table, ref, row in reversed(rows(hosts, agents)):
            for number in self.client.numbers(cause, table, ref) if row is not None else ():
                self.client.ask(cause, "DELETE", f"/{table}/{number}")

    def flush_memory(self, agent_ids: Sequence[str]) -> None:
        for agent_id in agent_ids:
            for number in self.client.numbers(Cause.FLUSH_FAILED, "operators", agent_id, must=True):
                self.client.ask(Cause.FLUSH_FAILED, "DELETE", f"/operators/{number}/memory")

    def submit(self, ticket: TicketSubmission) -> str:
        body = {
            "headline": ticket.title,
            "narrative": ticket.body,
            "machine_refs": ticket.host_ids,
            "operator_refs": ticket.agent_ids,
            "time_limit_s": ticket.deadline_seconds,
            "model": ticket.main_engine,
            "planner_model": ticket.secondary_engine,
            "skill": ticket.specialty,
            "files": [{"name": p.name, "b64": base64.b64encode(p.read_bytes()).decode()} for p in ticket.attachments],
        }
        self._unanswered.add(ticket.correlation_id)
        key = {"Idempotency-Key": ticket.correlation_id}  # so it is safe to send it again
        number = self.client.ask(Cause.SUBMIT_FAILED, "POST", "/incidents", body=body, headers=key).get("incident_no")
        if not isinstance(number, int):
            raise nonsense("POST /incidents", f"/incident_no: {str(number)[:40]!r} is no number")
        self._unanswered.discard(ticket.correlation_id)
        self._pause = 0.0
        return str(number)

    def poll(self, reference: str) -> JobRecord | None:
        time.sleep(self._pause)  # acme does not wait for news, as our engine does: ask it less and less often
        self._pause = min(self._pause * 1.5 + 0.1, 5.0)
        work = self.client.ask(Cause.ENGINE_DIED, "GET", f"/incidents/{reference}/work")
        return job_of(reference, work) if work else None

    def cancel(self, reference: str) -> None:
        self.client.ask(Cause.ENGINE_DIED, "POST", f"/incidents/{reference}/withdraw")
        self._pause, end = 0.0, time.monotonic() + 30
        while (job := self.poll(reference)) is not None and not job.finished:
            if time.monotonic() > end:
                raise BenchError(Cause.ENGINE_DIED, f"the work on incident {reference} did not stop within 30 s")

    def fetch(self, reference: str) -> TicketRecord:
        said = self.client.ask(Cause.ENGINE_DIED, "GET", f"/incidents/{reference}")
        return TicketRecord(
            id=reference,
            status=ours(TICKETS, said.get("phase"), "/phase"),
            title=said.get("headline"),
            body=said.get("narrative"),
            messages=said.get("thread"),
            summary=said.get("closing_note"),
        )

    def close(self) -> None:
        self.client.close()


Row = tuple[str, str, dict[str, Any] | None]


def rows(hosts: Sequence[HostRegistration], agents: Sequence[AgentRegistration]) -> list[Row]:
    """Return table, our id and row of each host and agent; no row for one that exists and stays as it is."""
    existing = {agent.host_id for agent in agents if agent.existing}
    made: list[Row] = [("machines", h.host_id, None if h.host_id in existing else machine(h)) for h in hosts]
    for agent in agents:
        row = {"label": agent.agent_name, "skill": agent.specialty_key, "machine_ref": agent.host_id}
        made.append(("operators", agent.agent_id, None if agent.existing else row))
    return made


def machine(host: HostRegistration) -> dict[str, Any]:
    """Return the row of a host. The one place where its key stands in clear."""
    ssh = host.ssh
    if ssh.proxy_command:
        raise BenchError(Cause.SUBMIT_FAILED, f"host {host.host_name} has no address that acme could reach.")
    try:
        login = {"user": ssh.user, "key_pem": ssh.identity_file.read_text(), "known_hosts": ssh.known_hosts.read_text()}
    except OSError as error:
        raise BenchError(Cause.SUBMIT_FAILED, f"host {host.host_name}: its SSH key cannot be read: {error}") from None
    return {"label": host.host_name, "addr": ssh.address, "port": ssh.port, "host_alias": ssh.hostname, "login": login}
