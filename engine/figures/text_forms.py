"""Figures as text: all numbers as CSV, or what people read as Markdown tables."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from convtui.engine.figures.figure import Cell, Curves, Result, Sheet, Table
from convtui.engine.figures.markdown_text import in_one_line
from convtui.engine.figures.numbers import texts_of
from convtui.engine.text import STEERING

ROWS = 200
"""Rows that a table in Markdown has at most."""


def as_csv(results: Sequence[Result]) -> str:
    """A header and rows for each result, every number in full; of several results each has its title above it, behind `#`, and an
    empty line between it and the next.

    A table as it is. Curves have a row for each place on the x axis, ends of bands as columns of their own. A sheet has a row for
    each pixel: which tile, its caption, row, column, and the value, or red, green and blue. Empty is what is not there.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    for number, result in enumerate(results):
        if len(results) > 1:
            file.write("\n" if number else "")
            writer.writerow([f"# {_plain(result.title)}"])
        heads, rows = _table(result)
        writer.writerow(map(_plain, heads))
        writer.writerows([_exact(cell) for cell in row] for row in rows)
    return file.getvalue()


def as_markdown(results: Sequence[Result]) -> str:
    """A heading, the notes and a table for each result, in numbers as people read them; of a sheet a row for each tile."""
    return "\n".join(line for result in results for line in _section(result))


def _section(result: Result) -> Iterator[str]:
    yield from (f"## {_cell(result.title)}", "")
    for note in result.notes:
        yield from (_cell(note), "")
    heads, rows = (_TILE, list(_tiles(result))) if isinstance(result, Sheet) else _table(result)
    if isinstance(result, Curves) and all(isinstance(row[0], float) and row[0].is_integer() for row in rows):
        rows = [[int(x), *others] for x, *others in rows if isinstance(x, float)]
    shares = result.shares if isinstance(result, Table) else ()
    columns = [[row[place] for row in rows[:ROWS]] for place in range(len(heads))]
    numeric = [not any(isinstance(cell, str) for cell in column) for column in columns]
    texts = [texts_of(column, share=name in shares) for name, column in zip(heads, columns, strict=True)]
    yield f"| {' | '.join(map(_cell, heads))} |"
    yield f"|{'|'.join('---:' if right else '---' for right in numeric)}|"
    for place in range(len(rows[:ROWS])):
        yield f"| {' | '.join(_cell(column[place]) for column in texts)} |"
    if len(rows) > ROWS:
        yield from ("", f"{len(rows) - ROWS:,} more rows; .csv, .json and .npz have all")
    yield ""


_TILE = ("tile", "caption", "least", "mean", "greatest")


def _tiles(sheet: Sheet) -> Iterator[list[Cell]]:
    for number, tile in enumerate(sheet.tiles):
        values = tile.pixels[np.isfinite(tile.pixels)].astype(np.float64)
        told = (values.min(), values.mean(), values.max()) if values.size else ()
        yield [number, tile.caption, *(float(value) for value in told), *[None] * (3 - len(told))]


def _table(result: Result) -> tuple[Sequence[str], list[Sequence[Cell]]]:
    """Column names and rows with all that a result holds."""
    if isinstance(result, Table):
        return result.columns, list(result.rows)
    return _of_curves(result) if isinstance(result, Curves) else _of_sheet(result)


def _of_sheet(sheet: Sheet) -> tuple[Sequence[str], list[Sequence[Cell]]]:
    coloured = any(tile.pixels.ndim == 3 for tile in sheet.tiles)
    rows: list[Sequence[Cell]] = []
    for number, tile in enumerate(sheet.tiles):
        for row, line in enumerate(tile.pixels.tolist()):
            rows += [[number, tile.caption, row, column, *_values(pixel)] for column, pixel in enumerate(line)]
    return ("tile", "caption", "row", "column", *(("red", "green", "blue") if coloured else ("value",))), rows


def _values(pixel: float | list[float]) -> list[Cell]:
    return [None if math.isnan(value) else value for value in (pixel if isinstance(pixel, list) else [pixel])]


def _of_curves(curves: Curves) -> tuple[Sequence[str], list[Sequence[Cell]]]:
    heads = [curves.x_name or "x", *(["label"] if curves.labels else [])]
    columns: list[dict[tuple[float, int], Cell]] = []
    xs = _keys(curves.x) if len(curves.own_x) < len(curves.series) or not curves.series else []
    if curves.labels:
        columns.append(dict(zip(xs, curves.labels, strict=True)))
    places = dict.fromkeys(xs)
    for name, values in curves.series.items():
        keys = _keys(curves.x_of(name))
        places |= dict.fromkeys(keys)
        low_high = curves.bands.get(name, ())
        heads += [name, *(f"{name} {end}" for end, _ in zip(("low", "high"), low_high, strict=False))]
        columns += [dict(zip(keys, each.tolist(), strict=True)) for each in (values, *low_high)]
    # Points of a scatter plot keep their order; places of several series are put in that of the axis.
    order = sorted(places, key=lambda key: (math.isnan(key[0]), key)) if curves.own_x else list(places)
    return heads, [[key[0], *(column.get(key) for column in columns)] for key in order]


def _keys(x: NDArray[np.float64]) -> list[tuple[float, int]]:
    """Each place with how often it came before."""
    seen: dict[float, int] = {}
    keys = []
    for value in np.asarray(x, np.float64).tolist():
        keys.append((value, seen.get(value, 0)))
        seen[value] = seen.get(value, 0) + 1
    return keys


def _exact(cell: Cell) -> str:
    if cell is None:
        return ""
    return _plain(cell) if isinstance(cell, str) else repr(cell)


def _plain(text: str) -> str:
    return STEERING.sub(" ", text)


def _cell(text: str) -> str:
    return in_one_line(_plain(text))
