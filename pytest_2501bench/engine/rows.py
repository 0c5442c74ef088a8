"""Between the engine's records and the rows of its tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel

from pytest_2501bench.engine.memory import Kept
from pytest_2501bench.engine.state import Remembered, StoredHost, StoredJob, StoredTicket
from pytest_2501bench.engine.wire import AgentOut, TicketIn, TicketStatus
from pytest_2501bench.engine.wire_rules import RuleOut, SpecialtyOut
from pytest_2501bench.evidence.model import JobRecord, TaskRecord
from pytest_2501bench.sandbox.protocol import Host, SshSettings

Row = dict[str, Any]
Table = Literal["hosts", "agents", "memories", "operational_rules", "specialties", "tickets", "jobs", "tasks"]


def key_files(directory: Path, host_id: str) -> tuple[Path, Path]:
    """Return where a host's private key and known_hosts are, within the engine's private *directory*."""
    folder = directory / "hosts" / host_id
    return folder / "key", folder / "known_hosts"


def rows_of(record: Kept) -> dict[Table, list[Row]]:
    """Return the rows that hold *record*."""
    match record:
        case StoredHost():
            ssh = record.host.ssh
            return {
                "hosts": [
                    {
                        "host_id": record.host.host_id,
                        "host_name": record.host.host_name,
                        "python": record.host.python,
                        "ssh_user": ssh.user,
                        "ssh_hostname": ssh.hostname,
                        "ssh_address": ssh.address,
                        "ssh_port": ssh.port,
                        "ssh_proxy_command": ssh.proxy_command,
                        "fingerprint": record.fingerprint,
                    }
                ]
            }
        case AgentOut():
            known = {"agent_id": record.agent_id, "host_id": record.host_id, "specialty_key": record.specialty_key}
            return {"agents": [known | {"document": _text(record)}]}
        case Remembered():
            words = json.dumps(record.text)
            return {"memories": [{"agent_id": record.agent_id, "flushes": record.flushes, "document": words}]}
        case RuleOut():
            return {"operational_rules": [{"rule_id": record.rule_id, "document": _text(record)}]}
        case SpecialtyOut():
            return {"specialties": [record.model_dump()]}
        case StoredTicket():
            return {"tickets": [_ticket_row(record)]}
        case StoredJob():
            return {"jobs": [_job_row(record)], "tasks": _task_rows(record)}


def host_from(row: Mapping[str, Any], directory: Path) -> StoredHost:
    """Return the host of *row*, whose key is in *directory*."""
    key, known_hosts = key_files(directory, row["host_id"])
    ssh = SshSettings(
        user=row["ssh_user"],
        identity_file=key,
        known_hosts=known_hosts,
        hostname=row["ssh_hostname"],
        address=row["ssh_address"],
        port=row["ssh_port"],
        proxy_command=row["ssh_proxy_command"],
    )
    host = Host(host_id=row["host_id"], host_name=row["host_name"], python=row["python"], ssh=ssh)
    return StoredHost(host, row["fingerprint"])


def memory_from(row: Mapping[str, Any]) -> Remembered:
    """Return the memory of *row*."""
    return Remembered(row["agent_id"], json.loads(row["document"]), row["flushes"])


def ticket_from(row: Mapping[str, Any]) -> StoredTicket:
    """Return the ticket of *row*."""
    posted = json.loads(row["posted"])
    return StoredTicket(
        id=row["ticket_id"],
        submission=TicketIn.model_validate_json(row["submission"]),
        status=cast(TicketStatus, row["status"]),
        comments=tuple(posted["comments"]),
        summary=posted["summary"],
        created_at=row["created_at"],
        comment_ids=tuple((name, place) for name, place in posted.get("comment_ids", ())),
    )


def job_from(row: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]) -> StoredJob:
    """Return the job of *row* with its *tasks*, which come in order."""
    record = JobRecord.model_validate_json(row["document"])
    made = tuple(TaskRecord.model_validate_json(task["document"]) for task in tasks)
    return StoredJob(row["ticket_id"], row["revision"], record.model_copy(update={"tasks": made}))


def _ticket_row(ticket: StoredTicket) -> Row:
    return {
        "ticket_id": ticket.id,
        "correlation_id": ticket.submission.correlation_id,
        "status": ticket.status,
        "created_at": ticket.created_at,
        "submission": _text(ticket.submission),
        "posted": json.dumps(
            {"comments": ticket.comments, "summary": ticket.summary, "comment_ids": ticket.comment_ids}
        ),
    }


def _job_row(job: StoredJob) -> Row:
    record = job.record
    return {
        "ticket_id": job.ticket_id,
        "job_id": record.id,
        "revision": job.revision,
        "status": record.status,
        "resolution_status": record.resolution_status.value if record.resolution_status else None,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        "document": json.dumps(record.model_dump(exclude={"tasks"})),
    }


def _task_rows(job: StoredJob) -> list[Row]:
    return [
        {
            "task_id": task.id,
            "position": position,  # in its job
            "ticket_id": job.ticket_id,
            "agent_id": task.agent_id,
            "host_id": task.host_id,
            "status": task.status,
            "input_tokens": task.input_tokens,
            "output_tokens": task.output_tokens,
            "cost_usd": task.cost_usd,
            "document": _text(task),
        }
        for position, task in enumerate(job.record.tasks or ())
    ]


def _text(model: BaseModel) -> str:
    return json.dumps(model.model_dump())
