"""Images of several names, all as they were at one step."""

from __future__ import annotations

from pathlib import Path

from convtui.engine.store.images import LoggedImages
from convtui.tui.render.step_slider import StepSlider, at_step


def test_it_stands_at_the_end_until_it_is_moved_and_again_at_the_end() -> None:
    slider = StepSlider()
    assert (slider.step, slider.words(80, "[ ]")) == (None, "")
    slider.move(-1)
    slider.hold([5, 10, 15, 10])
    assert slider.step == 15
    slider.hold([5, 10, 15, 20])
    assert slider.step == 20
    slider.move(-2)
    slider.hold([5, 10, 15, 20, 25])
    assert slider.step == 10
    assert slider.words(80, "[ ]") == "step 10 ━━━━●────────── 2/5  [ ]"
    slider.hold([5, 20, 25])
    assert slider.step == 5, "its step was given up: the one before"
    slider.move(9)
    slider.hold([5, 20, 25, 30])
    assert slider.step == 30
    slider.end(0)
    assert slider.step == 5
    assert all(len(slider.words(width, "[ ]")) <= max(width, 20) for width in range(10, 60))


def test_of_each_name_the_images_up_to_the_step_are_shown() -> None:
    kept = [LoggedImages(name, step, Path("x")) for name, step in (("a", 1), ("a", 5), ("a", 9), ("b", 4), ("c", 7))]
    assert [(each.name, each.step) for each in at_step(kept, 5)] == [("a", 5), ("b", 4)]
    assert [(each.name, each.step) for each in at_step(kept, 100)] == [("a", 9), ("b", 4), ("c", 7)]
    assert at_step(kept, 0) == []
