"""Results of one view, of several nets or epochs, on one page: alike beside each other, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

import numpy as np

from convtui.engine.figures.figure import Curves, Result, Sheet


def joined(looks: Sequence[Sequence[Result]]) -> list[Result]:
    """The first results of each look that belong beside each other, then the second of each, and so on; one look is left as it is.

    Sheets and curves stand beside those of the first look. Sheets whose tiles are on one scale each get the widest of them, so that
    colours mean the same. Images that are there already, pixel by pixel and word by word, are left out.
    """
    if len(looks) == 1:
        return list(looks[0])
    found: list[Result] = []
    for alike in zip_longest(*map(_groups, looks)):
        found += _beside([group for group in alike if group is not None])
    return found


def _groups(results: Sequence[Result]) -> list[list[Result]]:
    """Each result with those that belong beside it."""
    groups: list[list[Result]] = []
    for result in results:
        if groups and isinstance(result, Sheet | Curves) and result.beside:
            groups[-1].append(result)
        else:
            groups.append([result])
    return groups


def _beside(alike: Sequence[Sequence[Result]]) -> list[Result]:
    """Groups of one kind, one a look."""
    scales = [_scale([result for result in place if isinstance(result, Sheet)]) for place in zip_longest(*alike)]
    kept: list[Result] = []
    for group in alike:
        for result, (low, high) in zip(group, scales, strict=False):
            if isinstance(result, Sheet):
                if any(isinstance(other, Sheet) and _same(result, other) for other in kept):
                    continue
                scaled = result if result.own_scale or low >= high else replace(result, low=low, high=high)
                kept.append(replace(scaled, beside=scaled.beside or bool(kept)))
            elif isinstance(result, Curves):
                kept.append(replace(result, beside=result.beside or bool(kept)))
            else:
                kept.append(result)
    return kept


def _scale(sheets: Sequence[Sheet]) -> tuple[float, float]:
    """The widest of their scales, about zero where they are; (0, 0) of none."""
    shared = [sheet for sheet in sheets if not sheet.own_scale and sheet.tiles]
    if not shared:
        return 0.0, 0.0
    return min(sheet.low for sheet in shared), max(sheet.high for sheet in shared)


def _same(sheet: Sheet, other: Sheet) -> bool:
    """Whether both show the same images, which are known by their scale."""
    if (sheet.low, sheet.high) != (0, 255) or (sheet.ramp, len(sheet.tiles)) != (other.ramp, len(other.tiles)):
        return False
    pairs = zip(sheet.tiles, other.tiles, strict=True)
    return all(a.caption == b.caption and np.array_equal(a.pixels, b.pixels, equal_nan=True) for a, b in pairs)
