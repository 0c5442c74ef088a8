"""Geometry of the plots: points and texts for inline SVG. What they show also stands in a table beside them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_2501bench.webreport.page import when

if TYPE_CHECKING:
    from pytest_2501bench.analysis.trend import Line, Point
    from pytest_2501bench.evidence.model import PhaseRecord

MOST_LINES: Final = 4
MOST_POINTS: Final = 40
_WIDTH, _HEIGHT = 420, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 8, 10, 22


@dataclass(frozen=True, slots=True)
class Dot:
    """One rate with its interval; *tip* says it in words."""

    x: float
    y: float
    low: float
    high: float
    tip: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """One line. *number* chooses colour and shape; *paths* has a polyline per segment."""

    name: str
    number: int
    paths: tuple[str, ...]
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Break:
    """A place at which lines break, and why."""

    x: float
    why: str


@dataclass(frozen=True, slots=True)
class TrendChart:
    """A plot of rates over benchmarks.

    Attributes:
        name: an id within the page.
        title: what is plotted.
        text: what it shows, in a sentence.
        lines: at most :data:`MOST_LINES`.
        breaks: where what came after may not be compared with what was before.
        ticks: (y, label).
        ends: labels of the first and the last benchmark.
        rows: the same as a table: line, time, benchmark, counts, rate, interval, what changed.
        left_out: lines and points that found no place.
    """

    name: str
    title: str
    text: str
    lines: tuple[Drawn, ...]
    breaks: tuple[Break, ...]
    ticks: tuple[tuple[float, str], ...]
    ends: tuple[str, str]
    rows: tuple[tuple[str, ...], ...]
    left_out: str
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    right: int = _WIDTH - _RIGHT
    bottom: int = _HEIGHT - _BOTTOM


@dataclass(frozen=True, slots=True)
class Spark:
    """A line without axes, 80 by 18."""

    paths: tuple[str, ...]
    last: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Bar:
    """One phase or command in a timeline; *x* and *width* in 0..1000."""

    name: str
    x: float
    width: float
    css: str
    tip: str


def trend_chart(name: str, title: str, lines: Mapping[str, Line]) -> TrendChart | None:
    """Plot *lines* by their names, the ones with the newest points first; None when there is nothing to plot."""
    newest = sorted(lines.items(), key=lambda pair: -pair[1].segments[-1].points[-1].started_at)
    shown = newest[:MOST_LINES]
    moments = {point.benchmark_id: point.started_at for _, line in shown for point in _points(line)}
    order = sorted(moments, key=lambda each: (moments[each], each))
    kept = order[-MOST_POINTS:]
    if not kept:
        return None
    places = {each: _place(number, len(kept)) for number, each in enumerate(kept)}
    drawn = tuple(_drawn(label, number, line, places) for number, (label, line) in enumerate(shown))
    missing = [
        f"{len(newest) - len(shown)} more lines" if len(newest) > len(shown) else "",
        f"{len(order) - len(kept)} earlier benchmarks" if len(order) > len(kept) else "",
    ]
    return TrendChart(
        name=name,
        title=title,
        text=_told(shown),
        lines=drawn,
        breaks=_breaks(shown, places),
        ticks=tuple((_y(share), f"{share:.0%}") for share in (0.0, 0.5, 1.0)),
        ends=(when(moments[kept[0]])[:10], when(moments[kept[-1]])[:10] if len(kept) > 1 else ""),
        rows=tuple(row for label, line in shown for row in _rows(label, line)),
        left_out=" and ".join(filter(None, missing)),
    )


def spark(line: Line, most: int = 20) -> Spark | None:
    """Draw *line* small; None with fewer than two points, which is no line."""
    points = _points(line)[-most:]
    if len(points) < 2:
        return None
    places = {id(point): 2 + 76 * number / (len(points) - 1) for number, point in enumerate(points)}
    paths = []
    for segment in line.segments:
        path = " ".join(
            f"{places[id(point)]:.1f},{16 - 14 * point.rate:.1f}"
            for point in segment.points
            if id(point) in places and point.rate is not None
        )
        paths.append(path)
    rate = points[-1].rate
    return Spark(tuple(filter(None, paths)), None if rate is None else (places[id(points[-1])], 16 - 14 * rate))


def phase_bars(phases: Sequence[PhaseRecord], begin: float, end: float) -> tuple[Bar, ...]:
    """Return the phases of a run from *begin* to *end* (Unix seconds)."""
    return tuple(
        bar(phase.name.value, phase.started_at, phase.seconds, phase.status.value, within=(begin, end))
        for phase in phases
    )


def bar(name: str, at: float, seconds: float, css: str, *, within: tuple[float, float]) -> Bar:
    """Return the bar of something that took *seconds* from *at* on; visible however short it was."""
    begin, end = within
    span = max(end - begin, 1e-6)
    x = min(max(1000 * (at - begin) / span, 0.0), 996.0)
    width = min(max(1000 * seconds / span, 4.0), 1000 - x)
    return Bar(name, round(x, 1), round(width, 1), css, f"{name}: from {at - begin:.1f} s on, {seconds:.1f} s, {css}")


def _points(line: Line) -> list[Point]:
    return [point for segment in line.segments for point in segment.points]


def _place(number: int, many: int) -> float:
    usable = _WIDTH - _LEFT - _RIGHT - 16
    return round(_LEFT + 8 + (usable / 2 if many == 1 else usable * number / (many - 1)), 1)


def _y(share: float) -> float:
    return round(_TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM), 1)


def _drawn(label: str, number: int, line: Line, places: Mapping[str, float]) -> Drawn:
    paths, dots = [], []
    for segment in line.segments:
        own = [point for point in segment.points if point.benchmark_id in places and point.rate is not None]
        paths.append(" ".join(f"{places[point.benchmark_id]},{_y(point.rate or 0)}" for point in own))
        for point in own:
            assert point.interval is not None, "it has a rate"
            dots.append(
                Dot(
                    x=places[point.benchmark_id],
                    y=_y(point.rate or 0),
                    low=_y(point.interval.low),
                    high=_y(point.interval.high),
                    tip=f"{label or 'all'}, {when(point.started_at)}, {point.benchmark_id}: {_counted(point)}",
                )
            )
    return Drawn(label, number, tuple(filter(None, paths)), tuple(dots))


def _breaks(lines: Sequence[tuple[str, Line]], places: Mapping[str, float]) -> tuple[Break, ...]:
    found: dict[float, dict[str, list[str]]] = {}
    for label, line in lines:
        for segment in line.segments[1:]:
            at = places.get(segment.points[0].benchmark_id)
            if at is not None:
                found.setdefault(at, {}).setdefault(", ".join(segment.changed), []).append(label)

    def told(changed: str, labels: Sequence[str]) -> str:
        # Usually all lines break at once, and then there is no need to name them.
        return f"{changed} changed" + ("" if len(labels) == len(lines) else f" ({', '.join(labels)})")

    return tuple(
        Break(at - 4, "; ".join(told(changed, labels) for changed, labels in why.items()))
        for at, why in sorted(found.items())
    )


def _rows(label: str, line: Line) -> list[tuple[str, ...]]:
    points = [
        (segment.changed if number == 0 else (), point)
        for segment in line.segments
        for number, point in enumerate(segment.points)
    ]
    return [
        (
            label or "all",
            when(point.started_at),
            point.benchmark_id,
            _counts(point),
            "-" if point.rate is None else f"{point.rate:.0%}",
            "-" if point.interval is None else f"{100 * point.interval.low:.0f} to {100 * point.interval.high:.0f} %",
            ", ".join(changed),
        )
        for changed, point in points[-MOST_POINTS:]
    ]


def _counts(point: Point) -> str:
    lost = f", {point.counts.lost} lost" if point.counts.lost else ""
    return f"{point.counts.passed} of {point.counts.scored}{lost}"


def _counted(point: Point) -> str:
    return f"{_counts(point)}, {point.rate or 0:.0%}"


def _told(lines: Sequence[tuple[str, Line]]) -> str:
    parts = []
    for label, line in lines:
        points = line.segments[-1].points
        rates = [f"{point.rate:.0%}" for point in points if point.rate is not None]
        if rates:
            since = f" after {rates[0]} in the first benchmark of this version" if len(rates) > 1 else ""
            parts.append(f"{label or 'all'}: {rates[-1]}{since}")
    return "; ".join(parts) or "nothing scored"
