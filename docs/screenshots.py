#!/usr/bin/env python3
"""Makes the pictures of docs/report.md from made-up results, with chromium: `.venv/bin/python docs/screenshots.py`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.showcase import fill  # noqa: E402

from pytest_2501bench.store.repository import Store  # noqa: E402
from pytest_2501bench.webreport.site import write_site  # noqa: E402

IMAGES = ROOT / "docs/images"
WIDTH = 1180


def save(page: Page, name: str, *, top: str = "", height: int = 900) -> None:
    """Save what is visible from the element *top* on, with few colours: a screenshot needs no more."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    if top:
        page.evaluate("id => document.getElementById(id).scrollIntoView()", top)
    page.wait_for_timeout(300)
    picture = Image.open(BytesIO(page.screenshot())).convert("P", palette=Image.Palette.ADAPTIVE, colors=64)
    path = IMAGES / f"{name}.png"
    picture.save(path, optimize=True)
    sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB\n")


def main() -> None:
    """Make all pictures."""
    IMAGES.mkdir(exist_ok=True)
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        bench_dir = Path(folder)
        with Store.open(None, bench_dir) as store:
            fill(store, bench_dir)
            index = write_site(store, bench_dir, bench_dir / "report").index
        browser = playwright.chromium.launch(executable_path=browser_path)
        light = browser.new_page(color_scheme="light")
        light.goto(index.as_uri())
        save(light, "report-overview", height=560)
        save(light, "report-trends", top="trends", height=1010)
        light.goto((index.parent / "compare.html").as_uri())
        save(light, "report-compare", height=620)
        dark = browser.new_page(color_scheme="dark")
        dark.goto((index.parent / "runs/run_0130s1.html").as_uri())
        save(dark, "report-run", height=920)
        player = dark.locator(".player").first
        player.locator(".ap-overlay-start").first.click()
        dark.wait_for_timeout(9_000)
        dark.locator(".replay").first.evaluate("each => { each.id = 'replay'; }")
        save(dark, "report-replay", top="replay", height=700)
        browser.close()


if __name__ == "__main__":
    main()
