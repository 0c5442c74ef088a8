"""A pytest plugin for the disturbed session: it tells where the engine is, and goes to it through the proxy.

Loaded by ``2501bench chaos`` alone, with ``-p``. Everything else about the run is read from its evidence.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from pytest_2501bench.options import Settings
from pytest_2501bench.wiring import session_of

NOTE = "BENCH_CHAOS_NOTE"
"""The file in which the session says where its engine is."""
PROXY = "BENCH_CHAOS_PROXY"
"""Port of the proxy in front of the engine; not set: there is none."""


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Put ourselves in front of the gateway before anything uses it."""
    note = os.environ.get(NOTE)
    if note:
        bench = session_of(session.config)
        make = bench.make_gateway

        def make_told(settings: Settings) -> object:
            url = settings.engine_url or ""
            told = {"url": url, "engine": bench.engine_pid}
            Path(note).write_text(json.dumps(told), encoding="utf-8")
            port = os.environ.get(PROXY)
            if port and url:
                url = urlunsplit(urlsplit(url)._replace(netloc=f"127.0.0.1:{port}"))
                settings = dataclasses.replace(settings, engine_url=url)
            return make(settings)

        bench.make_gateway = make_told  # type: ignore[assignment]
    return (yield)
