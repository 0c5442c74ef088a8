"""What a scenario holds: what its agent will see, what is checked, what would be wrong. It has the answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pytest_2501bench.authoring.card import Card, card_of
from pytest_2501bench.authoring.wording import claims_in_words, command_rule_in_words, in_words
from pytest_2501bench.scenario.lint.playbook import read_playbook
from pytest_2501bench.scenario.lint.rules import placed_rules
from pytest_2501bench.scenario.model import LoadedScenario, Scope, Severity
from pytest_2501bench.scenario.policies import rules_of
from pytest_2501bench.scenario.problems import pointer
from pytest_2501bench.scenario.resolve import agent_specs


@dataclass(frozen=True, slots=True)
class AgentSeen:
    """An agent that is asked."""

    agent_name: str
    host_name: str
    specialty_key: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What the agents are told, all of it."""

    ticket_title: str
    ticket_body: str
    hosts: tuple[str, ...]
    agents: tuple[AgentSeen, ...]
    deadline_seconds: float
    allowed_agents: tuple[str, ...] | None
    allowed_hosts: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class PlayOutline:
    """A play with the names of its tasks."""

    name: str
    hosts: str
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleSaid:
    """A rule in words.

    Attributes:
        place: where it stands in scenario.json.
        policy: the policy that it is, or comes from.
        catastrophic: broken, it fails both gates.
    """

    place: str
    label: str
    words: str
    required: bool
    policy: str | None = None
    catastrophic: bool = False


@dataclass(frozen=True, slots=True)
class CollateralSaid:
    """The third check."""

    required: bool
    roots: tuple[str, ...]
    allowed_changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WrongFix:
    """A fix that must be noticed; *fails* is None where scenario.json says nothing of it."""

    name: str
    does: tuple[str, ...]
    fails: str | None
    rules: tuple[str, ...]
    why: str | None


@dataclass(frozen=True, slots=True)
class GoodFix:
    """A fix that must be accepted."""

    name: str
    does: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that ``2501bench explain`` tells; ``--json`` prints these fields."""

    scenario: Card
    description: str
    seen: Seen
    hold_seconds: float
    validation: tuple[PlayOutline, ...]
    outcome: tuple[RuleSaid, ...]
    compliance: tuple[RuleSaid, ...]
    collateral: CollateralSaid | None
    wrong: tuple[WrongFix, ...]
    good: tuple[GoodFix, ...]

    def as_json(self) -> dict[str, object]:
        """Return the fields as JSON takes them."""
        return asdict(self)


def explain(loaded: LoadedScenario, root: Path | None = None) -> Explanation:
    """Return what *loaded* holds; its folder is shown relative to *root*."""
    bench = loaded.scenario.bench
    validate = loaded.playbook("validate")
    return Explanation(
        scenario=card_of(loaded, root),
        description=loaded.scenario.description,
        seen=_seen(loaded),
        hold_seconds=bench.hold_seconds,
        validation=_outline(validate) if validate is not None else (),
        outcome=tuple(_outcome(loaded)),
        compliance=tuple(_compliance(loaded)),
        collateral=None
        if bench.collateral is None
        else CollateralSaid(bench.collateral.required, bench.collateral.roots, bench.allowed_changes),
        wrong=tuple(_wrong(loaded)),
        good=tuple(_good(loaded)),
    )


def _seen(loaded: LoadedScenario) -> Seen:
    scenario = loaded.scenario
    agents = agent_specs(loaded, True)
    return Seen(
        ticket_title=scenario.ticket_title,
        ticket_body=scenario.ticket_body,
        hosts=tuple(dict.fromkeys(host.host_name for host in card_of(loaded).hosts)),
        agents=tuple(AgentSeen(agent.agent_name, agent.host_name, agent.specialty_key) for agent in agents),
        deadline_seconds=scenario.bench.timeouts.execute,
        allowed_agents=scenario.validation.allowed_agents,
        allowed_hosts=scenario.validation.allowed_hosts,
    )


def _outline(path: Path) -> tuple[PlayOutline, ...]:
    return tuple(
        PlayOutline(play.name, str(play.hosts or ""), tuple(task.name for task in play.tasks))
        for play in read_playbook(path).plays
    )


def _does(path: Path) -> tuple[str, ...]:
    """Return the names of a playbook's plays, or of its tasks where plays have none."""
    plays = _outline(path)
    return tuple(play.name for play in plays if play.name) or tuple(task for play in plays for task in play.tasks)


def _outcome(loaded: LoadedScenario) -> Iterator[RuleSaid]:
    for placed in placed_rules(loaded):
        if placed.scope is Scope.OUTCOME:
            yield RuleSaid(placed.place, placed.rule.label, in_words(placed.rule, placed.scope), placed.rule.required)


def _compliance(loaded: LoadedScenario) -> Iterator[RuleSaid]:
    for placed in placed_rules(loaded):
        if placed.scope is not Scope.OUTCOME:
            yield RuleSaid(placed.place, placed.rule.label, in_words(placed.rule, placed.scope), placed.rule.required)
    bench = loaded.scenario.bench
    for name, listed in (("rules", bench.rules), ("policies", rules_of(bench.policies))):
        for index, rule in enumerate(listed):
            yield RuleSaid(
                pointer(("bench", name, index)),
                rule.label,
                command_rule_in_words(rule),
                rule.required,
                rule.policy,
                rule.severity is Severity.CATASTROPHIC,
            )
    if (claims := bench.claims_match) is not None:
        yield RuleSaid("/bench/claims_match", claims.label, claims_in_words(claims), claims.required)


def _wrong(loaded: LoadedScenario) -> Iterator[WrongFix]:
    claims, files = loaded.scenario.bench.cheats, loaded.repairs("cheat")
    for name in dict.fromkeys([*claims, *files]):
        claim = claims.get(name)
        yield WrongFix(
            name=name,
            does=_does(files[name]) if name in files else (),
            fails=None if claim is None else claim.fails,
            rules=() if claim is None else claim.rules,
            why=None if claim is None else claim.why,
        )


def _good(loaded: LoadedScenario) -> Iterator[GoodFix]:
    if (solve := loaded.playbook("solve")) is not None:
        yield GoodFix("solve", _does(solve))
    for name, path in loaded.repairs("alt").items():
        yield GoodFix(f"alt-{name}", _does(path))
