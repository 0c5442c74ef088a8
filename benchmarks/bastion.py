"""What the recording bastion costs: connect, exec and 100 MB by scp, directly and through it, and their ratio.

An sshd of its own on a loopback port, real OpenSSH clients, medians of several repetitions; the bastion in a thread, as
in a session with an outside engine. Recordings are written.

    python benchmarks/bastion.py
    python benchmarks/bastion.py --repetitions 20 --megabytes 500
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from support.sshd import running_sshd

from pytest_2501bench.bastion.place import Place
from pytest_2501bench.bastion.session_bastion import SessionBastion
from pytest_2501bench.gateway.protocol import HostRegistration


def options(host: HostRegistration) -> list[str]:
    return [word for name, value in host.ssh.options().items() for word in ("-o", f"{name}={value}")]


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def one_way(host: HostRegistration, folder: Path, repetitions: int, big: Path) -> dict[str, list[float]]:
    """Return seconds of each kind of work."""
    to = ["ssh", "-F", "none", *options(host)]
    master = [*to, "-o", f"ControlPath={folder}/c{host.ssh.port}", host.host_name]
    took: dict[str, list[float]] = {"connect and exec": [], "exec, connected": [], "scp up": [], "scp down": []}
    run(*to, host.host_name, "true")
    for _ in range(repetitions):
        took["connect and exec"].append(timed(lambda: run(*to, host.host_name, "true")))
    run(*master[:-1], "-M", "-N", "-f", host.host_name)
    try:
        for _ in range(repetitions * 3):
            took["exec, connected"].append(timed(lambda: run(*master, "true")))
    finally:
        run(*master[:-1], "-O", "exit", host.host_name)
    scp = ["scp", "-q", "-F", "none", *options(host)]
    there = folder / "there"
    for _ in range(max(repetitions // 4, 2)):
        took["scp up"].append(timed(lambda: run(*scp, str(big), f"{host.host_name}:{there}")))
        took["scp down"].append(timed(lambda: run(*scp, f"{host.host_name}:{there}", f"{folder}/back")))
        there.unlink()
    return took


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=12)
    parser.add_argument("--megabytes", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, running_sshd(Path(name)) as sshd:
        folder = Path(name)
        big = folder / "big"
        big.write_bytes(b"\xa5" * given.megabytes * 1_000_000)
        real = sshd.host()
        host = HostRegistration(real.host_id, real.host_name, real.ssh)
        bastion = SessionBastion(Place())
        way = bastion.open([host], {real.host_name: folder / "casts"})
        try:
            direct = one_way(host, folder, given.repetitions, big)
            through = one_way(way.hosts[0], folder, given.repetitions, big)
        finally:
            bastion.close()
    print(f"{'':18} {'direct':>10} {'through':>10} {'ratio':>7} {'added':>10}")
    for what, values in direct.items():
        plain, recorded = statistics.median(values), statistics.median(through[what])
        ratio, more = recorded / plain, (recorded - plain) * 1000
        print(f"{what:18} {plain * 1000:7.0f} ms {recorded * 1000:7.0f} ms {ratio:7.2f} {more:7.0f} ms")
        if what.startswith("scp"):
            print(f"{'':18} {given.megabytes / plain:5.0f} MB/s {given.megabytes / recorded:5.0f} MB/s")


if __name__ == "__main__":
    main()
