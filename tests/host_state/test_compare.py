"""What changed between two states of hosts, and what of it nobody allowed."""

from __future__ import annotations

import pytest

from pytest_2501bench.host_state.compare import changes, put_back, unexpected
from pytest_2501bench.host_state.model import Change, HostState, fields, joined


def _state(host: str = "web-01", **entries: dict[str, str]) -> dict[str, HostState]:
    return {host: HostState(host_name=host, entries=entries)}


def _change(kind: str, name: str) -> Change:
    return Change(host="web-01", kind=kind, name=name, before=None, after="")


def _lines(before: dict[str, HostState], after: dict[str, HostState]) -> list[str]:
    return [str(change) for change in changes(before, after)]


def test_two_equal_states_have_no_changes() -> None:
    state = _state(file={"/etc/a": "mode 0644"}, unit={"cron.service": "active active"})

    assert changes(state, state) == ()


def test_a_change_tells_the_fields_that_differ_and_no_others() -> None:
    before = _state(file={"/etc/a": "mode 0644; owner root:root; content #aa"})
    after = _state(file={"/etc/a": "mode 0777; owner root:root; content #aa"})

    assert _lines(before, after) == ["web-01 file:/etc/a changed: mode 0644 → 0777"]


def test_what_came_and_what_went_is_told_with_what_it_is() -> None:
    before = _state(listener={"tcp:0.0.0.0:80": "process nginx"})
    after = _state(listener={"tcp:0.0.0.0:81": "process nc"}, mount={"/mnt": ""})

    assert _lines(before, after) == [
        "web-01 listener:tcp:0.0.0.0:80 removed: process nginx",
        "web-01 listener:tcp:0.0.0.0:81 added: process nc",
        "web-01 mount:/mnt added",
    ]


def test_a_digest_is_in_no_change() -> None:
    before = _state(file={"/a": "mode 0600; content #aaaa", "/b": "mode 0600; content #aaaa"})
    after = _state(
        file={"/a": "mode 0600; content #bbbb", "/c": "mode 0600; content #aaaa"}, user={"eve": "secret #aa"}
    )

    found = changes(before, after)

    assert [str(change) for change in found] == [
        "web-01 user:eve added",
        "web-01 file:/a changed: content",
        "web-01 file:/b removed: mode 0600",
        "web-01 file:/c added: mode 0600",
    ]
    assert "#" not in "".join(change.model_dump_json() for change in found)


def test_a_field_that_came_with_a_secret_is_told_without_it() -> None:
    before = _state(user={"eve": "password locked"})
    after = _state(user={"eve": "password set; secret #aaaa"})

    assert _lines(before, after) == ["web-01 user:eve changed: password locked → set; secret"]


def test_rules_are_told_as_what_came_and_what_went() -> None:
    before = _state(firewall={"ip filter INPUT": "rules policy drop | -s 10.0.0.0/8 -j ACCEPT"})
    after = _state(firewall={"ip filter INPUT": "rules policy accept | -s 10.0.0.0/8 -j ACCEPT"})
    turned = _state(firewall={"ip filter INPUT": "rules -s 10.0.0.0/8 -j ACCEPT | policy drop"})

    assert _lines(before, after) == ["web-01 firewall:ip filter INPUT changed: rules - policy drop, + policy accept"]
    assert _lines(before, turned) == ["web-01 firewall:ip filter INPUT changed: rules in another order"]


def test_kernel_settings_that_came_with_an_interface_are_no_change() -> None:
    before = _state(sysctl={"net.ipv4.ip_forward": "value 0", "net.ipv4.conf.gone.rp_filter": "value 0"})
    after = _state(sysctl={"net.ipv4.ip_forward": "value 1", "net.ipv4.conf.veth0.rp_filter": "value 0"})

    assert _lines(before, after) == ["web-01 sysctl:net.ipv4.ip_forward changed: value 0 → 1"]


def test_a_host_that_only_one_side_knows_is_not_compared() -> None:
    assert changes(_state("web-01", file={"/a": ""}), _state("db-01", file={})) == ()


def test_changes_come_by_host_then_kind_then_name() -> None:
    before = _state("web-01", file={}, package={}) | _state("db-01", file={})
    after = _state("web-01", file={"/b": "", "/a": ""}, package={"nc": ""}) | _state("db-01", file={"/c": ""})

    assert [f"{one.host} {one.what}" for one in changes(before, after)] == [
        "web-01 package:nc",
        "web-01 file:/a",
        "web-01 file:/b",
        "db-01 file:/c",
    ]


def test_what_is_back_as_it_was_before_the_incident_is_put_back_and_nothing_else() -> None:
    healthy = _state(file={"/etc/a": "content #good", "/etc/b": "content #good", "/etc/gone": "mode 0644"})
    staged = _state(file={"/etc/a": "content #bad", "/etc/b": "content #bad", "/etc/brought": "mode 0644"})
    after = _state(file={"/etc/a": "content #good", "/etc/b": "content #other", "/etc/gone": "mode 0644"})

    found = changes(staged, after)
    undone = put_back(found, healthy, after)

    assert {change.name for change in found} == {"/etc/a", "/etc/b", "/etc/gone", "/etc/brought"}
    assert {change.name for change in undone} == {"/etc/a", "/etc/gone", "/etc/brought"}
    assert put_back(found, {}, after) == set()


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("file:/etc/nginx/*", "file:/etc/nginx/nginx.conf"),
        ("file:/etc/nginx/*", "file:/etc/nginx/sites-enabled/shop"),
        ("file:/etc/nginx/*", "file:/etc/nginx"),
        ("file:/etc/ngin?", "file:/etc/nginx"),
        ("unit:nginx.service", "unit:nginx.service"),
        ("listener:tcp:*:80", "listener:tcp:[::]:80"),
        ("listener:tcp:[::]:80", "listener:tcp:[::]:80"),
        ("package:*", "package:nginx"),
    ],
)
def test_an_entry_allows(entry: str, what: str) -> None:
    assert unexpected([_change(*what.split(":", 1))], [entry]) == ()


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("file:/etc/nginx/*", "file:/etc/nginx.conf"),
        ("file:/etc/nginx", "file:/etc/nginx/nginx.conf"),
        ("unit:nginx", "unit:nginx.service"),
        ("file:/etc/NGINX", "file:/etc/nginx"),
        ("package:nginx", "user:nginx"),
        ("listener:tcp:*:80", "listener:tcp:0.0.0.0:8080"),
    ],
)
def test_an_entry_does_not_allow(entry: str, what: str) -> None:
    change = _change(*what.split(":", 1))

    assert unexpected([change], [entry]) == (change,)


@pytest.mark.parametrize("value", ["", "a; b", "50%; off", "%3B", "two\nlines", "a | b", "#no digest"])
def test_a_value_survives_its_fingerprint(value: str) -> None:
    assert fields(joined({"link": value, "mode": "0644"})) == {"link": value, "mode": "0644"}
