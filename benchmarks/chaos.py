"""A hundred seeded kills of every part, in the middle of real runs: no result may be lost, none wrong.

The verb ``2501bench chaos`` with the oracle in namespace mode, into a folder of its own. About ten seconds a kill.

    python benchmarks/chaos.py
    python benchmarks/chaos.py --times 20 --seed 3
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

SCENARIOS = Path(__file__).parents[1] / "scenarios"


def main() -> int:
    """Return the verb's exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100, help="how many kills")
    parser.add_argument("--seed", type=int, default=2501, help="of the plan")
    parser.add_argument("--scenarios", default="nginx-001-broken-config", help="keys and tags")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        words = ["-p", str(SCENARIOS), "-s", asked.scenarios, "--mode", "namespace", "--bench-dir", folder]
        words += ["--times", str(asked.times), "--seed", str(asked.seed)]
        return subprocess.run(
            [sys.executable, "-m", "pytest_2501bench.cli.main", "chaos", *words], check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
