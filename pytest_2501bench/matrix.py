"""``--matrix``: every selected scenario once per value of main engine, secondary engine or specialty. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

AXES: Final = ("main-engine", "secondary-engine", "specialty")
MARK: Final = "@"
"""Between a run and its variant: ``run1@gpt``. Not brackets: pytest takes all that follows one for a parameter, and a
shell for a pattern, so that no check of such a run could be named on a command line."""

_VALUE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]|:(?!:))*")


@dataclass(frozen=True, slots=True)
class Variant:
    """One point of the matrix: what it overrides, and *name*, which runs carry (empty without a matrix)."""

    name: str = ""
    main_engine: str | None = None
    secondary_engine: str | None = None
    specialty: str | None = None


def axes(text: str) -> tuple[str, ...]:
    """Check ``main-engine=a,b specialty=x,y`` and return its axes as words.

    Raises:
        ValueError: an axis is unknown, named twice or without values, or a value cannot be part of an id.
    """
    found: dict[str, tuple[str, ...]] = {}
    for word in text.split():
        axis, equals, values = word.partition("=")
        if axis not in AXES:
            from difflib import get_close_matches

            near = get_close_matches(axis.replace("_", "-"), AXES, 1)
            hint = f" Did you mean '{near[0]}'?" if near else f" There are {', '.join(AXES)}."
            raise ValueError(f"there is no axis '{axis}'.{hint}".removesuffix("."))
        if axis in found:
            raise ValueError(f"names {axis} twice")
        listed = tuple(value.strip() for value in values.split(",") if value.strip())
        if not equals or not listed:
            raise ValueError(f"must be {axis}=VALUE,VALUE")
        for value in listed:
            if not _VALUE.fullmatch(value):
                raise ValueError(f"'{value}' cannot be part of an id: letters, digits and . _ - / : only")
        if len(set(listed)) < len(listed):
            raise ValueError(f"names a value of {axis} twice")
        found[axis] = listed
    if not found:
        raise ValueError("must be AXIS=VALUE,VALUE")
    return tuple(f"{axis}={','.join(values)}" for axis, values in found.items())


def variants(matrix: Sequence[str]) -> tuple[Variant, ...]:
    """Return every combination of what :func:`axes` returned; for an empty *matrix* a nameless one."""
    listed = [(axis, values.split(",")) for axis, _, values in (word.partition("=") for word in matrix)]
    return tuple(
        Variant(
            ",".join(point), **{axis.replace("-", "_"): value for (axis, _), value in zip(listed, point, strict=True)}
        )
        for point in itertools.product(*(values for _, values in listed))
    )


def run_name(iteration: int, variant: str) -> str:
    """Return how ids, folders and tables call a run: ``run1``, ``run1@gpt``."""
    return f"run{iteration}" + (f"{MARK}{variant}" if variant else "")


def run_name_of(nodeid: str) -> str:
    """Return the run's name in the id of a run or of one of its checks.

    >>> run_name_of("scenarios/nginx/001/scenario.json::run1@fake/scripted::compliance")
    'run1@fake/scripted'
    """
    parts = nodeid.split("::")
    return parts[1] if len(parts) > 1 else parts[0]


def variant_of(nodeid: str) -> str:
    """Return the variant's name in the id of a run or of one of its checks; empty without a matrix."""
    return run_name_of(nodeid).partition(MARK)[2]
