"""What a view gives, in a file: a picture for people (.png), or everything as numbers (.npz, .json)."""

from __future__ import annotations

import io
import json
import math
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from engine.errors import UsageError
from engine.files import written_whole
from engine.lens.colour import bar, coloured, missing
from engine.lens.results import Cell, Curves, Result, Sheet, Table, Target, Tile


def check(path: Path) -> None:
    """Whether `save` can have this name, to be asked before a long search. Raises UsageError where it cannot."""
    if path.suffix.lower() not in _FORMS:
        raise UsageError(f"--out {path}: the name ends .png, .json or .npz")
    try:
        reason = "" if path.parent.is_dir() else f"there is no folder {path.parent}"
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise UsageError(f"--out {path} cannot be written: {reason}")


def save(results: Sequence[Result], path: Path) -> None:
    """Write results in the form that the name ends with: `picture` as .png, `as_json` as .json, `arrays` as .npz.

    Raises UsageError where that cannot be; nothing new is left then, and an older file is as it was.
    """
    check(path)
    content = _FORMS[path.suffix.lower()](results)
    try:
        with written_whole(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise UsageError(f"--out {path} cannot be written: {error.strerror or error}") from None


# ------------------------------------------------------------------------------------------------------- as numbers


def arrays(results: Sequence[Result]) -> dict[str, NDArray[Any]]:
    """Every number by its key; none is an array of objects.

    A sheet gives `tiles` float32 [n, H, W] or [n, H, W, 3], raw values, with `captions`, `low` and `high`; curves give `x` and
    one array a series; a table one a column. Keys of the second result begin `2.`, of the third `3.`; a key that is taken
    already gets an underscore.
    """
    found: dict[str, NDArray[Any]] = {}
    for number, result in enumerate(results, start=1):
        for name, values in _arrays(result):
            key = name if number == 1 else f"{number}.{name}"
            while key in found:
                key += "_"
            found[key] = values
    return found


def as_json(results: Sequence[Result], *, pixels: bool = True) -> dict[str, Any]:
    """All that the results hold as plain values: `{"results": [...]}`, each with its `kind`: sheet, curves or table.

    Arrays are nested lists, pixels [H][W] or [H][W][3] if they are wanted; what is not a finite number is None.
    """
    return {"results": [{"kind": type(result).__name__.lower()} | _plain(result, pixels) for result in results]}


def _arrays(result: Result) -> Iterator[tuple[str, NDArray[Any]]]:
    if isinstance(result, Sheet):
        tiles = [tile.pixels for tile in result.tiles]
        yield "tiles", np.stack(tiles).astype(np.float32, copy=False) if tiles else np.zeros((0, 0, 0), np.float32)
        yield "captions", np.array([tile.caption for tile in result.tiles], np.str_)
        yield "low", np.array(result.low, np.float64)
        yield "high", np.array(result.high, np.float64)
    elif isinstance(result, Curves):
        yield "x", np.asarray(result.x, np.float64)
        for name, values in result.series.items():
            yield name, np.asarray(values, np.float64)
    else:
        for place, name in enumerate(result.columns):
            yield name, _column([row[place] for row in result.rows])


def _column(cells: Sequence[Cell]) -> NDArray[Any]:
    if any(isinstance(cell, str) for cell in cells):
        return np.array(["" if cell is None else str(cell) for cell in cells], np.str_)
    if cells and all(isinstance(cell, int) for cell in cells):
        return np.array(cells, np.int64)
    return np.array([math.nan if cell is None else cell for cell in cells], np.float64)


def _plain(value: Any, pixels: bool) -> Any:
    if isinstance(value, Target):
        return {field.name: said for field in fields(value) if (said := getattr(value, field.name)) is not None}
    if is_dataclass(value):
        names = [field.name for field in fields(value) if pixels or field.name != "pixels"]
        return {name: _plain(getattr(value, name), pixels) for name in names}
    if isinstance(value, np.ndarray):
        finite = np.isfinite(value)
        if not finite.all():
            value = value.astype(object)
            value[~finite] = None
        return value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(held, pixels) for key, held in value.items()}
    return value if value is None or isinstance(value, str | int) else [_plain(held, pixels) for held in value]


def _npz(results: Sequence[Result]) -> bytes:
    file = io.BytesIO()
    # Not np.savez: it takes the names as arguments, and so stumbles over a column called `file`.
    with zipfile.ZipFile(file, "w") as archive:
        for key, values in arrays(results).items():
            entry = io.BytesIO()
            np.lib.format.write_array(entry, values, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{_encodable(key)}.npy"), entry.getvalue())
    return file.getvalue()


def _json(results: Sequence[Result]) -> bytes:
    return _encodable(json.dumps(as_json(results), ensure_ascii=False, allow_nan=False) + "\n").encode()


def _encodable(text: str) -> str:
    """Names of files may hold bytes that are no text: they become escapes, which JSON reads back."""
    return text.encode("utf-8", "backslashreplace").decode()


def _png(results: Sequence[Result]) -> bytes:
    file = io.BytesIO()
    picture(results).save(file, format="PNG")
    return file.getvalue()


_FORMS: Mapping[str, Callable[[Sequence[Result]], bytes]] = {".png": _png, ".json": _json, ".npz": _npz}

# ----------------------------------------------------------------------------------------------------- as a picture

Colour = tuple[int, int, int]
GROUND, INK, FAINT, LINE = (34, 34, 34), (236, 236, 236), (170, 170, 170), (92, 92, 92)
SERIES: tuple[Colour, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 178, 128),
    (240, 228, 66),
    (204, 121, 167),
    (233, 104, 30),
    (236, 236, 236),
)
"""Okabe and Ito's, a little lighter, without their black and dark blue, which the ground would swallow."""
TITLE, TEXT, SMALL = 18, 13, 12
MARGIN = 24
WIDE = 2400
"""Pixels that a picture is wide at most, and high too as long as tiles stay legible."""
COLUMN = 640
"""Pixels that text is wide at least, above what is narrower."""
FEW = 16
"""Tiles that may be large."""
LARGE, MEDIUM, LEAST = 192, 96, 48
"""Pixels of a tile's longer side: of a few tiles, of many, and how far these shrink so that all fit."""
CAPTIONED = 36
"""Tiles in blocks have captions of their own up to so many; beyond, the block's serves."""
ROWS = 200
"""Rows of a table that are drawn."""
NAMED = 20
"""Series that are named in a legend."""


def picture(results: Sequence[Result]) -> Image.Image:
    """Results one under the other, RGB; sheets that belong `beside` the one before them stand there, block by block."""
    drawn = []
    for place, result in enumerate(results):
        if isinstance(result, Curves):
            drawn.append(_curves(result))
        elif isinstance(result, Table):
            drawn.append(_table(result))
        elif not (result.beside and place and isinstance(results[place - 1], Sheet)):
            drawn.append(_sheets([result, *_followers(results[place + 1 :])]))
    body = _stacked(drawn, 2 * MARGIN)
    framed = Image.new("RGB", (body.width + 2 * MARGIN, body.height + 2 * MARGIN), GROUND)
    framed.paste(body, (MARGIN, MARGIN))
    return framed


def _followers(results: Sequence[Result]) -> Iterator[Sheet]:
    for result in results:
        if not (isinstance(result, Sheet) and result.beside):
            return
        yield result


# Sheets


@dataclass(frozen=True)
class _Layout:
    """Where the tiles of a sheet's block lie, in pixels."""

    factor: int
    """Pixels of the picture a pixel of a tile."""
    tile: tuple[int, int]
    """Width and height."""
    across: int
    down: int
    step: tuple[int, int]
    """From a tile to the next one to the right, and below."""
    lines: int
    """Of caption under each tile."""

    @property
    def width(self) -> int:
        return self.across * self.step[0]

    @property
    def height(self) -> int:
        return self.down * self.step[1]


def _layout(sheet: Sheet, side: int) -> _Layout:
    """With tiles whose longer side is no more than `side`, or unscaled."""
    height, width = sheet.shape
    factor = max(1, side // max(height, width))
    down, across = sheet.block
    single = down * across == 1
    tile = (width * factor, height * factor)
    lines, room = 0, tile[0]
    if any(tile.caption for tile in sheet.tiles) and (single or len(sheet.tiles) <= CAPTIONED):
        room = max(room, LEAST)
        lines = max(len(_lines(tile.caption, SMALL, room)) for tile in sheet.tiles)
    gap = 8 if lines else 4 if single else 2
    return _Layout(factor, tile, across, down, (room + gap, tile[1] + _leading(SMALL) * lines + gap), lines)


def _sheets(group: Sequence[Sheet]) -> Image.Image:
    """Sheets whose blocks stand beside each other: titles, notes, the blocks in a grid, and each sheet's scale."""
    shown = [sheet for sheet in group if sheet.tiles]
    body = [_grid(shown)] if shown else []
    width = max(COLUMN, *(part.width for part in body), 0)
    places = ["left", "right"] if len(group) == 2 else [f"sheet {number}" for number in range(1, len(group) + 1)]
    heads = [_text(group[0].title, TITLE, INK, width)]
    heads += [_text(f"{place}: {sheet.title}", TEXT, INK, width) for place, sheet in zip(places[1:], group[1:], strict=True)]
    notes = dict.fromkeys(note for sheet in group for note in sheet.notes)
    heads += [_text(note, TEXT, FAINT, width) for note in notes]
    scales = [
        _scale(sheet, f"{place}: " if len(group) > 1 else "")
        for place, sheet in zip(places, group, strict=True)
        if not _photograph(sheet)
    ]
    return _stacked([_stacked(heads, 4), *body, *([_stacked(scales, 8)] if scales else [])], 14)


def _photograph(sheet: Sheet) -> bool:
    """Whether its tiles are images as people know them, which need no scale."""
    return sheet.ramp in ("grey", "rgb") and (sheet.low, sheet.high) == (0, 255) and not sheet.own_scale


def _grid(group: Sequence[Sheet]) -> Image.Image:
    blocks = [sheet.blocks for sheet in group]
    count = max(len(each) for each in blocks)
    most = max(len(sheet.tiles) for sheet in group)
    captions = max((sheet.captions for sheet in group), key=len)
    head = _leading(TEXT) + 2 if captions else 0
    between = 6
    for side in range(LARGE if most <= FEW else MEDIUM, LEAST - 1, -8):
        layouts = [_layout(sheet, side) for sheet in group]
        width = sum(layout.width for layout in layouts) + between * (len(group) - 1)
        height = head + max(layout.height for layout in layouts)
        apart = 16 if len(group) > 1 or head else 0
        columns = _columns(count, width + apart, height + apart)
        rows = math.ceil(count / columns)
        if columns * (width + apart) <= WIDE and rows * (height + apart) <= WIDE:
            break
    canvas = Image.new("RGB", (columns * (width + apart) - apart, rows * (height + apart) - apart), GROUND)
    draw = ImageDraw.Draw(canvas)
    pictures = [coloured(sheet) for sheet in group]
    for number in range(count):
        left, top = number % columns * (width + apart), number // columns * (height + apart)
        if number < len(captions):
            draw.text((left, top), _cut(_written(captions[number]), TEXT, width), INK, _font(TEXT))
        for sheet, layout, colours in zip(group, layouts, pictures, strict=True):
            each = layout.across * layout.down
            tiles = slice(number * each, (number + 1) * each)
            _block(canvas, (left, top + head), layout, sheet.tiles[tiles], colours[tiles])
            left += layout.width + between
    return canvas


def _columns(count: int, width: int, height: int) -> int:
    """Of a grid that leaves few places empty and is then nearest to 7:5, within the picture's width."""
    most = max(1, min(count, WIDE // width))
    square = math.sqrt(count * height / width)

    def cost(columns: int) -> tuple[int, float]:
        shape = columns * width / (math.ceil(count / columns) * height)
        return -count % columns, abs(math.log(shape / 1.4))

    return min(range(max(1, min(most, int(square))), min(most, math.ceil(2 * square)) + 1), key=cost)


def _block(
    canvas: Image.Image, corner: tuple[int, int], layout: _Layout, tiles: Sequence[Tile], pictures: Sequence[NDArray[np.uint8]]
) -> None:
    draw = ImageDraw.Draw(canvas)
    for place, (tile, pixels) in enumerate(zip(tiles, pictures, strict=True)):
        left = corner[0] + place % layout.across * layout.step[0]
        top = corner[1] + place // layout.across * layout.step[1]
        absent = missing(tile.pixels)
        if absent.all():
            draw.rectangle((left, top, left + layout.tile[0] - 1, top + layout.tile[1] - 1), outline=LINE)
        else:
            colours = np.where(absent[..., None], np.array(GROUND, np.uint8), pixels)
            canvas.paste(Image.fromarray(colours).resize(layout.tile, Image.Resampling.NEAREST), (left, top))
        under = top + layout.tile[1] + 2
        for line in _lines(tile.caption, SMALL, layout.step[0] - 8) if layout.lines else ():
            draw.text((left, under), line, FAINT, _font(SMALL))
            under += _leading(SMALL)


def _scale(sheet: Sheet, place: str) -> Image.Image:
    """The ramp with its ends and zero, and the scale in words."""
    width, height = 240, 12
    names = [f"{sheet.low:.3g}", f"{sheet.high:.3g}"]
    if sheet.own_scale:
        names = ["-max", "max"] if sheet.low == -sheet.high else ["min", "max"]
    words = _written(f"{place}{sheet.scale}")
    image = Image.new("RGB", (width + 16 + round(_width(words, TEXT)) + 1, height + 4 + _leading(SMALL)), GROUND)
    image.paste(Image.fromarray(bar(sheet, width)).resize((width, height), Image.Resampling.NEAREST), (0, 0))
    draw = ImageDraw.Draw(image)
    under = height + 3
    draw.text((0, under), names[0], FAINT, _font(SMALL))
    draw.text((width, under), names[1], FAINT, _font(SMALL), "ra")
    zero = width * -sheet.low / (sheet.high - sheet.low) if sheet.high > sheet.low else 0.0
    if _width(names[0], SMALL) + 8 < zero < width - _width(names[1], SMALL) - 8 and (not sheet.own_scale or names[0] == "-max"):
        draw.text((zero, under), "0", FAINT, _font(SMALL), "ma")
    draw.text((width + 16, height / 2), words, FAINT, _font(TEXT), "lm")
    return image


# Curves

_FINE = 3
"""Lines are drawn so many times larger, and then shrunk, which smooths them."""


def _curves(curves: Curves) -> Image.Image:
    width, height = 720, 340
    x_low, x_high, x_ticks = _axis([curves.x], 0.015)
    y_low, y_high, y_ticks = _axis(list(curves.series.values()), 0.05)

    def across(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return (x - x_low) / (x_high - x_low) * width

    def down(y: NDArray[np.float64]) -> NDArray[np.float64]:
        return (y_high - y) / (y_high - y_low) * height

    plot = Image.new("RGB", (width * _FINE, height * _FINE), GROUND)
    draw = ImageDraw.Draw(plot)
    at_x, at_y = across(np.array([tick for tick, _ in x_ticks])), down(np.array([tick for tick, _ in y_ticks]))
    for y in at_y * _FINE:
        draw.line((0, y, plot.width, y), (58, 58, 58), _FINE)
    for number, values in enumerate(curves.series.values()):
        _curve(draw, across(np.asarray(curves.x, np.float64)) * _FINE, down(np.asarray(values, np.float64)) * _FINE, number)
    names = [_cut(_written(name), TEXT, 240) for name in list(curves.series)[:NAMED]]
    names += [f"… and {len(curves.series) - NAMED} more"] if len(curves.series) > NAMED else []
    left = max((round(_width(name, SMALL)) for _, name in y_ticks), default=0) + 10
    top = _leading(TEXT) + 6
    aside = 40 + max((round(_width(name, TEXT)) for name in names), default=0)
    image = Image.new("RGB", (left + width + 16 + aside, top + max(height, 20 * len(names)) + 2 * _leading(TEXT) + 8), GROUND)
    image.paste(plot.reduce(_FINE), (left, top))
    draw = ImageDraw.Draw(image)
    draw.line((left, top, left, top + height, left + width, top + height), LINE)
    for y, (_, name) in zip(at_y, y_ticks, strict=True):
        draw.text((left - 6, top + y), name, FAINT, _font(SMALL), "rm")
    for x, (_, name) in zip(at_x, x_ticks, strict=True):
        draw.line((left + x, top + height, left + x, top + height + 4), LINE)
        draw.text((left + x, top + height + 6), name, FAINT, _font(SMALL), "ma")
    draw.text((left, 0), _written(curves.y_name), INK, _font(TEXT))
    draw.text((left + width / 2, top + height + 8 + _leading(SMALL)), _written(curves.x_name), INK, _font(TEXT), "ma")
    for number, name in enumerate(names):
        y = top + 10 + 20 * number
        if number < NAMED:
            swatch = Image.new("RGB", (24 * _FINE, 9 * _FINE), GROUND)
            _curve(ImageDraw.Draw(swatch), np.array([0.0, 24 * _FINE]), np.full(2, 4.5 * _FINE), number)
            image.paste(swatch.reduce(_FINE), (left + width + 16, y - 4))
        draw.text((left + width + 48, y), name, INK, _font(TEXT), "lm")
    heads = [_text(curves.title, TITLE, INK, image.width), *(_text(note, TEXT, FAINT, image.width) for note in curves.notes)]
    return _stacked([_stacked(heads, 4), image], 12)


def _axis(arrays: Sequence[NDArray[np.float64]], padding: float) -> tuple[float, float, list[tuple[float, str]]]:
    """Low and high end, and ticks at round numbers with their names; a share of the span is put at both ends."""
    values = np.concatenate([*(np.asarray(array, np.float64) for array in arrays), np.zeros(0)])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        low, high = low - (abs(low) / 10 or 0.5), high + (abs(high) / 10 or 0.5)
    rough = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    if values.size and (values == np.round(values)).all():
        step = max(1.0, step)
    low, high = low - padding * (high - low), high + padding * (high - low)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    small_or_large = step < 1e-4 or max(abs(low), abs(high)) >= 1e7
    ticks = []
    for number in range(math.ceil(low / step), math.floor(high / step) + 1):
        value = number * step
        ticks.append((value, f"{value:.6g}" if small_or_large else f"{value:,.{decimals}f}"))
    return low, high, ticks


def _curve(draw: ImageDraw.ImageDraw, x: NDArray[np.float64], y: NDArray[np.float64], number: int) -> None:
    """Lines through what is finite; a point between gaps is a dot. Series beyond the colours are dashed."""
    colour, dashed = SERIES[number % len(SERIES)], number >= len(SERIES)
    there = np.isfinite(x) & np.isfinite(y)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        run = np.stack([x[first:end], y[first:end]], axis=1)
        for piece in _dashes(run) if dashed else [run]:
            draw.line([(float(a), float(b)) for a, b in piece], colour, 2 * _FINE, "curve" if len(piece) < 2000 else None)
        if len(run) == 1 or 2 < len(x) <= 40:
            for a, b in run:
                draw.circle((float(a), float(b)), 3 * _FINE, colour)


def _dashes(line: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Every other piece of a line [points, 2]."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    cuts = np.arange(0, along[-1] + 1, 5 * _FINE)
    places = np.stack([np.interp(cuts, along, line[:, axis]) for axis in range(2)], axis=1)
    return [np.stack(piece) for piece in list(pairwise(places))[::2]]


# Tables


def _table(table: Table) -> Image.Image:
    rows = table.rows[:ROWS]
    columns = []
    for place, name in enumerate(table.columns):
        cells = [row[place] for row in rows]
        columns.append((name, _cells(cells, name in table.shares), not any(isinstance(cell, str) for cell in cells)))
    image = Image.new("RGB", (WIDE, _leading(TEXT) * (len(rows) + 1) + 8), GROUND)
    draw = ImageDraw.Draw(image)
    left = drawn = 0
    for name, texts, right in columns:
        texts = [_cut(_written(text), TEXT, 420) for text in (name, *texts)]
        width = math.ceil(max(_width(text, TEXT) for text in texts))
        if drawn and left + width > WIDE:
            break
        for number, text in enumerate(texts):
            corner = (left + width * right, number * _leading(TEXT) + (8 if number else 0))
            draw.text(corner, text, INK if number else FAINT, _font(TEXT), "ra" if right else "la")
        left += width + 20
        drawn += 1
    width = max(1, left - 20)
    draw.line((0, _leading(TEXT) + 2, width, _leading(TEXT) + 2), LINE)
    left_out = [f"{count:,} more {what}" for count, what in _left_out(table, drawn) if count]
    notes = [*table.notes, *([f"not drawn: {' and '.join(left_out)}; .json and .npz have all"] if left_out else [])]
    room = max(width, COLUMN)
    heads = [_text(table.title, TITLE, INK, room), *(_text(note, TEXT, FAINT, room) for note in notes)]
    return _stacked([_stacked(heads, 4), image.crop((0, 0, width, image.height))], 12)


def _left_out(table: Table, columns: int) -> Iterable[tuple[int, str]]:
    return (max(0, len(table.rows) - ROWS), "rows"), (len(table.columns) - columns, "columns")


def _cells(cells: Sequence[Cell], share: bool) -> list[str]:
    """A column's cells as text, its fractions with the same number of digits behind the point."""
    sizes = [abs(cell) for cell in cells if isinstance(cell, float) and cell and math.isfinite(cell)]
    least, most = min(sizes, default=1.0), max(sizes, default=1.0)
    decimals = None if least < 1e-3 or most >= 1e7 else min(4, max(0, 3 - math.floor(math.log10(least))))
    return [_cell(cell, share, decimals) for cell in cells]


def _cell(cell: Cell, share: bool, decimals: int | None) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, str) or (isinstance(cell, float) and not math.isfinite(cell)):
        return str(cell)
    if share:
        return f"{100 * cell:.1f} %"
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:.4g}" if decimals is None else f"{cell:,.{decimals}f}"


# Text

_ASCII = str.maketrans(
    {
        "×": "x",
        "→": "->",
        "←": "<-",
        "—": "-",
        "–": "-",
        "−": "-",
        "≥": ">=",
        "≤": "<=",
        "≈": "~",
        "≠": "!=",
        "²": "^2",
        "³": "^3",
        "µ": "u",
        "½": "1/2",
        "✓": "right",
        "✗": "wrong",
    }
)
"""What the font lacks, in letters that it has."""
_HAS = frozenset("·…°±«»‘’“”©™")


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _leading(size: int) -> int:
    """Pixels from one line to the next."""
    return round(size * 1.3)


@cache
def _width(text: str, size: int) -> float:
    return _font(size).getlength(text)


def _written(text: str) -> str:
    """In one line, and in characters that the font has: it draws any other as a box."""
    letters = []
    for letter in " ".join(text.translate(_ASCII).split()):
        near = letter if letter in _HAS else unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
        letters.append(near if near and near.isprintable() else "?")
    return "".join(letters)


def _cut(text: str, size: int, width: float) -> str:
    """`text`, or as much of its beginning as fits into `width` pixels with an ellipsis."""
    if _width(text, size) <= width:
        return text
    while text and _width(f"{text}…", size) > width:
        text = text[:-1]
    return f"{text}…"


def _lines(text: str, size: int, width: float, most: int = 3) -> list[str]:
    """`text` in lines of no more than `width` pixels; words that are too long are broken, what is too much ends in an ellipsis."""
    lines = [""]
    for word in _written(text).split():
        longer = f"{lines[-1]} {word}".lstrip()
        if _width(longer, size) <= width:
            lines[-1] = longer
            continue
        lines += [""] if lines[-1] else []
        while _width(word, size) > width and len(word) > 1:
            fits = max((end for end in range(1, len(word)) if _width(word[:end], size) <= width), default=1)
            lines[-1], word = word[:fits], word[fits:]
            lines.append("")
        lines[-1] = word
    if len(lines) > most:
        lines[most - 1 :] = [_cut(f"{lines[most - 1]} {lines[most]}", size, width)]
    return lines if text else []


def _text(text: str, size: int, colour: Colour, width: int) -> Image.Image:
    lines = _lines(text, size, width, most=8)
    image = Image.new("RGB", (width, max(1, _leading(size) * len(lines))), GROUND)
    for number, line in enumerate(lines):
        ImageDraw.Draw(image).text((0, number * _leading(size)), line, colour, _font(size))
    return image


def _stacked(parts: Sequence[Image.Image], gap: int) -> Image.Image:
    """One under the other, flush left."""
    height = sum(part.height for part in parts) + gap * max(0, len(parts) - 1)
    image = Image.new("RGB", (max((part.width for part in parts), default=1), max(1, height)), GROUND)
    top = 0
    for part in parts:
        image.paste(part, (0, top))
        top += part.height + gap
    return image
