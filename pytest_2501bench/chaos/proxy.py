"""A TCP proxy that can be cut: the way to an engine or a database, as it breaks in a real network."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

_PIECE = 65_536


class Proxy:
    """Listens on a loopback port; while it is cut, every connection through it breaks, and new ones are hung up on.

    *upstream* says where to connect to, each time anew; None: not known yet, and hung up on.
    """

    def __init__(self, upstream: Callable[[], tuple[str, int] | None]) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._cut = False
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="chaos-proxy", daemon=True).start()

    def cut(self) -> None:
        """Break all connections, and let no new one through."""
        with self._lock:
            self._cut = True
            broken = tuple(self._open)
        for each in broken:
            _hang_up(each)

    def mend(self) -> None:
        """Let connections through again."""
        with self._lock:
            self._cut = False

    def close(self) -> None:
        """End it; harmless when repeated."""
        self.cut()
        _hang_up(self._listener)
        self._listener.close()

    def _is_cut(self) -> bool:
        with self._lock:
            return self._cut

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        where = self._upstream()
        with client, contextlib.suppress(OSError):
            if self._is_cut() or where is None:
                return
            with socket.create_connection(where, timeout=10) as server:
                server.settimeout(None)
                with self._lock:
                    self._open |= {client, server}
                if self._is_cut():  # meanwhile
                    return
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                try:
                    _pump(client, server)
                    back.join()
                finally:
                    with self._lock:
                        self._open -= {client, server}


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _hang_up(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
