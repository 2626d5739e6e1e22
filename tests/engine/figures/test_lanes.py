"""Columns of box-drawing characters are lines and discs in a picture, joined from row to row."""

from __future__ import annotations

from convtui.engine.figures.drawing.canvas import Disc, Line
from convtui.engine.figures.drawing.lanes import are_lanes, drawn_lanes
from convtui.engine.figures.ground import GROUNDS


def test_lines_meet_from_row_to_row_and_words_are_no_lines() -> None:
    lanes = ["●─╮", "● │", "●─╯", "●  "]
    assert are_lanes(lanes)
    assert not are_lanes(["●", "word"])
    assert not are_lanes(["", ""])
    shapes = drawn_lanes(lanes, 10, GROUNDS["dark"]).shapes
    assert [(shape.x, shape.y) for shape in shapes if isinstance(shape, Disc)] == [(4, 5), (4, 15), (4, 25), (4, 35)]
    lines = [sorted(map(tuple, shape.points.tolist())) for shape in shapes if isinstance(shape, Line)]
    down = [ends for ends in lines if ends[0][0] == ends[1][0] == 4]
    assert min(ends[0][1] for ends in down) == 5
    assert max(ends[1][1] for ends in down) == 35
    assert [(20, 5), (20, 10)] in lines, "the skip begins in the first row"
    assert [(20, 10), (20, 20)] in lines
    assert [(20, 20), (20, 25)] in lines, "and ends in the third"
