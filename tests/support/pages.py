"""The project's pages for people, and what is in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.M | re.S)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?P<target>[^)\s]+)\)")
_FILE = re.compile(r"^`(?P<path>[\w./-]+/[\w.-]+)`\n\n```\w+\n(?P<body>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Page:
    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """The text without its code blocks."""
        return _FENCE.sub("", self.text)

    def blocks(self, language: str) -> list[str]:
        return [found["body"] for found in _FENCE.finditer(self.text) if found["language"] == language]

    def links(self) -> list[str]:
        return [found["target"] for found in _LINK.finditer(self.prose)]

    def anchors(self) -> set[str]:
        """The fragments that GitHub gives the page's headings."""
        headings = re.findall(r"^#+ (.+)$", self.prose, re.M)
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

    def files(self) -> dict[str, str]:
        """Files that the page shows whole: their path in a line of its own, then a code block."""
        return {found["path"]: found["body"] for found in _FILE.finditer(self.text)}

    def rows(self, heading: str) -> list[list[str]]:
        """The cells of the first table below *heading*, without its head."""
        after = self.text.split(f"{heading}\n", 1)[1]
        table = re.search(r"^\|.*?\n(?=\n|\Z)", after, re.M | re.S)
        assert table, f"{self.name}: no table below {heading}"
        return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table[0].splitlines()[2:]]


def page(name: str) -> Page:
    return Page(ROOT / name)
