"""From a template and a view to a page that needs no other file: escaped, with its styles and scripts inlined.

What agents and hosts wrote is hostile. Everything is escaped, control characters are written out, and the page's own
policy lets no script run but the ones whose digests it names.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import pytest_2501bench
from pytest_2501bench.report.figures import cost, percent, seconds, tokens
from pytest_2501bench.report.plain import one_line, printable

_HERE: Final = Path(__file__).parent
_STATIC: Final = _HERE / "static"
LONGEST: Final = 20_000
"""Characters of one text; the rest is in the run's folder."""


def render(template: str, *, replay: bool = False, live: bool = False, **values: Any) -> str:
    """Return a whole page.

    Args:
        template: name of a file in ``templates/`` that extends ``base.html.j2``.
        replay: the page has recordings, and so needs the player.
        live: the page is served, and may look for news.
        values: for the template.
    """
    styles, scripts = _assets(replay)
    return (
        _environment()
        .get_template(template)
        .render(
            policy=policy(replay=replay, live=live),
            styles=[Markup(text) for text in styles],  # noqa: S704 - our own files
            scripts=[Markup(text) for text in scripts],  # noqa: S704 - our own files
            live=live,
            version=pytest_2501bench.__version__,
            **values,
        )
    )


def policy(*, replay: bool = False, live: bool = False) -> str:
    """Return the Content-Security-Policy of a page: nothing from elsewhere, no script but ours."""
    styles, scripts = _assets(replay)
    parts = {
        "default-src": "'none'",
        "style-src": " ".join(map(_digest, styles)),
        # The player's terminal is WebAssembly, a part of its script; it does not make eval() possible.
        "script-src": " ".join(map(_digest, scripts)) + (" 'wasm-unsafe-eval'" if replay else ""),
        "base-uri": "'none'",
        "form-action": "'self'" if live else "'none'",
    }
    if live:
        parts["connect-src"] = "'self'"
    return "; ".join(f"{name} {value}" for name, value in parts.items())


def island(value: object) -> Markup:
    """Return *value* as JSON for a ``<script type="application/json">``: no byte of it can end the element."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704 - made safe above


def when(moment: float | None) -> str:
    """Return Unix seconds as ``2026-11-24 09:30 UTC``; ``-`` for None."""
    return "-" if moment is None else f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC"


def cut(text: str, limit: int = LONGEST) -> str:
    """Return the beginning of *text*, and how much was left out."""
    more = len(text) - limit
    return text if more <= 0 else f"{text[:limit]}\n… {more:,} more characters in the run's folder"


@cache
def _assets(replay: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    styles, scripts = ["report.css"], ["report.js"]
    if replay:
        styles.insert(0, "asciinema-player/asciinema-player.css")
        scripts = ["asciinema-player/asciinema-player.min.js", "report.js", "replay.js"]
    return tuple(map(_text, styles)), tuple(map(_text, scripts))


def _text(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        cut=cut,
        cost=cost,
        island=island,
        line=lambda text, limit=200: one_line(text, limit),
        percent=percent,
        seconds=seconds,
        tokens=tokens,
        when=when,
    )
    return made


def _visible(value: object) -> object:
    # Only plain strings: what is Markup already has been through here.
    return printable(value) if type(value) is str else value
