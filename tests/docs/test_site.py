"""The documentation as a site: whole, without errors, with nothing from elsewhere, for phones and desktops, and accessible."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.axe import violations
from tests.harness.chromium import Browser, browsing, needs_chromium

ROOT = Path(__file__).parents[2]
WIDTHS = (390, 1280)
OF_MATERIAL = ("landmark-unique", "empty-table-header")
"""Rules of axe that mkdocs-material and Markdown's tables break: its copy buttons have no names, a table of pictures no heads."""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder."""
    pytest.importorskip("material", reason="the site's builder is not here: make site installs it")
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.long
def test_every_page_is_in_the_site(site: Path) -> None:
    wanted = {page.stem for page in (ROOT / "docs").glob("*.md")} | {"index", "CONTRIBUTING", "CHANGELOG"}
    assert {page.stem for page in site.glob("*.html")} == wanted | {"404"}
    assert not list(site.rglob("*.py"))
    assert not [page.name for page in site.glob("*.html") if "\\|" in page.read_text()]  # as a forge asks for in tables


@pytest.mark.long
@needs_chromium
def test_its_pages_run_and_fit_without_an_error_or_an_outside_request(site: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with browsing(tmp_path) as browser:
            await browser.listen()
            for page in sorted(site.glob("*.html")):
                if page.name == "404.html":
                    continue  # it is for servers, with the addresses that pages have there
                for width in WIDTHS:
                    await browser.visit(page.as_uri(), width=width)
                    assert await browser.value("document.documentElement.scrollWidth") <= width, (page.name, width)
            assert browser.errors == []
            assert {url.partition(":")[0] for url in browser.fetched} <= {"file", "data", "blob"}
            assert await found(browser, (site / "index.html").as_uri(), "deconvnet") > 3

    asyncio.run(run())


async def found(browser: Browser, page: str, word: str) -> int:
    """How many pages the search finds, of a site that is opened as files."""
    await browser.visit(page)
    await browser.value(
        "document.querySelector('label[for=__search]').click(), document.querySelector('.md-search__input').focus()"
    )
    await browser.ask("Input.insertText", text=word)
    async with asyncio.timeout(30):
        while not (count := await browser.value("document.querySelectorAll('.md-search-result__item').length")):
            await asyncio.sleep(0.2)
    return int(count)


@pytest.mark.long
@needs_chromium
def test_its_pages_are_accessible(site: Path, tmp_path: Path) -> None:
    async def run() -> dict[str, list[str]]:
        told = {}
        async with browsing(tmp_path) as browser:
            for page in ("index", "settings", "own-nets", "views", "reproductions"):
                for width in WIDTHS:
                    for scheme in ("default", "slate"):
                        await browser.visit((site / f"{page}.html").as_uri(), width=width)
                        await browser.value(f"document.body.dataset.mdColorScheme = '{scheme}'")
                        await browser.value("new Promise(resolve => setTimeout(resolve, 400))")  # colours change gradually
                        broken = await violations(browser)
                        told[f"{page} {width} {scheme}"] = [line for line in broken if not line.startswith(OF_MATERIAL)]
        return told

    assert {page: lines for page, lines in asyncio.run(run()).items() if lines} == {}
