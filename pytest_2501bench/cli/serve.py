"""``2501bench serve``: the report, live from the database."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from pytest_2501bench.cli.sync import BenchDir


def serve(
    *,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address of this machine to listen at.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, metavar="PORT", help="0: any free one.")] = 2501,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="A further name by which browsers may call this server."),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    bench_dir: BenchDir = Path(".2501bench"),
) -> None:
    """Serve the report while runs go on; pages look for new results by themselves. Ctrl-C ends it.

    There are no accounts: whoever reaches the address can read all results, so by default that is only this machine.
    """
    import uvicorn

    from pytest_2501bench.store.repository import Store
    from pytest_2501bench.webreport.live import LOOPBACK, create_app

    if not bench_dir.is_dir() and not os.environ.get("DATABASE_URL"):
        raise typer.BadParameter(f"{bench_dir}: no such folder.", param_hint="--bench-dir")
    with Store.open(os.environ.get("DATABASE_URL") or None, bench_dir) as store, _listen(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}/"
        app = create_app(store, bench_dir, [*LOOPBACK, host, shown, *(allow_host or ())])
        if host not in LOOPBACK:
            typer.echo("Whoever reaches this address can read all results.", err=True)
        typer.echo(f"{address} (Ctrl-C ends it)")
        if show:
            typer.launch(address)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, server_header=False))
        with contextlib.suppress(KeyboardInterrupt):  # the usual end
            server.run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    from pytest_2501bench.errors import BenchError, Cause

    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise BenchError(
            Cause.OPTION_INVALID,
            f"--host {host} --port {port}: {error.strerror or error}.",
            remedy="Another port, or 0 for any free one?",
        ) from None
