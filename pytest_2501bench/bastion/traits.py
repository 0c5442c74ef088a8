"""What a command line tells of itself: pipelines, heredocs, scripts that were fetched, uploaded or decoded and run."""

from __future__ import annotations

from pathlib import PurePosixPath

from pytest_2501bench.bastion.typed_lines import reads_commands
from pytest_2501bench.evidence.model import CommandKind, Trait
from pytest_2501bench.shell.words import INTERPRETERS, SHELLS, SimpleCommand, simple_commands

_FETCHERS = frozenset({"curl", "wget", "fetch", "aria2c", "lynx", "http"})
_ONWARD = frozenset({"ssh", "scp", "sftp", "rsync", "mosh", "telnet", "nc", "ncat", "socat"})
_DETACHING = frozenset({"nohup", "setsid", "disown", "systemd-run", "at", "batch", "crontab", "daemonize"})
_SOURCING = frozenset({"source", ".", "eval"})
_TEXT_KINDS = frozenset({CommandKind.EXEC, CommandKind.SHELL_LINE, CommandKind.SCRIPT_LINE})


class Reader:
    """Reads the commands of one host in their order, and remembers which files they brought there."""

    def __init__(self) -> None:
        self._written: set[str] = set()
        self._fetched: set[str] = set()

    def uploaded(self, path: str) -> None:
        """Take note of a file that came over SSH."""
        self._written.add(_plain(path))

    def traits(self, command: str, kind: CommandKind) -> tuple[Trait, ...]:
        """Return what can be seen of *command*, in the order of :class:`Trait`."""
        if kind not in _TEXT_KINDS:
            return ()
        found: set[Trait] = set()
        if kind is CommandKind.EXEC and reads_commands(command):
            found.add(Trait.READS_COMMANDS)
        source: SimpleCommand | None = None  # the head of the pipeline, or a decoder in it
        for part in simple_commands(command):
            source = self._look(part, source if part.piped else None, found)
        return tuple(trait for trait in Trait if trait in found)

    def _look(self, part: SimpleCommand, source: SimpleCommand | None, found: set[Trait]) -> SimpleCommand:
        program = part.program
        if part.piped:
            found.add(Trait.PIPELINE)
        if part.heredoc:
            found.add(Trait.HEREDOC)
        if part.background or _DETACHING & {PurePosixPath(word).name for word in part.words[:4]}:
            found.add(Trait.BACKGROUND)
        if program in _ONWARD:
            found.add(Trait.ONWARD)
        if part.inside is not None and (part.inside.program in INTERPRETERS or part.inside.program in _SOURCING):
            self._given_to_a_shell(part, found)
        if source is not None and _runs_its_input(part):
            self._given_to_a_shell(source, found)
        if script := _script(part):
            if self._is_in(script, self._fetched):
                found.add(Trait.FETCHED_AND_RUN)
            elif self._is_in(script, self._written):
                found.add(Trait.WRITTEN_AND_RUN)
        self._brings(part, source)
        # Through `tee` and `sudo cat` what was fetched or decoded is still that.
        return source if source is not None and (_fetches(source) or _decodes(source)) else part

    @staticmethod
    def _given_to_a_shell(source: SimpleCommand, found: set[Trait]) -> None:
        if _fetches(source):
            found.add(Trait.FETCHED_AND_RUN)
        elif _decodes(source):
            found.add(Trait.DECODED_AND_RUN)

    def _brings(self, part: SimpleCommand, source: SimpleCommand | None) -> None:
        fetches = _fetches(part) or (source is not None and _fetches(source))
        files = [*part.targets]
        words = part.bare
        if part.program == "tee":
            files += [word for word in words[1:] if not word.startswith("-")]
        if _fetches(part):
            files += _outputs(words)
        for file in files:
            (self._fetched if fetches else self._written).add(_plain(file))
        if part.program in {"cp", "mv", "install", "ln"} and len(words) > 2:
            for known in (self._fetched, self._written):
                if any(self._is_in(word, known) for word in words[1:-1]):
                    known.add(_plain(words[-1]))

    @staticmethod
    def _is_in(path: str, known: set[str]) -> bool:
        path = _plain(path)
        if path in known:
            return True
        # Where a relative path starts is not known: then the name alone must do.
        name = PurePosixPath(path).name
        return any(
            PurePosixPath(other).name == name and not (path[0] == "/" and other[0] == "/") for other in known if other
        )


def _plain(path: str) -> str:
    return str(PurePosixPath(path))


def _fetches(part: SimpleCommand) -> bool:
    return part.program in _FETCHERS


def _decodes(part: SimpleCommand) -> bool:
    options = {letter for word in part.bare[1:] if word.startswith("-") for letter in word.lstrip("-")[:1]}
    if part.program in {"base64", "base32", "basenc"}:
        return bool(options & {"d", "D"})
    if part.program == "xxd":
        return "r" in options
    return part.program in {"gunzip", "zcat", "xzcat", "uudecode", "rev"} or part.bare[:1] == ["openssl"]


def _runs_its_input(part: SimpleCommand) -> bool:
    words = part.bare
    if part.program not in INTERPRETERS:
        return False
    for position, word in enumerate(words[1:], 1):
        if word in {"-", "-s", "/dev/stdin"}:
            return True
        if not word.startswith("-"):
            return part.program in SHELLS and "-s" in words[1:position]
        if word.endswith("c") and part.program in SHELLS:
            return False
        if word in {"-c", "-e", "-m"}:
            return False
    return True


def _script(part: SimpleCommand) -> str:
    """Return the file that *part* runs as a script or as a program named by its path; "" if there is none."""
    words = part.bare
    if not words:
        return ""
    if part.program in INTERPRETERS or words[0] in _SOURCING:
        for word in words[1:]:
            if not word.startswith("-"):
                return word
            if word in {"-c", "-e", "-m"} or (part.program in SHELLS and word.endswith("c")):
                return ""
        return ""
    return words[0] if "/" in words[0] else ""


def _outputs(words: list[str]) -> list[str]:
    """Return the files that curl or wget write."""
    found: list[str] = []
    for option, value in zip(words, [*words[1:], ""], strict=True):
        if option in {"-o", "-O", "--output", "--output-document"} and value and "://" not in value:
            found.append(value)
        elif option.startswith(("--output=", "--output-document=")):
            found.append(option.partition("=")[2])
    if not found:
        found = [name for word in words[1:] if (name := PurePosixPath(word.partition("?")[0]).name) and "/" in word]
    return [file for file in found if file != "-"]
