"""Which operational rules go into a task."""

from __future__ import annotations

from pytest_2501bench.engine.routing import names
from pytest_2501bench.engine.wire import TicketIn
from pytest_2501bench.engine.wire_rules import RuleOut


def matching(rules: tuple[RuleOut, ...], ticket: TicketIn, specialty_key: str) -> tuple[str, ...]:
    """Return the words of the *rules* for a task of *ticket* that an agent with *specialty_key* works.

    A rule with tags needs a ticket that carries one of them, or names it in its title or body; one with specialties
    needs an agent of one of them. Upper and lower case are alike.
    """
    carried = {tag.casefold() for tag in ticket.tags}
    text = f"{ticket.title}\n{ticket.body}"

    def goes(rule: RuleOut) -> bool:
        if not rule.enabled:
            return False
        if rule.specialty_keys and specialty_key.casefold() not in {key.casefold() for key in rule.specialty_keys}:
            return False
        return not rule.tags or any(tag.casefold() in carried or names(text, tag) is not None for tag in rule.tags)

    return tuple(dict.fromkeys(rule.rule for rule in rules if goes(rule)))
