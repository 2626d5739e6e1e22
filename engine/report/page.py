"""A report as one page of HTML that loads nothing: styles and pictures are in it, and there is no script."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from convtui.engine import __version__
from convtui.engine.figures.axis import Colour
from convtui.engine.figures.drawing.charts import NAMED
from convtui.engine.figures.figure import Cell, Curves, Sheet, Table, Tile
from convtui.engine.figures.ground import GROUNDS
from convtui.engine.figures.numbers import text_of, texts_of
from convtui.engine.report import pictures
from convtui.engine.report.content import Report
from convtui.engine.report.words import as_html, cleaned

ROWS = 300
"""Rows of a table that are shown."""


def page(report: Report, *, unfolded: bool = False) -> str:
    """The whole page. `unfolded` shows at once what is else behind a click, as on paper."""
    return _template().render(report=report, unfolded=unfolded, version=__version__, grounds=GROUNDS)


@cache
def _template() -> Template:
    # StrictUndefined: a name that the template mistypes is an error, and not an empty place.
    environment = Environment(
        loader=PackageLoader("convtui.engine.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_text,
    )
    environment.globals |= {
        "kind": lambda block: type(block).__name__, "sheets": _sheets, "chart": _chart, "table": _table, "drawn": _drawn,
        "hex": _hex, "words": _words,
    }  # fmt: skip
    return environment.get_template("page.html")


def _text(value: Any) -> Any:
    """Text from a store in one line that steers nothing; Jinja escapes it."""
    return cleaned(value) if type(value) is str else value


def _words(markdown: str) -> Markup:
    return Markup(as_html(markdown))  # noqa: S704 - all of a person's characters are escaped there


def _hex(colour: Colour) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)


# -------------------------------------------------------------------------------------------------------------- sheets


@dataclass(frozen=True, slots=True)
class _Picture:
    url: str
    """Empty where there is nothing to show."""
    width: int
    height: int
    alt: str


@dataclass(frozen=True, slots=True)
class _Item:
    """Pictures that belong together, and what is said below them."""

    pictures: Sequence[_Picture]
    caption: str


@dataclass(frozen=True, slots=True)
class _Scale:
    url: str
    words: str
    """Which sheet, its ends and how far values are amplified."""


@dataclass(frozen=True, slots=True)
class _Sheets:
    title: str
    notes: Sequence[str]
    items: Sequence[_Item]
    scales: Sequence[_Scale]


def _sheets(group: Sequence[Sheet]) -> _Sheets:
    shown = [sheet for sheet in group if sheet.tiles]
    alone = all(len(sheet.blocks) == 1 for sheet in shown)
    items = list(_apart(shown) if alone else _beside(shown))
    title = group[0].title if alone or len(group) == 1 else "; ".join(f"{where}: {sheet.title}" for where, sheet in _placed(group))
    return _Sheets(title, list(dict.fromkeys(note for sheet in group for note in sheet.notes)), items, list(_scales(shown)))


def _placed(group: Sequence[Sheet]) -> Iterator[tuple[str, Sheet]]:
    """Each sheet and where in an item it is."""
    names = ("left", "right") if len(group) == 2 else [str(number) for number in range(1, len(group) + 1)]
    yield from zip(names, group, strict=True)


def _apart(group: Sequence[Sheet]) -> Iterator[_Item]:
    """Sheets of one picture each, every one under its own title."""
    for number, sheet in enumerate(group):
        said = [*([sheet.title] if number else []), sheet.tiles[0].caption]
        caption = ": ".join(text for text in said if text)
        yield _Item([_pictures(sheet, [caption or sheet.title], len(group))[0]], caption)


def _beside(group: Sequence[Sheet]) -> Iterator[_Item]:
    """The blocks of several sheets beside each other, an item for each place where one has a value: notes name the others."""
    names = max((_names(sheet) for sheet in group), key=len)
    columns = [_pictures(sheet, names, len(group)) for sheet in group]
    for number in range(max(map(len, columns))):
        row = [column[number] for column in columns if number < len(column)]
        if any(picture.url for picture in row):
            yield _Item(row, names[number] if number < len(names) else "")


def _names(sheet: Sheet) -> Sequence[str]:
    """What is said of each block."""
    if sheet.captions or math.prod(sheet.block) > 1:
        return sheet.captions
    return [tile.caption for tile in sheet.tiles]


def _pictures(sheet: Sheet, names: Sequence[str], beside: int) -> list[_Picture]:
    """Of each block; `names` are what is said below them."""
    times = pictures.enlarged(sheet, beside)
    named = [*names, *[""] * len(sheet.tiles)]
    return [
        _Picture(url, times * width, times * height, _seen(sheet, tiles, name))
        for (url, width, height), tiles, name in zip(pictures.blocks(sheet), sheet.blocks, named, strict=False)
    ]


def _seen(sheet: Sheet, tiles: Sequence[Tile], name: str) -> str:
    """A block in words, which are not those below it: what kind of picture, and between which values."""
    what = name or sheet.title or "picture"
    if pictures.is_photograph(sheet):
        return f"image: {what}"
    values = np.concatenate([tile.pixels[np.isfinite(tile.pixels)] for tile in tiles])
    return f"{what}, from {values.min():.3g} to {values.max():.3g}" if values.size else f"{what}, nothing to show"


def _scales(group: Sequence[Sheet]) -> Iterator[_Scale]:
    scaled = [sheet for sheet in group if not pictures.is_photograph(sheet)]
    for sheet in scaled:
        words = f"{sheet.title}: {sheet.scale}" if len(scaled) > 1 else sheet.scale
        yield _Scale(pictures.scale(sheet), words)


# ---------------------------------------------------------------------------------------------- charts, tables, diagrams


@dataclass(frozen=True, slots=True)
class _Drawn:
    light: str
    dark: str
    width: int


@dataclass(frozen=True, slots=True)
class _Chart:
    title: str
    notes: Sequence[str]
    drawn: _Drawn
    alt: str
    legend: Sequence[tuple[int, bool, str]]
    """Of each series which colour it has, whether it is dashed, and its name."""
    more: int
    """Series that the legend does not name."""


def _drawn(what: Curves | Table) -> _Drawn:
    light, width = pictures.picture(what, "light")
    return _Drawn(light, pictures.picture(what, "dark")[0], width)


def _chart(curves: Curves) -> _Chart:
    colours = len(GROUNDS["light"].series)
    legend = [(number % colours, number >= colours, name) for number, name in enumerate(curves.series)]
    title = "" if curves.title == curves.y_name else curves.title  # the axis says it
    return _Chart(title, curves.notes, _drawn(curves), _told(curves), legend[:NAMED], max(0, len(legend) - NAMED))


def _told(curves: Curves) -> str:
    """A chart in words: what it is of, and where each series begins and ends."""
    ends = []
    for name, values in curves.series.items():
        finite = [float(value) for value in values if math.isfinite(value)]
        text = [text_of(finite[place], share=curves.shares, decimals=None) for place in (0, -1)] if finite else []
        if curves.styles.get(name, "line") == "line" and text:
            ends.append(f"{name} from {text[0]} to {text[1]}")
        else:
            ends.append(name)
    return f"{curves.title}, by {curves.x_name}: {'; '.join(ends[:NAMED])}"


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    right: bool
    heat: int | None
    """Of a matrix's cell its share of its row, in per cent."""


@dataclass(frozen=True, slots=True)
class _Table:
    title: str
    notes: Sequence[str]
    heads: Sequence[tuple[str, bool]]
    """And whether the column is flush right."""
    rows: Sequence[Sequence[_Cell]]


def _table(table: Table) -> _Table:
    rows = table.rows[:ROWS]
    columns = [[row[place] for row in rows] for place in range(len(table.columns))]
    right = [_is_of_numbers(column) for column in columns]
    texts = [texts_of(column, share=name in table.shares) for name, column in zip(table.columns, columns, strict=True)]
    cells = []
    for number, row in enumerate(rows):
        heat = _heat(table, row)
        cells.append([_Cell(texts[place][number], right[place], heat.get(place)) for place in range(len(row))])
    more = [f"{len(table.rows) - ROWS:,} more rows are left out"] if len(table.rows) > ROWS else []
    return _Table(table.title, [*table.notes, *more], list(zip(table.columns, right, strict=True)), cells)


def _is_of_numbers(column: Sequence[Cell]) -> bool:
    return not any(isinstance(cell, str) for cell in column)


def _heat(table: Table, row: Sequence[Cell]) -> Mapping[int, int]:
    """Column -> share of its row's sum in per cent, of the columns that are a matrix."""
    values = {place: _count(row[place]) for place in range(1, 1 + len(table.matrix))}
    total = sum(values.values())
    return {place: round(100 * value / total) if total else 0 for place, value in values.items()}


def _count(cell: Cell) -> float:
    return float(cell) if isinstance(cell, int | float) and math.isfinite(cell) else 0.0
