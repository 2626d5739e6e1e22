"""Which charts of a run are on the screen, and where: a grid that fills its room, in pages, with a cursor, a filter and a focus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

LEAST_WIDTH, LEAST_HEIGHT = 34, 8
"""Columns and rows in which a chart can still be read."""
SHAPE = 3.2
"""Columns to a row of a chart that is neither too flat nor too narrow."""


def shape(charts: int, width: int, height: int) -> tuple[int, int]:
    """Rows and columns of a grid for so many charts: all of them where they can be read, else as many as can."""
    most_rows, most_columns = max(1, height // LEAST_HEIGHT), max(1, width // LEAST_WIDTH)
    fitting = [(rows, columns) for rows in range(1, most_rows + 1) for columns in range(1, most_columns + 1)]
    enough = [(rows, columns) for rows, columns in fitting if rows * columns >= charts]

    def cost(size: tuple[int, int]) -> float:
        rows, columns = size
        ratio = max(1, width) / columns * rows / max(1, height) / SHAPE
        return rows * columns * max(ratio, 1 / ratio)

    return min(enough, key=cost) if enough else (most_rows, most_columns)


def matching(charts: Mapping[str, Sequence[str]], pattern: str) -> list[str]:
    """The titles of charts that have a word of `pattern` in them, or in the name of one of their series; `*`, `?` and `[ab]` as in
    names of files. All of them where there is no word."""
    words = pattern.lower().split()
    return [title for title, names in charts.items() if not words or any(_has(word, (title, *names)) for word in words)]


def _has(word: str, names: Sequence[str]) -> bool:
    is_glob = any(sign in word for sign in "*?[")
    return any(fnmatchcase(name.lower(), word) if is_glob else word in name.lower() for name in names)


class ChartGrid:
    """The charts by their titles; one of them is at the cursor for as long as it is there."""

    def __init__(self) -> None:
        self._charts: Mapping[str, Sequence[str]] = {}
        self._room = (80, 20)
        self.pattern = ""
        self.shown: list[str] = []
        """Those that the pattern lets through."""
        self.cursor = 0
        """Which of `shown`."""
        self.is_focused = False
        """Whether the one at the cursor has the room to itself."""

    def hold(self, charts: Mapping[str, Sequence[str]]) -> None:
        """These charts, each with the names of its series."""
        self._charts = charts
        self._filter()

    def fit(self, width: int, height: int) -> None:
        """Into so many columns and rows."""
        self._room = (width, height)

    def filter(self, pattern: str) -> None:
        """Only those that match, see `matching`."""
        self.pattern = pattern
        self._filter()

    def _filter(self) -> None:
        at = self.at
        self.shown = matching(self._charts, self.pattern)
        self.cursor = self.shown.index(at) if at in self.shown else max(0, min(self.cursor, len(self.shown) - 1))

    @property
    def charts(self) -> int:
        """How many there are, also those that the pattern hides."""
        return len(self._charts)

    @property
    def at(self) -> str | None:
        """The title of the chart at the cursor; None where there is none."""
        return self.shown[self.cursor] if self.cursor < len(self.shown) else None

    # ------------------------------------------------------------------------------------------------------- pages

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return (1, 1) if self.is_focused else shape(len(self.shown), *self._room)

    @property
    def per_page(self) -> int:
        rows, columns = self.shape
        return rows * columns

    @property
    def pages(self) -> int:
        return max(1, -(-len(self.shown) // self.per_page))

    @property
    def page(self) -> int:
        """Which is on the screen, from 0: the one with the cursor."""
        return self.cursor // self.per_page

    @property
    def on_page(self) -> list[str]:
        """The titles of the charts on the screen, row by row."""
        first = self.page * self.per_page
        return self.shown[first : first + self.per_page]

    # ------------------------------------------------------------------------------------------------------ cursor

    def put(self, title: str) -> None:
        """The cursor on this chart, if it is shown."""
        if title in self.shown:
            self.cursor = self.shown.index(title)

    def move(self, across: int, down: int) -> None:
        """To the chart beside, above or below, on another page where there is none on this one."""
        _, columns = self.shape
        there = self.cursor + across + down * columns
        last = len(self.shown) - 1
        if there > last and self.cursor // columns < last // columns:
            there = last  # the lowest row is shorter
        if 0 <= there <= last:
            self.cursor = there

    def turn(self, pages: int) -> None:
        """So many pages on; the cursor keeps its place on the page, as far as there is one."""
        page = max(0, min(self.page + pages, self.pages - 1))
        there = self.cursor + (page - self.page) * self.per_page
        self.cursor = max(0, min(there, len(self.shown) - 1))

    def end(self, place: int) -> None:
        """To the first chart (0) or the last (-1)."""
        self.cursor = place % max(1, len(self.shown))

    def focus(self, *, on: bool) -> None:
        """The chart at the cursor alone, or all of them again."""
        self.is_focused = on and bool(self.shown)

    @property
    def words(self) -> str:
        """`24 charts, page 1/3`."""
        count = len(self.shown)
        of = f"{count} of {self.charts}" if self.pattern.strip() else f"{count}"
        told = f"chart {self.cursor + 1}/{count}" if self.is_focused else f"{of} chart{'s' if self.charts != 1 else ''}"
        return told + (f", page {self.page + 1}/{self.pages}" if self.pages > 1 and not self.is_focused else "")
