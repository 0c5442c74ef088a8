"""Which hosts and agents a ticket goes to, what it asks for, and the rules that go with it."""

from __future__ import annotations

import pytest
from support.engines import agent, host, ticket_in

from pytest_2501bench.agents.protocol import Intent
from pytest_2501bench.engine.intent import intent_of
from pytest_2501bench.engine.memory import MemoryRepository
from pytest_2501bench.engine.routing import route
from pytest_2501bench.engine.rules import matching
from pytest_2501bench.engine.state import StoredHost
from pytest_2501bench.engine.wire_rules import RuleOut


def repository(count: int = 3, **specialties: str) -> MemoryRepository:
    """Hosts web-01 to web-0*count* with an agent each; *specialties* by agent id."""
    made = MemoryRepository()
    for n in range(1, count + 1):
        made.put_host(StoredHost(host(n), ""))
        made.put_agent(agent(n).model_copy(update={"specialty_key": specialties.get(f"agt_{n}", "ANY")}))
    return made


def routed(made: MemoryRepository, *hosts: int, **ticket: object) -> list[tuple[str, str]]:
    return [(r.host.host_name, r.agent.agent_id) for r in route(made, ticket_in(*hosts, **ticket))]


@pytest.mark.parametrize(
    ("body", "hosts"),
    [
        ("web-02 is down, and WEB-01 is slow.", ["web-02", "web-01"]),
        ("Nothing answers on http://web-03:8080/x", ["web-03"]),
        ("See web-01.", ["web-01"]),
        ("web-01.example.com, old-web-01, web-012 and web-01-standby are others", []),
        ("Ask (web-02)!", ["web-02"]),
        ("", []),
    ],
)
def test_hosts_are_found_in_the_text_as_whole_words_in_the_order_of_naming(body: str, hosts: list[str]) -> None:
    assert [name for name, _ in routed(repository(), title="Help", body=body)] == hosts


def test_a_title_names_hosts_too_and_ids_go_before_any_text() -> None:
    made = repository()
    assert routed(made, title="web-03 is down") == [("web-03", "agt_3")]
    assert routed(made, 1, title="web-03 is down") == [("web-01", "agt_1")]
    assert routed(made, title="web-03 is down", agent_ids=["agt_2"]) == [("web-02", "agt_2")]


def test_a_name_that_two_hosts_have_names_none() -> None:
    made = repository()
    twin = host(4)
    object.__setattr__(twin, "host_name", "web-01")
    made.put_host(StoredHost(twin, ""))
    assert routed(made, title="web-01 and web-02 are down") == [("web-02", "agt_2")]


@pytest.mark.parametrize(
    "ticket",
    [
        {"specialty": "DATABASE_OPERATOR"},
        {"assignment_group": "Database Operator"},
        {"body": "Something for DATABASE_OPERATOR, please."},
    ],
)
def test_without_a_host_the_agents_of_the_specialty_get_it(ticket: dict[str, str]) -> None:
    made = repository(4, agt_2="DATABASE_OPERATOR", agt_4="DATABASE_OPERATOR")
    assert routed(made, **ticket) == [("web-02", "agt_2"), ("web-04", "agt_4")]
    assert routed(made, specialty="GARDENER") == []


def test_among_the_agents_of_a_host_the_one_with_the_specialty_is_taken() -> None:
    made = repository(1)
    made.put_agent(agent(2).model_copy(update={"host_id": "hst_1", "specialty_key": "EXPERT"}))
    assert routed(made, 1) == [("web-01", "agt_1")]
    assert routed(made, 1, specialty="expert") == [("web-01", "agt_2")]
    assert routed(made, 1, agent_ids=["agt_1"], specialty="EXPERT") == [("web-01", "agt_1")]


@pytest.mark.parametrize(
    ("title", "body", "intent"),
    [
        ("Disk full", "Find out why. @2501:investigate", "investigate"),
        ("@2501:Remediate disk", "", "remediate"),
        ("Both", "@2501:remediate after @2501:investigate", "investigate"),
        ("None", "investigate 2501:investigate @2501:investigated me@2501:remediate", None),
    ],
)
def test_the_words_for_what_is_wanted_are_found_in_title_and_body(title: str, body: str, intent: Intent | None) -> None:
    assert intent_of(ticket_in(title=title, body=body)) == intent


def test_rules_match_by_tag_and_specialty() -> None:
    rules = (
        RuleOut(rule_id="rul_1", rule="for all"),
        RuleOut(rule_id="rul_2", rule="tagged", tags=("production", "nginx")),
        RuleOut(rule_id="rul_3", rule="for experts", specialty_keys=("EXPERT",)),
        RuleOut(rule_id="rul_4", rule="both", tags=("nginx",), specialty_keys=("EXPERT",)),
        RuleOut(rule_id="rul_5", rule="off", enabled=False),
        RuleOut(rule_id="rul_6", rule="for all"),
    )
    assert matching(rules, ticket_in(), "ANY") == ("for all",)
    assert matching(rules, ticket_in(tags=["Production"]), "ANY") == ("for all", "tagged")
    assert matching(rules, ticket_in(body="Nginx is down."), "expert") == ("for all", "tagged", "for experts", "both")
    assert matching(rules, ticket_in(body="nginx-old is down"), "EXPERT") == ("for all", "for experts")
