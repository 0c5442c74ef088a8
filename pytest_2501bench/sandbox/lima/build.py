"""Builds templates: a Debian machine by Lima's own definition, packages, playbook, cleaning, stop; one at a time."""

from __future__ import annotations

import fcntl
import json
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.lima import guest, recipe
from pytest_2501bench.sandbox.lima.images import SOURCE, Built, Images
from pytest_2501bench.sandbox.lima.limactl import Instance, LimactlError, environment, lima_home
from pytest_2501bench.sandbox.protocol import Host, Progress, SshSettings, silent
from pytest_2501bench.sandbox.provisioning import provision
from pytest_2501bench.sandbox.templates import Template

CREATE_SECONDS: Final = 300.0  # writes settings only
START_SECONDS: Final = 2460.0  # downloads or copies the image at the first start, then gives up by itself after 600 s
STOP_SECONDS: Final = 420.0  # twice three minutes of limactl's own
INSTALL_SECONDS: Final = 1800.0
WAIT: Final = 5.0  # seconds between two "waiting" lines


class Builder:
    """Builds what *images* lacks."""

    def __init__(self, images: Images) -> None:
        self.images = images
        self.holdings = images.holdings
        self.limactl = images.limactl

    @contextmanager
    def _building(self, step: str, progress: Progress) -> Iterator[None]:
        self.holdings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        started = told = time.monotonic()
        with (self.holdings.state / "build.lock").open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() - told > WAIT:
                        told = time.monotonic()
                        progress(f"{step}: another process is building; waiting… {told - started:.0f} s")
                    time.sleep(0.1)
            yield

    def build(self, template: Template, packages: Sequence[str], progress: Progress = silent) -> None:
        """Build the template, and if *packages* are given the one with them, unless they are there.

        Raises:
            BenchError: ``sandbox_unavailable`` with limactl's own words and the log.
        """
        for wanted in [(), tuple(packages)] if packages else [()]:
            if self.images.complete(template, wanted):
                continue
            step = f"template {template.name}" + (f" with {', '.join(wanted)}" if wanted else "")
            with self._building(step, progress):
                if not self.images.complete(template, wanted):
                    self._build(template, wanted, step, progress)
                    progress(f"{step}: ready")

    def _build(self, template: Template, packages: tuple[str, ...], step: str, progress: Progress) -> None:
        name = self.images.name(template, packages)
        holding = f"build-{name.replace('.', '-')}"
        # We have the lock, so whoever began this before is dead.
        left = self.holdings.remove(holding)
        log = self.images.notes / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("", encoding="utf-8")
        try:
            if left:
                raise LimactlError(f"what an earlier build left cannot be removed: {left}")
            if self.images.note(name) is None and (lima_home() / name).exists():
                raise LimactlError(
                    f"there is an instance {name} that we did not make; `limactl delete -f {name}` if nobody needs it"
                )
            self.holdings.begin(holding, [name])
            self.images.forget(name)
            left = self.holdings.clear(holding)
            if left:
                raise LimactlError(f"the old one cannot be removed: {left}")
            self._fill(template, packages, holding, log, _Ticker(step, progress))
        except BaseException as error:
            self.holdings.remove(holding)
            if isinstance(error, LimactlError | OSError | subprocess.SubprocessError):
                raise BenchError(Cause.SANDBOX_UNAVAILABLE, f"{step} could not be built: {error}", log=log) from error
            if isinstance(error, BenchError) and error.cause is Cause.SSH_NOT_UP:
                raise BenchError(
                    Cause.SANDBOX_UNAVAILABLE, f"{step} could not be built: {error.message}", log=log
                ) from error
            raise
        self.holdings.release(holding)

    def _fill(self, template: Template, packages: tuple[str, ...], holding: str, log: Path, ticker: _Ticker) -> None:
        name = self.images.name(template, packages)
        directory, calls = self.holdings.directory(holding), self.holdings.calls(holding)
        guest.make_login_key(directory)
        keys = guest.make_keys(directory, "template-1")
        script = recipe.access_script(keys.host_key, keys.public_key, "debian")
        if packages:
            ticker.say("copying")
            self.images.derive(
                template, self.images.name(template, ()), name, directory=directory, calls=calls, log=log
            )
        else:
            source = f"{self.limactl.features.template_url}{SOURCE}"
            words = ("create", f"--name={name}", f"--set={recipe.expression(recipe.size(template))}", source)
            self.limactl.change(*words, log=log, calls=calls, seconds=CREATE_SECONDS, tell=ticker.say)
        self.images.open(name, script, None)
        self.limactl.change("start", name, log=log, calls=calls, seconds=START_SECONDS, tell=ticker.say)
        instance = self.images.instance(name)
        ssh = guest.ssh_settings(instance, keys)
        guest.wait_up(name, ssh)
        script = recipe.install_script(
            packages or template.packages, None if packages else template, self.images.mirror
        )
        self._inside(ssh, script, "installing packages", log, ticker)
        if not packages:
            host = Host("hst_template", "debian", ssh, template=template.name)
            provision(host, template, ticker.progress, log=log.with_suffix(".provision.log"))
        self._inside(ssh, recipe.SCRUB, "cleaning up", log, ticker)
        ticker.say("stopping")
        self._stop(name, log, calls)
        disk = "" if self.limactl.features.clone else str(self._export(instance, log))
        note = Built(
            name=name,
            template=template.name,
            packages=packages,
            fingerprint=self.images.fingerprint(template, packages),
            build=secrets.token_hex(6),
            built_at=time.time(),
            arch=instance.arch,
            vm_type=instance.vm_type,
            disk=disk,
        )
        temporary = self.images.notes / f".{name}.tmp"
        temporary.write_text(json.dumps(asdict(note)), encoding="utf-8")
        temporary.replace(self.images.notes / f"{name}.json")

    def _inside(self, ssh: SshSettings, script: str, what: str, log: Path, ticker: _Ticker) -> None:
        with ticker.during(what):
            status = guest.run_script(ssh, script, log, seconds=INSTALL_SECONDS)
        if status is None:
            raise LimactlError(f"{what}: not done after {INSTALL_SECONDS:.0f} s")
        if status != 0:
            raise LimactlError(f"{what}: {_telling(log)}")

    def _stop(self, name: str, log: Path, calls: Path) -> None:
        try:
            self.limactl.change("stop", name, log=log, calls=calls, seconds=STOP_SECONDS)
        except LimactlError:
            if self.images.instance(name).status != "Stopped":
                raise

    def _export(self, instance: Instance, log: Path) -> Path:
        """Make the disk that new instances begin with, for limactl without clone."""
        source = instance.directory / "diffdisk"
        if instance.vm_type != "qemu":
            return source  # raw, and complete in itself
        # A qcow2 file on top of the downloaded image, which limactl would refuse as an image for others.
        target = self.images.notes / f"{instance.name}.qcow2"
        with log.open("a", encoding="utf-8") as file:
            status = subprocess.run(
                ["qemu-img", "convert", "-O", "qcow2", str(source), str(target)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                check=False,
                env=environment(),
            ).returncode
        if status != 0:
            raise LimactlError(f"qemu-img convert: {_telling(log)}")
        return target


def _telling(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    marked = [line for line in lines if line.startswith("E: ") or "rror" in line or "cannot" in line]
    return (marked or lines or ["no output"])[-1][:300]


class _Ticker:
    """Progress of one build: each line with the time passed since its begin."""

    def __init__(self, step: str, progress: Progress) -> None:
        self._step = step
        self._started = time.monotonic()
        self.progress = progress

    def say(self, what: str) -> None:
        self.progress(f"{self._step}: {what}… {time.monotonic() - self._started:.0f} s")

    @contextmanager
    def during(self, what: str) -> Iterator[None]:
        """Say *what* now and every few seconds."""
        stop = threading.Event()

        def tick() -> None:
            while not stop.wait(WAIT):
                self.say(what)

        self.say(what)
        thread = threading.Thread(target=tick, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
