"""``2501bench sandbox …`` on modes that are only on paper: what is kept, found, told and removed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pytest_2501bench.keeping import Book
from pytest_2501bench.process_identity import Process
from pytest_2501bench.sandbox.ledger import Lease
from pytest_2501bench.sandbox.protocol import HostSpec
from pytest_2501bench.store.repository import Store

from .conftest import Bench, PaperProvider, Said


@pytest.fixture
def staged(bench: Bench) -> Bench:
    """A project with one scenario that has every playbook."""
    folder = bench.project.scenario("disk-full", tags=["disk"])
    for name in ("prepare", "validate", "restore"):
        (folder / f"{name}.yml").write_text("[]\n")
    return bench


def prepared(bench: Bench) -> Said:
    said = bench("sandbox", "prepare", "-s", "disk-full")
    assert said.status == 0, said.err
    return said


# ---- prepare, validate, restore -------------------------------------------------------------------------------------


def test_prepare_says_how_to_enter_validate_and_remove_and_shows_the_ticket(staged: Bench) -> None:
    said = prepared(staged)
    (name,) = staged.project.left()
    assert f"disk-full is broken and waiting: sandbox {name}, mode fake." in said.out
    assert f"enter     ssh -F {staged.root}/.2501bench/sandboxes/{name}/ssh_config host-01" in said.out
    assert "validate  2501bench sandbox validate -s disk-full\n" in said.out
    assert "remove    2501bench sandbox restore -s disk-full\n" in said.out
    assert "Ticket of disk-full" in said.out
    assert "Customers see an error." in said.out


def test_prepare_plays_restore_silently_and_then_prepare(staged: Bench) -> None:
    staged.red.add("restore.yml")
    prepared(staged)
    assert staged.played == ["restore.yml", "prepare.yml"]
    assert staged.project.calls("provider.keep") == [""]


def test_a_tag_of_one_scenario_may_name_it(staged: Bench) -> None:
    assert staged("sandbox", "prepare", "-s", "disk").status == 0


def test_prepare_that_fails_leaves_nothing_and_names_the_task_and_its_log(staged: Bench) -> None:
    staged.red.add("prepare.yml")
    said = staged("sandbox", "prepare", "-s", "disk-full")
    assert said.status == 1
    assert "prepare.yml: task 'look' (prepare.yml:3) on host-01: no. Nothing is left." in said.err
    assert f"(log: {staged.root}/.2501bench/sandboxes/disk-full.prepare.log)" in said.err
    assert staged.project.left() == []
    assert Book(staged.project.bench_dir).entries() == []


@pytest.mark.parametrize("at", ["provider.keep", "provider.create"])
def test_ctrl_c_while_hosts_are_prepared_leaves_nothing(staged: Bench, at: str) -> None:
    staged.project.fault(at, "KeyboardInterrupt")
    assert staged("sandbox", "prepare", "-s", "disk-full").status == 130
    assert staged.project.left() == []
    assert Book(staged.project.bench_dir).entries() == []


def test_a_scenario_is_prepared_once(staged: Bench) -> None:
    prepared(staged)
    said = staged("sandbox", "prepare", "-s", "disk-full")
    assert said.status == 2
    assert "was prepared" in said.err
    assert "Remove that one first: 2501bench sandbox restore -s disk-full" in said.err
    assert len(staged.project.left()) == 1


def test_validate_says_green_or_red_with_the_task_and_may_be_repeated(staged: Bench) -> None:
    prepared(staged)
    staged.red.add("validate.yml")
    red = staged("sandbox", "validate", "-s", "disk-full")
    assert red.status == 1
    assert red.out.startswith("red: validate.yml: task 'look' (validate.yml:3) on host-01: no\n")
    staged.red.clear()
    green = staged("sandbox", "validate", "-s", "disk-full")
    assert (green.status, green.out) == (0, "green: every task of validate.yml holds on host-01.\n")


def test_restore_removes_a_fresh_sandbox_without_any_playbook(staged: Bench) -> None:
    prepared(staged)
    staged.played.clear()
    said = staged("sandbox", "restore", "-s", "disk-full")
    assert (said.status, staged.played, staged.project.left()) == (0, [], [])
    assert "no such sandbox" in staged("sandbox", "restore", "-s", "disk-full").err


def test_restore_puts_registered_hosts_back_and_frees_them(staged: Bench) -> None:
    staged.project.fakes(fresh=False)
    staged.project.scenario("disk-full", hosts=[{"host_id": "hst_1"}], agents=[{"agent_id": "agt_1"}])
    prepared(staged)
    assert "puts it back" in staged.project.calls("provider.quarantine")[0]
    assert staged("sandbox", "restore", "-s", "disk-full").status == 0
    assert staged.played == ["restore.yml", "prepare.yml", "restore.yml"]
    assert len(staged.project.calls("provider.destroy")) == 1


def test_registered_hosts_whose_restore_fails_stay_in_quarantine(staged: Bench) -> None:
    staged.project.fakes(fresh=False)
    staged.project.scenario("disk-full", hosts=[{"host_id": "hst_1"}], agents=[{"agent_id": "agt_1"}])
    prepared(staged)
    staged.red.add("restore.yml")
    said = staged("sandbox", "restore", "-s", "disk-full")
    assert said.status == 1
    assert "In quarantine still: hst_1" in said.err
    assert not staged.project.calls("provider.destroy")
    assert len(Book(staged.project.bench_dir).entries()) == 1


def test_a_sandbox_that_is_gone_is_said_to_be(staged: Bench) -> None:
    prepared(staged)
    from .conftest import made

    made.clear()
    said = staged("sandbox", "validate", "-s", "disk-full")
    assert said.status == 1
    assert "is gone" in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("validate",), "sandbox validate: needs -s KEY or -n NAME; see `sandbox list`."),
        (("restore", "-s", "disk-ful"), "-s disk-ful: there is no such sandbox. Did you mean disk-full?"),
        (("prepare", "-s", "disk-ful"), "-s: 'disk-ful' matches no key and no tag. Did you mean 'disk-full'?"),
        (("prepare", "-s", "disk-full", "-p", "nowhere"), "-p nowhere: no such folder."),
        (("delete",), "sandbox delete: needs --template T or -n NAME; see `sandbox list`."),
        (("create", "--template", "debian-bas"), "there is no such template. Did you mean debian-base?"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(staged: Bench, words: tuple[str, ...], message: str) -> None:
    prepared(staged)
    said = staged("sandbox", *words)
    assert said.status == 2
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.err.startswith("2501bench: ")


def test_another_broken_scenario_is_not_in_the_way(staged: Bench) -> None:
    staged.project.write("scenarios/broken/scenario.json", '{"key": "broken"}')
    prepared(staged)
    assert "broken/scenario.json" in staged("sandbox", "prepare", "-s", "broken").err


def test_a_tag_of_several_scenarios_is_refused(staged: Bench) -> None:
    staged.project.scenario("other", tags=["disk"])
    said = staged("sandbox", "prepare", "-s", "disk")
    assert said.err == "2501bench: -s disk: means 2 scenarios: disk-full, other. Name one key.\n"


# ---- create, delete -------------------------------------------------------------------------------------------------


def test_create_registers_host_and_agent_and_delete_removes_all_of_it(bench: Bench) -> None:
    said = bench("sandbox", "create", "--template", "debian-base", "-n", "box", "--specialty", "DATABASE_OPERATOR")
    assert said.status == 0, said.err
    with Store.open(None, bench.project.bench_dir) as store:
        (host,), (agent,) = store.hosts(), store.agents()
        assert (host.host_name, host.mode, host.template) == ("box", "host", "debian-base")
        assert host.host_key == "ssh-ed25519 AAAA"
        assert (agent.host_id, agent.specialty_key) == (host.host_id, "DATABASE_OPERATOR")
        assert host.host_id in said.out
        assert agent.agent_id in said.out
        assert "remove    2501bench sandbox delete -n " in said.out
        assert bench("sandbox", "delete", "-n", "box").status == 0
        assert (store.hosts(), store.agents()) == ((), ())
    assert bench.project.left() == []


def test_delete_by_template_wants_to_know_which_of_several(bench: Bench) -> None:
    for name in ("one", "two"):
        assert bench("sandbox", "create", "--template", "debian-base", "-n", name).status == 0
    said = bench("sandbox", "delete", "--template", "debian-base")
    assert said.status == 2
    assert "2 sandboxes" in said.err
    assert bench("sandbox", "delete", "--template", "debian-base", "-n", "two").status == 0
    assert bench("sandbox", "delete", "--template", "debian-base").status == 0


def test_create_that_fails_leaves_neither_machine_nor_rows(bench: Bench) -> None:
    bench.project.fault("provider.keep", "KeyboardInterrupt")
    assert bench("sandbox", "create", "--template", "debian-base").status == 130
    assert bench.project.left() == []
    assert bench.project.members() == []


def test_create_refuses_a_name_that_is_taken_and_a_mode_without_machines(bench: Bench) -> None:
    assert bench("sandbox", "create", "--template", "debian-base").status == 0
    assert "there is a host of this name" in bench("sandbox", "create", "--template", "debian-base").err
    bench.project.fakes(fresh=False)
    assert "makes no machines" in bench("sandbox", "create", "--template", "debian-base").err


# ---- list, check, purge-vms -----------------------------------------------------------------------------------------


def left_behind(bench: Bench, mode: str = "fake") -> str:
    """Leave a sandbox of a process that is dead."""
    provider = PaperProvider(bench.root, mode)
    dead = subprocess.Popen(["true"])
    dead.wait()
    provider.ledger.directory.mkdir(parents=True, exist_ok=True)
    provider.ledger._write(Lease(mode, "sbx-dead", Process(dead.pid, "1", "elsewhen"), "", 1.0))
    return "sbx-dead"


def test_list_shows_all_modes_with_what_each_sandbox_is(staged: Bench) -> None:
    prepared(staged)
    (name,) = staged.project.left()
    used = PaperProvider(staged.root, "other").create([HostSpec("web")])
    staged.modes["broken"] = None
    said = staged("sandbox", "list")
    assert said.status == 0
    assert f"{name}  fake " in said.out
    assert "prepared: disk-full" in said.out
    assert "  remove  2501bench sandbox restore -s disk-full\n" in said.out
    assert f"{used.name}  other" in said.out
    assert f"process {os.getpid()}" in said.out
    assert "mode broken: ImportError: this plugin is broken" in said.err
    assert used.name not in staged("sandbox", "list", "-m", "fake").out


def test_list_of_nothing_says_so(bench: Bench) -> None:
    assert bench("sandbox", "list").out == "no sandboxes.\n"


def test_purge_removes_what_dead_sessions_left_and_nothing_else(staged: Bench) -> None:
    prepared(staged)
    name = left_behind(staged)
    said = staged("sandbox", "purge-vms")
    assert (said.status, said.out) == (0, f"removed {name}\n")
    assert len(staged.project.left()) == 1
    assert staged("sandbox", "purge-vms").out == "nothing to remove.\n"
    assert not staged.project.calls("provider.remove_image")


def test_purge_all_asks_and_without_anybody_to_ask_wants_yes(staged: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(staged)
    said = staged("sandbox", "purge-vms", "--all")
    assert said.status == 2
    assert "there is nobody to ask; say --yes" in said.err
    assert len(staged.project.left()) == 1

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda question: False)
    said = staged("sandbox", "purge-vms", "--all")
    assert said.status == 1
    assert "(prepared: disk-full)" in said.out
    assert len(staged.project.left()) == 1


def test_purge_all_yes_removes_kept_ones_and_their_rows(staged: Bench) -> None:
    prepared(staged)
    assert staged("sandbox", "create", "--template", "debian-base").status == 0
    said = staged("sandbox", "purge-vms", "--all", "--yes")
    assert said.status == 0, said.err
    assert staged.project.left() == []
    assert staged.project.members() == []
    assert Book(staged.project.bench_dir).entries() == []


def test_what_cannot_be_removed_is_named(staged: Bench) -> None:
    prepared(staged)
    staged.project.fault("provider.destroy", "restore_failed", "a mount is busy")
    said = staged("sandbox", "purge-vms", "--all", "--yes")
    assert said.status == 1
    assert "a mount is busy" in said.err


def test_images_go_only_when_asked_for(bench: Bench) -> None:
    said = bench("sandbox", "purge-vms", "--images", "-m", "fake")
    assert bench.project.calls("provider.remove_image") == ["template-debian-base"]
    assert "removed template-debian-base" in said.out


def test_check_tells_obstacles_with_their_remedy(bench: Bench) -> None:
    assert "mode fake works here; capabilities: network, systemd" in bench("sandbox", "check").out
    bench.project.fakes(obstacles=[["no kernel here", "Bring one."]])
    said = bench("sandbox", "check")
    assert (said.status, said.out) == (1, "mode fake: no kernel here. Bring one.\n")


def test_the_book_leaves_out_what_is_not_an_entry(tmp_path: Path) -> None:
    (tmp_path / "sandboxes" / "sbx_1").mkdir(parents=True)
    (tmp_path / "sandboxes" / "sbx_1" / "entry.json").write_text("{")
    assert Book(tmp_path).entries() == []
