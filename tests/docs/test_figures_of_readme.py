"""Figures in README are measured: each stands, to its own digits, in a page that its section links and that a command wrote."""

from __future__ import annotations

import re

from tests.docs.blocks import ROOT

_SECTION = re.compile(r"^(?=## )", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.,-])(\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)(?![\w-]|\.\d)")
_VERSION = re.compile(r"(?:\b[A-Z][\w&+]*|\btorch|\btmux|\buv) (?:>= ?)?\d+(?:\.\d+)+(?: to \d+(?:\.\d+)+)?")
"""Of programs: no figures."""
_FIGURE = re.compile(r"\d(?:\.\d+)?\*{0,2} (?:ms|µs|us|MB|GB|%)|\d\.\d|\d,\d{3}")
"""What makes a line one with figures: a unit, decimals, or thousands."""


def test_every_figure_is_in_a_page_that_its_section_links() -> None:
    checked = 0
    for section in _SECTION.split((ROOT / "README.md").read_text(encoding="utf-8")):
        pages = [ROOT / "docs" / name for name in re.findall(r"\(docs/([\w-]+\.md)", section)]
        known = [number for page in pages for number in numbers(page.read_text(encoding="utf-8"))]
        for line in _VERSION.sub("", _FENCE.sub("", section)).splitlines():
            if not _FIGURE.search(line):
                continue
            for number in numbers(re.sub(r"`[^`]*`|\([^)]*\.(?:md|png|svg)\)", "", line)):
                digits = len(number.partition(".")[2])
                assert any(round(float(each), digits) == float(number) for each in known), (
                    f"README: {number} in {line!r} is in none of {[page.name for page in pages]}"
                )
                checked += 1
    assert checked > 10


def numbers(text: str) -> list[str]:
    """As they are written, without the commas of thousands."""
    return [found.replace(",", "") for found in _NUMBER.findall(text)]
