"""Run playbooks for one session: the :class:`~pytest_2501bench.playbooks.model.PlaybookRunner` on ansible-runner.

Nothing here imports Ansible: it runs in processes of its own, which :mod:`~pytest_2501bench.playbooks.warm` makes start
fast.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.evidence.model import PlaybookRecord, PlaybookStatus
from pytest_2501bench.playbooks.control import end_masters, private_directory, remove
from pytest_2501bench.playbooks.environment import Patience, ansible_environment, require_programs, search_path
from pytest_2501bench.playbooks.events import EventFold, printed, start_of
from pytest_2501bench.playbooks.inventory import connection_arguments, control_path, host_arguments, run_inventory
from pytest_2501bench.playbooks.launch import Launch, launch, whole_environment
from pytest_2501bench.playbooks.log import PlaybookLog
from pytest_2501bench.playbooks.model import PlaybookRequest
from pytest_2501bench.playbooks.outcome import Ended, Outcome, Stop, outcome
from pytest_2501bench.playbooks.scenario_inventory import (
    InventoryProblem,
    check_host_variables,
    check_hosts,
    read_hosts,
)
from pytest_2501bench.playbooks.syntax import check_syntax, folder_digest
from pytest_2501bench.playbooks.warm import SHARED, WarmAnsible, fits, wanted
from pytest_2501bench.sandbox.protocol import Host

log = logging.getLogger(__name__)

NEUTRAL = Path(__file__).parent / "ansible.cfg"


class AnsibleRunner:
    """One per session and process; may be used from several threads.

    Makes a private directory (mode 0700) on first use. :meth:`close`, or the interpreter's end, removes it.

    Args:
        patience: limits for connections.
        programs: folder with ``ansible-playbook``; default: the interpreter's, then ``PATH``.
        environ: environment to take the allowed part of; default: this process's, at the time of each playbook.
    """

    def __init__(
        self,
        patience: Patience | None = None,
        programs: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self._environ: Mapping[str, str] = os.environ if environ is None else environ
        self._path = search_path(programs, self._environ)
        self._lock = threading.Lock()
        self._session: Path | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None
        self._checked: dict[tuple[str, str, str], str | None] = {}
        self._named: dict[tuple[Path, bytes], frozenset[str]] = {}
        self._warm_lock = threading.Lock()
        self._warm: WarmAnsible | None = None
        self._warm_asked = False

    def preflight(self) -> None:
        """Check what playbooks need, and begin to warm Ansible up in the background; harmless when repeated.

        Raises:
            BenchError: ``tool_missing``: ansible-playbook, ansible-inventory or ssh is absent; ``option_invalid``:
                ``BENCH_ANSIBLE`` is wrong; ``evidence_not_written``: no private directory.
        """
        require_programs(self._path)
        with self._warm_lock:
            if not self._warm_asked and wanted(self._environ):
                self._warm = self._warm_up()
            self._warm_asked = True

    @property
    def warm_pid(self) -> int | None:
        """The process that keeps Ansible warm, if it is ours and was started."""
        return self._warm.pid if self._warm is not None else None

    def run(self, request: PlaybookRequest) -> PlaybookRecord:
        """Run the playbook to its end or deadline.

        Never raises for what a playbook, its inventory or a host can do. KeyboardInterrupt passes, after every process
        of the playbook has ended.

        Raises:
            BenchError: ``tool_missing``; ``evidence_not_written`` when the log or the private directory cannot be made.
        """
        self.preflight()
        playbook = request.playbook.absolute()  # not resolved: Ansible must show the paths that we cut
        started, clock = time.time(), time.monotonic()
        fold = EventFold(playbook.parent)
        with PlaybookLog(request.log) as log:
            names = ", ".join(host.host_name for host in request.hosts)
            log.write(f"{playbook.name} ({request.phase}) on {names or 'no host'}, deadline {request.deadline:g} s")
            ended, result = self._run(request, playbook, fold, log, clock)
            log.write(f"\n{playbook.name}: {result.status}{f': {result.message}' if result.message else ''}\n")
        message = result.message
        if log.broken:
            message = "; ".join(filter(None, [message, f"log incomplete: {log.broken}"]))
        return PlaybookRecord(
            name=playbook.name,
            phase=request.phase,
            status=result.status,
            rc=ended.rc,
            started_at=started,
            seconds=time.monotonic() - clock,
            tasks=fold.seen().tasks,
            failure=result.failure,
            message=message,
            log=request.log.name,
        )

    def syntax_check(self, playbook: Path, inventory: Path | None = None) -> str | None:
        """Return what is wrong with *playbook* (``file:line: words``), or None. Connects to nothing.

        Remembered for as long as no file in the playbook's folder changes.
        """
        playbook = playbook.absolute()
        if not playbook.is_file():
            return f"{playbook.name}:1: no such file"
        self.preflight()
        key = (str(playbook), str(inventory or ""), folder_digest(playbook.parent))
        if key not in self._checked:
            with self._workplace() as home:
                environment = self._environment(home, playbook.parent)
                hosts = inventory.absolute() if inventory else self._empty_inventory()
                self._checked[key] = check_syntax(playbook, hosts, environment)
        return self._checked[key]

    def ssh_command(self, host: Host) -> list[str]:
        """Return the command that runs a further word on *host*, over the connection of its playbooks or a new one.

        A new one stays for the next playbook; it is ended like the others.
        """
        ssh = host.ssh
        socket, key = (str(path).replace("%", "%%") for path in (control_path(ssh, self._control()), ssh.identity_file))
        words = ["ssh", *connection_arguments(self._patience), "-o", f"ControlPath={socket}", *host_arguments(ssh)]
        return [*words, "-i", key, "-p", str(ssh.port), "-l", ssh.user, ssh.address]

    def forget(self, hosts: Sequence[Host]) -> None:
        """End the control masters to *hosts*: they are about to be destroyed or reset."""
        if self._session is not None:
            sockets = [control_path(host.ssh, self._session / "c") for host in hosts]
            end_masters(sockets, {"PATH": self._path})

    def close(self) -> None:
        """End control masters and the warm Ansible, remove every file of this session; harmless when repeated."""
        with self._warm_lock:
            if self._warm is not None:
                if os.environ.get(SHARED) == self._warm.name and self._warm.pid is not None:
                    del os.environ[SHARED]
                self._warm.close()
            self._warm, self._warm_asked = None, False
        with self._lock:
            if self._finalizer is not None:
                self._finalizer()
            self._session = self._finalizer = None

    def _run(
        self, request: PlaybookRequest, playbook: Path, fold: EventFold, log: PlaybookLog, clock: float
    ) -> tuple[Ended, Outcome]:
        if not playbook.is_file():
            return Ended(None), Outcome(PlaybookStatus.RUNNER_ERROR, f"{playbook.name}: no such file")
        if not request.hosts:
            return Ended(None), Outcome(PlaybookStatus.NO_HOSTS, "the run has no host")

        def on_event(event: Mapping[str, Any]) -> None:
            fold.feed(event)
            log.write(printed(event))
            if (start := start_of(event)) is not None:
                with suppress(Exception):
                    request.progress(f"{playbook.name}: [{start[0]}] {start[1]}")

        def why_stop() -> Stop | None:
            if time.monotonic() - clock > request.deadline:
                return Stop.DEADLINE
            return Stop.CANCELLED if request.cancelled() else None

        with self._workplace() as home:
            environment = self._environment(home, playbook.parent)
            try:
                inventories = self._inventories(request, playbook.parent, home, environment)
            except InventoryProblem as e:
                return Ended(None), Outcome(PlaybookStatus.RUNNER_ERROR, str(e))
            # A scenario with settings of its own needs an Ansible that has read them.
            warm = self._warm if environment["ANSIBLE_CONFIG"] == str(NEUTRAL) else None
            spec = Launch(playbook, inventories, request.extra_vars, environment, home, warm, request.skip_tags)
            ended = launch(spec, on_event, why_stop)
        result = outcome(ended, fold.seen(), folder=playbook.parent, deadline=request.deadline)
        if result.status in (PlaybookStatus.TIMED_OUT, PlaybookStatus.CANCELLED, PlaybookStatus.UNREACHABLE):
            self.forget(request.hosts)  # such a connection must not be the next playbook's
        return ended, result

    def _inventories(
        self, request: PlaybookRequest, folder: Path, home: Path, environment: Mapping[str, str]
    ) -> tuple[Path, ...]:
        """Write the run's inventory; return it behind the scenario's, so that ours has the last word."""
        names = [host.host_name for host in request.hosts]
        check_host_variables(folder, names)
        ours = home / "run.yml"
        ours.write_text(run_inventory(request.hosts, self._control(), self._patience), encoding="utf-8")
        if request.extra_inventory is None:
            return (ours,)
        extra = request.extra_inventory.absolute()
        try:
            key = (extra, extra.read_bytes())
        except OSError as e:
            raise InventoryProblem(f"{extra.name}: {e.strerror}") from e
        if key not in self._named:
            self._named[key] = read_hosts(extra, environment)
        check_hosts(extra, self._named[key], names)
        return (extra, ours)

    def _environment(self, home: Path, folder: Path) -> dict[str, str]:
        own = folder / "ansible.cfg"
        return ansible_environment(
            home / "h",
            path=self._path,
            config=own if own.is_file() else NEUTRAL,
            patience=self._patience,
            environ=self._environ,
            token=uuid4().hex,
        )

    def _warm_up(self) -> WarmAnsible | None:
        if not fits(self._path):
            return None
        with self._workplace() as home:
            environment = whole_environment(self._environment(home, home), home)
        shared = WarmAnsible.shared(self._environ, environment)
        if shared is not None:
            return shared
        directory = self._made() / "w"
        try:
            warm = WarmAnsible.start(directory, environment | {"ANSIBLE_HOME": str(directory / "h")})
        except OSError as e:
            log.warning("Ansible cannot be kept warm (%s); each playbook starts it anew.", e)
            return None
        weakref.finalize(self, warm.close)
        if self._environ is os.environ:
            os.environ[SHARED] = warm.name
        return warm

    def _made(self) -> Path:
        """Return the session's directory, made on first use."""
        with self._lock:
            if self._session is None:
                try:
                    session = private_directory()
                    (session / "c").mkdir(mode=0o700)
                    (session / "none.yml").write_text("all: {}\n", encoding="utf-8")
                except OSError as e:
                    raise BenchError(Cause.EVIDENCE_NOT_WRITTEN, f"no private directory: {e}") from e
                self._session = session
                self._finalizer = weakref.finalize(self, remove, session, session / "c", {"PATH": self._path})
            return self._session

    def _control(self) -> Path:
        return self._made() / "c"

    def _empty_inventory(self) -> Path:
        return self._made() / "none.yml"

    @contextmanager
    def _workplace(self) -> Iterator[Path]:
        """Make a private directory for one playbook, and remove it whatever happens."""
        try:
            home = Path(tempfile.mkdtemp(prefix="p", dir=self._made()))
        except OSError as e:
            raise BenchError(Cause.EVIDENCE_NOT_WRITTEN, f"no private directory: {e}") from e
        try:
            yield home
        finally:
            shutil.rmtree(home, ignore_errors=True)
