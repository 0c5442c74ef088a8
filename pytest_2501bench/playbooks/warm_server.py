"""Has Ansible imported, and forks for every playbook: a program of its own, never imported.

Usage: ``python -P warm_server.py LISTENER LIFELINE OWNER`` (two open descriptors and a process number)

With :mod:`.warm_modules` the only file here that imports Ansible, which is under the GNU GPL v3. It runs in a process
without pytest and does what the ``ansible-playbook`` program does (import Ansible's command line, call its ``main()``).
The rest of this project talks to it through a socket as it talks to that program through its command line.

A fork takes arguments, folder, environment, streams and terminal from :mod:`.warm_client`, says ``ready PID`` and waits
for one byte: a client that has given up in the meantime runs the plain program, and nothing runs twice. What Ansible
read of the environment while it was imported holds for every fork, so a playbook whose environment differs in more than
:data:`.warm_environment.OWN` is refused.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import fcntl
import gc
import importlib
import os
import secrets
import select
import signal
import socket
import sys
import tempfile
import termios
from pathlib import Path
from typing import NoReturn

# This package from where this file is, also when another copy is installed; nothing else from there first.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import pytest_2501bench  # noqa: F401

sys.path.append(sys.path.pop(0))

from pytest_2501bench.playbooks.processes import end_tree
from pytest_2501bench.playbooks.warm_environment import differences
from pytest_2501bench.playbooks.warm_modules import share_packed_modules

_GRACE = 3.0  # seconds for a playbook to end by itself
_PR_SET_PDEATHSIG = 1
_STREAMS = 3
_COLLECT_EVERY = 50_000  # new objects; a playbook is short, and Python's 700 cost it a seventh of its time

# What every playbook imports sooner or later. No plugins: the playbook decides which file a plugin's name means.
_IMPORTED = (
    "ansible.cli.playbook",
    "ansible.executor.interpreter_discovery",
    "ansible.executor.module_common",
    "ansible.executor.playbook_executor",
    "ansible.executor.process.worker",
    "ansible.executor.task_executor",
    "ansible.executor.task_queue_manager",
    "ansible.playbook.play",
    "ansible.plugins.action",
    "ansible.plugins.callback",
    "ansible.plugins.connection",
    "ansible.plugins.inventory",
    "ansible.plugins.shell",
    "ansible.plugins.strategy",
    "ansible.template",
    "ansible.vars.hostvars",
    "ansible.vars.manager",
    "multiprocessing.popen_fork",
    "multiprocessing.queues",
)


class _RefusedError(Exception):
    """The playbook must run in the plain program."""


class Server:
    """Forks, tells clients how their playbooks ended, and ends what nobody waits for. One thread, or forks would hang.

    Args:
        listener: the socket that clients connect to; bound by the owner, so that it is there before Ansible is.
        lifeline: a pipe whose end says that the owner is gone.
        owner: the owner's process, in case a process that was forked off it holds the lifeline open.
    """

    def __init__(self, listener: socket.socket, lifeline: int, owner: int) -> None:
        self._listener = listener
        self._running: dict[int, tuple[socket.socket, int]] = {}  # descriptor → connection, playbook's process
        self._woken, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        self._ends = [lifeline]
        with contextlib.suppress(AttributeError, OSError):  # old kernels; or it is gone, and so is the lifeline
            self._ends.append(os.pidfd_open(owner))
        self._mine = [self._woken, waker, *self._ends]
        self._poll = select.poll()
        for fd in (listener.fileno(), self._woken, *self._ends):
            self._poll.register(fd, select.POLLIN)
        self._prctl = ctypes.CDLL(None).prctl

    def serve(self) -> socket.socket | None:
        """Serve until the owner is gone or SIGTERM comes: None. In a fork, return the connection to its client."""
        signal.signal(signal.SIGTERM, lambda *_: None)  # until now, amid the imports, it just ended the process
        while True:
            for fd, _ in self._poll.poll():
                if fd in self._ends or (fd == self._woken and signal.SIGTERM in os.read(fd, 4096)):
                    self._end_all()
                    return None
                if fd == self._woken:
                    self._reap()
                elif fd == self._listener.fileno():
                    # No memory, no descriptor: this client finds its connection closed, and the others go on.
                    with contextlib.suppress(OSError):
                        connection, _ = self._listener.accept()
                        if self._fork(connection):
                            return connection
                elif fd in self._running:  # the client is gone
                    self._poll.unregister(fd)
                    self._end(self._running[fd][1])

    def _fork(self, connection: socket.socket) -> bool:
        """Fork for *connection*; return whether this is the fork."""
        server = os.getpid()
        if pid := self._split():
            self._running[connection.fileno()] = (connection, pid)
            self._poll.register(connection.fileno(), select.POLLRDHUP)  # what the client writes is the fork's to read
            return False
        self._prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != server:
            os._exit(1)
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as ansible-runner starts the plain program
        return True

    def _split(self) -> int:
        """Fork like ``os.fork``; the fork has dropped what is the server's."""
        mine = {signal.SIGCHLD, signal.SIGTERM}
        # Blocked meanwhile: a fork that still has the server's handlers would report its signals as the server's.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, mine)
        try:
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                for number in mine:
                    signal.signal(number, signal.SIG_DFL)
                self._let_go()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pid

    def _let_go(self) -> None:
        self._listener.close()
        for fd in self._mine:
            os.close(fd)
        for connection, _ in self._running.values():
            connection.close()

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended[0], os.waitstatus_to_exitcode(ended[1])
                for fd, (connection, playbook) in list(self._running.items()):
                    if playbook == pid:
                        with contextlib.suppress(KeyError):
                            self._poll.unregister(fd)
                        with contextlib.suppress(OSError):
                            connection.sendall(f"ended {status}\n".encode())
                        connection.close()
                        del self._running[fd]

    def _end(self, playbook: int) -> None:
        """End a playbook with all of its processes; in a fork, because it may take seconds."""
        with contextlib.suppress(OSError):
            if self._split() == 0:
                try:
                    end_tree(playbook, "", _GRACE)
                finally:
                    os._exit(0)

    def _end_all(self) -> None:
        for _, playbook in self._running.values():
            self._end(playbook)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)


def _import_ansible(packed: Path) -> None:
    for name in _IMPORTED:
        with contextlib.suppress(ImportError):  # another version; the fork imports what it needs
            importlib.import_module(name)
    with contextlib.suppress(Exception):
        _remember_routing()
    with contextlib.suppress(Exception):
        share_packed_modules(packed)
    # Forks share these pages for as long as no collection touches them.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY, 20, 20)


def _remember_routing() -> None:
    """Parse Ansible's own long list of moved plugins once; Ansible says of its parser that it may be replaced so."""
    import ansible  # type: ignore[import-untyped]
    from ansible.utils.collection_loader import _collection_finder as finder  # type: ignore[import-untyped]

    parse = finder._meta_yml_to_dict
    listed = (Path(ansible.__file__).parent / "config" / "ansible_builtin_runtime.yml").read_bytes()
    routing = parse(listed, ("ansible.builtin", "runtime.yml"))

    def parsed(text: bytes | str, name: object) -> object:
        return routing if text == listed else parse(text, name)  # each fork has a copy of its own

    finder._meta_yml_to_dict = parsed


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise _RefusedError("the request was cut off")
        data += part
    return data


def _take_over(connection: socket.socket) -> None:
    """Become what the client was: its folder, environment, streams and arguments."""
    size, streams, _, _ = socket.recv_fds(connection, 20, _STREAMS)
    size += _exactly(connection, 20 - len(size))
    folder, mask, count, *rest = _exactly(connection, int(size)).split(b"\0")
    words, variables = rest[: int(count)], rest[int(count) :]
    environment = dict(os.fsdecode(variable).split("=", 1) for variable in variables)
    if other := differences(environment, os.environ):
        raise _RefusedError(f"it has another environment: {', '.join(other)}")
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    os.umask(int(mask))
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.argv = [os.fsdecode(word) for word in words]
    for output in (sys.stdout, sys.stderr):
        output.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _settle() -> None:
    """Make again what Ansible made when it was imported, and what must be each playbook's own."""
    from ansible import constants
    from ansible.utils import vars as variables  # type: ignore[import-untyped]
    from ansible.utils.display import Display  # type: ignore[import-untyped]
    from ansible.utils.path import cleanup_tmp_file  # type: ignore[import-untyped]

    tempfile.tempdir = None
    atexit.unregister(cleanup_tmp_file)  # the server's temporary directory is the server's to remove
    for name, definition in constants.config.get_configuration_definitions().items():
        if name == "ANSIBLE_HOME" or "ANSIBLE_HOME" in str(definition.get("default")):
            setattr(constants, name, constants.config.get_config_value(name, variables=vars(constants)))
    variables.random_int = secrets.token_hex(4)  # part of every task's id
    Display()._set_column_width()


def _playbook(connection: socket.socket) -> NoReturn:
    """Run the client's playbook in this fork."""
    try:
        _take_over(connection)
        _settle()
        connection.sendall(f"ready {os.getpid()}\n".encode())
        go = connection.recv(1)
    except Exception as e:  # noqa: BLE001 - whatever it is, the plain program does it instead
        with contextlib.suppress(OSError):
            connection.sendall(f"no {e}\n".encode())
        os._exit(1)
    if not go:
        os._exit(1)
    connection.close()
    with contextlib.suppress(OSError):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # the client has given it up; it may not be a terminal
    from ansible.cli.playbook import main  # type: ignore[import-untyped]

    main()
    sys.exit()


def _main() -> None:
    listener, lifeline, owner = map(int, sys.argv[1:])
    bound = socket.socket(fileno=listener)
    server = Server(bound, lifeline, owner)
    _import_ansible(Path(bound.getsockname()).with_name("packed"))
    connection = server.serve()
    if connection is not None:
        _playbook(connection)


if __name__ == "__main__":
    _main()
