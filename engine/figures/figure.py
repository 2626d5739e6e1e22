"""Figures: contact sheets, curves and tables. Plain values and NumPy arrays, drawn and saved elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
Ramp = Literal["grey", "even", "diverging", "rgb"]
"""How values become colours: black to white; dark to bright in perceptually even steps; two hues that meet in mid-grey; or the
three values of a pixel as its red, green and blue."""
Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Target:
    """What a tile, point, row or cell stands for, and so where following it leads. None is: not said."""

    layer: str | None = None
    map: int | None = None
    """A feature map, or a unit of a dense layer."""
    row: int | None = None
    column: int | None = None
    image: int | None = None
    """Its place in the split."""
    label: int | None = None
    """A class, as its place in the dataset's classes."""
    predicted: int | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Tile:
    """One picture of a sheet."""

    pixels: Pixels
    """Raw values, float32 [H, W] or [H, W, 3]; not-a-number where there is nothing to show."""
    caption: str = ""
    target: Target | None = None


@dataclass(frozen=True, eq=False)
class Sheet:
    """A contact sheet: tiles of one shape in reading order, and how their values map to colours.

    Tiles come in blocks of `block` (rows, columns) tiles, one block after the other: a sheet of top nines has a block of 3 x 3
    a map. Most sheets have blocks of one tile.
    """

    title: str
    tiles: Sequence[Tile]
    ramp: Ramp
    low: float
    """The value of the ramp's lower end; what is smaller is shown as this is."""
    high: float
    own_scale: bool = False
    """True where each tile is stretched to its own range, as was asked for; `low` and `high` are then over all tiles."""
    block: tuple[int, int] = (1, 1)
    captions: Sequence[str] = ()
    """One a block, where a block has several tiles; else none."""
    notes: Sequence[str] = ()
    """Lines for people: what is shown and what was left out."""
    beside: bool = False
    """Whether each block belongs beside the same block of the sheet before it, as patches beside their projections."""
    over_rows: bool = False
    """Whether the columns of each tile stand for the rows of the one image that it is of, as a recurrent net reads them."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of each tile in pixels."""
        height, width = self.tiles[0].pixels.shape[:2]
        return height, width

    @property
    def blocks(self) -> list[Sequence[Tile]]:
        """The tiles block by block."""
        each = self.block[0] * self.block[1]
        return [self.tiles[first : first + each] for first in range(0, len(self.tiles), each)]

    @property
    def is_photographs(self) -> bool:
        """Whether its tiles are images as people know them, which need no scale."""
        return self.ramp in ("grey", "rgb") and (self.low, self.high) == (0, 255) and not self.own_scale

    @property
    def scale(self) -> str:
        """The scale in words: its range, and how far values are amplified where zero is in the middle."""
        if self.own_scale:
            return f"each tile has its own scale, within {self.low:.3g} to {self.high:.3g}"
        if self.low == -self.high:
            return f"{self.low:.3g} to {self.high:.3g}, zero is mid-grey, gain {1 / self.high:.3g}"
        return f"{self.low:.3g} to {self.high:.3g}"


Style = Literal["line", "points", "bars"]
Band = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Lower and upper ends, each as long as the series around which they are."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Series over one axis: lines, points or bars.

    A scatter plot is a series of points for each group, which is not-a-number at the points of all other groups.
    """

    title: str
    x_name: str
    x: NDArray[np.float64]
    series: Mapping[str, NDArray[np.float64]]
    """Each as long as `x`, or as its `own_x`; not-a-number where there is nothing to show."""
    y_name: str = ""
    targets: Sequence[Target | None] = ()
    """One for each point of `x`, or none at all."""
    notes: Sequence[str] = ()
    shares: bool = False
    """Whether the values are shares of a whole: their axis then lies within 0 and 1."""
    styles: Mapping[str, Style] = field(default_factory=dict)
    """Of the series that are not lines. Bars stand on zero, those of several series beside each other."""
    bands: Mapping[str, Band] = field(default_factory=dict)
    """Around a series of that name: drawn as an area around a line, as error bars at points and bars."""
    own_x: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Of the series that were measured elsewhere than at `x`."""
    labels: Sequence[str] = ()
    """One for each point of `x`, or none at all: written below bars, in place of numbers, and beside points."""
    log_x: bool = False
    log_y: bool = False
    """Whether an axis is logarithmic; what is not above zero is then left out."""
    seconds: bool = False
    """Whether `x` is a time in seconds, written as 1:15."""
    beside: bool = False
    """Whether it belongs beside the curves before it, where there is room."""

    def x_of(self, name: str) -> NDArray[np.float64]:
        """Where the values of a series are."""
        return self.own_x.get(name, self.x)


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of text, whole numbers, floats, or None where there is nothing to say."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    targets: Sequence[Target | None] = ()
    """One for each row, or none at all."""
    notes: Sequence[str] = ()
    shares: Sequence[str] = ()
    """Columns that hold fractions, which people read as percent."""
    matrix: Mapping[str, Sequence[Target | None]] = field(default_factory=dict)
    """Columns that are a matrix of counts, or of shares, right behind the first column -> where their cells lead, one for each row.
    They are drawn as a heat map: narrow, and each cell shaded by its share of its row."""


Result = Sheet | Curves | Table


def make_sheet(
    title: str,
    tiles: Sequence[Tile],
    ramp: Ramp,
    *,
    signed: bool | None = None,
    own_scale: bool = False,
    block: tuple[int, int] = (1, 1),
    captions: Sequence[str] = (),
    notes: Sequence[str] = (),
    beside: bool = False,
) -> Sheet:
    """A sheet whose scale fits its tiles: about zero where it is `signed`, else from the least value to the greatest.

    Where not said, `signed` is for ramps with a middle; a scale that would be empty is given a width of one.
    """
    finite = [values for tile in tiles if (values := tile.pixels[np.isfinite(tile.pixels)]).size]
    low, high = (min(float(v.min()) for v in finite), max(float(v.max()) for v in finite)) if finite else (0.0, 0.0)
    if signed if signed is not None else ramp == "diverging":
        high = max(abs(low), abs(high)) or 0.5
        low = -high
    elif high <= low:
        low, high = low - 0.5, low + 0.5
    return Sheet(title, tiles, ramp, low, high, own_scale, block, captions, notes, beside)
