"""Serves the report from the database while runs go on. Reads only; every page is made when it is asked for."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from pytest_2501bench.analysis.outcomes import What
from pytest_2501bench.errors import BenchError
from pytest_2501bench.store.aggregate import state
from pytest_2501bench.webreport.links import Links
from pytest_2501bench.webreport.page import policy
from pytest_2501bench.webreport.records import Records

if TYPE_CHECKING:
    from starlette.requests import Request

    from pytest_2501bench.store.repository import Store

log = logging.getLogger(__name__)

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1", "[::1]")
_TOP, _BELOW = Links(), Links("../")
_LONGEST_SIDE: Final = 500
_REST: Final = 5
"""Times as long as counting took, what was counted is good."""


class Desk:
    """Answers requests; what is counted is read again only when a run was stored since."""

    def __init__(self, store: Store, bench_dir: Path) -> None:
        self._store = store
        self._bench_dir = bench_dir
        self._lock = Lock()
        self._known: tuple[str, Records] | None = None
        self._good_until = 0.0

    def _current(self) -> tuple[str, Records]:
        with self._lock:
            begin = time.monotonic()
            if self._known is not None and begin < self._good_until:
                return self._known
            now = state(self._store)
            if self._known is None or self._known[0] != now:
                self._known = now, Records.read(self._store, self._bench_dir, live=True)
                # With many runs counting takes long; while new ones come in, most time must be left for answers.
                self._good_until = time.monotonic() + _REST * (time.monotonic() - begin)
            return self._known

    def _records(self) -> Records:
        return self._current()[1]

    def state(self, _request: Request) -> Response:
        """Return a text that changes with the results."""
        return PlainTextResponse(self._current()[0], headers={"Cache-Control": "no-store"})

    def overview(self, _request: Request) -> Response:
        """Return the first page."""
        return _page(self._records().overview(_TOP))

    def benchmark_list(self, _request: Request) -> Response:
        """Return the list of benchmarks."""
        return _page(self._records().benchmark_list(_TOP))

    def benchmark(self, request: Request) -> Response:
        """Return one benchmark; ``bmk_x-2`` is the second page of its runs."""
        name, _, number = request.path_params["name"].partition("-")
        known = number.isdecimal() and len(number) < 6
        return _page(self._records().benchmark(name, _BELOW, int(number) if known else 1))

    def scenario(self, request: Request) -> Response:
        """Return one scenario."""
        return _page(self._records().scenario(request.path_params["name"].replace("+", "/"), _BELOW))

    def run(self, request: Request) -> Response:
        """Return one run."""
        report = self._store.report(request.path_params["name"])
        return _page(None if report is None else self._records().run(report, _BELOW), replay=True)

    def comparison(self, request: Request) -> Response:
        """Return a comparison of the sides that are asked for, or of the usual ones."""
        records, asked = self._records(), request.query_params
        gate = asked.get("gate", What.BOTH.value)
        what = What(gate) if gate in set(What) else What.BOTH
        sides = records.usual_sides()
        if asked.get("a") and asked.get("b"):
            sides = asked["a"][:_LONGEST_SIDE], asked["b"][:_LONGEST_SIDE]
        told = None if sides is None else records.compared(*sides, what, mix="mix" in asked)
        return _page(records.comparison(told, _TOP))


def create_app(store: Store, bench_dir: Path, hosts: Sequence[str] = LOOPBACK) -> Starlette:
    """Return the application.

    Args:
        store: stays open as long as the application runs.
        bench_dir: where the evidence is.
        hosts: names in a request's ``Host`` that are answered. A page of somebody else that made its own name lead to
            this machine (DNS rebinding) is refused.
    """
    desk = Desk(store, bench_dir)
    routes = [
        Route("/", desk.overview),
        Route("/index.html", desk.overview),
        Route("/benchmarks.html", desk.benchmark_list),
        Route("/benchmarks/{name}.html", desk.benchmark),
        Route("/scenarios/{name}.html", desk.scenario),
        Route("/runs/{name}.html", desk.run),
        Route("/compare.html", desk.comparison),
        Route("/state", desk.state),
    ]
    guard = Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    return Starlette(routes=routes, middleware=[guard], exception_handlers={BenchError: _unreadable})


def _page(text: str | None, *, replay: bool = False) -> Response:
    if text is None:
        return PlainTextResponse("There is no such page.", status_code=404)
    headers = {
        # A page with a player names more in its own element; both policies must allow what happens.
        "Content-Security-Policy": f"{policy(replay=replay, live=True)}; frame-ancestors 'none'",
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    return HTMLResponse(text.encode("utf-8", "replace"), headers=headers)


def _unreadable(_request: Request, error: Exception) -> Response:
    log.warning("%s", error)
    return PlainTextResponse(str(error), status_code=503)
