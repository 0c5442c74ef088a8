"""Options and their sources: option > environment > env file > ini > default, frozen into :class:`Settings`."""

from __future__ import annotations

import os
import shlex
from argparse import ArgumentError
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_2501bench.matrix import axes

if TYPE_CHECKING:
    import pytest


class OptionError(Exception):
    """An option's value is wrong: one line that names the option and its source."""


def _positive(text: str) -> int:
    return _count(text, least=1)


def _count(text: str, least: int = 0) -> int:
    try:
        number = int(text)
    except ValueError:
        raise ValueError("must be a whole number") from None
    if number < least:
        raise ValueError(f"must be {least} or more")
    return number


def _words(text: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    if not words:  # else nothing would be selected, which means everything
        raise ValueError("names no key and no tag")
    return words


def _command(text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as exc:
        raise ValueError(f"is not a command line: {exc}") from None
    if not words:
        raise ValueError("is empty")
    return words


def _gigabytes(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("must be a number of GB") from None
    if not 0 < number < float("inf"):
        raise ValueError("must be above 0")
    return number


def _truth(text: str) -> bool:
    word = text.strip().lower()
    if word in ("1", "yes", "true", "on"):
        return True
    if word in ("0", "no", "false", "off"):
        return False
    raise ValueError("must be yes or no")


def _keep(text: str) -> str:
    if text not in KEEP:
        raise ValueError(f"must be one of {', '.join(KEEP)}")
    return text


def _record(text: str) -> str:
    if text not in RECORD:
        raise ValueError(f"must be one of {', '.join(RECORD)}")
    return text


def _collateral(text: str) -> str:
    if text not in COLLATERAL:
        raise ValueError(f"must be one of {', '.join(COLLATERAL)}")
    return text


def _bastion(text: str) -> str:
    from pytest_2501bench.bastion.place import Place

    Place.parse(text)
    return text


def _agent_limit(text: str) -> str:
    from pytest_2501bench.agents.llm.limits import Limits

    Limits.parse(text)
    return text


def _report_file(text: str) -> Path:
    if not text or text.endswith(os.sep) or Path(text).is_dir():
        raise ValueError("must be a file, like report.html")
    return Path(text)


def _mirror(text: str) -> str:
    if "@" in text.partition("://")[2].partition("/")[0]:
        raise ValueError("has a user name or password in it, which would end up in the sandboxes' package sources")
    return text


def _baseline(text: str) -> str:
    if "/" in text or text.endswith(".json") or Path(text).exists():
        raise ValueError(
            "is no benchmark to compare with; write --fail-on-regression=BASELINE, or put the option after the paths"
        )
    from pytest_2501bench.analysis.sides import check_spec

    if text != EARLIER:
        check_spec(text)
    return text


def _requirements(text: str) -> tuple[str, ...]:
    from pytest_2501bench.statistics.repetition import Requirement

    found = tuple(str(Requirement.parse(word)) for word in text.split())
    if not found:
        raise ValueError("must be like pass-rate>=0.9")
    return found


EARLIER: Final = "earlier"
"""The baseline of ``--fail-on-regression`` when none is named: all earlier runs."""

DATABASE_FILE: Final = "results.db"
"""The default database, in the bench directory."""

KEEP: Final = ("none", "failed", "all")
"""Which sandboxes ``--keep-sandbox`` leaves up."""


RECORD: Final = ("auto", "always", "never")
"""Whether an outside engine's agents reach the hosts through the recording bastion."""

COLLATERAL: Final = ("auto", "always", "never")
"""Whether hosts are looked at for the third check; ``auto``: where the scenario asks for it."""


@dataclass(frozen=True, slots=True)
class Option:
    """One setting. ``flag`` None: environment and env file only, because it is a secret or an address."""

    name: str
    flag: str | None
    env: str
    default: Any
    help: str
    metavar: str = "NAME"
    parse: Callable[[str], Any] = str
    ini: bool = True
    secret: bool = False
    switch: bool = False  # the flag takes no value
    many: bool = False  # the flag may be repeated; its values are joined with blanks
    alone: str | None = None  # what the flag means when it is given without a value


OPTIONS: Final[tuple[Option, ...]] = (
    Option(
        "scenarios",
        "--scenarios",
        "BENCH_SCENARIOS",
        (),
        "Run only the scenarios with these keys or tags, comma-separated and freely mixed.",
        "KEY|TAG[,…]",
        _words,
        ini=False,
    ),
    Option(
        "mode",
        "--mode",
        "BENCH_MODE",
        "host",
        "Where scenarios run: 'host' uses registered hosts; 'incus' and 'lima' make a fresh machine per run; "
        "'namespace' makes a fresh Linux host per run from namespaces, without any VM; other plugins may add modes.",
    ),
    Option(
        "hosts",
        "--hosts",
        "BENCH_HOSTS",
        None,
        "Ansible inventory whose hosts are registered for --mode host before anything runs.",
        "INVENTORY",
        Path,
    ),
    Option(
        "incus_remote",
        "--incus-remote",
        "BENCH_INCUS_REMOTE",
        None,
        "Incus server of --mode incus, as `incus remote list` names it, and a member or group of its cluster.",
        "NAME[:TARGET]",
    ),
    Option(
        "incus_vm",
        "--incus-vm",
        "BENCH_INCUS_VM",
        False,
        "Virtual machines in place of containers in --mode incus.",
        parse=_truth,
        switch=True,
    ),
    Option(
        "vm_templates_path",
        "--vm-templates-path",
        "BENCH_VM_TEMPLATES_PATH",
        None,
        "Folder with templates of one's own, one folder with a template.toml each.",
        "DIR",
        Path,
    ),
    Option(
        "keep_sandbox",
        "--keep-sandbox",
        "BENCH_KEEP_SANDBOX",
        "none",
        "Leave the hosts of 'failed' or 'all' runs up, and print how to enter and remove them.",
        "none|failed|all",
        _keep,
    ),
    Option(
        "parallel_ram_cap",
        "--parallel-ram-cap",
        "BENCH_PARALLEL_RAM_CAP",
        None,
        "Memory that all sandboxes on this machine may need together, those of other sessions included.",
        "GB",
        _gigabytes,
    ),
    Option("gateway", "--gateway", "BENCH_GATEWAY", "runner", "The path of tickets to the engine under test."),
    Option(
        "agent",
        "--agent",
        "BENCH_AGENT",
        None,
        "Agent of the local engine: 'oracle' plays the scenario's solve.yml (default), 'noop' does nothing, "
        "'command' runs --agent-command, 'llm' lets the model of --main-engine work. Not used when ENGINE_URL is set.",
    ),
    Option(
        "agent_command",
        "--agent-command",
        "BENCH_AGENT_COMMAND",
        None,
        "The program that works tickets, with its arguments; implies '--agent command'.",
        "PROGRAM",
        _command,
    ),
    Option(
        "agent_limit",
        "--agent-limit",
        "BENCH_AGENT_LIMIT",
        None,
        "How far '--agent llm' may go on one ticket: turns (50), tokens, cost in USD, time in seconds; no limit where "
        "none is named, but the scenario's deadline.",
        "turns=N,tokens=N,cost=USD,time=S",
        _agent_limit,
    ),
    Option(
        "record",
        "--record",
        "BENCH_RECORD",
        "auto",
        "Let the agents of ENGINE_URL reach the hosts through a recording bastion: 'auto' where that is possible, "
        "'always' or not at all, 'never'. Agents of the local engine are recorded anyway.",
        "auto|always|never",
        _record,
    ),
    Option(
        "bastion",
        "--bastion",
        "BENCH_BASTION",
        None,
        "Address of this machine at which an ENGINE_URL elsewhere reaches the recording bastion, and the ports that "
        "may be used; without it, the bastion is on the loopback address.",
        "ADDRESS[:FIRST-LAST]",
        _bastion,
    ),
    Option(
        "collateral",
        "--collateral",
        "BENCH_COLLATERAL",
        "auto",
        "Say what an agent changed on the hosts beyond the fix, in a third check 'collateral': 'auto' where the "
        "scenario asks for it, 'always' (only shown where it does not), 'never'.",
        "auto|always|never",
        _collateral,
    ),
    Option(
        "iterations", "--iter", "BENCH_ITER", 1, "How often each scenario runs, each time on its own.", "N", _positive
    ),
    Option(
        "main_engine", "--main-engine", "BENCH_MAIN_ENGINE", None, "Model key that executes; sent with each ticket."
    ),
    Option(
        "secondary_engine",
        "--secondary-engine",
        "BENCH_SECONDARY_ENGINE",
        None,
        "Model key that plans and reviews; sent with each ticket.",
    ),
    Option("specialty", "--specialty", "BENCH_SPECIALTY", None, "Specialty of the agents, in place of the scenario's."),
    Option(
        "matrix",
        "--matrix",
        "BENCH_MATRIX",
        (),
        "Run every selected scenario once per value of main-engine, secondary-engine or specialty, with ids like "
        "run1@VALUE. May be repeated, for every combination.",
        "AXIS=VALUE,VALUE",
        axes,
        many=True,
    ),
    Option(
        "require",
        "--require",
        "BENCH_REQUIRE",
        (),
        "What the runs of each scenario must reach together: pass-rate>=0.9, compliance>=95%%, both>=0.8, pass@3>=0.9, "
        "pass^3>=0.5; with TAG: before it, only scenarios with that key or tag. May be repeated. Single red runs then "
        "decide nothing; an item 'verdict' per scenario does.",
        "[TAG:]RATE>=NUMBER",
        _requirements,
        many=True,
    ),
    Option(
        "stop_when_decided",
        "--stop-when-decided",
        "BENCH_STOP_WHEN_DECIDED",
        False,
        "Skip the iterations of a scenario that can no longer change its verdict.",
        parse=_truth,
        switch=True,
    ),
    Option(
        "fail_on_regression",
        "--fail-on-regression",
        "BENCH_FAIL_ON_REGRESSION",
        None,
        "Single red runs decide nothing; an item 'regression' per scenario does, and fails when its runs are shown to "
        "be worse than earlier ones of the same version key: all of them, or those of BASELINE, as in compare: last, "
        "bmk_..., commit=abc123.",
        "BASELINE",
        _baseline,
        alone=EARLIER,
    ),
    Option(
        "changed_since",
        "--changed-since",
        "BENCH_CHANGED_SINCE",
        None,
        "Run only the scenarios that a change since this git revision touches: in their folder, in a template they are "
        "made from, in a file that bench.depends_on names, in a conftest.py above them.",
        "REVISION",
        ini=False,
    ),
    Option(
        "selfcheck",
        "--selfcheck",
        "BENCH_SELFCHECK",
        False,
        "Let scenarios prove themselves, in place of runs: an item per claim, such as that validate.yml is red after "
        "prepare.yml, that solve.yml turns both gates green and each cheat-*.yml the gate it names red. With --iter N, "
        "N times. Nothing of it is stored with results.",
        parse=_truth,
        ini=False,
        switch=True,
    ),
    Option(
        "selfcheck_report",
        "--selfcheck-report",
        "BENCH_SELFCHECK_REPORT",
        None,
        "Write the matrix of --selfcheck, scenario by claim, as a Markdown file; relative to the root directory.",
        "FILE",
        _report_file,
        ini=False,
    ),
    Option(
        "selfcheck_results",
        "--selfcheck-results",
        "BENCH_SELFCHECK_RESULTS",
        None,
        "Append the results of --selfcheck to this file, a JSON line each. The matrix of --selfcheck-report then shows "
        "all that the file has of each scenario in its latest state: repetitions add up over sessions.",
        "FILE",
        _report_file,
        ini=False,
    ),
    Option(
        "infra_retries",
        "--infra-retries",
        "BENCH_INFRA_RETRIES",
        0,
        "How often a run is tried again when it failed before its agent was asked (no sandbox, prepare failed).",
        "N",
        _count,
    ),
    Option(
        "bench_dir",
        "--bench-dir",
        "BENCH_DIR",
        Path(".2501bench"),
        "Where evidence and the default database are kept, relative to the root directory.",
        "DIR",
        Path,
    ),
    Option(
        "report",
        "--bench-report",
        "BENCH_REPORT_FILE",
        None,
        "Write the benchmark as one html file at the end, also when runs were lost; relative to the root directory.",
        "FILE",
        _report_file,
    ),
    Option(
        "mirror",
        "--bench-mirror",
        "BENCH_MIRROR",
        None,
        "Debian mirror for root filesystems, in place of the one of this machine's apt sources.",
        "URL",
        _mirror,
    ),
    Option("database_url", None, "DATABASE_URL", None, "PostgreSQL for results; unset: a SQLite file.", secret=True),
    Option("engine_url", None, "ENGINE_URL", None, "The engine under test; unset: a local engine is started."),
    Option("engine_api_key", None, "ENGINE_API_KEY", None, "Bearer key of ENGINE_URL.", secret=True),
    Option("org_id", None, "ORG_ID", None, "Organization that owns the results."),
    Option("tenant_id", None, "TENANT_ID", None, "Tenant of the organization."),
    Option("user_id", None, "USER_ID", None, "User who runs the benchmark."),
)


_QUIET: Final = frozenset(
    {"collateral", "infra_retries", "incus_vm", "keep_sandbox", "record", "selfcheck", "stop_when_decided"}
)
"""Not shown in the report header while they are as by default."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds in this session. ``sources`` names where each value came from."""

    scenarios: tuple[str, ...]
    mode: str
    hosts: Path | None
    incus_remote: str | None
    incus_vm: bool
    vm_templates_path: Path | None
    keep_sandbox: str
    parallel_ram_cap: float | None
    gateway: str
    agent: str | None
    agent_command: tuple[str, ...] | None = field(repr=False)  # people put keys there
    agent_limit: str | None
    record: str
    bastion: str | None
    collateral: str
    iterations: int
    main_engine: str | None
    secondary_engine: str | None
    specialty: str | None
    matrix: tuple[str, ...]
    require: tuple[str, ...]
    stop_when_decided: bool
    fail_on_regression: str | None
    changed_since: str | None
    selfcheck: bool
    selfcheck_report: Path | None
    selfcheck_results: Path | None
    infra_retries: int
    bench_dir: Path
    report: Path | None
    mirror: str | None
    database_url: str | None = field(repr=False)
    engine_url: str | None
    engine_api_key: str | None = field(repr=False)
    org_id: str | None
    tenant_id: str | None
    user_id: str | None
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    servicenow: Mapping[str, str] = field(default_factory=dict, repr=False)  # SERVICENOW_*, secrets among them

    def public(self) -> dict[str, Any]:
        """Return the settings that may be shown and stored; secrets are left out."""
        shown: dict[str, Any] = {}
        for option in OPTIONS:
            value = getattr(self, option.name)
            if option.secret or value in (None, ()):
                continue
            shown[option.name] = str(value) if isinstance(value, Path) else _masked(value)
        return shown

    @property
    def meant(self) -> bool:
        """Whether anything was set that this plugin alone reads; DATABASE_URL and the like serve others too."""
        return any(option.flag and self.sources.get(option.name, "default") != "default" for option in OPTIONS)

    def rows(self) -> list[tuple[str, str, str]]:
        """Return (name, value, source) of every setting that is not empty, secrets masked, for the report header."""
        rows = []
        for option in OPTIONS:
            value = getattr(self, option.name)
            if value in (None, (), "") or (option.name in _QUIET and value == option.default):
                continue
            if option.secret:
                shown = "(set)"
            elif isinstance(value, tuple):
                value = _masked(value)
                shown = {"agent_command": shlex.join, "matrix": " ".join, "require": " ".join}.get(
                    option.name, ",".join
                )(value)
            else:
                shown = str(_masked(value))
            rows.append((option.name.replace("_", " "), shown, self.sources.get(option.name, "default")))
        return rows


def _masked(value: Any) -> Any:
    """Return *value* as it may be shown: people put keys into command lines and addresses."""
    from pytest_2501bench.masking import shown_command, shown_text

    if isinstance(value, tuple):
        return shown_command(value)
    return shown_text(" ".join(shown_command(value.split(" ")))) if isinstance(value, str) else value


def add_options(parser: pytest.Parser) -> None:
    """Register every option; a clash with another plugin is one clear line, not a traceback of argparse."""
    import pytest

    group = parser.getgroup("2501bench", "2501 benchmark: operations agents against incidents")

    def add(flag: str, **keywords: Any) -> None:
        try:
            group.addoption(flag, **keywords)
        except (ValueError, ArgumentError) as exc:
            raise pytest.UsageError(
                f"pytest-2501bench cannot register {flag}: {exc}. Another plugin or conftest.py already defines it; "
                "disable that plugin with -p no:NAME, or this one with -p no:2501bench."
            ) from None

    for option in OPTIONS:
        if option.flag is not None:
            # Neither type nor choices: values from all sources are checked in one place, with their source named.
            how: dict[str, Any] = {"metavar": option.metavar}
            if option.switch:
                how = {"action": "store_const", "const": "yes"}
            elif option.many:
                how["action"] = "append"
            elif option.alone is not None:
                how |= {"nargs": "?", "const": option.alone}
            add(option.flag, dest=f"bench_{option.name}", default=None, help=option.help, **how)
            if option.ini:
                parser.addini(f"bench_{option.name}", option.help, default=None)
    # The destination of xdist's -n, so that the later one of the two counts.
    add(
        "--parallel",
        dest="numprocesses",
        action="store_const",
        const="auto",
        help="As many runs at once as memory and processors allow; the same as '-n auto'.",
    )
    add(
        "--bench-env-file",
        dest="bench_env_file",
        metavar="FILE",
        default=None,
        help="Read settings that the environment does not have (DATABASE_URL, ENGINE_URL, …) from KEY=VALUE lines of "
        "FILE.",
    )
    parser.addini("bench_env_file", "env file with settings that the environment does not have", default=None)
    add(
        "--bench-check",
        dest="bench_check",
        action="store_true",
        default=False,
        help="Pre-flight only: check settings, database, gateway, Ansible and sandboxes of the selected scenarios, "
        "then stop.",
    )


def resolve(
    options: Mapping[str, Any], ini: Mapping[str, Any], environ: Mapping[str, str], root: Path, env_file: str | None
) -> Settings:
    """Resolve every setting.

    Args:
        options: name → text of the command line; missing or None when not given.
        ini: name → text of the ini file, likewise.
        environ: the environment.
        root: the root directory; relative paths start there.
        env_file: path of the env file, or None.

    Raises:
        OptionError: a value is wrong, or the env file cannot be read.
    """
    filed = _read_env_file(root / env_file) if env_file else {}
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for option in OPTIONS:
        found: tuple[str, str] | None = None
        for text, source in (
            (options.get(option.name), option.flag or ""),
            (environ.get(option.env), f"{option.env} in the environment"),
            (filed.get(option.env), f"{option.env} in {env_file}"),
            (ini.get(option.name), f"ini bench_{option.name}"),
        ):
            # An empty variable is a common way to unset one; an empty option is a mistake that the parser should see.
            if text is not None and (text != "" or source == option.flag):
                found = (str(text), source)
                break
        if found is None:
            values[option.name], sources[option.name] = option.default, "default"
            continue
        text, source = found
        try:
            values[option.name] = option.parse(text)
        except ValueError as exc:
            shown = "" if option.secret else f" {_masked(text) or repr(text)}"
            told = "" if source == option.flag else f" (from {source})"
            raise OptionError(f"{option.flag or option.env}{shown}{told}: {exc}.") from None
        sources[option.name] = source
    if values["agent"] is None and values["agent_command"] is not None:
        values["agent"], sources["agent"] = "command", sources["agent_command"]
    if values["agent"] is None and values["engine_url"] is None:
        values["agent"] = "oracle"
    if values["agent"] == "command" and values["agent_command"] is None:
        raise OptionError(f"{sources['agent']} command: needs --agent-command PROGRAM.")
    if values["stop_when_decided"] and not values["require"]:
        raise OptionError(f"{sources['stop_when_decided']}: needs --require RATE>=NUMBER: nothing else is decided.")
    for axis, _, chosen in (word.partition("=") for word in values["matrix"]):
        name = axis.replace("-", "_")
        if values[name] is not None:
            raise OptionError(
                f"--matrix {axis}={chosen} (from {sources['matrix']}): {axis} is {values[name]} already "
                f"(from {sources[name]}). Give one of the two."
            )
    if values["selfcheck"]:
        _only_selfcheck(values, sources)
    else:
        for name in ("selfcheck_report", "selfcheck_results"):
            if values[name] is not None:
                raise OptionError(f"{sources[name]}: needs --selfcheck: there is no other matrix of claims.")
    for name in ("bench_dir", "hosts", "report", "selfcheck_report", "selfcheck_results", "vm_templates_path"):
        if values[name] is not None:  # an absolute path stays what it is
            values[name] = root / values[name]
    servicenow = {
        name: value for name, value in {**filed, **environ}.items() if name.startswith("SERVICENOW_") and value
    }
    return Settings(**values, sources=sources, servicenow=servicenow)


def _only_selfcheck(values: dict[str, Any], sources: dict[str, str]) -> None:
    """Refuse what has no meaning in a self-check; its repairs are played by the oracle of a local engine."""
    if values["agent"] not in (None, "oracle"):
        raise OptionError(
            f"--selfcheck: plays the scenarios' own repairs; {sources['agent']} {values['agent']} cannot."
        )
    for name in ("matrix", "require", "fail_on_regression", "report"):
        if values[name] not in (None, ()):
            raise OptionError(f"--selfcheck: makes no runs, so that {sources[name]} has nothing to say. Leave it out.")
    values |= {"agent": "oracle", "gateway": "runner", "keep_sandbox": "none"}
    values |= {"database_url": None, "engine_url": None, "engine_api_key": None}


def settings_of(config: pytest.Config) -> Settings:
    """Resolve the settings of a pytest session; a mistake becomes ``pytest.UsageError``."""
    import pytest

    flags = {option.name: config.getoption(f"bench_{option.name}", None) for option in OPTIONS if option.flag}
    flags |= {option.name: " ".join(flags[option.name]) for option in OPTIONS if option.many and flags[option.name]}
    ini = {option.name: config.getini(f"bench_{option.name}") for option in OPTIONS if option.flag and option.ini}
    env_file = config.getoption("bench_env_file", None) or config.getini("bench_env_file")
    try:
        return resolve(flags, ini, os.environ, config.rootpath, env_file)
    except OptionError as exc:
        raise pytest.UsageError(str(exc)) from None


def _read_env_file(path: Path) -> dict[str, str]:
    from dotenv import dotenv_values

    try:
        with path.open(encoding="utf-8") as stream:
            return {key: value for key, value in dotenv_values(stream=stream).items() if value is not None}
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8 text"
        raise OptionError(f"--bench-env-file {path}: cannot be read: {reason}.") from None
