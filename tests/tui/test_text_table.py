"""Which columns a table shows where there is little room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convtui.tui.app.widgets.text_table import Head, fitting

HEADS = (Head("run", least=8), Head("status"), Head("loss", right=True), Head("time", right=True))
WIDTHS = (20, 8, 5, 4)  # 37, and 6 between them


@pytest.mark.parametrize(
    ("room", "shown"),
    [
        (43, [(0, 20), (1, 8), (2, 5), (3, 4)]),
        (42, [(0, 19), (1, 8), (2, 5), (3, 4)]),
        (31, [(0, 8), (1, 8), (2, 5), (3, 4)]),
        # 30 is one too few: the time goes, and the name gets 30 - 8 - 5 - 4 = 13.
        (30, [(0, 13), (1, 8), (2, 5)]),
        (24, [(0, 17), (2, 5)]),
        (3, [(0, 8), (2, 5)]),
    ],
)
def test_names_are_cut_first_then_columns_go(room: int, shown: list[tuple[int, int]]) -> None:
    assert fitting(HEADS, WIDTHS, room, ("time", "status")) == shown


@given(st.lists(st.integers(1, 30), min_size=4, max_size=4), st.integers(0, 200))
def test_it_is_never_wider_than_the_room_while_something_can_go(widths: list[int], room: int) -> None:
    shown = fitting(HEADS, widths, room, ("time", "status", "loss"))
    used = sum(width + 2 for _, width in shown) - 2
    assert used <= room or shown == [(0, min(widths[0], 8))]
    assert all(width <= widths[place] for place, width in shown)
