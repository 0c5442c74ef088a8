"""The files of a ticket, on disk for as long as an agent works on it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pytest_2501bench.engine.wire import TicketIn


@contextlib.contextmanager
def laid_out(ticket: TicketIn) -> Iterator[tuple[Path, ...]]:
    """Give the ticket's attachments as files in a private directory, which is removed afterwards."""
    if not ticket.attachments:
        yield ()
        return
    with tempfile.TemporaryDirectory(prefix="2501-", ignore_cleanup_errors=True) as folder:
        paths = []
        for attachment in ticket.attachments:
            path = Path(folder, attachment.name)
            path.write_bytes(attachment.data())
            paths.append(path)
        yield tuple(paths)
