"""What is wrong with a scenario file: one line per problem, with file and JSON pointer."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pytest_2501bench.errors import BenchError, Cause

Step = str | int


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake.

    Attributes:
        pointer: RFC 6901 pointer into the file; empty for the file as a whole.
        message: what is wrong and what would be right, in one line.
        code: the linter's, of :mod:`~pytest_2501bench.scenario.lint.registry`.
    """

    pointer: str
    message: str
    code: str = field(default="SC002", compare=False)

    def line(self, file: str) -> str:
        """Return ``file: pointer: message``."""
        return f"{file}: {self.pointer}: {self.message}" if self.pointer else f"{file}: {self.message}"


class ScenarioError(BenchError):
    """A scenario file that breaks the contract; the message has one line per problem.

    Attributes:
        file: the file as it is shown.
        problems: all that was found, in the order of the file's structure.
    """

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        super().__init__(Cause.SCENARIO_INVALID, "\n".join(problem.line(file) for problem in problems))
        self.file = file
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[type[ScenarioError], tuple[str, tuple[Problem, ...]]]:
        # BaseException pickles its args, which are the message: a copy in another process would not be made.
        return type(self), (self.file, self.problems)


def pointer(steps: Iterable[Step]) -> str:
    """Return the RFC 6901 pointer of *steps*: ``("a/b", 0)`` is ``/a~1b/0``."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def nearest(word: str, known: Iterable[str], *, count: int = 3) -> list[str]:
    """Return up to *count* of *known* that *word* may stand for, the likeliest first, without clearly worse ones."""
    folded: dict[str, str] = {}
    for candidate in known:
        folded.setdefault(candidate.casefold(), candidate)
    wanted = word.casefold()
    hits = difflib.get_close_matches(wanted, folded, n=count, cutoff=0.6)
    likeness = [difflib.SequenceMatcher(None, hit, wanted).ratio() for hit in hits]
    return [folded[hit] for hit, ratio in zip(hits, likeness, strict=True) if ratio > likeness[0] - 0.1]


def suggestion(word: str, known: Iterable[str], *, noun: str = "Known") -> str:
    """Return ``Did you mean 'x'?``, or the list of all that would be right, or an empty string if there is none."""
    known = list(known)
    if near := nearest(word, known):
        return "Did you mean " + " or ".join(f"'{hit}'" for hit in near[:2]) + "?"
    return f"{noun}: {', '.join(known)}." if known else ""
