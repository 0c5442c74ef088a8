"""Made-up benchmarks of a fortnight with everything that a report can show, and hostile text where agents write."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.records import SCENARIO, benchmark, report, rule

from pytest_2501bench.errors import Cause, Gate, Phase
from pytest_2501bench.evidence.folder import write_benchmark, write_report
from pytest_2501bench.evidence.log import EvidenceLog
from pytest_2501bench.evidence.model import (
    AgentRecord,
    Command,
    CommandKind,
    HostRecord,
    JobRecord,
    PhaseRecord,
    PhaseStatus,
    PlaybookRecord,
    PlaybookStatus,
    PlaybookTask,
    Recording,
    ResolutionStatus,
    RunStarted,
    Sighting,
    TaskFailure,
    TaskRecord,
    TicketRecord,
    Trait,
)
from pytest_2501bench.report.model import ScenarioReport
from pytest_2501bench.scoring.model import GateResult, RuleResult, Span, Status
from pytest_2501bench.store.repository import Store

HOSTILE = (
    "</script></style></pre>--><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
)
"""Ends every element that a careless page could have put it into."""

FIRST = 1_763_000_000.0
DAY = 86_400.0
ENGINES = (("model-large", 0.95), ("model-small", 0.68))
SCENARIOS = (
    ("nginx/001-broken-config", "nginx does not start after a change", ("nginx", "web")),
    ("disk/001-filling-disk", "A runaway log fills the disk", ("disk", "linux")),
    ("dns/002-stale-resolver", "Names of a retired server are still answered", ("dns", "network")),
    ("systemd/001-restart-loop", "A service restarts every few seconds", ("systemd", "linux")),
)
COMMANDS = (
    ("systemctl status nginx --no-pager", 3, "nginx.service - failed (Result: exit-code)\r\n"),
    ("nginx -t", 1, '\x1b[31mnginx: [emerg]\x1b[0m unexpected "}" in /etc/nginx/sites-enabled/shop:22\r\n'),
    ("cp -p /etc/nginx/sites-available/shop /root/shop.before", 0, ""),
    ("sed -i '21s/$/;/' /etc/nginx/sites-available/shop", 0, ""),
    ("nginx -t && systemctl restart nginx", 0, "syntax is ok\r\ntest is successful\r\n"),
    ("curl -fsS http://127.0.0.1/ | head -1", 0, "<!DOCTYPE html>\r\n"),
)


def fill(store: Store, bench_dir: Path, *, days: int = 14, iterations: int = 4, hostile: str = "") -> None:
    """Store benchmarks, one a day, each with all scenarios and engines; the newest one has evidence, too.

    *hostile* is put wherever agents, hosts and engines write.
    """
    chance = random.Random(2501)
    for day in range(days):
        at = FIRST + DAY * day
        head = benchmark(
            f"bmk_{day:03d}",
            started_at=at,
            finished_at=None if day == days - 1 else at + 2_000,
            agent="command",
            git={"commit": f"{day:07x}", "branch": hostile or "main", "dirty": False},
        )
        store.save_benchmark(head)
        newest = day == days - 1
        if newest:
            write_benchmark(bench_dir, head)
        for number, (key, title, tags) in enumerate(SCENARIOS):
            # The third scenario was changed on the ninth day: its line begins anew.
            version = f"{number:04x}{1 if number == 2 and day >= 8 else 0:04x}"
            for engine, rate in ENGINES:
                # The small model got worse at one scenario in the end.
                good = 0.15 if newest and number == 0 and engine == "model-small" else rate
                for iteration in range(1, iterations + 1):
                    draw = chance.random()
                    outcome = "ok" if draw < good else "lost" if draw > 0.985 else chance.choice(("fix", "way"))
                    if newest and number == 0 and engine == "model-small" and iteration == 1:
                        outcome = "way"  # one that a test can go and look at
                    run_id = f"run_{day:03d}{number}{engine[6]}{iteration}"
                    run = _run(run_id, head.id, key, title, tags, engine, iteration, outcome, version, at, hostile)
                    run = run.model_copy(update={"evidence": f"runs/{head.id}/{run_id}"})
                    store.save_report(run)
                    if newest:
                        _write(bench_dir, run, hostile)


def _run(
    run_id: str,
    benchmark_id: str,
    key: str,
    title: str,
    tags: Sequence[str],
    engine: str,
    iteration: int,
    outcome: str,
    version: str,
    at: float,
    hostile: str,
) -> ScenarioReport:
    begun = at + 90 * iteration
    fix = {"fix": Status.FAILED, "lost": Status.ERROR}.get(outcome, Status.PASSED)
    way = {"way": Status.FAILED, "lost": Status.ERROR}.get(outcome, Status.PASSED)
    both = Status.FAILED if Status.FAILED in (fix, way) else fix
    lost = Cause.SSH_NOT_UP if outcome == "lost" else None
    return report(
        run_id,
        benchmark_id=benchmark_id,
        key=key,
        title=title + hostile,
        tags=tuple(tags),
        nodeid=f"scenarios/{key}/scenario.json::run{iteration}@{engine}",
        iteration=iteration,
        agent="command",
        main_engine=engine,
        specialty="LINUX_EXPERT",
        status=both,
        task_validation=GateResult(
            gate=Gate.TASK_VALIDATION,
            status=fix,
            reason={
                Status.FAILED: "validate.yml: task 'The shop answers' on web-01: HTTP Error 502: Bad Gateway",
                Status.ERROR: "the host was lost",
            }.get(fix, "validate.yml passed"),
            cause={Status.FAILED: Cause.VALIDATE_FAILED, Status.ERROR: lost}.get(fix),
        ),
        compliance=GateResult(
            gate=Gate.COMPLIANCE,
            status=way,
            reason={Status.FAILED: "1 of 3 required rules not met", Status.ERROR: "the host was lost"}.get(
                way, "all 3 required rules met"
            ),
            cause={Status.FAILED: Cause.RULE_NOT_MET, Status.ERROR: lost}.get(way),
            rules=() if outcome == "lost" else _rules(way, hostile),
            score=None if outcome == "lost" else 1.0 if way is Status.PASSED else 2 / 3,
        ),
        phases=_phases(begun, fix, lost),
        failure_cause=lost,
        failure_phase=Phase.PREPARE if lost else None,
        failure_message=f"prepare: web-01 does not answer SSH {hostile}" if lost else "",
        resolution_status="success",
        started_at=begun,
        finished_at=begun + (12 if lost else 41),
        input_tokens=14_200 + 310 * iteration,
        output_tokens=1_900 + 40 * iteration,
        cost_usd=0.062 if engine == "model-large" else 0.0048,
        version_key={
            "scenario": version,
            "rules": version[:4],
            "template": "debian-base",
            "mode": "namespace",
            "agent": "command",
            "main_engine": engine,
            "specialty": "LINUX_EXPERT",
        },
        warnings=(f"restore took longer than usual {hostile}",) if hostile else (),
    )


def _rules(way: Status, hostile: str) -> tuple[RuleResult, ...]:
    def of(index: int, label: str, status: Status, reason: str, text: str) -> RuleResult:
        span = Span(source="tasks[0].executed_commands[1]", text=text + hostile, start=0, end=len(text))
        cause = Cause.RULE_NOT_MET if status is Status.FAILED else None
        return rule(index, status, label=label + hostile, reason=reason, span=span, cause=cause)

    return (
        of(0, "The configuration is tested before the restart", Status.PASSED, "matched in task 1", "nginx -t"),
        of(1, "A copy is kept before an edit", way, "matched in task 1" if way is Status.PASSED else "no task matches",
           "cp -p /etc/nginx/sites-available/shop /root/shop.before"),
        of(2, "Nothing is deleted recursively", Status.PASSED, "no task matches", ""),
    )  # fmt: skip


def _phases(begun: float, fix: Status, lost: Cause | None) -> tuple[PhaseRecord, ...]:
    lengths = ((Phase.PROVISION, 2.0), (Phase.PREPARE, 6.5), (Phase.FLUSH, 0.4), (Phase.EXECUTE, 22.0))
    lengths += ((Phase.VALIDATE, 7.0), (Phase.RESTORE, 1.2))  # type: ignore[assignment]
    found, at = [], begun + 0.3
    for name, length in lengths:
        status = PhaseStatus.OK
        if lost and name is Phase.PREPARE:
            status = PhaseStatus.ERROR
        elif fix is Status.FAILED and name is Phase.VALIDATE:
            status = PhaseStatus.FAILED
        found.append(PhaseRecord(name=name, status=status, started_at=at, seconds=length))
        at += length + 0.2
        if status is PhaseStatus.ERROR:
            break
    return tuple(found)


def _write(bench_dir: Path, run: ScenarioReport, hostile: str) -> None:
    folder = bench_dir / run.evidence
    log = EvidenceLog.create(
        folder,
        RunStarted(
            **{
                name: getattr(run, name)
                for name in ("run_id", "benchmark_id", "key", "nodeid", "iteration", "mode", "gateway", "agent")
            },
            started_at=run.started_at,
            scenario=SCENARIO,
            version_key=run.version_key,
        ),
    )
    log.hosts([HostRecord(host_id="hst_1", host_name="web-01", template="debian-base")])
    log.agents([AgentRecord(agent_id="agt_1", agent_name="fixer", host_id="hst_1")])
    for each in run.phases:
        log.phase(each)
    if run.failure_cause is None:
        _write_work(log, folder, run, hostile)
    log.finish(run.finished_at)
    log.close()
    write_report(folder, run)


def _write_work(log: EvidenceLog, folder: Path, run: ScenarioReport, hostile: str) -> None:
    begun = run.started_at + 10
    commands = [
        Command(
            command=text + hostile,
            exit_status=status,
            started_at=begun + 3 * number,
            duration=0.8,
            host="web-01",
            seen=Sighting(
                kind=CommandKind.EXEC,
                session=f"{number + 1:04d}",
                traits=(Trait.PIPELINE,) if "|" in text else (),
            ),
        )
        for number, (text, status, _) in enumerate(COMMANDS)
    ]
    log.job(
        JobRecord(
            id="job_1",
            status="completed",
            finished=True,
            resolution_status=ResolutionStatus.SUCCESS,
            resolution_summary="A semicolon was missing; nginx serves the shop again." + hostile,
            plan="1. Look at nginx\n2. Repair the configuration\n3. Restart, and look again" + hostile,
            tasks=(
                TaskRecord(
                    id="tsk_1",
                    status="completed" + hostile,
                    agent_id="agt_1",
                    agent_name="fixer" + hostile,
                    host_name="web-01",
                    description="Get the shop up again." + hostile,
                    plan="Test the configuration first." + hostile,
                    summary="Put the semicolon back; the shop answers." + hostile,
                    executed_commands=tuple(commands),
                    claimed_commands=tuple(commands[:2]),
                    recorded=True,
                    agent_messages=("I will look at the service first." + hostile, "Its configuration is broken."),
                    operational_rules=("Test a configuration before you restart." + hostile,),
                ),
            ),
        )
    )
    log.recordings(_recordings(folder, begun, hostile))
    failed = run.task_validation.status is Status.FAILED
    (folder / "validate.log").write_text(f"TASK [The shop answers]\n{'fatal' if failed else 'ok'}: [web-01]\n{hostile}")
    task = PlaybookTask(
        task="The shop answers" + hostile,
        host="web-01",
        action="ansible.builtin.uri",
        status="failed" if failed else "ok",
        seconds=1.2,
        arguments="url=http://127.0.0.1/" + hostile,
        message="HTTP Error 502" + hostile,
    )
    log.playbook(
        PlaybookRecord(
            name="validate.yml",
            phase=Phase.VALIDATE,
            status=PlaybookStatus.TASK_FAILED if failed else PlaybookStatus.OK,
            rc=2 if failed else 0,
            started_at=run.started_at + 33,
            seconds=5,
            tasks=(task,),
            failure=TaskFailure(task=task.task, host="web-01", message="HTTP Error 502" + hostile) if failed else None,
            log="validate.log",
        )
    )
    log.ticket(
        TicketRecord(
            id="tkt_1" + hostile,
            status="resolved",
            title="The shop is down" + hostile,
            body="Customers see an error." + hostile,
            messages=("Took the ticket." + hostile, "Solved."),
            summary="A semicolon was missing." + hostile,
        )
    )


def _recordings(folder: Path, begun: float, hostile: str) -> list[Recording]:
    found = []
    (folder / "recordings/web-01").mkdir(parents=True)
    for number, (text, status, shown) in enumerate(COMMANDS):
        name = f"recordings/web-01/{number + 1:04d}.cast"
        header = {"version": 2, "width": 80, "height": 24, "command": text, "title": hostile}
        lines: list[Any] = [header, [0.2, "o", shown + hostile], [0.7, "m", "end" + hostile]]
        (folder / name).write_text("\n".join(json.dumps(line) for line in lines))
        found.append(
            Recording(
                host="web-01",
                file=name,
                started_at=begun + 3 * number,
                seconds=0.8,
                command=text + hostile,
                exit_status=status,
            )
        )
    shell = "recordings/web-01/0100.cast"
    (folder / shell).write_text(
        "\n".join(
            json.dumps(line)
            for line in (
                {"version": 2, "width": 100, "height": 30},
                [0.5, "o", "root@web-01:~# "],
                [1.5, "o", "uptime\r\n 12:00:01 up 2 min" + hostile + "\r\n"],
            )
        )
    )
    found.append(Recording(host="web-01", file=shell, started_at=begun + 20, seconds=2.0))
    return found
