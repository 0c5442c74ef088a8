"""A real PostgreSQL server of the tests' own: run by an ordinary user, in a temporary folder, ended with the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

PASSWORD = "s3cret-word"


class PostgresServer:
    """One server on a random loopback port and a unix socket; passwords are checked on the port.

    Attributes:
        port: where it listens, on 127.0.0.1.
        directory: holds data, log and unix socket; short, as socket paths are limited.
    """

    def __init__(self) -> None:
        self.bin = _newest_bin()
        self.directory = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self.port = _free_port()
        self._user = _server_user()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    def __enter__(self) -> Self:
        try:
            self._initialize()
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.remove()

    def start(self) -> None:
        """Start it (again), and return when it answers."""
        with (self.directory / "log").open("ab") as log:
            # pdeathsig: should the tests be killed, their server must not stay behind.
            self._process = subprocess.Popen(
                self._as_user(str(self.bin / "postgres"), "-D", str(self.directory / "data")),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.directory,
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self._admin_dsn(), connect_timeout=2).close()
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"no PostgreSQL: {error}\n{(self.directory / 'log').read_text()}") from error
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop it at once, as a crash would: connections break; the data stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def remove(self) -> None:
        """Stop it and remove everything."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement as superuser."""
        with psycopg.connect(self._admin_dsn(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def new_database(self) -> str:
        """Create an empty database; return its name."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def url(self, database: str, *, user: str = "bench", password: str = PASSWORD) -> str:
        """Return a DATABASE_URL for *database*, over TCP with a password."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def _initialize(self) -> None:
        if self._user:
            os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
        data = self.directory / "data"
        options = ("--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C")
        self._run("initdb", "-D", str(data), "-U", "admin", *options)
        with (data / "postgresql.conf").open("a") as file:
            file.write(f"port = {self.port}\nlisten_addresses = '127.0.0.1'\n")
            file.write(f"unix_socket_directories = '{self.directory}'\nfsync = off\n")
            file.write("shared_buffers = 16MB\nmax_connections = 60\n")
        self.start()
        self.execute(f"CREATE ROLE bench SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        self.stop()

    def _run(self, program: str, *arguments: str) -> None:
        command = self._as_user(str(self.bin / program), *arguments)
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.directory)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")

    def _as_user(self, *command: str) -> list[str]:
        become = ["setpriv", "--pdeathsig=QUIT"]
        if self._user:  # PostgreSQL refuses to run as root
            ids = [f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}", "--clear-groups"]
            become = ["setpriv", *ids, "--pdeathsig=QUIT"]
        return [*become, "--", *command]

    def _admin_dsn(self, database: str = "postgres") -> str:
        return f"host={self.directory} port={self.port} user=admin dbname={database}"


def _newest_bin() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise RuntimeError("no PostgreSQL server in /usr/lib/postgresql: apt-get install postgresql")
    return found[-1].parent


def _server_user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
