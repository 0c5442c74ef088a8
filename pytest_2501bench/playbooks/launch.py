"""One ansible-playbook process through ansible-runner. The only module that knows ansible-runner."""

from __future__ import annotations

import json
import os
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_runner.config.runner import RunnerConfig
from ansible_runner.runner import Runner, pexpect

from pytest_2501bench.playbooks.environment import TOKEN
from pytest_2501bench.playbooks.outcome import Ended, Stop
from pytest_2501bench.playbooks.processes import Process, descendants, end_after, end_tree
from pytest_2501bench.playbooks.warm import WarmAnsible

_POLL = 0.2  # seconds between looks at deadline and cancellation; output is taken at once
_GRACE = 3.0  # seconds for Ansible to end by itself
_CLIENT_GRACE = 1.0  # seconds for the client of a warm Ansible to hear of that
# The process number must be known before Ansible says its first word: it may hang before. exec keeps the number.
_NOTE_PID = 'echo "pid $$" > "$0" && exec "$@"'
# What ansible-runner sets on top of the environment that we give it.
_RUNNERS_OWN = (
    "ANSIBLE_CALLBACK_PLUGINS",
    "ANSIBLE_STDOUT_CALLBACK",
    "ANSIBLE_RETRY_FILES_ENABLED",
    "AWX_ISOLATED_DATA_DIR",
    "RUNNER_OMIT_EVENTS",
    "RUNNER_ONLY_FAILED_EVENTS",
)


@dataclass(frozen=True, slots=True)
class Launch:
    """One process to be."""

    playbook: Path
    inventories: tuple[Path, ...]  # the last one wins
    extra_vars: Mapping[str, Any]
    environment: Mapping[str, str]
    directory: Path  # private, empty, removed by the caller
    warm: WarmAnsible | None = None  # for an environment as :func:`whole_environment` returns it
    skip_tags: tuple[str, ...] = ()


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(content, file, default=str)


def whole_environment(environment: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Return what ansible-runner makes of *environment*; *directory* is private and empty."""
    nothing = directory / "none.yml"
    env: dict[str, str] = _configure(Launch(nothing, (), {}, environment, directory), directory / "notes").env
    return env


def _configure(spec: Launch, notes: Path) -> RunnerConfig:
    # Settings are dropped unless they are in a file. Extra variables on the command line would show in ps.
    _write(
        spec.directory / "env" / "settings",
        {"pexpect_timeout": _POLL, "suppress_output_file": True, "suppress_ansible_output": True},
    )
    if spec.extra_vars:
        _write(spec.directory / "env" / "extravars", spec.extra_vars)
    config = RunnerConfig(
        private_data_dir=str(spec.directory),
        project_dir=str(spec.playbook.parent),
        playbook=str(spec.playbook),
        inventory=[str(path) for path in spec.inventories],
        envvars=dict(spec.environment),
        skip_tags=",".join(spec.skip_tags) or None,
        fact_cache_type="",  # its default keeps facts on disk
        ident="run",
    )
    config.prepare()
    # prepare() starts from the whole of os.environ, and run() writes the result to disk.
    config.env = {**spec.environment, **{name: config.env[name] for name in _RUNNERS_OWN if name in config.env}}
    config.cwd = str(spec.playbook.parent)
    warm = spec.warm.around(config.command, notes) if spec.warm is not None else None
    config.command = warm or ["/bin/sh", "-c", _NOTE_PID, str(notes), *config.command]
    return config


@dataclass(slots=True)
class _Ender:
    """Asked by ansible-runner at every poll; ends the process itself, because the built-in cancel leaves orphans."""

    why: Callable[[], Stop | None]
    notes: Path
    token: str
    stopped: Stop | None = None
    _thread: threading.Thread | None = None

    def __call__(self) -> bool:
        if self.stopped is None:
            self.stopped = self.why()
        if self.stopped is not None and self._thread is None and self.noted("pid"):
            # In a thread: Ansible must be able to write its last words while it ends.
            self._thread = threading.Thread(target=self.end, name="end-playbook", daemon=True)
            self._thread.start()
        return False

    def noted(self, word: str) -> str:
        """Return what stands behind *word* in the notes, whose last line counts; empty when there is none."""
        try:
            lines = self.notes.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        except OSError:
            return ""
        found = [line.strip().partition(" ") for line in lines if line.endswith("\n")]
        return next((rest or word for first, _, rest in reversed(found) if first == word), "")

    def end(self) -> None:
        client: set[Process] = descendants(int(number)) if (number := self.noted("client")) else set()
        if pid := self.noted("pid"):
            end_tree(int(pid), self.token, _GRACE)
        end_after(client, _CLIENT_GRACE)

    def finish(self) -> None:
        if self._thread is not None:
            self._thread.join()


def launch(spec: Launch, on_event: Callable[[Mapping[str, Any]], None], why_stop: Callable[[], Stop | None]) -> Ended:
    """Run *spec* to its end and return how it ended.

    Args:
        spec: what to run.
        on_event: called with every event as it comes; quick, never raises.
        why_stop: called every 0.2 s; anything but None ends the playbook with all of its processes.

    Whatever leaves this function early, KeyboardInterrupt above all, ends the playbook first and then goes on.
    """
    notes = spec.directory / "notes"
    config = _configure(spec, notes)
    ender = _Ender(why_stop, notes, spec.environment.get(TOKEN, ""))

    def handle(event: Mapping[str, Any]) -> bool:
        on_event(event)
        return False  # nothing on disk

    runner = Runner(config, event_handler=handle, cancel_callback=ender)
    started = time.monotonic()
    try:
        with warnings.catch_warnings():
            # Python ≥ 3.12 warns when a process with threads forks a terminal; the child calls exec at once.
            warnings.filterwarnings("ignore", message=".*forkpty", category=DeprecationWarning)
            runner.run()
    except pexpect.exceptions.TIMEOUT:
        ender.end()
        problem = f"a process of the playbook kept its output open after {time.monotonic() - started:.0f} s"
        return Ended(None, ender.stopped, problem)
    except Exception as e:  # noqa: BLE001 - a full disk, a bug in ansible-runner: not the playbook's, and not to be lost
        ender.end()
        return Ended(None, ender.stopped, f"ansible-runner broke: {type(e).__name__}: {e}")
    except BaseException:
        ender.end()
        raise
    finally:
        ender.finish()
    if spec.warm is not None and (cold := ender.noted("cold")):
        spec.warm.failed(cold)
    if spec.warm is not None and ender.noted("died"):
        spec.warm.failed("its process died")
        ender.end()
        return Ended(None, ender.stopped, "the process that ran Ansible was killed")
    return Ended(runner.rc, ender.stopped)
