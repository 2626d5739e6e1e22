"""Snapshots as ticks on a line."""

from __future__ import annotations

import pytest
from rich.style import Style

from convtui.tui.render.slider import Slider


@pytest.mark.parametrize("count", [2, 9, 300])
@pytest.mark.parametrize("width", [40, 78, 150])
def test_every_snapshot_is_found_at_its_tick_and_the_point_is_where_it_is(count: int, width: int) -> None:
    slider = Slider(range(count), "epoch", width)
    assert slider.places == sorted(slider.places)
    line = slider.drawn(count - 2, {0, count - 1}, "Space plays", bright=Style(), dim=Style(dim=True)).plain
    assert len(line) <= width
    assert line.startswith("epoch ")
    assert line.index("●") == slider.places[count - 2]
    if count <= width // 3:
        assert [slider.nearest(place) for place in slider.places] == list(range(count))
        assert line.count("┼") == count - 1
    assert slider.nearest(0) == 0
    assert slider.nearest(width) == next(number for number, place in enumerate(slider.places) if place == slider.places[-1])


def test_the_hint_has_room() -> None:
    assert Slider(range(9), "epoch", 72).drawn(3, (), "[ ] · Space plays", bright=Style(), dim=Style()).plain.endswith("plays")
