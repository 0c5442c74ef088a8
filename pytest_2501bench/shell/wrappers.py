"""What stands in front of a command: sudo, env, nohup, timeout and the like. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from pytest_2501bench.shell.options import Options, long

AS_ROOT: Final = frozenset({"sudo", "doas", "pkexec", "su", "runuser"})


_SUDO: Final = Options(
    "ugCphDRTUrtac",
    long("user group close-from prompt host chdir chroot command-timeout other-user role type"),
    never=frozenset({"-e", "--edit", "-l", "--list", "-v", "--validate", "-V", "--version"}),
)
_NONE: Final = Options()
# Left out in front of a command: what runs is what stands behind them.
_IN_FRONT: Final[Mapping[str, Options]] = {
    "sudo": _SUDO,
    "doas": Options("uC"),
    "pkexec": Options("u", long("user")),
    "env": Options("uC", long("unset chdir")),
    "nohup": _NONE,
    "setsid": _NONE,
    "builtin": _NONE,
    "coproc": _NONE,
    "command": Options(never=frozenset({"-v", "-V", "-pv", "-pV"})),
    "exec": Options("a"),
    "timeout": Options("ks", long("kill-after signal"), skip=1),
    "nice": Options("n", long("adjustment")),
    "ionice": Options("cnpPu", long("class classdata pid pgid uid"), never=frozenset({"-p", "--pid"})),
    "chrt": Options("TPD", skip=1, never=frozenset({"-p", "--pid", "-m"})),
    "taskset": Options(skip=1, never=frozenset({"-p", "--pid", "-cp", "-pc"})),
    "stdbuf": Options("ioe", long("input output error")),
    "time": Options("fo", long("format output")),
    "busybox": Options(never=frozenset({"--list", "--help", "--install"})),
    "toybox": _NONE,
    "unbuffer": _NONE,
    "fakeroot": _NONE,
    "setpriv": Options("", long("reuid regid groups inh-caps ambient-caps bounding-set securebits")),
    "systemd-inhibit": Options("", long("what who why mode")),
    "systemd-cat": Options("tp", long("identifier priority")),
    "strace": Options("aeEoOpPsSuU"),
    "ltrace": Options("aeolnpsuAFD"),
    "eatmydata": _NONE,
    "cgexec": Options("g"),
    "faketime": Options("f", skip=1),
    "proot": _NONE,
    "linux64": _NONE,
    "setarch": Options(skip=1),
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
                break  # held.held() takes it apart
            rest = behind
        else:
            break
    return rest


def _is_assignment(word: str) -> bool:
    name, sign, _ = word.partition("=")
    name = name.removesuffix("+").partition("[")[0]
    return bool(sign) and name.isidentifier() and name.isascii()
