"""The scripts that a command holds or is given: ``sh -c``, ``find -exec``, ``xargs``, ``ssh`` and the like. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from pytest_2501bench.shell.options import Options, long
from pytest_2501bench.shell.words import SHELLS

FOUND: Final = "/{}"
"""At the end of a path: something that find found there."""


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
_RUNNERS: Final[Mapping[str, tuple[Options, bool, bool]]] = {  # own status, is all
    "xargs": (
        Options(
            "aEILnPsd",
            long("arg-file max-args max-procs max-chars max-lines delimiter process-slot-var"),
        ),
        False,
        True,
    ),
    "parallel": (Options("jPnNaICS", long("jobs max-args arg-file colsep")), False, True),
    "watch": (Options("nq", long("interval")), False, True),
    "systemd-run": (Options("pHMEtu", long("unit property description slice uid gid setenv on-active")), False, True),
    "chroot": (Options(skip=1), True, True),
    "flock": (Options("wEo", long("wait timeout conflict-exit-code"), skip=1), True, True),
    "nsenter": (Options("tSGW", long("target setuid setgid")), True, True),
    "unshare": (Options("RwSG", long("root wd setuid setgid")), True, True),
    "entr": (Options(), False, True),
    "ssh": (Options("BbcDEeFIiJLlmOopQRSWw", skip=1), False, False),
    "docker exec": (Options("euw", long("env env-file user workdir detach-keys"), skip=1), True, False),
    "podman exec": (Options("euw", long("env env-file user workdir detach-keys"), skip=1), True, False),
    "lxc-attach": (Options("nPsve", long("name")), True, False),
    "incus exec": (Options("", long("env cwd user group mode"), skip=1), True, False),
    "lxc exec": (Options("", long("env cwd user group mode"), skip=1), True, False),
    "machinectl shell": (Options("E", long("uid setenv"), skip=1), True, False),
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
        behind = Options("ugG", long("user group")).behind(rest) or []
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
