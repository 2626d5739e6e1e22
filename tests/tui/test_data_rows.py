"""A dataset in rows of a terminal: never more of them than there are, only whole images, every count true."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rich.cells import cell_len

from convtui.engine.data.preview import Preview
from convtui.engine.data.split import Split
from convtui.tui.app.new.data_rows import balance_line, data_page
from convtui.tui.render.pictures import BARE
from convtui.tui.render.rows import Row


def known(classes: int = 10, each: int = 8, side: int = 32, counts: list[int] | None = None, channels: int = 3) -> Preview:
    names = tuple(f"class{number}" for number in range(classes))
    labels = torch.arange(classes).repeat_interleave(each)
    # Every image of its class's own grey.
    images = (10 + labels * 200 // classes).to(torch.uint8)[:, None, None, None].expand(-1, channels, side, side).contiguous()
    train = tuple(counts or [500] * classes)
    return Preview("toy", names, train, (), (100,) * classes, Split(images, labels, names))


def text(rows: list[Row] | tuple[Row, ...]) -> list[str]:
    lines = []
    for row in rows:
        line = ""
        for words in row.words:
            line = f"{line:<{words.column}}{words.text}"
        lines.append(line)
    return lines


def painted(rows) -> int:
    """Half cells of colour."""
    return sum(int((row.cells != BARE).sum()) for row in rows if row.cells is not None)


@pytest.mark.parametrize("side", [4, 64, *(pytest.param(side, marks=pytest.mark.long) for side in (28, 300))])
@pytest.mark.parametrize("size", [(30, 8), (63, 33), (78, 21), pytest.param((198, 57), marks=pytest.mark.long)])
@pytest.mark.parametrize("colours", ["full", "none"])
@pytest.mark.parametrize("counts", [None, [3, 500, 40, 7, 90, 1, 1000, 12, 8, 77]])
def test_it_never_takes_more_room_than_there_is(side: int, size: tuple[int, int], colours, counts) -> None:
    page = data_page(known(side=side, counts=counts), "toy as the net sees it", size, 0, colours)
    width, height = size
    assert len(page.rows) <= height
    for row in page.rows:
        assert all(words.column + cell_len(words.text) <= width for words in row.words)
        assert row.cells is None or row.cells.shape[1] <= width


@pytest.mark.parametrize(("size", "classes"), [((65, 22), 2), ((98, 39), 6), ((131, 39), 8), ((198, 57), 10), ((40, 22), 1)])
def test_images_are_shown_whole_as_many_as_fit(size: tuple[int, int], classes: int) -> None:
    page = data_page(known(), "toy", size, 0, "full")
    assert page.count == classes
    assert painted(page.rows) % (32 * 32) == 0
    assert painted(page.rows) >= classes * 32 * 32
    for number in range(classes):
        assert any(f"class{number}" in line for line in text(page.rows))


def test_small_images_come_in_several_of_each_class() -> None:
    page = data_page(known(side=8), "toy", (137, 38), 0, "full")
    assert page.count == 10
    greys = [int(colour) & 0xFF for row in page.rows if row.cells is not None for colour in row.cells.ravel() if colour != BARE]
    shown, areas = np.unique(greys, return_counts=True)
    assert shown.tolist() == [10 + 20 * number for number in range(10)]
    assert len(set(areas.tolist())) == 1
    assert areas[0] >= 2 * 8 * 8


def test_paging_goes_through_all_classes_and_the_last_page_is_full() -> None:
    size = (131, 39)
    first = data_page(known(), "toy", size, 0, "full")
    assert text(first.rows)[-1] == "classes 1 to 8 of 10 · , . other classes · R other examples"
    last = data_page(known(), "toy", size, first.first + first.count, "full")
    assert (last.first, last.count) == (2, 8)
    assert any("class9" in line for line in text(last.rows))
    assert data_page(known(), "toy", size, -5, "full").first == 0


def test_even_classes_are_told_in_a_line() -> None:
    lines = text(data_page(known(), "toy", (98, 39), 0, "full").rows)
    assert "5,000 training + 1,000 test images in 10 classes" in lines
    assert "500 + 100 per class" in lines


def test_uneven_classes_get_bars_as_long_as_they_have_images() -> None:
    counts = [1000, 500, 250, 10, 1000, 1000, 1000, 1000, 1000, 1000]
    rows = text(data_page(known(counts=counts), "toy", (137, 38), 0, "full").rows)
    bars = {
        name: line.split(name)[1].split()[0].count("━")
        for line in rows
        for name in ("class0", "class1", "class2", "class3")
        if f"{name} " in line and "━" in line
    }
    assert bars["class1"] == bars["class0"] // 2
    assert bars["class2"] == bars["class0"] // 4
    assert bars["class3"] == 1
    assert any("10 + 100" in line for line in rows)


def test_uneven_classes_are_told_in_a_line_where_bars_would_cost_an_image() -> None:
    uneven = known(counts=[1000, 500, 250, 10, 1000, 1000, 1000, 1000, 1000, 1000])
    assert balance_line(uneven) == "training images per class: 10 (class3) to 1,000 (class0)"
    page = data_page(uneven, "toy", (78, 21), 0, "full")
    assert "training images per class: 10 (class3) to 1,000 (class0)" in text(page.rows)
    assert painted(page.rows) == 2 * 32 * 32


def test_a_class_without_a_readable_image_has_an_empty_place() -> None:
    whole = known(classes=3)
    kept = whole.examples.labels != 1
    some = Preview("toy", whole.classes, whole.train, (), whole.test, whole.examples.select(torch.nonzero(kept).flatten()))
    page = data_page(some, "toy", (198, 57), 0, "full")
    lines = text(page.rows)
    assert all(any(name in line for line in lines) for name in whole.classes)
    assert any("·" in line for line in lines[:-1])
    nothing = Preview("toy", whole.classes, whole.train, (), whole.test, whole.examples.select(torch.zeros(0, dtype=torch.int64)))
    assert not painted(data_page(nothing, "toy", (137, 38), 0, "full").rows)
