"""Programs that run other programs: what stands in front of a command, and the scripts that a command holds. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from pytest_2501bench.shell_words import SHELLS

FOUND: Final = "/{}"
"""At the end of a path: something that find found there."""
AS_ROOT: Final = frozenset({"sudo", "doas", "pkexec", "su", "runuser"})


@dataclass(frozen=True, slots=True)
class _Options:
    """How a program's own options end.

    Attributes:
        short: letters of options whose value is the next word, unless it follows at once.
        long: names of such options.
        skip: words of its own behind the options.
        never: options with which it runs no other program.
    """

    short: str = ""
    long: frozenset[str] = frozenset()
    skip: int = 0
    never: frozenset[str] = frozenset()

    def behind(self, words: list[str]) -> list[str] | None:
        """Return what follows the options and own words; None if nothing is run."""
        at = 0
        while at < len(words) and words[at].startswith("-") and words[at] != "-":
            word = words[at]
            at += 1
            if word == "--":
                break
            if word in self.never:
                return None
            if word.startswith("--"):
                at += word[2:] in self.long
            elif (place := next((n for n, c in enumerate(word[1:], 1) if c in self.short), 0)) and place == len(
                word
            ) - 1:
                at += 1
        return words[at + self.skip :]


def _long(names: str) -> frozenset[str]:
    return frozenset(names.split())


_SUDO: Final = _Options(
    "ugCphDRTUrtac",
    _long("user group close-from prompt host chdir chroot command-timeout other-user role type"),
    never=frozenset({"-e", "--edit", "-l", "--list", "-v", "--validate", "-V", "--version"}),
)
_NONE: Final = _Options()
# Left out in front of a command: what runs is what stands behind them.
_IN_FRONT: Final[Mapping[str, _Options]] = {
    "sudo": _SUDO,
    "doas": _Options("uC"),
    "pkexec": _Options("u", _long("user")),
    "env": _Options("uC", _long("unset chdir")),
    "nohup": _NONE,
    "setsid": _NONE,
    "builtin": _NONE,
    "coproc": _NONE,
    "command": _Options(never=frozenset({"-v", "-V", "-pv", "-pV"})),
    "exec": _Options("a"),
    "timeout": _Options("ks", _long("kill-after signal"), skip=1),
    "nice": _Options("n", _long("adjustment")),
    "ionice": _Options("cnpPu", _long("class classdata pid pgid uid"), never=frozenset({"-p", "--pid"})),
    "chrt": _Options("TPD", skip=1, never=frozenset({"-p", "--pid", "-m"})),
    "taskset": _Options(skip=1, never=frozenset({"-p", "--pid", "-cp", "-pc"})),
    "stdbuf": _Options("ioe", _long("input output error")),
    "time": _Options("fo", _long("format output")),
    "busybox": _Options(never=frozenset({"--list", "--help", "--install"})),
    "toybox": _NONE,
    "unbuffer": _NONE,
    "fakeroot": _NONE,
    "setpriv": _Options("", _long("reuid regid groups inh-caps ambient-caps bounding-set securebits")),
    "systemd-inhibit": _Options("", _long("what who why mode")),
    "systemd-cat": _Options("tp", _long("identifier priority")),
    "strace": _Options("aeEoOpPsSuU"),
    "ltrace": _Options("aeolnpsuAFD"),
    "eatmydata": _NONE,
    "cgexec": _Options("g"),
    "faketime": _Options("f", skip=1),
    "proot": _NONE,
    "linux64": _NONE,
    "setarch": _Options(skip=1),
}
_BUNDLES: Final = frozenset({"k3s", "microk8s", "minikube"})
_BUNDLED: Final = (["kubectl"], ["crictl"], ["ctr"])
_SYNTAX: Final = frozenset({"{", "}", "!", "do", "then", "else"})
"""Left over by the grammar behind ``time`` and ``coproc``."""


def unwrapped(words: list[str]) -> list[str]:
    """Return *words* without assignments and without sudo, env, nohup, timeout and the like in front."""
    rest = list(words)
    while rest:
        name = PurePosixPath(rest[0]).name
        if _is_assignment(rest[0]) or rest[0] in _SYNTAX or (name in _BUNDLES and rest[1:2] in _BUNDLED):
            rest = rest[1:]
        elif (options := _IN_FRONT.get(name)) is not None:
            behind = options.behind(rest[1:])
            if behind is None or (not behind and name not in {"exec", "time", "nohup", "coproc", "command", "builtin"}):
                break
            if name == "env" and any(word.startswith(("-S", "--split-string")) for word in rest[1:]):
                break  # held() takes it apart
            rest = behind
        else:
            break
    return rest


def _is_assignment(word: str) -> bool:
    name, sign, _ = word.partition("=")
    name = name.removesuffix("+").partition("[")[0]
    return bool(sign) and name.isidentifier() and name.isascii()


@dataclass(frozen=True, slots=True)
class Held:
    """A script that a command runs.

    Attributes:
        script: its text.
        own_status: the command ends with the script's exit status.
        is_all: by itself the command does nothing, so that it need not be judged.
    """

    script: str
    own_status: bool = True
    is_all: bool = True


# Programs whose arguments, behind options and own words, are another command.
_RUNNERS: Final[Mapping[str, tuple[_Options, bool, bool]]] = {  # own status, is all
    "xargs": (
        _Options(
            "aEILnPsd",
            _long("arg-file max-args max-procs max-chars max-lines delimiter process-slot-var"),
        ),
        False,
        True,
    ),
    "parallel": (_Options("jPnNaICS", _long("jobs max-args arg-file colsep")), False, True),
    "watch": (_Options("nq", _long("interval")), False, True),
    "systemd-run": (_Options("pHMEtu", _long("unit property description slice uid gid setenv on-active")), False, True),
    "chroot": (_Options(skip=1), True, True),
    "flock": (_Options("wEo", _long("wait timeout conflict-exit-code"), skip=1), True, True),
    "nsenter": (_Options("tSGW", _long("target setuid setgid")), True, True),
    "unshare": (_Options("RwSG", _long("root wd setuid setgid")), True, True),
    "entr": (_NONE, False, True),
    "ssh": (_Options("BbcDEeFIiJLlmOopQRSWw", skip=1), False, False),
    "docker exec": (_Options("euw", _long("env env-file user workdir detach-keys"), skip=1), True, False),
    "podman exec": (_Options("euw", _long("env env-file user workdir detach-keys"), skip=1), True, False),
    "lxc-attach": (_Options("nPsve", _long("name")), True, False),
    "incus exec": (_Options("", _long("env cwd user group mode"), skip=1), True, False),
    "lxc exec": (_Options("", _long("env cwd user group mode"), skip=1), True, False),
    "machinectl shell": (_Options("E", _long("uid setenv"), skip=1), True, False),
}
_FIND_RUNS: Final = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
_FIND_ALTERS: Final = frozenset({"-delete", "-fprint", "-fprint0", "-fprintf", "-fls"})
_READS_SCRIPT: Final = SHELLS | {"at", "batch", "ssh", "su", "sudo", "doas", "xargs"}


def held(words: list[str], given: str | None) -> tuple[Held, ...]:
    """Return the scripts that a command runs, none if it runs none.

    Args:
        words: the command, unwrapped.
        given: what it reads from its standard input, if that stands in the same line.
    """
    if not words:
        return ()
    program, rest = PurePosixPath(words[0]).name, words[1:]
    if program in SHELLS:
        return _of_shell(rest, given)
    if program in {"eval", "trap"}:
        if program == "eval":
            return _script(" ".join(rest))
        return _script(rest[0], own=False) if len(rest) > 1 and rest[0] not in {"-", "-l", "-p"} else ()
    if program in {"at", "batch", "sudo", "doas"}:  # of the last two, `sudo -i` and `sudo -s`: the rest was unwrapped
        return _script(given or "", own=program in {"sudo", "doas"})
    if program == "env":
        return _of_env(rest)
    if program in {"su", "runuser", "script"}:
        script = _value(rest, "c", "command")
        behind = _Options("ugG", _long("user group")).behind(rest) or []
        # With -u the rest is a command: a -c there is that command's own.
        if program == "runuser" and any(word.startswith(("-u", "--user")) for word in rest[: len(rest) - len(behind)]):
            script = None
        if script is not None:
            return _script(script)
        if program == "runuser":
            return _argv(behind, own=True, is_all=True)
        return _script(given or "") if program == "su" else ()
    if program == "find":
        return _of_find(rest)
    if program == "kubectl":
        return _argv(rest[rest.index("--") + 1 :], own=True, is_all=False) if {"exec", "--"} <= set(rest) else ()
    return _of_runner(program, rest, given)


def reads_script(words: list[str]) -> bool:
    """Tell whether what the command reads from its standard input may be, or become, a command."""
    return bool(words) and PurePosixPath(words[0]).name in _READS_SCRIPT


def _script(script: str, *, own: bool = True, is_all: bool = True) -> tuple[Held, ...]:
    return (Held(script, own, is_all),) if script.strip() else ()


def _argv(words: list[str], *, own: bool, is_all: bool) -> tuple[Held, ...]:
    return _script(shlex.join(words), own=own, is_all=is_all) if words else ()


def _of_shell(rest: list[str], given: str | None) -> tuple[Held, ...]:
    at = 0
    while at < len(rest) and rest[at][:1] in {"-", "+"} and rest[at] not in {"-", "--"}:
        word = rest[at]
        at += 1
        if not word.startswith("--") and "c" in word and word[0] == "-":
            while at < len(rest) and rest[at].startswith("-"):  # bash -c -x 'script'
                at += 1
            return _script(rest[at]) if at < len(rest) else ()
        if not word.startswith("--") and "s" in word:
            return _script(given or "")
        at += (word[-1:] in {"o", "O"} and not word.startswith("--")) or word in {"--rcfile", "--init-file"}
    if at < len(rest) and rest[at] not in {"-", "--", "/dev/stdin"}:
        return ()  # a script by its name
    return _script(given or "")


def _of_env(rest: list[str]) -> tuple[Held, ...]:
    for at, word in enumerate(rest):
        if word in {"-S", "--split-string"}:
            return _script(" ".join(rest[at + 1 :]))
        for front in ("-S", "--split-string="):
            if word.startswith(front):
                return _script(" ".join([word.removeprefix(front), *rest[at + 1 :]]))
    return ()


def found_by_find(rest: list[str]) -> list[str]:
    """Return what a find gives, as far as it can be told: something in each folder that it starts from."""
    starts = []
    for word in rest:
        if word.startswith(("-", "(", "!")) and word not in {"-L", "-P", "-H"}:
            break
        if not word.startswith("-"):
            starts.append(word)
    return [start.rstrip("/") + FOUND for start in starts or ["."]]


def _of_find(rest: list[str]) -> tuple[Held, ...]:
    found: tuple[Held, ...] = ()
    starts = found_by_find(rest)
    for at, word in enumerate(rest):
        if word in _FIND_RUNS:
            end = next((n for n in range(at + 1, len(rest)) if rest[n] in {";", "+"}), len(rest))
            inner = [
                made
                for part in rest[at + 1 : end]
                for made in (starts if part == "{}" else [part.replace("{}", starts[0])])
            ]
            found += _argv(inner, own=False, is_all=not _FIND_ALTERS & set(rest))
    return found


def _of_runner(program: str, rest: list[str], given: str | None) -> tuple[Held, ...]:
    runner = _RUNNERS.get(program)
    if runner is None and rest:
        runner, rest = _RUNNERS.get(f"{program} {rest[0]}"), rest[1:]
    if runner is None:
        return ()
    options, own, is_all = runner
    behind = options.behind(rest) or []
    if program == "flock" and behind[:1] == ["-c"]:
        return _script(" ".join(behind[1:2]))
    if program in {"watch", "ssh", "parallel"}:  # they hand one text to a shell
        text = " ".join(behind)
        return _script(text or (given or "") if program == "ssh" else text, own=own, is_all=is_all)
    if program == "xargs" and given is not None:
        behind = _filled(behind, given, _value(rest, "I", "replace"))
    return _argv(behind, own=own, is_all=is_all)


def _filled(words: list[str], given: str, mark: str | None) -> list[str]:
    """Return what xargs makes of *words* when its input is known, as behind an echo."""
    try:
        items = shlex.split(given)
    except ValueError:
        return words
    if mark:
        return [word.replace(mark, given.strip()) for word in words]
    return [*(words or ["echo"]), *items]


def _value(words: list[str], letter: str, name: str) -> str | None:
    """Return the value of the option -*letter* or --*name*."""
    for at, word in enumerate(words):
        if word == f"--{name}" or (word[:1] == "-" and word[1:2] != "-" and word.endswith(letter)):
            return words[at + 1] if at + 1 < len(words) else None
        if word.startswith(f"--{name}="):
            return word.partition("=")[2]
        if word.startswith(f"-{letter}") and len(word) > 2:
            return word[2:]
    return None
