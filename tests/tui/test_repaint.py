"""What is written to the terminal of a line that has changed."""

from __future__ import annotations

import io

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from convtui.tui.app.widgets.cropped import Cropped

RED = Style(color="red")


def written(spans: list[tuple[int, int, int]]) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor")
    first, second = Strip([Segment("0123"), Segment("4567", RED)]), Strip([Segment("abcdefgh", RED)])
    return Cropped([{0: first, 8: second}], spans, [[8, 16]]).render_segments(console)


def test_of_a_line_only_the_changed_cells_are_written() -> None:
    assert written([(0, 2, 3)]) == "\x1b[1;3H2"
    assert written([(0, 5, 7)]) == f"\x1b[1;6H{RED.render('56')}"
    assert written([(0, 7, 9)]) == f"\x1b[1;8H{RED.render('7')}\x1b[1;9H{RED.render('a')}"
    assert written([(0, 0, 16)]) == f"\x1b[1;1H0123{RED.render('4567')}\x1b[1;9H{RED.render('abcdefgh')}"
