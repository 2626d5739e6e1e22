"""The images below a picture: what is said of each of them can be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from textual.app import App
from textual.widget import Widget

from convtui.engine.figures.figure import Tile, make_sheet
from convtui.engine.lens.subject import Prediction
from convtui.tui.app.look.image_strip import ImageStrip
from convtui.tui.session.inspector import ThumbnailRequest, Thumbnails
from tests.harness.screen import piloted

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
DIGITS = tuple(map(str, range(10)))
LONG = tuple(f"{name}, tiger shark, Galeocerdo cuvieri" for name in CIFAR10)
TOTAL = 10_000


class Strip(App[None]):
    def compose(self) -> Iterable[Widget]:
        yield ImageStrip()


def images(classes: Sequence[str], *, files: Sequence[str] = ()) -> Thumbnails:
    """32 of them, each taken for the class after its own, without any doubt."""
    tiles = [Tile(np.full((8, 8), 0.5, np.float32)) for _ in range(32)]
    told = [
        Prediction(number % 10, (number + 1) % 10, tuple(float(label == (number + 1) % 10) for label in range(10)))
        for number in range(32)
    ]
    request = ThumbnailRequest(1, "last", "test", 0, 32)
    return Thumbnails(request, len(files) or TOTAL, make_sheet("", tiles, "grey"), told, classes, files=files)


async def words(classes: Sequence[str], width: int, files: Sequence[str] = ()) -> list[str]:
    """The lines below the images."""
    async with Strip().run_test(size=(width, 36)) as pilot:
        strip = pilot.app.query_one(ImageStrip)
        strip.begin("test images")
        strip.show(images(classes, files=files), "")
        strip.fit_to(36)
        await pilot.pause()
        return [strip.render_line(y).text for y in range(strip.size.height)][-2:]


@pytest.mark.parametrize("width", [80, 120, 250])
@pytest.mark.parametrize("classes", [CIFAR10, DIGITS], ids=["cifar10", "digits"])
@piloted
async def test_names_of_classes_are_whole(classes: Sequence[str], width: int) -> None:
    first, second = await words(classes, width)
    shown = first.count("#")
    assert shown >= width // 21
    for number in range(shown):
        assert f"#{number} {classes[number % 10]} " in f"{first} "
    assert second.split() == [word for number in range(shown) for word in ("✗", classes[(number + 1) % 10], "100", "%")]


@piloted
async def test_of_what_is_too_long_the_end_of_the_name_is_left_out_and_never_the_number() -> None:
    first, second = await words(LONG, 120)
    assert first.split("#")[1].strip() == "0 airplane, tiger sh…"
    assert second.count("100 %") == first.count("#")
    assert "✗ automobile, t… 100 %" in second


@piloted
async def test_short_classes_leave_pictures_of_ones_own_the_room_for_their_names() -> None:
    first, _ = await words(DIGITS, 120, [f"/pictures/our-holiday-{number:02}.png" for number in range(32)])
    assert first.split() == [f"our-holiday-{number:02}.png" for number in range(first.count("holiday"))]
