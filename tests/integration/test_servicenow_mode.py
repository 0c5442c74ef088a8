"""A whole run through ServiceNow (a fake one) ends like the same run without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_servicenow.process import fake_servicenow
from support.benchmark import benchmark

pytestmark = pytest.mark.namespace
NGINX = "scenarios/nginx/001-broken-config"


def test_through_servicenow_the_oracle_has_the_same_verdicts(tmp_path: Path) -> None:
    with fake_servicenow() as fake:
        # Some trouble on the way; what a real instance does now and then must not decide anything.
        fake.faults(
            {"method": "POST", "path": "/table/incident", "status": 502, "after": True},
            {"method": "PATCH", "status": 429, "retry_after": "1", "times": 1},
            {"method": "GET", "path": "/table/incident/", "status": 503, "times": 2},
        )
        through = benchmark(
            NGINX, "--agent", "oracle", "--gateway", "servicenow", bench_dir=tmp_path / "snow", env=fake.variables
        )
        (incident,) = fake.rows("incident")
    direct = benchmark(NGINX, "--agent", "oracle", bench_dir=tmp_path / "direct")
    one, other = through.reports[NGINX], direct.reports[NGINX]

    def verdicts(report: object) -> object:
        gates = [getattr(report, gate) for gate in ("task_validation", "compliance")]
        return [(gate.status, [(rule.label, rule.status) for rule in getattr(gate, "rules", ())]) for gate in gates]

    assert through.status == 0, through.output
    assert verdicts(one) == verdicts(other)
    evidence, without = through.evidence(NGINX), direct.evidence(NGINX)
    assert evidence.ticket is not None
    assert without.ticket is not None
    assert (evidence.ticket.id, evidence.ticket.status) == (incident["number"], "resolved")
    assert evidence.ticket.body == without.ticket.body
    assert evidence.job is not None
    assert without.job is not None
    assert [c.command for t in evidence.job.tasks or () for c in t.executed_commands or ()] == [
        c.command for t in without.job.tasks or () for c in t.executed_commands or ()
    ]
    assert (incident["state"], incident["close_code"]) == ("7", "Solution provided")
    # Nothing of the scenario but the ticket's own words is in ServiceNow, and nothing secret in what is kept.
    assert "nginx-001" not in str(incident)
    kept = [path.read_bytes() for path in (tmp_path / "snow").rglob("*") if path.is_file()]
    assert not any(b"secret-of-bench" in content for content in kept)
