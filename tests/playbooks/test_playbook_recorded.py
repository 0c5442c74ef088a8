"""From recorded events of three Ansible versions to tasks, failure and status. Nothing runs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pytest_2501bench.errors import Phase
from pytest_2501bench.evidence.model import PlaybookRecord, PlaybookStatus, PlaybookTask
from pytest_2501bench.playbooks.commands import executed_commands
from pytest_2501bench.playbooks.events import EventFold, Seen, printed
from pytest_2501bench.playbooks.outcome import Ended, Outcome, Stop, outcome

RECORDED = Path(__file__).parent / "recorded"
SCENARIO = Path("/scenario")
VERSIONS = ("2.16", "2.19", "2.21")


@cache
def load(version: str, name: str) -> tuple[dict[str, Any], ...]:
    return tuple(json.loads((RECORDED / version / f"{name}.json").read_text())["events"])


def seen(version: str, name: str) -> Seen:
    fold = EventFold(SCENARIO)
    for event in load(version, name):
        fold.feed(event)
    return fold.seen()


def judged(version: str, name: str, ended: Ended | None = None) -> Outcome:
    rc = json.loads((RECORDED / version / f"{name}.json").read_text())["ended"]["rc"]
    return outcome(ended or Ended(rc), seen(version, name), folder=SCENARIO, deadline=30)


pytestmark = pytest.mark.parametrize("version", VERSIONS)


def tasks(version: str, name: str = "every_kind") -> dict[str, PlaybookTask]:
    return {task.task: task for task in seen(version, name).tasks}


@pytest.mark.parametrize(
    ("name", "task", "message", "file"),
    [
        (
            "every_kind",
            "last fails",
            'non-zero return code (rc 7): echo out echo "line1" >&2 echo "line2" >&2 exit 7: line1 line2',
            "every_kind.yml:90",
        ),
        ("first_play_fails", "fails in the first play", "the site does not answer", "first_play_fails.yml:4"),
        (
            "half_of_the_first_play_fails",
            "fails on web",
            "the site does not answer",
            "half_of_the_first_play_fails.yml:4",
        ),
        (
            "loop_fails",
            "each service",
            "non-zero return code (rc 3): test b != b || { echo b is down >&2; exit 3; }: b is down",
            "loop_fails.yml:4",
        ),
        ("always_after_failure", "the real failure", "real", "always_after_failure.yml:6"),
        (
            "rescued_elsewhere",
            "fails on web",
            "non-zero return code (rc 1): test -e /nonexistent",
            "rescued_elsewhere.yml:4",
        ),
    ],
)
def test_the_failure_is_the_task_that_decided(version: str, name: str, task: str, message: str, file: str) -> None:
    result = judged(version, name)
    assert result.status is PlaybookStatus.TASK_FAILED
    assert result.failure is not None
    assert result.failure.host == "web-01"
    words = result.failure.message.replace("The command exited with a ", "")  # 2.21
    assert (result.failure.task, words, result.failure.file) == (task, message, file)


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("no_hosts", PlaybookStatus.NO_HOSTS, "no host matched 'nobody'"),
        ("some_unmatched", PlaybookStatus.OK, "no host matched 'nobody': that play did not run"),
        ("all_skipped", PlaybookStatus.OK, "no task ran"),
        ("ignored_unreachable", PlaybookStatus.OK, "no task ran"),
        ("unknown_module", PlaybookStatus.PARSE_ERROR, "unknown_module.yml:3: couldn't resolve module/action"),
        (
            "unknown_role",
            PlaybookStatus.PARSE_ERROR,
            "unknown_role.yml:2: the role 'nope' was not found in roles/ or an installed collection",
        ),
        ("bad_yaml", PlaybookStatus.PARSE_ERROR, "bad_yaml.yml:5: YAML parsing failed: "),
        ("mixed", PlaybookStatus.UNREACHABLE, "gone-01 is unreachable: "),
    ],
)
def test_everything_else_is_not_a_failed_task(version: str, name: str, status: PlaybookStatus, message: str) -> None:
    result = judged(version, name)
    assert result.status is status
    assert result.failure is None
    assert result.message.replace("The role", "the role").startswith(message)
    assert "\n" not in result.message


def test_a_stop_of_ours_outweighs_what_ansible_says(version: str) -> None:
    late = judged(version, "mixed", Ended(None, Stop.DEADLINE))
    assert late == Outcome(PlaybookStatus.TIMED_OUT, "passed its deadline of 30 s before its first task")
    assert judged(version, "mixed", Ended(0, Stop.CANCELLED)).status is PlaybookStatus.CANCELLED


def test_a_stop_names_the_task_that_was_running(version: str) -> None:
    fold = EventFold(SCENARIO)
    events = load(version, "loop_fails")
    for event in events[: next(i for i, e in enumerate(events) if e["event"] == "runner_item_on_ok") + 1]:
        fold.feed(event)
    result = outcome(Ended(None, Stop.DEADLINE), fold.seen(), folder=SCENARIO, deadline=2.5)
    assert result.message == "passed its deadline of 2.5 s in task 'each service' on web-01"
    assert [task.task for task in fold.seen().tasks] == ["each service (item=a)"]


def test_a_process_that_broke_is_the_runners_error(version: str) -> None:
    for ended, words in (
        (Ended(250), "ansible-playbook ended with status 250"),
        (Ended(None), "ansible-playbook was killed by a signal"),
        (Ended(None, None, "no space left"), "no space left"),
    ):
        result = outcome(ended, Seen(), folder=SCENARIO, deadline=1)
        assert (result.status, result.message) == (PlaybookStatus.RUNNER_ERROR, words)


def test_status_zero_does_not_hide_a_failure_in_the_recap(version: str) -> None:
    assert judged(version, "half_of_the_first_play_fails", Ended(0)).status is PlaybookStatus.TASK_FAILED


def test_every_kind_of_task_is_told_apart(version: str) -> None:
    found = {name: task.status for name, task in tasks(version).items()}
    assert found["a command"] == "changed"
    assert found["stat"] == "ok"
    assert found["skipped"] == "skipped"
    assert found["not run"] == "skipped"  # creates: nothing was executed
    assert found["loop (item=false)"] == "ignored"
    assert found["loop (item=true)"] == "changed"
    assert found["in block"] == "ignored"  # rescued
    assert found["last fails"] == "failed"


def test_rescue_on_one_host_leaves_the_failure_of_the_other(version: str) -> None:
    found = {(task.task, task.host): task.status for task in seen(version, "rescued_elsewhere").tasks}
    assert found["fails on db and is rescued", "db-01"] == "ignored"
    assert found["fails on web", "web-01"] == "failed"


def test_commands_are_shown_as_executed_with_their_status(version: str) -> None:
    found = {name: (task.command, task.exit_status) for name, task in tasks(version).items()}
    assert found["a command"] == ("echo 'hello /tmp/every-kind'", 0)
    assert found["argv"] == ("echo 'a b'", 0)
    assert found["a shell"] == ("echo /tmp/every-kind | cat; exit 3", 3)
    assert found["a raw"] == ("echo raw /tmp/every-kind", 0)
    assert found["raw loop (item=2)"] == ("echo raw 2", 0)
    assert found["a script"] == ("files/s.sh /tmp/every-kind", 0)
    assert found["undefined var"] == (None, None)


def test_arguments_are_the_authors_in_the_authors_order(version: str) -> None:
    found = {name: task.arguments for name, task in tasks(version).items()}
    assert found["file"] == "path=/tmp/every-kind state=directory mode=0755"
    assert found["copy"] == "content='a, b=c\\nxx' dest=/tmp/every-kind/f mode=0644"
    assert found["template"] == "src=files/t.j2 dest=/tmp/every-kind/t"
    assert found["user"] == "name=root password=********"
    assert found["a command"] is None


def test_messages_of_modules_say_what_the_user_needs(version: str) -> None:
    found = {name: task.message for name, task in tasks(version).items()}
    assert found["assert"] == "Assertion failed: r.rc == 0"
    assert found["assert msg"] == "rc is wrong: r.rc == 0"
    assert (found["uri"] or "").startswith("Status code was -1 and not [200]: ")
    assert "'nope' is undefined" in (found["undefined var"] or "")
    assert (found["in block"] or "").endswith("ls: cannot access '/nonexistent': No such file or directory")
    assert found["a command"] is None


def test_no_log_hides_command_arguments_and_message(version: str) -> None:
    everything = seen(version, "every_kind")
    hidden = [task for task in everything.tasks if task.task.startswith("secret")]
    assert len(hidden) == 4
    assert all(task.command is None and task.arguments is None and task.exit_status is None for task in hidden)
    assert {task.message for task in hidden} == {None, "the output is hidden by no_log"}
    shown = repr(everything)
    assert "hunter2" not in shown
    assert "s3cr3t" not in repr(everything.tasks)


def test_the_log_has_no_arguments_in_its_banners(version: str) -> None:
    banners = [printed(e) for e in load(version, "every_kind") if e["event"] == "playbook_on_task_start"]
    assert banners[0].startswith("\nTASK [a command] *")
    assert not any("_raw_params" in banner or "\r" in banner for banner in banners)


def test_executed_commands_are_what_a_repair_would_show(version: str) -> None:
    record = PlaybookRecord(
        name="solve.yml",
        phase=Phase.EXECUTE,
        status=PlaybookStatus.OK,
        rc=0,
        started_at=0,
        seconds=1,
        tasks=seen(version, "every_kind").tasks,
    )
    assert [(c.command, c.exit_status) for c in executed_commands(record)] == [
        ("echo 'hello /tmp/every-kind'", 0),
        ("echo 'a b'", 0),
        ("echo /tmp/every-kind | cat; exit 3", 3),
        ("echo raw /tmp/every-kind", 0),
        ("echo raw 1", 0),
        ("echo raw 2", 0),
        ("files/s.sh /tmp/every-kind", 0),
        ("file path=/tmp/every-kind state=directory mode=0755", None),
        ("copy content='a, b=c\\nxx' dest=/tmp/every-kind/f mode=0644", None),
        ("template src=files/t.j2 dest=/tmp/every-kind/t", None),
        ("command", None),
        ("command", None),
        ("true", 0),
        ("false", 1),
        ("echo x", 0),
        ("command", None),
        ("command", None),
        ("uri url=http://127.0.0.1:1/", None),
        ("user name=root password=********", None),
        ("stat path=/etc/passwd", None),
        ("false", 1),
        ("ls /nonexistent", 2),
        ("file pathh=x", None),
        ("true", 0),
        ('echo out\necho "line1" >&2\necho "line2" >&2\nexit 7', 7),
    ]
    assert {c.host for c in executed_commands(record)} == {"web-01"}
