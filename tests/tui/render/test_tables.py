"""Tables in a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from convtui.engine.figures.figure import Table
from tests.tui.render.decoding import plain, printed, widest


def lines(table: Table, **more: Any) -> list[str]:
    return plain(printed([table], **more))


def test_numbers_stand_flush_right_under_their_names() -> None:
    table = Table(
        "what the net gets wrong",
        ["class", "images", "share", "mean loss", "worst"],
        [["frog", 1000, 0.812, 0.43, None], ["cat", 12345, 0.512, 1.4321, float("nan")], ["ship", 7, None, 12.0, 0.25]],
        notes=["over the test images"],
        shares=["share"],
    )
    assert lines(table) == [
        "what the net gets wrong",
        "over the test images",
        "class  images   share  mean loss   worst",
        "frog    1,000  81.2 %       0.43       —",
        "cat    12,345  51.2 %       1.43     nan",
        "ship        7       —      12.00  0.2500",
    ]


def test_floats_far_apart_keep_their_digits() -> None:
    assert [line.split()[-1] for line in lines(Table("t", ["v"], [[1e-7], [123.456], [float("inf")]]))[2:]] == [
        "1e-7",
        "123.5",
        "inf",
    ]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_too_wide_tables_leave_whole_columns_out_and_say_which(width: int) -> None:
    names = [f"column{number:02}" for number in range(30)]
    text = printed([Table("wide", ["class", *names], [["x" * 90, *range(1000, 1030)], ["ship", *range(30)]])], width=width)
    assert widest(text) <= width
    shown = [name for name in names if name in plain(text)[1]]
    told = " ".join(plain(text)[4:])
    assert shown
    assert all((name in told) is (name not in shown) for name in names)
    assert "1,000" in plain(text)[2]


def test_texts_of_a_table_are_shortened_no_more_than_it_takes() -> None:
    table = Table("t", ["measure", "what it is"], [["accuracy", "share of the images that are classified correctly"]])
    assert lines(table, width=58)[-1] == "accuracy  share of the images that are classified correctly"[:57] + "…"
    assert lines(table, width=80)[-1] == "accuracy  share of the images that are classified correctly"


def test_long_tables_are_cut_and_say_so() -> None:
    table = Table("long", ["n"], [[number] for number in range(50)])
    shown = lines(table, rows=10, more=": --out FILE.json for all")
    assert len(shown) == 10
    assert shown[-1] == "7 of 50 rows shown: --out FILE.json for all"
    assert len(lines(table, rows=52)) == 52
    assert lines(Table("none", ["n", "m"], [])) == ["none", "n  m"]


def test_names_of_others_do_not_reach_the_terminal_as_escapes() -> None:
    bad = "\x1b[31mred\x07"
    assert lines(Table(bad, [bad], [[bad]], notes=[bad])) == ["\\x1b[31mred\\x07"] * 4
    assert "\x1b" not in printed([Table(bad, [bad], [[bad]])], colours=None)
