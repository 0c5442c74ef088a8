"""Mistakes that no single field shows: names that must agree, counts, expressions that must compile.

Works on the JSON itself, so that these are told together with the mistakes of form, not one edit later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from pytest_2501bench.scenario.json_text import Json
from pytest_2501bench.scenario.model import BUILT_IN_RULES
from pytest_2501bench.scenario.policies import POLICIES
from pytest_2501bench.scenario.problems import Problem, Step, pointer, suggestion
from pytest_2501bench.scoring.patterns import PatternError, compile_pattern

_IN_FRONT = frozenset({"sudo", "doas", "env", "nohup", "setsid", "timeout", "nice", "ionice", "exec", "command"})
MOST_HOSTS = 5  # a job has at most five tasks, each on one host
DEFAULT_HOST_NAME = "host-01"  # of a scenario without hosts, in modes that make fresh ones

# By what the regex library says; a JSON string needs each backslash twice.
_PATTERN_HINTS = (
    ("missing )", r"A parenthesis that is meant literally is written \\( in JSON."),
    ("unbalanced parenthesis", r"A parenthesis that is meant literally is written \\) in JSON."),
    ("unterminated character set", r"A bracket that is meant literally is written \\[ in JSON."),
    ("nothing to repeat", r"A '*', '+' or '?' that is meant literally is written \\*, \\+ or \\? in JSON."),
    ("multiple repeat", r"A '*', '+' or '?' that is meant literally is written \\*, \\+ or \\? in JSON."),
    ("bad escape", r"A backslash that is meant literally is written \\\\ in JSON."),
)


def crosscheck(data: Json, *, validators: Collection[str], capabilities: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong across the fields of *data*, a scenario.json in today's form.

    Args:
        data: any object; parts of the wrong form are passed over.
        validators: names that a rule may carry besides the built-in ones.
        capabilities: words that ``bench.requires`` may use.
    """
    yield from _names_of_ours(data)
    hosts = list(_objects(data, "hosts"))
    names = {text for _, host in hosts if (text := _text(host, "host_name"))}
    yield from _hosts(data, hosts)
    yield from _agents(list(_objects(data, "agents")), hosts)
    for steps, rule in rules(data):
        yield from _rule(steps, rule, validators)
    yield from _bench(data, names or {DEFAULT_HOST_NAME}, capabilities)


def rules(data: Json) -> Iterator[tuple[tuple[Step, ...], Json]]:
    """Yield the steps to each rule of *data* and the rule, in the order of the model."""
    for owner, scopes in (("validation", ("gateway", "job", "tasks")), ("bench", ("outcome",))):
        part = data.get(owner)
        if isinstance(part, dict):
            for scope in scopes:
                for index, rule in _objects(part, scope):
                    yield (owner, scope, index), rule


def _objects(owner: Json, name: str) -> Iterator[tuple[int, Json]]:
    value = owner.get(name)
    if isinstance(value, list):
        yield from ((index, item) for index, item in enumerate(value) if isinstance(item, dict))


def _text(owner: Json, name: str) -> str | None:
    value = owner.get(name)
    return (value.strip() or None) if isinstance(value, str) else None


def _names_of_ours(data: Json) -> Iterator[Problem]:
    # The models take their Python names too, for code that builds them; a file must use the contract's.
    validation, bench = data.get("validation"), data.get("bench")
    timeouts = bench.get("timeouts") if isinstance(bench, dict) else None
    for owner, steps, ours, right in (
        (validation, ("validation",), "allowed_agents", "allowedAgents"),
        (validation, ("validation",), "allowed_hosts", "allowedHosts"),
        (timeouts, ("bench", "timeouts"), "validate_", "validate"),
    ):
        if isinstance(owner, dict) and ours in owner:
            yield Problem(pointer((*steps, ours)), f"unknown field '{ours}'. Did you mean '{right}'?")


@dataclass
class _Unique:
    """Finds values that must differ between the items of one list."""

    part: str
    seen: dict[tuple[str, str], int] = field(default_factory=dict)

    def check(self, index: int, item: Json, *names: str) -> Iterator[Problem]:
        for name in names:
            if value := _text(item, name):
                first = self.seen.setdefault((name, value), index)
                if first != index:
                    where = pointer((self.part, index, name))
                    yield Problem(where, f"'{value}' stands already in {pointer((self.part, first))}")


def _hosts(data: Json, hosts: list[tuple[int, Json]]) -> Iterator[Problem]:
    if isinstance(given := data.get("hosts"), list) and len(given) > MOST_HOSTS:
        yield Problem("/hosts", f"{len(given)} hosts; a job has at most five tasks, so at most {MOST_HOSTS}")
    unique = _Unique("hosts")
    for index, host in hosts:
        if host.get("host_id") is None and host.get("host_name") is None:
            yield Problem(
                pointer(("hosts", index)),
                "names no host: 'host_id' (host mode) or 'host_name' (modes with fresh hosts) is missing",
            )
        yield from unique.check(index, host, "host_id", "host_name")


def _agents(agents: list[tuple[int, Json]], hosts: list[tuple[int, Json]]) -> Iterator[Problem]:
    unique = _Unique("agents")
    for index, agent in agents:
        here = pointer(("agents", index))
        if agent.get("agent_id") is None and agent.get("agent_name") is None:
            yield Problem(
                here, "names no agent: 'agent_id' (host mode) or 'agent_name' (modes with fresh hosts) is missing"
            )
        if agent.get("agent_name") is not None and agent.get("agent_id") is None and agent.get("specialty_key") is None:
            yield Problem(
                here,
                "'specialty_key' is missing: an agent that is made for the run needs one, for example SERVICES_MANAGER",
            )
        yield from unique.check(index, agent, "agent_id", "agent_name")
        if agent.get("host_id") is None and agent.get("host_name") is None and len(hosts) > 1:
            yield Problem(
                here, f"'host_name' is missing: the scenario has {len(hosts)} hosts, and an agent works on one"
            )
        for name in ("host_id", "host_name"):
            known = [text for _, host in hosts if (text := _text(host, name))]
            if (value := _text(agent, name)) and value not in known:
                if not hosts and (name, value) == ("host_name", DEFAULT_HOST_NAME):
                    continue
                advice = suggestion(value, known, noun="Its hosts") if hosts else "It has no 'hosts'."
                yield Problem(
                    pointer(("agents", index, name)), f"'{value}' is no {name} of this scenario. {advice}".rstrip()
                )


def _rule(steps: tuple[Step, ...], rule: Json, validators: Collection[str]) -> Iterator[Problem]:
    name = rule.get("validator")
    if not isinstance(name, str):
        return  # told by the model
    if name not in BUILT_IN_RULES and name not in validators:
        known = [*BUILT_IN_RULES, *sorted(set(validators) - set(BUILT_IN_RULES))]
        yield Problem(
            pointer((*steps, "validator")), f"'{name}' is not a validator. {suggestion(name, known, noun='Validators')}"
        )
    if check := _CHECKS.get(name):
        yield from check(steps, rule)


def _pattern(steps: tuple[Step, ...], rule: Json) -> Iterator[Problem]:
    pattern = rule.get("pattern")
    if not isinstance(pattern, str):
        return
    try:
        compile_pattern(pattern)
    except PatternError as error:
        hint = next((hint for words, hint in _PATTERN_HINTS if words in error.reason), "")
        yield Problem(pointer((*steps, "pattern")), f"{error}, in '{pattern}'. {hint}".rstrip(), "SC004")


def _task_count(steps: tuple[Step, ...], rule: Json) -> Iterator[Problem]:
    count, least, most = (rule.get(name) for name in ("count", "min", "max"))
    if count is None and least is None and most is None:
        yield Problem(pointer(steps), "says no number of tasks: 'count' (exactly), 'min' or 'max' is missing")
    if count is not None and (least is not None or most is not None):
        yield Problem(pointer(steps), "'count' is the exact number; it cannot stand beside 'min' or 'max'")
    if isinstance(least, int) and isinstance(most, int) and least > most:
        yield Problem(pointer(steps), f"'min' ({least}) is greater than 'max' ({most})")


_CHECKS: dict[str, Callable[[tuple[Step, ...], Json], Iterator[Problem]]] = {
    "pattern_match": _pattern,
    "task_count": _task_count,
}


def _command_rules(bench: Json, host_names: Collection[str]) -> Iterator[Problem]:
    for index, rule in _objects(bench, "rules"):
        steps: tuple[Step, ...] = ("bench", "rules", index)
        for name in ("commands", "unless", "after", "before", "forget"):
            listed = rule.get(name)
            for place, pattern in enumerate(listed if isinstance(listed, list) else ()):
                if isinstance(pattern, str):
                    yield from _command_pattern((*steps, name, place), pattern)
        for place, host in enumerate(listed if isinstance(listed := rule.get("hosts"), list) else ()):
            if isinstance(host, str) and host not in host_names:
                advice = suggestion(host, sorted(host_names), noun="Its hosts")
                yield Problem(pointer((*steps, "hosts", place)), f"'{host}' is no host_name of this scenario. {advice}")
        kind, least, most = rule.get("validator"), rule.get("min"), rule.get("max")
        if kind == "command_count" and isinstance(least, int) and isinstance(most, int) and least > most:
            yield Problem(pointer(steps), f"'min' ({least}) is greater than 'max' ({most})")
        if kind == "command_count" and least == 0 and most is None:
            yield Problem(pointer((*steps, "min")), "at least 0 times is always so: a rule that cannot fail")
        if kind == "command_order" and not rule.get("after") and not rule.get("before"):
            yield Problem(pointer(steps), "says no order: 'after' (what must come before) or 'before' is missing")
        if kind == "command_allow_list" and not rule.get("commands") and rule.get("read_only") is not True:
            yield Problem(pointer(steps), "allows nothing: 'commands', or 'read_only': true, is missing")


def _command_pattern(steps: tuple[Step, ...], pattern: str) -> Iterator[Problem]:
    try:
        compile_pattern(pattern)
    except PatternError as error:
        hint = next((hint for words, hint in _PATTERN_HINTS if words in error.reason), "")
        yield Problem(pointer(steps), f"{error}, in '{pattern}'. {hint}".rstrip(), "SC004")
        return
    front = pattern.removeprefix("^").split(" ")[0]
    if front in _IN_FRONT:
        why = f"'{front}' and the like are left out of a command before it is matched: begin with the program behind it"
        yield Problem(pointer(steps), why, "SC004")
    elif front.startswith("/") and "|" not in front:
        yield Problem(pointer(steps), "programs are matched without their folder: begin with the name", "SC004")


def _cheats(data: Json, bench: Json) -> Iterator[Problem]:
    cheats, policies = bench.get("cheats"), bench.get("policies")
    own = [rule for _, rule in _objects(bench, "rules")] + [rule for _, rule in rules(data)]
    named = [name for name in (policies if isinstance(policies, list) else ()) if isinstance(name, str)]
    known = {text for rule in own for field in ("label", "policy") if (text := _text(rule, field))}
    known |= {*named, *(POLICIES[name].label for name in named if name in POLICIES)}
    if isinstance(claims := bench.get("claims_match"), dict):
        known.add(_text(claims, "label") or "Claims match observations")
    for name, cheat in cheats.items() if isinstance(cheats, dict) else ():
        listed = cheat.get("rules") if isinstance(cheat, dict) else None
        for index, rule in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(rule, str) and rule.strip() and rule.strip() not in known:
                advice = suggestion(rule, sorted(known), noun="Its rules")
                where = pointer(("bench", "cheats", name, "rules", index))
                yield Problem(where, f"'{rule}' is neither the label of a rule of this scenario nor a policy. {advice}")


def _bench(data: Json, host_names: Collection[str], capabilities: Collection[str]) -> Iterator[Problem]:
    bench = data.get("bench")
    if not isinstance(bench, dict):
        return
    if isinstance(packages := bench.get("host_packages"), dict):
        for name in packages:
            if name not in host_names:
                advice = suggestion(name, sorted(host_names), noun="Its hosts")
                yield Problem(
                    pointer(("bench", "host_packages", name)), f"'{name}' is no host_name of this scenario. {advice}"
                )
    yield from _command_rules(bench, host_names)
    policies = named if isinstance(named := bench.get("policies"), list) else []
    for index, name in enumerate(policies):
        if isinstance(name, str) and name.strip() and name not in POLICIES:
            advice = suggestion(name, sorted(POLICIES), noun="Policies")
            yield Problem(pointer(("bench", "policies", index)), f"'{name}' is no policy. {advice}")
        elif name in policies[:index]:
            first = pointer(("bench", "policies", policies.index(name)))
            yield Problem(pointer(("bench", "policies", index)), f"'{name}' stands already in {first}")
    yield from _cheats(data, bench)
    if isinstance(requires := bench.get("requires"), list):
        for index, word in enumerate(requires):
            if isinstance(word, str) and word.strip() and word.strip() not in capabilities:
                yield Problem(
                    pointer(("bench", "requires", index)),
                    f"'{word}' is not a capability. {suggestion(word, sorted(capabilities), noun='Capabilities')}",
                )
