"""How long many unequal runs take on several workers, against stock xdist and against the best that can be.

Makes a project with scenarios whose fake agent sleeps for a known time, few of them long and many short, and runs it
once to learn how long each takes. Then, in turn: our scheduler, and stock `--dist loadscope` (stock `load` would tear
runs apart). Printed is the time from the start of the first run to the end of the last one, over a lower bound: the
longest run, or all work divided by the workers, whichever is more; and over what longest-first with no cost at all
would take. Workers need processors of their own to start; that is not in it. `--seconds` scales the work up: overheads
that do not grow with it weigh less then, as they do with real runs of minutes.

    python benchmarks/makespan.py                   # 24 runs, 8 workers
    python benchmarks/makespan.py --seconds 60
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from support.plugin_project import INI, scenario_json  # noqa: E402

CONFTEST = """
import json
import time

import pytest
from support import plugin_fakes

pytest_plugins = ["support.plugin_fakes"]


class SleepingGateway(plugin_fakes.FakeGateway):
    def poll(self, reference):
        title = self._tickets[reference].title
        time.sleep(json.loads(title.rpartition(" ")[2]))
        return super().poll(reference)


def pytest_2501bench_gateways(config):
    return {"sleeping": lambda settings: SleepingGateway(config.rootpath)}
"""


def lengths(runs: int, longest: float, seed: int) -> list[float]:
    """Return seconds per run: some long, many short, in no order."""
    chance = random.Random(seed)
    sizes = [longest * (0.08 + 0.92 * (number / (runs - 1)) ** 2) for number in range(runs)]
    chance.shuffle(sizes)
    return [round(size, 3) for size in sizes]


def longest_first(sizes: Sequence[float], workers: int) -> float:
    """Return when the last worker ends if each takes the longest run that is left, at no cost."""
    ends = [0.0] * workers
    for size in sorted(sizes, reverse=True):
        heapq.heapreplace(ends, ends[0] + size)
    return max(ends)


def make_project(root: Path, sizes: Sequence[float]) -> None:
    """Write the project."""
    (root / "pytest.ini").write_text(INI.replace("bench_gateway = fake", "bench_gateway = sleeping"))
    (root / "conftest.py").write_text(CONFTEST)
    for number, seconds in enumerate(sizes):
        folder = root / "scenarios" / f"{number:03}"
        folder.mkdir(parents=True)
        fields = scenario_json(f"run/{number:03}", ticket_title=f"Sleep {seconds}")
        (folder / "scenario.json").write_text(json.dumps(fields))


def session(root: Path, *options: str) -> tuple[float, list[float]]:
    """Run all scenarios; return the makespan and what each run took, in seconds."""
    before = set((root / ".2501bench" / "runs").glob("*"))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment |= {
        "ENGINE_URL": "http://127.0.0.1:9",
        "ENGINE_API_KEY": "key",
        "PYTHONPATH": os.pathsep.join(sys.path[:2]),
    }
    environment["BENCH_CACHE_DIR"] = str(root / "cache")
    command = [sys.executable, "-m", "pytest", "-q", "--assert=plain", *options]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    (folder,) = set((root / ".2501bench" / "runs").glob("*")) - before
    reports = [json.loads(path.read_text()) for path in folder.glob("*/report.json")]
    starts, ends = [each["started_at"] for each in reports], [each["finished_at"] for each in reports]
    return max(ends) - min(starts), [end - start for start, end in zip(starts, ends, strict=True)]


def noise(times: int = 20) -> tuple[float, float]:
    """Return how long a fixed piece of work takes here (median, seconds), and its spread in per cent."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        sum(number * number for number in range(300_000))
        took.append(time.perf_counter() - start)
    return statistics.median(took), 100 * (max(took) - min(took)) / statistics.median(took)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=12.0, help="the longest run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=2)
    chosen = parser.parse_args()
    sizes = lengths(chosen.runs, chosen.seconds, chosen.seed)
    bound = max(*sizes, sum(sizes) / chosen.workers)
    ideal = longest_first(sizes, chosen.workers)
    median, spread = noise()
    load = os.getloadavg()[0]
    print(
        f"machine: {os.cpu_count()} processors, load {load:.1f}, a fixed loop {1000 * median:.1f} ms ± {spread:.0f} %"
    )
    print(
        f"{chosen.runs} runs of {min(sizes):.1f} to {max(sizes):.1f} s, {sum(sizes):.0f} s in all, "
        f"{chosen.workers} workers"
    )
    print(f"lower bound {bound:.2f} s; longest first at no cost {ideal:.2f} s ({ideal / bound:.2f} × the bound)")
    ways = {"ours": ["-n", str(chosen.workers)], "loadscope": ["-n", str(chosen.workers), "--dist", "loadscope"]}
    with tempfile.TemporaryDirectory(prefix="makespan-") as folder:
        root = Path(folder).resolve()
        make_project(root, sizes)
        first, _ = session(root, *ways["ours"])
        print(f"{'ours, nothing known':<22}{first:>7.2f} s   {first / bound:.2f} × the bound")
        for turn in range(chosen.repeat):
            for name, options in ways.items():
                took, each = session(root, *options)
                cost = statistics.median(sorted(each)) - statistics.median(sizes)
                print(
                    f"{name + f', {turn + 1}':<22}{took:>7.2f} s   {took / bound:.2f} × the bound, "
                    f"{took / ideal:.2f} × longest first; {cost:.2f} s per run besides its work"
                )


if __name__ == "__main__":
    main()
