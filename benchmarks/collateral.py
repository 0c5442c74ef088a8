"""What the third check costs: looks at namespace hosts, and whole runs with and without it.

A look is one SSH command per host. Measured are the wall time of a look at one host and at two, the CPU time of the
program on the host, what comes back, and what three looks add to a run: the same scenario with `--collateral always`
and `never`, in turn. Printed are medians with minimum and maximum. Other work on the machine makes wall times longer;
the CPU time is what to compare.

    python benchmarks/collateral.py                       # 10 looks, 3 pairs of runs of scenarios/nginx
    python benchmarks/collateral.py --looks 30 --runs 0
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_2501bench.evidence.folder import read_report, runs_in
from pytest_2501bench.evidence.read import read_evidence
from pytest_2501bench.host_state.take import program_of, take
from pytest_2501bench.playbooks.run import AnsibleRunner
from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.protocol import Host, HostSpec
from pytest_2501bench.scenario.model import Collateral
from pytest_2501bench.traces.visit import send

ROOT = Path(__file__).resolve().parent.parent
HOSTS = (HostSpec("web-01", packages=("nginx-light",)), HostSpec("db-01", packages=("redis-server",)))
GOAL = 1.0  # seconds that three looks at one host may take
CPU = """
import os
times = os.times()
print()
print(times.user + times.system + times.children_user + times.children_system)
"""


def spread(values: Sequence[float], unit: float = 1.0, digits: int = 2) -> str:
    low, mid, high = (value * unit for value in (min(values), statistics.median(values), max(values)))
    return f"{mid:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def timed(count: int, call: Callable[[], object]) -> list[float]:
    found = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return found


def looks(count: int) -> float:
    """Print what looks take, and return the median of one at one host."""
    roots = Collateral().roots
    runner = AnsibleRunner()
    with tempfile.TemporaryDirectory(prefix="cb", dir="/tmp") as state:
        provider = NamespaceProvider(state_dir=Path(state))
        provider.prepare_images(HOSTS)
        sandbox = provider.create(HOSTS)
        try:
            program = program_of(roots)

            def at(hosts: Sequence[Host]) -> Callable[[], object]:
                return lambda: take(runner.ssh_command, hosts, roots)

            first = timed(1, at(sandbox.hosts))[0]
            time.sleep(3)  # the hosts have booted
            empty = timed(count, lambda: send(runner.ssh_command, sandbox.hosts[:1], {"web-01": "print(1)"}))
            one, two = timed(count, at(sandbox.hosts[:1])), timed(count, at(sandbox.hosts))
            cpu = [
                float(send(runner.ssh_command, sandbox.hosts[:1], {"web-01": program + CPU})["web-01"].split("\n")[-1])
                for _ in range(count)
            ]
            state_of = take(runner.ssh_command, sandbox.hosts, roots)["web-01"]
        finally:
            runner.close()
            provider.destroy(sandbox)
    entries = sum(map(len, state_of.entries.values()))
    print(f"first look at two new hosts, connections included   {first:.2f} s")
    print(f"an empty program on one host                        {spread(empty)} s")
    print(f"a look at one host                                  {spread(one)} s")
    print(f"a look at two hosts                                 {spread(two)} s")
    print(f"CPU time of a look on the host                      {spread(cpu, 1000, 0)} ms")
    back = len(state_of.model_dump_json()) / 1000
    print(f"sent {len(program) / 1000:.0f} kB; comes back: {entries} entries, {back:.0f} kB")
    return statistics.median(one)


def run(scenario: str, setting: str, folder: Path) -> tuple[float, float]:
    """Return the seconds of one run, and of those the looks'."""
    words = ["--mode", "namespace", "--collateral", setting, "--bench-dir", str(folder), "-p", "no:cacheprovider", "-q"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    subprocess.run(
        [sys.executable, "-m", "pytest", scenario, *words], cwd=ROOT, check=False, env=environment, capture_output=True
    )
    (found,) = list(runs_in(folder))
    looked = read_evidence(found.evidence).host_changes
    return read_report(found.path).seconds, looked.seconds if looked is not None else 0.0


def runs(count: int, scenario: str) -> None:
    found: dict[str, list[float]] = {"never": [], "always": []}
    own = []
    with tempfile.TemporaryDirectory(prefix="cb", dir="/tmp") as state:
        for number in range(count):
            for setting, values in found.items():
                seconds, looked = run(scenario, setting, Path(state) / f"{number}-{setting}")
                values.append(seconds)
                own += [looked] if setting == "always" else []
    print(f"{scenario}: without {spread(found['never'])} s, with {spread(found['always'])} s")
    print(f"the three looks of such a run                       {spread(own)} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scenario", default="scenarios/nginx/001-broken-config")
    asked = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; medians (minimum-maximum)")
    median = looks(asked.looks)
    if asked.runs:
        runs(asked.runs, asked.scenario)
    print(f"three looks at one host: {3 * median:.2f} s, goal {GOAL:g} s")
    return 0 if 3 * median < GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
