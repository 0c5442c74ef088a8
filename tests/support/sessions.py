"""Sessions of operators as evidence, judged by one rule on commands."""

from __future__ import annotations

import re

from pytest_2501bench.evidence.model import Command, Evidence, JobRecord, ResolutionStatus, RunStarted, TaskRecord
from pytest_2501bench.scenario.model import AnyCommandRule
from pytest_2501bench.scoring.command_rules import evaluate_command_rules
from pytest_2501bench.scoring.model import RuleResult


def lines_of(session: str) -> list[Command]:
    """Return the command lines of *session*: one per line, a heredoc with its body; ``[1] `` in front is a status."""
    found: list[Command] = []
    waiting: list[str] = []
    end = ""
    for line in session.split("\n"):
        waiting.append(line)
        if end:
            end = "" if line == end else end
        elif (heredoc := re.search(r"<<-?\s*['\"]?(\w+)", line)) and "<<<" not in line:
            end = heredoc[1]
        elif line.count("'") % 2:
            end = next((each for each in session.split("\n") if each != line and each.count("'") % 2), "")
        if not end:
            status = re.match(r"\[(\d+)\] ", waiting[0])
            text = "\n".join(waiting)
            found.append(
                Command(command=text[status.end() :] if status else text, exit_status=int(status[1]) if status else 0)
            )
            waiting = []
    return found + ([Command(command="\n".join(waiting), exit_status=0)] if waiting else [])


def evidence_of(commands: list[Command]) -> Evidence:
    """Return the evidence of a run on one host in which *commands* were seen."""
    run = RunStarted(
        run_id="run_1",
        benchmark_id="bmk_1",
        key="k",
        nodeid="n",
        iteration=1,
        mode="namespace",
        gateway="runner",
        agent="oracle",
        started_at=0,
        scenario={},
        version_key={},
    )
    task = TaskRecord(id="tsk_1", status="completed", host_name="web-01", executed_commands=tuple(commands))
    status = ResolutionStatus.SUCCESS
    return Evidence(
        run=run, job=JobRecord(id="j", status="completed", finished=True, tasks=(task,), resolution_status=status)
    )


def judge_session(rule: AnyCommandRule, session: str, *, seconds: float = 20) -> RuleResult:
    """Return what *rule* says of *session*."""
    (result,) = evaluate_command_rules([rule], evidence_of(lines_of(session)), seconds=seconds)
    return result
