"""What the harness adds around the agent, against a shell script that makes the same calls on the same kind of sandbox.

The script calls ansible-playbook for restore, prepare, solve and validate, as one would by hand, with our own Ansible
settings (pipelining, one SSH connection), so that only the way of calling differs. The harness makes the same run with
the oracle agent, once with Ansible kept warm and once cold. Every repetition has all of them in turn, each on a fresh
namespace host. Printed are medians with minimum and maximum, and ratios to the script.

    python benchmarks/harness_overhead.py                       # 5 repetitions with scenarios/nginx
    python benchmarks/harness_overhead.py --scenario scenarios/disk/001-filling-disk --repetitions 10
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Literal

from pytest_2501bench.playbooks.control import end_masters
from pytest_2501bench.playbooks.environment import Patience, ansible_environment, search_path
from pytest_2501bench.playbooks.inventory import run_inventory
from pytest_2501bench.playbooks.run import NEUTRAL
from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.protocol import silent
from pytest_2501bench.scenario.load import load_scenario
from pytest_2501bench.scenario.model import LoadedScenario
from pytest_2501bench.scenario.resolve import host_specs

GOAL = 1.0
ROOT = Path(__file__).resolve().parent.parent
SCRIPT, WARM, COLD = "script", "warm", "cold"
AROUND, AGENT, REST = "around the agent", "the agent", "sandbox and session"
STEPS: tuple[Literal["restore", "prepare", "solve", "validate"], ...] = ("restore", "prepare", "solve", "validate")
Sample = dict[str, float]


@contextmanager
def private() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ho", dir="/tmp") as name:
        yield Path(name)


def timed(script: str, environment: dict[str, str], folder: Path) -> list[float]:
    """Return how long each line of *script* took, in seconds."""
    stamped = "set -e\ndate +%s.%N\n" + "".join(f"{line} >&2\ndate +%s.%N\n" for line in script.splitlines())
    words = ["sh", "-c", stamped]
    done = subprocess.run(words, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the script's playbooks failed:\n{done.stderr}")
    stamps = [float(line) for line in done.stdout.split()]
    return [after - before for before, after in pairwise(stamps)]


def by_script(loaded: LoadedScenario) -> Sample:
    began = time.perf_counter()
    provider = NamespaceProvider()
    specs = host_specs(loaded, True)
    provider.prepare_images(specs, silent)
    sandbox = provider.create(specs, silent)
    try:
        with private() as folder:
            (folder / "c").mkdir()
            (folder / "inventory.yml").write_text(run_inventory(sandbox.hosts, folder / "c", Patience()))
            environment = ansible_environment(
                folder / "h",
                path=search_path(None, os.environ),
                config=NEUTRAL,
                patience=Patience(),
                environ=os.environ,
            ) | {"ANSIBLE_STDOUT_CALLBACK": "default"}  # ansible-runner has one of its own
            playbooks = {name: path for name in STEPS if (path := loaded.playbook(name))}
            call = f"ansible-playbook -i {shlex.quote(str(folder / 'inventory.yml'))}"
            lines = "\n".join(f"{call} {shlex.quote(str(path))}" for path in playbooks.values())
            seconds: Sample = dict(zip(playbooks, timed(lines, environment, folder), strict=True))
            end_masters((folder / "c").iterdir(), environment)
    finally:
        provider.destroy(sandbox)
    agent = seconds.pop("solve", 0.0)
    around = sum(seconds.values())
    return {AROUND: around, AGENT: agent, REST: time.perf_counter() - began - around - agent}


def by_harness(loaded: LoadedScenario, way: str) -> Sample:
    with private() as folder:
        words = ["-m", "pytest", str(loaded.directory), "--mode", "namespace", "--agent", "oracle", "-q"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("BENCH_", "PYTEST"))}
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *words, "--bench-dir", str(folder)],
            cwd=ROOT,
            env=environment | {"BENCH_ANSIBLE": way},
            capture_output=True,
            text=True,
            check=False,
        )
        wall = time.perf_counter() - began
        if done.returncode:
            sys.exit(f"pytest ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
        (report,) = folder.glob("runs/*/*/report.json")
        phases = {phase["name"]: phase["seconds"] for phase in json.loads(report.read_text())["phases"]}
    around = phases["prepare"] + phases["flush"] + phases["validate"]
    return {AROUND: around, AGENT: phases["execute"], REST: wall - around - phases["execute"]}


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):6.2f} ({min(values):.2f}–{max(values):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repetitions", type=int, default=5, help="of each kind (default: 5)")
    parser.add_argument("--scenario", type=Path, default=ROOT / "scenarios/nginx/001-broken-config")
    chosen = parser.parse_args()
    loaded = load_scenario(chosen.scenario.absolute() / "scenario.json")
    kinds = {
        SCRIPT: lambda: by_script(loaded),
        WARM: lambda: by_harness(loaded, WARM),
        COLD: lambda: by_harness(loaded, COLD),
    }
    samples: dict[str, list[Sample]] = {kind: [] for kind in kinds}
    by_script(loaded)  # images, bytecode, disk cache
    for repetition in range(chosen.repetitions):
        for kind in list(kinds) if repetition % 2 else reversed(kinds):
            samples[kind].append(kinds[kind]())
    print(f"{loaded.scenario.key}, {chosen.repetitions} repetitions; seconds: median (min–max), ratio to the script")
    print(f"  {'':<20} {'script':<22} {'harness, warm':<30} harness, cold")
    ratios: dict[str, float] = {}
    for part in (AROUND, AGENT, REST):
        base = [sample[part] for sample in samples[SCRIPT]]
        line = f"  {part:<20} {spread(base):<22}"
        for kind in (WARM, COLD):
            mine = [sample[part] for sample in samples[kind]]
            # Paired: what else the machine did at that moment is in both of a pair.
            ratio = statistics.median(a / b for a, b in zip(mine, base, strict=True))
            ratios[f"{part} {kind}"] = ratio
            line += f" {spread(mine):<22} {ratio:5.2f}  "
        print(line.rstrip())
    met = ratios[f"{AROUND} {WARM}"] < GOAL
    print(f"goal: around the agent less than {GOAL:g} of the script: {'met' if met else 'MISSED'}")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
