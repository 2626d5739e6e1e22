"""The answers that one view gave of several snapshots and runs, kept so that they can be leafed through, and their common scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from convtui.engine.figures.figure import Result, Sheet
from convtui.tui.session.inspector import Answer, Found, Options, Query

MOST_BYTES = 256 << 20
"""Of the values of all answers: nothing is computed ahead beyond that."""
IMAGES = (0, 255)
"""The scale of images as they are, which is the same everywhere."""


class Known:
    """What was found of one view with its options. What is asked of another view or with other options begins from nothing."""

    def __init__(self) -> None:
        self._of: tuple[str, Options] = ("", ())
        self._found: dict[Query, Found] = {}
        self._scales: dict[int, tuple[str, float, float]] = {}
        """Of which result -> its ramp and the least and greatest value of its scale."""
        self._bytes = 0

    def begin(self, query: Query) -> bool:
        """Forget what is of another view or other options. Gives whether anything else is asked than before."""
        if (query.view, query.options) == self._of:
            return False
        self.forget()
        self._of = (query.view, query.options)
        return True

    def forget(self) -> None:
        self._found.clear()
        self._scales.clear()
        self._bytes = 0

    def keep(self, found: Found) -> bool:
        """Remember it. Gives whether the common scale is another now."""
        if (found.query.view, found.query.options) != self._of or found.query in self._found:
            return False
        self._found[found.query] = found
        if not isinstance(found.answer, Answer):
            return False
        sheets = _scaled(found.answer.results)
        self._bytes += sum(tile.pixels.nbytes for sheet in sheets.values() for tile in sheet.tiles)
        before = dict(self._scales)
        for number, sheet in sheets.items():
            ramp, low, high = self._scales.get(number, (sheet.ramp, sheet.low, sheet.high))
            if ramp == sheet.ramp:
                self._scales[number] = (ramp, min(low, sheet.low), max(high, sheet.high))
        return before != self._scales

    def get(self, query: Query) -> Found | None:
        return self._found.get(query)

    @property
    def has_room(self) -> bool:
        """Whether more may be computed ahead."""
        return self._bytes < MOST_BYTES

    @property
    def count(self) -> int:
        """How many answers there are; the last weights, known by their number too, give one."""
        return len({id(found.answer.results) for found in self._found.values() if isinstance(found.answer, Answer)})

    def on_one_scale(self, results: Sequence[Result]) -> list[Result]:
        """Results with their colours on the scale of all that is known of them, and a note that says so."""
        if self.count < 2:
            return list(results)
        scaled = _scaled(results)
        told = [f"colours mean the same in all {self.count} seen so far: one scale for them"]
        found = list(results)
        for number, sheet in scaled.items():
            ramp, low, high = self._scales.get(number, (sheet.ramp, sheet.low, sheet.high))
            if ramp == sheet.ramp:
                found[number] = replace(sheet, low=low, high=high, notes=[*sheet.notes, *told])
                told = []
        return found


def _scaled(results: Sequence[Result]) -> dict[int, Sheet]:
    """The sheets whose colours stand for values on a scale of their own, with their numbers."""
    sheets = {number: result for number, result in enumerate(results) if isinstance(result, Sheet)}
    return {
        number: sheet
        for number, sheet in sheets.items()
        if sheet.tiles and not sheet.own_scale and (sheet.low, sheet.high) != IMAGES
    }
