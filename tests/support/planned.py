"""Runs whose outcome is planned, one after the other, whatever process makes them."""

from __future__ import annotations

import json

from support.plugin_project import Project

FILE = "scenarios/disk/001/scenario.json"
RED, LOST = "red", "lost"

OUTCOMES = """
import json
import os
import pathlib
from support import plugin_fakes
from pytest_2501bench.errors import BenchError, Cause

ROOT = pathlib.Path(__file__).parent

class Planned(plugin_fakes.FakeGateway):
    def submit(self, ticket):
        # Whatever process comes next takes the next outcome; making a folder succeeds once.
        for number, self.outcome in enumerate(json.loads((ROOT / "outcomes.json").read_text())):
            try:
                os.mkdir(ROOT / f"taken-{number}")
                break
            except FileExistsError:
                continue
        if self.outcome == "lost":
            raise BenchError(Cause.SUBMIT_FAILED, "the fake was told to fail")
        return super().submit(ticket)

    def poll(self, reference):
        record = super().poll(reference)
        if self.outcome == "red":
            return record.model_copy(update={"resolution_summary": "all is well"})
        return record

def pytest_2501bench_gateways(config):
    return {"planned": lambda settings: Planned(config.rootpath)}
"""


def outcomes(project: Project, *each: str) -> list[str]:
    """Plan how the runs end; return the options for as many runs."""
    project.conftest(OUTCOMES)
    for taken in project.root.glob("taken-*"):
        taken.rmdir()
    project.write("outcomes.json", json.dumps(each))
    return ["--gateway", "planned", "--iter", str(len(each))]
