"""What the plugin adds to the start of pytest in a project without scenarios.

Runs `python -m pytest --collect-only -q` in an empty folder, with our plugin and with `-p no:2501bench` in turn, and
prints the medians, the differences, and which modules we import. All other installed plugins are blocked in both, so
that their noise does not drown the difference; `--all-plugins` leaves them in.

    python benchmarks/plugin_import.py            # 20 pairs
    python benchmarks/plugin_import.py --pairs 50
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple

GOAL_MS = 30.0
OURS = "2501bench"
PACKAGE = "pytest_2501bench"
NO_TESTS_COLLECTED = 5


class Sample(NamedTuple):
    """One start of pytest, in milliseconds."""

    wall: float
    cpu: float


def command(*, ours: bool, others: bool, interpreter: tuple[str, ...] = ()) -> list[str]:
    words = [sys.executable, *interpreter, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    blocked = [] if others else sorted({e.name for e in entry_points(group="pytest11")} - {OURS})
    for name in [*blocked, *([] if ours else [OURS])]:
        words += ["-p", f"no:{name}"]
    return words


def start(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST", "BENCH_")) and name != "PYTHONDONTWRITEBYTECODE"
    }
    done = subprocess.run(words, cwd=folder, env=kept, capture_output=True, text=True, check=False)
    if done.returncode != NO_TESTS_COLLECTED:
        sys.exit(f"{' '.join(words)} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def measure(words: list[str], folder: Path) -> Sample:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    start(words, folder)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Sample(wall * 1000, cpu * 1000)


def imported(words: list[str], folder: Path) -> dict[str, float]:
    """Return module → its own import time in ms."""
    times = {}
    for line in start(words, folder).stderr.splitlines():
        head, separator, name = line.rpartition("|")
        if line.startswith("import time:") and separator:
            own = head.removeprefix("import time:").split("|")[0].strip()
            if own.isdigit():
                times[name.strip()] = int(own) / 1000
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=20, help="runs of each kind (default: 20)")
    parser.add_argument("--all-plugins", action="store_true", help="leave the other installed plugins in")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\n")  # else pytest looks for a root folder above
        kinds = {ours: command(ours=ours, others=chosen.all_plugins) for ours in (False, True)}
        for words in kinds.values():  # bytecode and disk cache
            start(words, folder)
        samples: dict[bool, list[Sample]] = {False: [], True: []}
        for pair in range(chosen.pairs):
            for ours in (False, True) if pair % 2 else (True, False):
                samples[ours].append(measure(kinds[ours], folder))
        traced = {
            ours: imported(command(ours=ours, others=chosen.all_plugins, interpreter=("-X", "importtime")), folder)
            for ours in (False, True)
        }
    print(f"{chosen.pairs} pairs, medians in ms   without   with   added   ratio")
    added = {}
    for field in Sample._fields:
        without, having = (statistics.median(getattr(s, field) for s in samples[ours]) for ours in (False, True))
        # Paired: what else the machine did at that moment is in both of a pair.
        pairs = zip(samples[True], samples[False], strict=True)
        added[field] = statistics.median(getattr(a, field) - getattr(b, field) for a, b in pairs)
        print(f"  {field:<4} {without:27.1f} {having:6.1f} {added[field]:7.1f}   {having / without:.3f}")
    new = {module: ms for module, ms in traced[True].items() if module not in traced[False]}
    own = {module: ms for module, ms in new.items() if module.split(".")[0] == PACKAGE}
    print(f"imports (-X importtime, which itself slows them): {sum(own.values()):.1f} ms in {len(own)} modules of ours")
    for module, ms in sorted(own.items(), key=lambda item: -item[1]):
        print(f"  {ms:6.1f}  {module}")
    foreign = {module: ms for module, ms in new.items() if module not in own}
    print(f"and {sum(foreign.values()):.1f} ms in {len(foreign)} others that pytest alone does not import:")
    print(f"  {', '.join(sorted(foreign)) or 'none'}")
    verdict = "met" if added["cpu"] < GOAL_MS else "MISSED"
    print(f"goal: less than {GOAL_MS:g} ms of CPU time added: {verdict}")
    sys.exit(0 if added["cpu"] < GOAL_MS else 1)


if __name__ == "__main__":
    main()
