"""Figures in a file: a picture (.png, .svg, .pdf), tables for people (.md), or everything as numbers (.csv, .json, .npz)."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from convtui.engine.errors import UsageError
from convtui.engine.figures.drawing import drawn
from convtui.engine.figures.drawing.pdf import pdf
from convtui.engine.figures.drawing.raster import rasterised
from convtui.engine.figures.drawing.svg import svg
from convtui.engine.figures.figure import Cell, Curves, Result, Sheet, Target
from convtui.engine.figures.ground import GROUNDS, GroundName
from convtui.engine.figures.text_forms import as_csv, as_markdown
from convtui.engine.files import PICTURE_MARK, check_target, deliver, is_stream


def check(path: Path) -> None:
    """Whether `save` can have this name, to be asked before a long search. Raises UsageError where it cannot."""
    check_target(path)
    _form(path)


def save(results: Sequence[Result], path: Path, ground: GroundName = "dark") -> None:
    """Write results in the form that the name ends with, one of `FORMS`; a picture on a dark or a light ground.

    A pipe, a device or stdout (`-`) whose name does not say gets a PNG. Raises UsageError where that cannot be; nothing new is left
    then, and an older file is as it was.
    """
    check(path)
    deliver(_FORMS[_form(path)](results, ground), path)


def _form(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in _FORMS:
        return suffix
    if is_stream(path):
        return ".png"
    raise UsageError(f"{path} cannot be written: the name must end in {', '.join(FORMS[:-1])} or {FORMS[-1]}")


# ------------------------------------------------------------------------------------------------------- as numbers


def arrays(results: Sequence[Result]) -> dict[str, NDArray[Any]]:
    """Every number by its key; none is an array of objects.

    A sheet gives `tiles` float32 [n, H, W] or [n, H, W, 3], raw values, with `captions`, `low` and `high`; curves give `x` and
    one array for each series, with `NAME.x` where it has places of its own and `NAME.low` and `NAME.high` where it has a band; a
    table one for each column. Keys of the second result begin `2.`, of the third `3.`; a key that is taken already gets an
    underscore.
    """
    found: dict[str, NDArray[Any]] = {}
    for number, result in enumerate(results, start=1):
        for name, values in _arrays(result):
            key = name if number == 1 else f"{number}.{name}"
            while key in found:
                key += "_"
            found[key] = values
    return found


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """All that the results hold as plain values: `{"results": [...]}`, each with its `kind`: sheet, curves or table.

    Arrays are nested lists, pixels [H][W] or [H][W][3]; what is not a finite number is None.
    """
    return {"results": [{"kind": type(result).__name__.lower()} | _plain(result) for result in results]}


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
            if name in result.own_x:
                yield f"{name}.x", np.asarray(result.own_x[name], np.float64)
            for end, limit in zip(("low", "high"), result.bands.get(name, ()), strict=False):
                yield f"{name}.{end}", np.asarray(limit, np.float64)
    else:
        for place, name in enumerate(result.columns):
            yield name, _column([row[place] for row in result.rows])


def _column(cells: Sequence[Cell]) -> NDArray[Any]:
    if any(isinstance(cell, str) for cell in cells):
        return np.array(["" if cell is None else str(cell) for cell in cells], np.str_)
    if cells and all(isinstance(cell, int) for cell in cells):
        return np.array(cells, np.int64)
    return np.array([math.nan if cell is None else cell for cell in cells], np.float64)


def _plain(value: Any) -> Any:
    if isinstance(value, Target):
        return {field.name: said for field in fields(value) if (said := getattr(value, field.name)) is not None}
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.ndarray):
        finite = np.isfinite(value)
        if not finite.all():
            value = value.astype(object)
            value[~finite] = None
        return value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(held) for key, held in value.items()}
    return value if value is None or isinstance(value, str | int) else [_plain(held) for held in value]


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
    """Names of files may hold bytes that are not text: they become escapes, which JSON reads back."""
    return text.encode("utf-8", "backslashreplace").decode()


# --------------------------------------------------------------------------------------------------------- as pictures


def picture(results: Sequence[Result], ground: GroundName = "dark") -> Image.Image:
    """RGB."""
    colours = GROUNDS[ground]
    return rasterised(drawn(results, colours), colours.ground)


def png(results: Sequence[Result], ground: GroundName = "dark") -> bytes:
    """The picture as a file's bytes."""
    file = io.BytesIO()
    mark = PngInfo()
    keyword, _, text = PICTURE_MARK.decode().partition("\0")
    mark.add_text(keyword, text)
    picture(results, ground).save(file, format="PNG", pnginfo=mark)
    return file.getvalue()


def _svg(results: Sequence[Result], ground: GroundName) -> bytes:
    colours = GROUNDS[ground]
    return svg(drawn(results, colours), colours.ground).encode()


def _pdf(results: Sequence[Result], ground: GroundName) -> bytes:
    colours = GROUNDS[ground]
    return pdf(drawn(results, colours), colours.ground, PICTURE_MARK)


_FORMS: Mapping[str, Callable[[Sequence[Result], GroundName], bytes]] = {
    ".png": png,
    ".svg": _svg,
    ".pdf": _pdf,
    ".csv": lambda results, _: _encodable(as_csv(results)).encode(),
    ".md": lambda results, _: _encodable(as_markdown(results)).encode(),
    ".json": lambda results, _: _json(results),
    ".npz": lambda results, _: _npz(results),
}
FORMS = tuple(_FORMS)
"""What names of files may end in."""
