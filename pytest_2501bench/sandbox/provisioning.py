"""Play a template's provision.yml on the machine that is becoming the template, in whatever mode it runs."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.sandbox.protocol import Host, Progress, silent
from pytest_2501bench.sandbox.templates import Template

if TYPE_CHECKING:
    from pytest_2501bench.evidence.model import PlaybookRecord
    from pytest_2501bench.playbooks.model import PlaybookRunner

DEADLINE: Final = 1800.0
"""Seconds for a provision.yml: where there is a network it may download a lot."""


def provision(
    host: Host,
    template: Template,
    progress: Progress = silent,
    *,
    log: Path | None = None,
    runner: PlaybookRunner | None = None,
    deadline: float = DEADLINE,
) -> None:
    """Play the playbook of *template* on *host*, those of its bases first; nothing to do where there is none.

    Args:
        host: runs, answers SSH, and has the template's packages and Python requirements already.
        template: whose ``provision.yml`` it is. The playbook sees the host in group ``all``, and the variable
            ``template``, the name.
        progress: is told each task as it starts.
        log: file for the full output; default: a new one below the temporary folder, which stays if the playbook fails.
        runner: default: one of its own, closed at the end.
        deadline: seconds.

    Raises:
        BenchError: ``sandbox_unavailable``, with the task that failed, its message, and the log.
    """
    playbooks = [part.playbook for part in template.chain if part.playbook is not None]
    if not playbooks:
        return
    from pytest_2501bench.playbooks.run import AnsibleRunner

    folder = None if log else Path(tempfile.mkdtemp(prefix=f"provision-{template.name}-"))
    log = log or Path(str(folder), "provision.log")
    player = runner or AnsibleRunner()
    try:
        for playbook in playbooks:
            _play(player, playbook, (host, template), log=log, deadline=deadline, progress=progress)
    finally:
        player.forget([host])
        if runner is None:
            player.close()
    if folder is not None:
        shutil.rmtree(folder)


def _play(
    player: PlaybookRunner,
    playbook: Path,
    where: tuple[Host, Template],
    *,
    log: Path,
    deadline: float,
    progress: Progress,
) -> None:
    from pytest_2501bench.playbooks.model import PlaybookRequest

    host, template = where
    step = f"template {template.name}"
    request = PlaybookRequest(
        playbook=playbook,
        phase=Phase.PROVISION,
        hosts=[host],
        deadline=deadline,
        log=log,
        extra_vars={"template": template.name},
        progress=lambda line: progress(f"{step}: {line}"),
    )
    record = player.run(request)
    if record.status != "ok":
        raise BenchError(Cause.SANDBOX_UNAVAILABLE, f"{step} could not be provisioned: {_why(record)}", log=log)


def _why(record: PlaybookRecord) -> str:
    failure = record.failure
    if failure is None:
        return record.message or record.status
    where = f" ({failure.file})" if failure.file else ""
    return f"task '{failure.task}'{where} failed: {failure.message}"
