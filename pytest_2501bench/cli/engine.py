"""``2501bench engine``: the local engine in the foreground, for other sessions or by hand."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer


def engine(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port, 0 for any.")] = 2501,
    agent: Annotated[str, typer.Option(help="noop, oracle, command, llm or package.module:factory.")] = "noop",
    agent_command: Annotated[str | None, typer.Option(metavar="PROGRAM", help="For --agent command.")] = None,
    state_dir: Annotated[
        Path | None,
        typer.Option(help="Where to keep the state, to go on after a crash. Default: nowhere."),
    ] = None,
    parallel: Annotated[bool, typer.Option("--parallel", help="Work the tasks of a job at the same time.")] = False,
    servicenow: Annotated[
        bool, typer.Option("--servicenow", help="Take new records of SERVICENOW_GROUP from SERVICENOW_URL too.")
    ] = False,
    log_dir: Annotated[Path | None, typer.Option(help="Where agents' own output is kept. Default: nowhere.")] = None,
) -> None:
    """Run the local engine until Ctrl-C: the API that tickets go to. Its key is taken from ENGINE_API_KEY.

    With --state-dir, ENGINE_DATABASE_URL may name a PostgreSQL for all but the hosts' keys.
    """
    from pytest_2501bench.engine.server import serve

    # Agents inherit the environment in part; the key and the database are not theirs.
    key = os.environ.pop("ENGINE_API_KEY", "")
    database_url = os.environ.pop("ENGINE_DATABASE_URL", "")
    variables = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("SERVICENOW_")}
    intake = None
    if servicenow:
        from pytest_2501bench.engine.intake import group_settings

        intake = group_settings(variables)
    serve(
        host=host,
        port=port,
        key=key,
        agent="command" if agent_command else agent,
        agent_command=shlex.split(agent_command) if agent_command else None,
        log_directory=log_dir,
        state_directory=state_dir,
        database_url=database_url or None,
        parallel=parallel,
        intake=intake,
    )
