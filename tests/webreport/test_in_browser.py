"""The report in a real browser: nothing from the network, no errors, accessible, harmless, and alive when served."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect, sync_playwright
from support.benchmark import environment
from support.records import report
from support.showcase import fill
from webreport.conftest import Shown

from pytest_2501bench.scoring.model import Status
from pytest_2501bench.store.repository import Store

RED = "run_0110s1"  # nginx, the small model: its rules are not met
PAGES = (
    "index.html",
    "benchmarks.html",
    "compare.html",
    "benchmarks/bmk_011.html",
    "scenarios/dns%2B002-stale-resolver.html",
    f"runs/{RED}.html",
    "../one.html",
)


@dataclass
class Looked:
    """A page, what its console said and what it asked for."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(f"dialog: {dialog.message}"))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self, path: Path | str) -> Page:
        """Go there."""
        self.page.goto(path if isinstance(path, str) else path.as_uri())
        return self.page


# Not for the whole session: as long as it is there, nothing else in this thread can run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    assert path is not None, "no browser: apt-get install chromium"
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=path) as launched:
        yield launched


@pytest.fixture(params=["light"])
def looked(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Looked]:
    page = browser.new_page(color_scheme=request.param, viewport={"width": 1280, "height": 900})
    page.set_default_timeout(10_000)
    yield Looked(page)
    page.close()


def violations(page: Page) -> list[str]:
    """What axe-core finds, best practices included."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_no_network_says_nothing_on_the_console_and_is_accessible(
    looked: Looked, shown: Shown, name: str
) -> None:
    page = looked.open((shown.site / name.replace("%2B", "+")).resolve())
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert looked.said == []
    assert {url.split(":")[0] for url in looked.asked} <= {"file", "data"}
    assert sum(url.startswith("file:") for url in looked.asked) == 1


@pytest.mark.parametrize("looked", ["dark"], indirect=True)
@pytest.mark.parametrize("name", ["index.html", f"runs/{RED}.html"])
def test_dark_is_what_the_system_says_and_as_readable(looked: Looked, shown: Shown, name: str) -> None:
    page = looked.open(shown.site / name)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"
    assert violations(page) == []


def test_the_theme_can_be_changed_with_the_keyboard(looked: Looked, shown: Shown) -> None:
    page = looked.open(shown.site / "index.html")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    button = page.get_by_role("button", name="Theme")
    for _ in range(10):
        page.keyboard.press("Tab")
        if button.evaluate("each => each === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"


def test_a_narrow_screen_does_not_scroll_sideways(looked: Looked, shown: Shown) -> None:
    looked.page.set_viewport_size({"width": 380, "height": 800})
    for name in ("index.html", f"runs/{RED}.html"):
        page = looked.open(shown.site / name)
        assert page.evaluate("document.documentElement.scrollWidth") <= 380


def test_from_the_first_page_to_the_command_that_failed(looked: Looked, shown: Shown) -> None:
    page = looked.open(shown.site / "index.html")
    page.get_by_role("region", name="Runs of the newest benchmark").get_by_role(
        "link", name=re.compile("nginx")
    ).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("nginx/001-broken-config")
    row = page.get_by_role("region", name="Commands of task 1").get_by_role("row").nth(2)
    expect(row).to_contain_text("nginx -t")
    expect(row.locator(".nonzero")).to_have_text("1")


def test_the_recorded_session_is_replayed(looked: Looked, shown: Shown) -> None:
    page = looked.open(shown.site / f"runs/{RED}.html")
    player = page.locator(".player").first
    player.locator(".ap-overlay-start, .ap-play-button").first.click()
    expect(player.locator(".ap-term-text")).to_contain_text("$ nginx -t", timeout=15_000)
    assert looked.said == []


def test_a_table_can_be_searched(looked: Looked, shown: Shown) -> None:
    page = looked.open(shown.site / "benchmarks/bmk_011.html")
    rows = page.locator("#all-runs > tbody > tr:visible")
    everything = rows.count()
    page.get_by_label("Show runs with").fill("model-small disk")
    assert 0 < rows.count() < everything
    assert all("model-small" in text and "disk" in text for text in rows.all_inner_texts())


def test_everything_is_unfolded_on_paper(looked: Looked, shown: Shown) -> None:
    page = looked.open(shown.site / f"runs/{RED}.html")
    closed = "document.querySelectorAll('details:not([open])').length"
    assert page.evaluate(closed) > 0
    page.evaluate(f"addEventListener('beforeprint', () => {{ window.closedOnPaper = {closed}; }})")
    assert page.pdf().startswith(b"%PDF")
    assert page.evaluate("window.closedOnPaper") == 0
    assert page.evaluate(closed) > 0


@pytest.mark.parametrize(
    "name", ["index.html", "benchmarks/bmk_001.html", "scenarios/nginx+001-broken-config.html", "one.html", "RUNS"]
)
def test_hostile_text_is_shown_and_does_nothing(looked: Looked, hostile: Shown, name: str) -> None:
    files = [hostile.site / name]
    if name == "one.html":
        files = [hostile.one_file]
    if name == "RUNS":
        files = sorted((hostile.site / "runs").glob("run_001*.html"))[:3]
    for file in files:
        page = looked.open(file)
        for details in page.locator("details").all():  # players are made when they are unfolded
            details.evaluate("each => { each.open = true; }")
        page.wait_for_timeout(300)
        assert page.title() != "owned"
        assert page.locator("img").count() == 0
        assert page.evaluate("document.querySelectorAll('[onerror]').length") == 0
        assert "<img src=x onerror=" in page.locator("main").inner_text()
        assert page.locator("footer").is_visible()  # the page goes on after it
    assert looked.said == []


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Store, str]]:
    """A server of few results, as a user starts it; and the database to add more."""
    with Store.open(None, tmp_path) as store:
        fill(store, tmp_path, days=2, iterations=1)
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest_2501bench.cli.main", "serve", "--port", "0", "--bench-dir", str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(PYTHONUNBUFFERED="1"),
        )
        try:
            assert process.stdout is not None
            yield store, process.stdout.readline().split()[0]
        finally:
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=20)
        assert (process.returncode, out) == (0, "")


def test_a_served_page_takes_over_what_is_new(looked: Looked, served: tuple[Store, str]) -> None:
    store, address = served
    page = looked.open(address)
    expect(page.locator("main")).to_contain_text("16 runs in 2 benchmarks")
    new: dict[str, Any] = {"benchmark_id": "bmk_001", "started_at": 1_763_090_000.0, "finished_at": 1_763_090_009.0}
    page.wait_for_timeout(500)  # it has asked once by now
    store.save_report(report("run_new", status=Status.FAILED, **new))
    expect(page.locator("main")).to_contain_text("17 runs in 2 benchmarks", timeout=15_000)
    expect(page.get_by_role("status").filter(has_text="New results")).to_be_visible()
    assert violations(page) == []
    page.goto(f"{address}runs/run_new.html")
    expect(page.locator("main")).to_contain_text("Only the report is left of this run.")
    page.goto(f"{address}compare.html")
    page.get_by_label("A", exact=True).fill("last~1")
    page.get_by_label("B", exact=True).fill("last~x")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("main")).to_contain_text("'x' is no")
    assert violations(page) == []
    assert looked.said == []
    assert all(url.startswith((address, "data:")) for url in looked.asked)
