"""Every code is found where it belongs, and not one step beside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from scenario.lint.conftest import PLAY, PLAYBOOKS, RULE, Examine

from pytest_2501bench.scenario.lint.registry import CODES

SUMMARY = RULE | {"label": "Report", "where": "task_summary", "pattern": r"\bsemicolon\b"}
STATUS = {"label": "Status", "validator": "job_resolution_status", "pattern": "success"}
COUNT = {"label": "Tasks", "validator": "task_count"}
KEY = "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n"


@dataclass
class Change:
    """What differs from the sound scenario."""

    fields: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)
    text: str | None = None


def tasks(*rules: dict[str, Any]) -> Change:
    return Change({"validation": {"tasks": list(rules)}})


def pattern(text: str, **more: Any) -> Change:
    """The sound rule with another pattern, beside one that asks for something."""
    return tasks(RULE | {"label": "p", "pattern": text} | more, SUMMARY)


def bench(**fields: Any) -> Change:
    return Change({"bench": fields})


def playbook(name: str, *lines: str) -> Change:
    return Change(files={f"{name}.yml": PLAY + "".join(f"    {line}\n" for line in lines)})


CHEATS = {"sloppy": {"fails": "compliance", "rules": [RULE["label"]], "why": "A second mistake would go live."}}


def proven(
    cheats: dict[str, Any] = CHEATS, *, prepare: str | None = None, cheat: str | None = None, **fields: Any
) -> Change:
    """The sound scenario with a cheat, as --selfcheck plays it."""
    tagged = PLAYBOOKS["prepare.yml"] + "      tags: [fault]\n"
    files: dict[str, str | None] = {
        "prepare.yml": prepare or tagged,
        "cheat-sloppy.yml": cheat or PLAYBOOKS["solve.yml"],
    }
    return Change({"bench": {"cheats": cheats} | fields}, files)


CURL = "- ansible.builtin.command: curl -fsS http://127.0.0.1/"
CASES: list[tuple[str, Change, Change]] = [
    ("SC001", Change(text="{"), Change()),
    ("SC001", Change(text='{"key": "a", "key": "b"}'), Change()),
    ("SC002", Change({"titel": "x"}), Change({"title": "x"})),
    ("SC003", Change({"agents": [{"agent_name": "a", "host_name": "b", "specialty_key": "S"}]}), Change()),
    ("SC004", pattern("nginx ("), pattern(r"^nginx \(")),
    ("SC005", tasks(RULE | {"validator": "patern_match"}), tasks(RULE)),
    ("SC007", bench(timeouts={"execute": 90_000}), bench(timeouts={"execute": 9000})),
    ("SC008", Change(text='{"key": "a", "name": "n", "description": "d"}'), Change()),
    ("SC009", bench(lint={"ignore": {"SC999": "why"}}), Change()),
    ("SC009", bench(lint={"ignore": {"SC002": "why"}}), Change()),
    (
        "SC010",
        bench(lint={"ignore": {"SC102": "why"}}),
        Change({"validation": {}, "bench": {"lint": {"ignore": {"SC102": "why"}}}}),
    ),
    ("SC101", Change(files={"validate.yml": None}), Change({"bench": {"outcome": [SUMMARY]}}, {"validate.yml": None})),
    (
        "SC101",
        Change({"bench": {"outcome": [SUMMARY | {"required": False}]}}, {"validate.yml": None}),
        bench(outcome=[SUMMARY | {"required": False}]),
    ),
    ("SC102", Change({"validation": {}}), Change({"validation": {}, "bench": {"claims_match": {}}})),
    ("SC102", Change({"validation": {}}), Change({"validation": {}, "bench": {"policies": ["read-only"]}})),
    ("SC103", tasks(RULE | {"required": False}), tasks(RULE | {"required": False}, SUMMARY)),
    (
        "SC104",
        Change(files={"prepare.yml": None}),
        Change(files={"prepare.yml": None, "prepare.yaml": PLAYBOOKS["prepare.yml"]}),
    ),
    (
        "SC105",
        Change({"hosts": [{"host_id": "hst_1", "host_name": "web-01"}]}, {"restore.yml": None}),
        Change(files={"restore.yml": None}),
    ),
    ("SC106", Change(files={"solve.yml": None}), Change()),
    ("SC107", bench(timeouts={"prepare": 60_000}), bench(timeouts={"prepare": 600})),
    (
        "SC108",
        Change({"validation": {"tasks": [RULE], "allowedHosts": []}}),
        Change({"validation": {"tasks": [RULE], "allowedHosts": ["web-01"]}}),
    ),
    (
        "SC201",
        Change({"ticket_body": "Please run sed -i s/x/y/ /etc/nginx/nginx.conf there."}),
        Change({"ticket_body": "Please mend the file."}),
    ),
    (
        "SC201",
        Change({"ticket_body": "Try systemctl restart nginx."}),
        Change({"ticket_body": "The web server was restarted at 14:31."}),
    ),
    (
        "SC202",
        Change({"ticket_body": "Something is wrong in /etc/nginx/nginx.conf."}),
        Change({"ticket_body": "Look below /etc/nginx."}),
    ),
    ("SC203", Change({"ticket_title": "nginx/001 fails"}), Change({"ticket_title": "nginx fails"})),
    ("SC203", Change({"ticket_title": "NGINX does not start"}), Change({"ticket_title": "It does not start"})),
    (
        "SC204",
        Change(
            {
                "description": "A semicolon is missing in line 4 of the file.",
                "ticket_body": "We think a semicolon is missing in line 4 of it.",
            }
        ),
        Change(
            {
                "description": "A semicolon is missing in line 4 of the file.",
                "ticket_body": "In line 4 of the file we see nothing.",
            }
        ),
    ),
    (
        "SC205",
        Change({"ticket_body": "A semicolon?", "validation": {"tasks": [RULE, SUMMARY]}}),
        Change({"ticket_body": "A comma?", "validation": {"tasks": [RULE, SUMMARY]}}),
    ),
    (
        "SC206",
        Change({"ticket_body": "First do\nnginx -t\nplease."}),
        Change({"ticket_body": "The configuration is tested first."}),
    ),
    ("SC301", pattern(".*"), pattern("^.*nginx -t")),
    ("SC301", pattern("foo$bar", negate=True), pattern("^foo$", negate=True)),
    ("SC301", tasks(RULE, COUNT | {"max": 5}), tasks(RULE, COUNT | {"max": 4})),
    ("SC302", pattern("x*", negate=True), pattern("x+", negate=True)),
    ("SC302", pattern(r"nginx^ -t"), pattern("^nginx -t")),
    ("SC302", pattern(r"a\bb"), pattern(r"^a\b b")),
    ("SC302", pattern(r"(?!.*)nginx"), pattern(r"^(?!.*x)nginx")),
    ("SC303", pattern(r"^(?=.*nginx)(?!.*nginx).*$"), pattern(r"^(?=.*nginx)(?!.*apache).*$")),
    ("SC304", pattern(".", where="task_summary"), pattern("nginx.", where="task_summary")),
    (
        "SC305",
        pattern(r"\b(fixed|resolved)\b", where="task_summary"),
        pattern(r"^The issue is (fixed|resolved)\b", where="task_summary"),
    ),
    ("SC306", pattern(r"\bnginx -t"), pattern(r"^nginx -t")),
    ("SC306", pattern(r"nginx\s+-t", where="claimed_commands"), pattern(r"(?:^|[;&|]\s*|sudo\s+)nginx\s+-t")),
    ("SC307", pattern(r"\brm -rf", negate=True), pattern(r"(?:^|[;&|]\s*|sudo\s+)rm -rf", negate=True)),
    ("SC308", tasks(RULE | {"negate": True}), tasks(RULE | {"negate": True}, SUMMARY)),
    (
        "SC308",
        tasks(RULE | {"negate": True}, SUMMARY | {"required": False}),
        Change({"validation": {"tasks": [RULE | {"negate": True}], "job": [STATUS]}}),
    ),
    ("SC309", tasks(RULE, RULE | {"label": "again"}), tasks(RULE, RULE | {"label": "again", "where": "task_summary"})),
    (
        "SC310",
        tasks(RULE, RULE | {"label": "not", "negate": True}),
        tasks(RULE, RULE | {"label": "not", "negate": True, "required": False}),
    ),
    (
        "SC310",
        Change({"validation": {"job": [STATUS, STATUS | {"label": "s", "pattern": "partial"}]}}),
        Change({"validation": {"job": [STATUS, STATUS | {"label": "s", "pattern": "partial", "negate": True}]}}),
    ),
    (
        "SC310",
        tasks(COUNT | {"max": 1}, COUNT | {"label": "c", "min": 2}),
        tasks(COUNT | {"max": 2}, COUNT | {"label": "c", "min": 2}),
    ),
    ("SC311", pattern(r"(x+x+)+y"), pattern(r"^xx+y")),
    ("SC312", pattern("\brm\b"), pattern(r"^rm\b")),
    ("SC313", Change({"validation": {"job": [RULE]}}), tasks(RULE)),
    ("SC314", tasks(RULE, SUMMARY | {"label": RULE["label"]}), tasks(RULE, SUMMARY)),
    ("SC315", pattern("^nginx -t\nsystemctl reload nginx"), pattern(r"^nginx -t[\s\S]*?systemctl reload nginx")),
    ("SC401", Change(files={"restore.yml": "- hosts: ["}), Change()),
    ("SC401", Change(files={"restore.yml": "hosts: web-01\n"}), Change()),
    ("SC401", Change(files={"restore.yml": ""}), Change(files={"restore.yml": PLAY.replace("tasks:", "tasks: []")})),
    ("SC401", playbook("restore", "- name: nothing"), playbook("restore", "- name: something", "  meta: noop")),
    (
        "SC402",
        playbook("restore", "- ansible.builtin.servce: name=nginx"),
        playbook("restore", "- service: name=nginx"),
    ),
    (
        "SC402",
        playbook("restore", "- community.mysql.mysql_db: name=x"),
        playbook("restore", "- ansible.legacy.command: x"),
    ),
    (
        "SC403",
        playbook("validate", "- ansible.builtin.debug: msg=x"),
        playbook("validate", "- ansible.builtin.assert: that=x"),
    ),
    (
        "SC403",
        playbook("validate", CURL, "  ignore_errors: true"),
        playbook("validate", CURL, "  ignore_errors: false"),
    ),
    (
        "SC403",
        playbook("validate", CURL, "  failed_when: false"),
        playbook("validate", CURL, "  register: page", "  failed_when: page.rc != 0"),
    ),
    (
        "SC404",
        playbook("validate", CURL, "  ignore_errors: true", CURL),
        playbook("validate", CURL, "  ignore_errors: true", "  register: page", "- assert: that=page.rc==0"),
    ),
    (
        "SC404",
        playbook("validate", CURL, "- shell: test -e /x || true"),
        playbook("validate", CURL, "- shell: test -e /x || exit 1"),
    ),
    (
        "SC405",
        playbook("validate", "- service: name=nginx state=started", CURL),
        playbook("validate", "- service: name=nginx state=started", "  check_mode: true", CURL),
    ),
    (
        "SC405",
        playbook("validate", "- service: {name: nginx, state: restarted}", CURL),
        playbook("validate", CURL, "- service: {name: nginx, state: restarted}"),
    ),
    (
        "SC406",
        Change(files={"restore.yml": PLAYBOOKS["restore.yml"].replace("web-01", "web-02")}),
        Change(
            files={
                "restore.yml": PLAYBOOKS["restore.yml"].replace("web-01", "webs"),
                "inventory.ini": "[webs]\nweb-01\n",
            }
        ),
    ),
    ("SC407", playbook("prepare", "- apt: name=nginx"), playbook("solve", "- apt: name=nginx")),
    (
        "SC501",
        Change(files={"id_ed25519": KEY}),
        Change(files={"id_ed25519": "-----BEGIN OPENSSH " + "PRIVATE KEY-----\n(yours)\n"}),
    ),
    (
        "SC501",
        Change(files={"env": "KEY=AKIA" + "Q4ZTBCD7RW2M9XYK\n"}),
        Change(files={"env": "KEY=AKIA" + "IOSFODNN7EXAMPLE\n"}),
    ),
    ("SC601", proven(prepare=PLAYBOOKS["prepare.yml"]), proven()),
    ("SC601", proven(prepare=PLAYBOOKS["prepare.yml"]), Change()),
    ("SC602", proven({}), proven()),
    ("SC602", proven(CHEATS | {"sloppi": CHEATS["sloppy"]}), proven()),
    ("SC603", proven({"sloppy": {"fails": "task_validation", "why": "w"}}), proven()),
    ("SC603", proven(policies=["no-reboot"]), Change({"bench": {"policies": ["no-reboot"]}})),
    ("SC401", proven(cheat="- [1]"), proven()),
    ("SC406", proven(cheat=PLAY.replace("web-01", "web-02") + "    - command: ls\n"), proven()),
]
ELSEWHERE = {"SC006": "two scenarios", "SC408": "Ansible"}  # found by the command: test_validate_verb.py


def found(examined: Examine, change: Change) -> list[str]:
    return [finding.code for finding in examined(change.text, files=change.files, **change.fields)]


@pytest.mark.parametrize(("code", "change"), [(code, wrong) for code, wrong, _ in CASES])
def test_a_code_is_found_where_it_belongs(examined: Examine, code: str, change: Change) -> None:
    assert code in found(examined, change)


@pytest.mark.parametrize(("code", "change"), [(code, right) for code, _, right in CASES])
def test_a_code_is_not_found_one_step_beside(examined: Examine, code: str, change: Change) -> None:
    assert code not in found(examined, change)


def test_every_code_has_a_case() -> None:
    assert {code for code, _, _ in CASES} | set(ELSEWHERE) == set(CODES)


def test_nothing_is_to_be_said_of_the_sound_scenario(examined: Examine) -> None:
    assert [str(finding) for finding in examined()] == []


def test_a_finding_says_file_place_code_what_and_what_would_be_right(examined: Examine) -> None:
    (finding,) = examined(validation={"tasks": [RULE | {"pattern": "x*"}]})

    assert str(finding) == (
        "web/one/scenario.json:17:20: error SC301: 'x*' matches every text, so the rule can never fail where there is"
        " evidence. Write what must be there, or must not. [/validation/tasks/0/pattern]"
    )
    assert finding.docs == "docs/linting.md#sc301-never-fails"


def test_a_finding_in_a_playbook_has_its_line_and_pointer(examined: Examine) -> None:
    (finding,) = examined(files={"restore.yml": PLAY + "    - meta: noop\n    - block:\n      - apd: name=x\n"})

    assert (finding.file, finding.line, finding.column) == ("web/one/restore.yml", 6, 9)
    assert finding.pointer == "/0/tasks/1/block/0"
    assert finding.right == "Did you mean 'apt'?"


def test_broken_json_is_told_with_its_line(examined: Examine) -> None:
    (finding,) = examined('{\n  "key": "a",\n  "tags": [,]\n}')

    assert (finding.line, finding.column) == (3, 12)
    assert "line 3" not in finding.message


def test_what_is_missing_is_told_at_its_owner(examined: Examine) -> None:
    (finding,) = examined(validation={"tasks": [{key: value for key, value in RULE.items() if key != "where"}]})

    assert (finding.line, finding.column, finding.code) == (14, 7, "SC002")


def test_a_secret_is_never_shown(examined: Examine) -> None:
    token = "ghp_" + "aB3" * 12
    (finding,) = examined(files={"files": None, "notes.txt": f"first line\ntoken: {token}\n"})

    assert token not in str(finding)
    assert (finding.file, finding.line, finding.column) == ("web/one/notes.txt", 2, 8)


def test_a_failure_that_a_rescue_takes_up_does_not_count(examined: Examine) -> None:
    play = PLAY + "    - block:\n        - command: curl http://x/\n      rescue:\n        - debug: msg=sorry\n"

    assert "SC403" in [finding.code for finding in examined(files={"validate.yml": play})]


def test_what_roles_and_imports_do_is_not_guessed(examined: Examine) -> None:
    play = "- hosts: web-01\n  roles: [checks]\n"

    assert examined(files={"validate.yml": play}) == []


@pytest.mark.parametrize("hosts", ["all", "web-*", "all:!web-01", "{{ target }}", "[web-01]"])
def test_host_patterns_are_left_to_ansible(examined: Examine, hosts: str) -> None:
    play = PLAYBOOKS["restore.yml"].replace("hosts: web-01", f"hosts: {hosts if hosts[0] == '[' else repr(hosts)}")

    assert examined(files={"restore.yml": play}) == []


def test_a_rule_of_a_plugin_does_not_hide_other_findings(examined: Examine) -> None:
    custom = {"label": "c", "validator": "command_count", "max": 20}

    found = [finding.code for finding in examined(validation={"tasks": [custom, RULE | {"pattern": ".*"}]})]

    assert found == ["SC005", "SC301"]
