"""Runs on registered hosts: what a lost lease means, with a provider that plays it."""

from __future__ import annotations

from support.plugin_project import Project

from pytest_2501bench.store.model import RegisteredHost
from pytest_2501bench.store.repository import Store


def test_a_lease_that_is_lost_is_an_error_and_the_hosts_are_not_touched_any_more(project: Project) -> None:
    project.fakes(fresh=False, gone="the lease of host web-01 was lost: it is bob on bench-2 who has it now")
    project.scenario("disk", hosts=[{"host_id": "hst_web", "host_name": "web-01"}])
    with Store.open(None, project.bench_dir) as store:
        store.register_host(RegisteredHost(host_id="hst_web", host_name="web-01"))
    outcome = project.run()
    outcome.counts(errors=2)
    report = project.report()
    assert (str(report.status), str(report.failure_cause)) == ("error", "sandbox_vanished")
    assert "bob on bench-2 who has it now" in report.failure_message
    assert any("not restored: the lease of host web-01 was lost" in warning for warning in report.warnings)
    assert not project.runs(), "no agent is sent to hosts of another run"
    assert not project.calls("provider.quarantine"), "nor are they taken from it"
    assert not project.left()
    assert project.members() == ["web-01"], "the agent that was made for the run is gone, the host stays"
