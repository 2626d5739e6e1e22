"""What several nets show of themselves stands beside each other, on one scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convtui.engine.figures.figure import Curves, Result, Sheet, Table, Tile, make_sheet
from convtui.engine.figures.joining import joined


def sheet(most: float, *, title: str = "", own_scale: bool = False) -> Sheet:
    tiles = [Tile(np.full((2, 2), most, np.float32), "a"), Tile(np.zeros((2, 2), np.float32))]
    return make_sheet(title, tiles, "grey", signed=True, own_scale=own_scale)


def test_sheets_stand_beside_the_first_on_the_widest_scale() -> None:
    image = Sheet("image", [Tile(np.ones((2, 2), np.float32), "#1")], "grey", 0, 255)
    looks: list[list[Result]] = [[image, sheet(1, title="epoch 1")], [image, sheet(3, title="epoch 2")], [image, sheet(2)]]
    found = joined(looks)
    assert [result.title for result in found] == ["image", "epoch 1", "epoch 2", ""]
    sheets = [result for result in found[1:] if isinstance(result, Sheet)]
    assert [(each.low, each.high) for each in sheets] == [(-3, 3)] * 3
    assert [each.beside for each in sheets] == [False, True, True]


def test_patches_stay_beside_their_projections() -> None:
    looks = [[sheet(1, title=f"projections {net}"), replace(sheet(9, title=f"patches {net}"), beside=True)] for net in (1, 2)]
    found = joined(looks)
    assert [result.title for result in found] == ["projections 1", "patches 1", "projections 2", "patches 2"]
    assert [result.high for result in found if isinstance(result, Sheet)] == [1, 9, 1, 9]


def test_one_look_and_own_scales_are_left_as_they_are() -> None:
    alone: list[Result] = [sheet(1)]
    assert joined([alone]) == alone
    first, second = joined([[sheet(1, own_scale=True)], [sheet(3, own_scale=True)]])
    assert isinstance(first, Sheet)
    assert isinstance(second, Sheet)
    assert (first.high, second.high) == (1, 3)


def test_curves_and_tables_of_each_net_follow_each_other() -> None:
    curves = Curves("c", "x", np.arange(2.0), {"a": np.arange(2.0)})
    table = Table("t", ["a"], [[1]])
    found = joined([[table, curves], [table, curves, table]])
    assert [type(result) for result in found] == [Table, Table, Curves, Curves, Table]
    assert [result.beside for result in found if isinstance(result, Curves)] == [False, True]
