"""A matrix of counts in a terminal: every column where there is room, and what is left out said."""

from __future__ import annotations

import numpy as np
import pytest

from convtui.engine.figures.colour import ramp
from convtui.engine.figures.figure import Table, Target
from convtui.tui.render.items import drawn
from convtui.tui.render.matrices import matrix_rows, plan
from convtui.tui.render.rows import segments
from convtui.tui.render.thumbnails import shrunk


def matrix(classes: int, most: int) -> Table:
    names = [f"class number {number}" for number in range(classes)]
    rows = [[name, *[most if row == column else row % 3 for column in range(classes)], 0.5] for row, name in enumerate(names)]
    cells = {name: [Target(label=row, predicted=column) for row in range(classes)] for column, name in enumerate(names)}
    return Table("counts", ("true class", *names, "accuracy"), rows, [], ["a note"], ("accuracy",), cells)


def texts(table: Table, width: int) -> list[str]:
    return ["".join(segment.text for segment in segments(row, "full")) for row in matrix_rows(table, width)]


@pytest.mark.parametrize("most", [1, 1000, 9999])
def test_ten_classes_have_room_in_seventy_eight_columns(most: int) -> None:
    lines = texts(matrix(10, most), 78)
    assert max(map(len, lines)) <= 78
    assert lines[2].split()[-11:] == [*map(str, range(10)), "accuracy"], "names that begin alike are told by their numbers"
    for row in range(10):
        counts = [str(most) if row == column else str(row % 3) if row % 3 else "·" for column in range(10)]
        assert lines[3 + row].split()[-12:-2] == counts
        assert lines[3 + row].endswith("50.0 %")
    assert not any("too wide" in line for line in lines)


@pytest.mark.parametrize(("classes", "width"), [(100, 120), (100, 40), (10, 30), (2, 10), (3, 1)])
def test_nothing_is_wider_than_the_terminal_and_what_is_left_out_is_said(classes: int, width: int) -> None:
    table = matrix(classes, 123456)
    lines = texts(table, width)
    shown = plan(table, width).shown
    assert ("toowide" in "".join(lines).replace(" ", "")) == (shown < classes)
    assert max(map(len, lines)) <= width


def test_a_cell_is_as_bright_as_the_root_of_its_share() -> None:
    table = Table("", ("true class", "a", "b"), [["a", 3, 1], ["b", 0, 4]], matrix={"a": [None, None], "b": [None, None]})
    found = {}
    for item in drawn([table], 60, 20, "full").items:
        if item.column is not None:
            words = next(w for w in drawn([table], 60, 20, "full").rows[item.top].words if w.column == item.left)
            found[item.index, item.column] = words.text.strip(), words.style.bgcolor and tuple(words.style.bgcolor.get_truecolor())
    shade = {share: tuple(int(part) for part in ramp("even")[round(255 * np.sqrt(share))]) for share in (0.75, 0.25, 1)}
    assert found == {
        (0, "a"): ("3", shade[0.75]),
        (0, "b"): ("1", shade[0.25]),
        (1, "a"): ("·", None),
        (1, "b"): ("4", shade[1]),
    }


def test_thumbnails_are_means_of_areas() -> None:
    image = np.arange(16, dtype=np.uint8).reshape(4, 4, 1).repeat(3, 2) * 10
    assert shrunk(image, 2)[..., 0].tolist() == [[25, 45], [105, 125]]
    thirds = shrunk(image[:, :, :], 3)[..., 1]
    # The first of three parts of four pixels is one whole pixel and a third of the next, in both directions.
    weights = np.array([1, 1 / 3, 0, 0]) / (4 / 3)
    assert thirds[0, 0] == round(float(weights @ image[..., 0].astype(float) @ weights))
    assert shrunk(image, 9).shape == (8, 8, 3)
    assert (shrunk(np.full((7, 5, 3), 200, np.uint8), 4) == 200).all()
