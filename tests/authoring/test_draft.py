"""Lines that a person entered as a draft of solve.yml."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_2501bench.authoring.draft import REPORT, Draft, draft
from pytest_2501bench.authoring.typed import Edit, Line


class _Unsafe(yaml.SafeLoader):
    pass


_Unsafe.add_constructor("!unsafe", lambda _, node: str(node.value))


def line(text: str, status: int | None = 0, **more: Any) -> Line:
    fields: dict[str, Any] = {"host": "web-01", "session": "web-01/0001", "at": 0.0, "folder": "/root", "home": "/root"}
    return Line(text=text, status=status, **fields | more)


def drafted(*lines: Line | str, hosts: tuple[str, ...] = ("web-01",), report: str | None = None) -> Draft:
    made = [each if isinstance(each, Line) else line(each) for each in lines]
    return draft(made, name="Repair the shop", hosts=hosts, report=report)


def plays(made: Draft) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.load(made.text, _Unsafe)
    return found


def tasks(*lines: Line | str) -> list[dict[str, Any]]:
    """The tasks without the report."""
    (play,) = plays(drafted(*lines))
    assert play["tasks"][-1] == {"name": "Report", "ansible.builtin.debug": {"msg": REPORT}}
    listed: list[dict[str, Any]] = play["tasks"][:-1]
    return listed


def only(text: str | Line) -> dict[str, Any]:
    (task,) = tasks(text)
    return task


def test_a_play_is_like_those_of_other_scenarios() -> None:
    (play,) = plays(drafted("nginx -t"))
    del play["tasks"]
    assert play == {
        "name": "Repair the shop",
        "hosts": "web-01",
        "gather_facts": False,
        "become": "{{ ansible_user != 'root' }}",
    }


def test_a_look_changes_nothing_and_another_command_may() -> None:
    assert tasks("nginx -t", "service nginx start") == [
        {"name": "nginx -t", "ansible.builtin.command": "nginx -t", "changed_when": False},
        {"name": "service nginx start", "ansible.builtin.command": "service nginx start"},
    ]


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("cat a | wc -l", "ansible.builtin.shell", "cat a | wc -l"),
        ("echo hi", "ansible.builtin.shell", "echo hi"),
        ("sed -i 's/a: b/c/' /etc/x", "ansible.builtin.command", "sed -i 's/a: b/c/' /etc/x"),
        ("cat <<< x", "ansible.builtin.shell", {"cmd": "cat <<< x", "executable": "/bin/bash"}),
        ("touch /a chdir=/b", "ansible.builtin.command", {"cmd": "touch /a chdir=/b"}),
        ("echo '{{ x }}'", "ansible.builtin.shell", {"cmd": "echo '{{ x }}'"}),
        ("echo ${#x}", "ansible.builtin.shell", {"cmd": "echo ${#x}"}),
        ("cat > /a << E\n  x\n\ty\nE", "ansible.builtin.shell", "cat > /a << E\n  x\n\ty\nE"),
        ("sudo systemctl start nginx", "ansible.builtin.command", "systemctl start nginx"),
        ("sudo -n cat /a && sudo id", "ansible.builtin.shell", "cat /a && id"),
        ("echo x | sudo tee /a", "ansible.builtin.shell", "echo x | tee /a"),
        ("sudo -u www-data id", "ansible.builtin.command", "sudo -u www-data id"),
    ],
)
def test_a_line_becomes_a_task_that_runs_the_same(text: str, field: str, value: object) -> None:
    assert only(text)[field] == value


def test_what_could_be_taken_for_jinja_is_marked_as_unsafe() -> None:
    assert "cmd: !unsafe echo '{{ x }}'" in drafted("echo '{{ x }}'").text


@pytest.mark.parametrize(
    ("text", "chdir"),
    [
        ("cp -p shop /root/shop", "/etc/nginx"),
        ("ls", "/etc/nginx"),
        ("cat < shop", "/etc/nginx"),
        ("echo x > shop", "/etc/nginx"),
        ("systemctl restart nginx", None),
        ("cat /etc/hosts", None),
        ("nginx -t > /dev/null", None),
    ],
)
def test_a_folder_is_kept_where_it_matters(text: str, chdir: str | None) -> None:
    task = only(line(text, folder="/etc/nginx"))
    given = next(value for name, value in task.items() if name.startswith("ansible."))
    assert (given["chdir"] if chdir else given) == (chdir or text)


def test_cd_leaves_no_task_and_is_followed_where_only_keys_are_known() -> None:
    keys: dict[str, Any] = {"status": None, "keys_only": True, "folder": None, "home": None}
    found = tasks(*(line(text, **keys) for text in ("cd /etc", "cd nginx", "cp a /b", "cd", "cp c /d")))
    assert [task["ansible.builtin.command"] for task in found] == [
        {"cmd": "cp a /b", "chdir": "/etc/nginx"},
        "cp c /d",
    ]


def test_a_line_that_failed_goes_on_and_says_so() -> None:
    made = drafted(line("nginx -t", 1))
    assert plays(made)[0]["tasks"][0]["failed_when"] is False
    assert "    # It ended with status 1.\n    - name: nginx -t\n" in made.text


def test_a_look_of_unknown_status_may_fail_and_a_change_may_not() -> None:
    looks, changes = tasks(line("nginx -t", None, keys_only=True), line("service nginx start", None, keys_only=True))
    assert (looks["failed_when"], "failed_when" in changes) == (False, False)


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("sl", 127, "did not run"),
        ("sleep 99", 130, "interrupted"),
        ("vi /etc/x", 0, "an editor"),
        ("sudo visudo", 0, "an editor"),
        ("crontab -e", 0, "an editor"),
        ("less /etc/x", 0, "needs a screen"),
        ("dmesg | less", 0, "needs a screen"),
        ("top", 0, "needs a screen"),
        ("tail -f /var/log/syslog", 130, "does not end"),
        ("journalctl -u nginx -f", 130, "does not end"),
        ("export A=1", 0, "has one of its own"),
        ("A=1", 0, "has one of its own"),
        ("sleep 99 &", 0, "background"),
        ("mysql", 0, "reads from the terminal"),
        ("read -s -p Password: word", 0, "reads from the terminal"),
    ],
)
def test_what_cannot_be_played_again_is_a_comment_with_the_reason(text: str, status: int, reason: str) -> None:
    made = drafted(line(text, status))
    assert reason in made.left_out[0][1]
    assert f"#   {text.removeprefix('sudo ')}\n" in made.text
    assert made.tasks == 0
    assert len(plays(made)[0]["tasks"]) == 1


@pytest.mark.parametrize("text", ["exit", "clear", "history | tail", "history 5", "pwd", "cd /etc"])
def test_what_means_nothing_leaves_nothing(text: str) -> None:
    made = drafted(text)
    if text != "history | tail":
        assert made.text.count("#") == 1
        assert made.left_out == ()
        assert len(plays(made)[0]["tasks"]) == 1


def test_a_comment_stays_one() -> None:
    assert "    # now the restart\n\n    - name: id\n" in drafted("# now the restart", "id").text


def test_a_file_that_an_editor_changed_is_written_and_the_change_shown() -> None:
    edit = Edit("/etc/my site", "expires 7d\n", "expires 7d;\nEND\n{{ x }}")
    made = drafted(line("vi 'my site'", edits=(edit,)))
    assert "    #   -expires 7d\n    #   +expires 7d;\n" in made.text
    (written, _) = plays(made)[0]["tasks"]
    assert written["ansible.builtin.shell"]["cmd"] == (
        "cat > '/etc/my site' << 'ENDX'\nexpires 7d;\nEND\n{{ x }}\nENDX"
    )
    assert (made.tasks, made.left_out) == (1, ())


def test_a_new_file_says_that_its_past_is_not_known() -> None:
    assert "#   (how /a was is not known)" in drafted(line("vi /a", edits=(Edit("/a", None, "x\n"),))).text


def test_a_file_that_was_only_looked_at_is_left_out() -> None:
    made = drafted(line("vi /a", edits=(Edit("/a", "x\n", "x\n"),)))
    assert made.left_out[0][1] == "nothing was changed"


def test_several_hosts_take_turns_and_each_reports_once_at_its_end() -> None:
    made = drafted(
        *(line(text, host=host) for host, text in (("app", "id"), ("db", "ss -ltn"), ("db", "df -h"), ("app", "w"))),
        hosts=("app", "db"),
        report="All is well.",
    )
    assert [(play["hosts"], [task["name"] for task in play["tasks"]]) for play in plays(made)] == [
        ("app", ["id"]),
        ("db", ["ss -ltn", "df -h", "Report"]),
        ("app", ["w", "Report"]),
    ]
    assert made.text.count("msg: All is well.") == 2


def test_nothing_but_departures_is_a_report_only() -> None:
    assert [task["name"] for task in plays(drafted("exit"))[0]["tasks"]] == ["Report"]


def test_a_tab_that_was_typed_is_pointed_out() -> None:
    assert "# FIXME: typed with completion" in drafted(line("cat /et\thosts", None, keys_only=True)).text


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1), st.integers(0, 255))
def test_whatever_was_entered_the_draft_is_a_playbook(text: str, status: int) -> None:
    made = drafted(line(text.strip() or "id", status))
    for play in plays(made):
        for task in play["tasks"]:
            assert task["name"]
