"""How long a fresh host takes: clone to SSH, reset, destroy, per mode; and many namespace hosts at once.

Against what one would do by hand: a full copy of the root filesystem (mode namespace), and the incus program's own
copy, start and first command (mode incus; only where an Incus answers, see `make incus`). Templates are built before
anything is measured. Printed are medians with minimum and maximum in seconds.

    python benchmarks/sandbox_speed.py
    python benchmarks/sandbox_speed.py --repetitions 10 --at-once 8 32 64
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from pytest_2501bench.errors import BenchError
from pytest_2501bench.sandbox.incus import IncusProvider
from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.namespace.access import ssh_argv
from pytest_2501bench.sandbox.namespace.images import Images
from pytest_2501bench.sandbox.namespace.provider import default_cache_dir
from pytest_2501bench.sandbox.protocol import HostSpec, Sandbox, SandboxProvider
from pytest_2501bench.sandbox.templates import TEMPLATES

GOALS = {"namespace": 1.0, "incus": 1.5}
"""Seconds from clone to SSH."""
HOST = HostSpec("web-01")


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def shown(values: list[float]) -> str:
    return f"{statistics.median(values):6.2f} ({min(values):.2f}–{max(values):.2f})"


def answers(sandbox: Sandbox) -> None:
    for host in sandbox.hosts:
        subprocess.run(ssh_argv(host.ssh, "true"), check=True, stdin=subprocess.DEVNULL, capture_output=True)


def one_after_the_other(provider: SandboxProvider, repetitions: int) -> dict[str, list[float]]:
    """Return seconds for create (until a command has run over SSH), reset and destroy."""
    took: dict[str, list[float]] = {"clone to SSH": [], "reset": [], "destroy": []}
    for _ in range(repetitions):
        began = time.perf_counter()
        sandbox = provider.create([HOST])
        try:
            answers(sandbox)
            took["clone to SSH"].append(time.perf_counter() - began)
            took["reset"].append(timed(lambda: provider.reset(sandbox)))  # noqa: B023 - called at once
        finally:
            took["destroy"].append(timed(lambda: provider.destroy(sandbox)))  # noqa: B023
    return took


def full_copy() -> None:
    """Copy the root filesystem, as one would without overlays; starting something in it is not counted."""
    rootfs = Images(default_cache_dir() / "namespace").rootfs(TEMPLATES["debian-base"])
    with tempfile.TemporaryDirectory(dir=default_cache_dir()) as folder:
        words = ["cp", "-a", "--one-file-system", "--reflink=auto", str(rootfs), folder]
        subprocess.run(words, check=True)


def incus_by_hand() -> None:
    """Make the calls that a script would: copy, start, first command, delete."""
    name = f"by-hand-{os.getpid()}"
    script = f"incus copy template-debian-base/ready {name} && incus start {name} && incus exec {name} -- true"
    try:
        subprocess.run(["sh", "-c", script], check=True, stdin=subprocess.DEVNULL, capture_output=True)
    finally:
        subprocess.run(["incus", "delete", "--force", name], stdin=subprocess.DEVNULL, capture_output=True, check=False)


def at_once(provider: SandboxProvider, hosts: int) -> tuple[float, list[float], int]:
    """Make *hosts* hosts at the same time, let all stand, remove them; return wall time, each one's time, errors."""
    every = threading.Barrier(hosts, timeout=300)

    def live(_number: int) -> float | None:
        began = time.perf_counter()
        try:
            sandbox = provider.create([HOST])
        except BenchError as error:
            print(f"    {error}", file=sys.stderr)
            every.abort()
            return None
        try:
            answers(sandbox)
            took = time.perf_counter() - began
            every.wait()
            return took
        except (subprocess.CalledProcessError, threading.BrokenBarrierError):
            return None
        finally:
            provider.destroy(sandbox)

    began = time.perf_counter()
    with ThreadPoolExecutor(hosts) as pool:
        each = list(pool.map(live, range(hosts)))
    fine = [took for took in each if took is not None]
    return time.perf_counter() - began, fine, hosts - len(fine)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--at-once", type=int, nargs="*", default=[8, 32])
    chosen = parser.parse_args()
    providers: list[SandboxProvider] = [NamespaceProvider(), IncusProvider()]
    by_hand = {"namespace": ("cp -a of the root filesystem", full_copy), "incus": ("incus copy, start", incus_by_hand)}
    print(f"machine: {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    met = True
    for provider in providers:
        if obstacles := provider.preflight():
            print(f"mode {provider.mode}: not measured: {obstacles[0].what}")
            continue
        provider.prepare_images([HOST], print)
        took = one_after_the_other(provider, chosen.repetitions)
        what, work = by_hand[provider.mode]
        hand = [timed(work) for _ in range(chosen.repetitions)]
        print(f"mode {provider.mode}: seconds, median (min–max) of {chosen.repetitions}")
        for name, values in took.items():
            print(f"  {name:<32}{shown(values)}")
        ratio = statistics.median(took["clone to SSH"]) / statistics.median(hand)
        print(f"  {'by hand: ' + what:<32}{shown(hand)}   clone to SSH is {ratio:.2f} of it")
        reached = statistics.median(took["clone to SSH"]) <= GOALS[provider.mode]
        met = met and reached
        print(f"  goal: clone to SSH in {GOALS[provider.mode]:g} s: {'met' if reached else 'MISSED'}")
    namespace = providers[0]
    single = statistics.median(one_after_the_other(namespace, 3)["clone to SSH"])
    for hosts in chosen.at_once if not namespace.preflight() else ():
        wall, each, errors = at_once(namespace, hosts)
        met = met and not errors
        print(
            f"{hosts} namespace hosts at once: all up and gone in {wall:.1f} s, {wall / (hosts * single):.2f} of one "
            f"after the other; each up after {shown(each or [0.0]).strip()}; {errors} errors"
        )
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
