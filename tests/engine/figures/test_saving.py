"""What is written is what was seen: numbers come back as they were, and pixels stand where they should in their true colours."""

from __future__ import annotations

import json
import math
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convtui.engine.errors import UsageError
from convtui.engine.figures.axis import COLOURS
from convtui.engine.figures.colour import ramp
from convtui.engine.figures.figure import Curves, Result, Sheet, Table, Target, Tile, make_sheet
from convtui.engine.figures.ground import GROUNDS
from convtui.engine.figures.saving import as_json, check, picture, save

NAN = math.nan
DARK = GROUNDS["dark"]
PIXELS = np.random.default_rng(0).normal(size=(4, 5, 5)).astype(np.float32)
FILTERS = make_sheet(
    "filters of conv1",
    [Tile(pixels, f"filter {number} ×", Target("conv1", number)) for number, pixels in enumerate(PIXELS)],
    "grey",
    signed=True,
    notes=["a note"],
)
PATCHES = Sheet(
    "patches",
    [Tile(np.full((2, 3, 3), 7, np.float32), "#3", Target(image=3, label=0)), Tile(np.full((2, 3, 3), NAN, np.float32))],
    "rgb",
    0,
    255,
    block=(1, 2),
    captions=["map 0"],
    beside=True,
)
LOSS = Curves("loss", "epoch", np.array([1.0, 2.0, 3.0]), {"train": np.array([2.5, NAN, 0.5]), "x": np.zeros(3)}, "cross entropy")
LAYERS = Table(
    "layers",
    ["name", "file", "share", "mean", "note"],
    [["conv1", 12, 0.512, 1.25, None], ["dense1", 3000, 1.0, None, "→ wide"]],
    targets=[Target("conv1"), None],
    shares=["share"],
)
RESULTS: list[Result] = [FILTERS, PATCHES, LOSS, LAYERS]


def in_file(results: list[Result], path: Path) -> Any:
    save(results, path)
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    return json.loads(path.read_text("utf-8"), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


# ----------------------------------------------------------------------------------------------------------- npz


def test_npz_holds_raw_values_without_pickles(tmp_path: Path) -> None:
    found = in_file(RESULTS, tmp_path / "all.npz")
    assert not any(values.dtype == object for values in found.values())
    assert found["tiles"].dtype == np.float32
    assert (found["tiles"] == PIXELS).all()
    assert found["captions"].tolist() == [f"filter {number} ×" for number in range(4)]
    assert found["high"] == np.abs(PIXELS).max() == -found["low"]
    assert found["2.tiles"].shape == (2, 2, 3, 3)
    assert (found["2.tiles"][0] == 7).all()
    assert np.isnan(found["2.tiles"][1]).all()
    assert found["2.captions"].tolist() == ["#3", ""]
    assert found["3.train"] == pytest.approx([2.5, NAN, 0.5], nan_ok=True)
    assert found["4.name"].tolist() == ["conv1", "dense1"]
    assert found["4.file"].dtype == np.int64
    assert found["4.file"].tolist() == [12, 3000]
    assert found["4.mean"] == pytest.approx([1.25, NAN], nan_ok=True)
    assert found["4.note"].tolist() == ["", "→ wide"]


def test_npz_of_one_result_has_plain_keys_and_loses_none(tmp_path: Path) -> None:
    curves = in_file([LOSS], tmp_path / "loss.npz")
    assert set(curves) == {"x", "train", "x_"}
    assert curves["x"].tolist() == [1, 2, 3]
    assert curves["x_"].tolist() == [0, 0, 0]
    named = Table("", ["file", "allow_pickle", "a/b", "file"], [[1, 2.5, "c", 4]])
    assert {key: values.item() for key, values in in_file([named], tmp_path / "t.npz").items()} == {
        "file": 1,
        "allow_pickle": 2.5,
        "a/b": "c",
        "file_": 4,
    }


def test_npz_of_nothing_loads(tmp_path: Path) -> None:
    empty: list[Result] = [Sheet("", [], "grey", 0, 1), Table("", ["a"], []), Curves("", "", np.zeros(0), {})]
    assert all(values.size == (key in ("low", "high")) for key, values in in_file(empty, tmp_path / "e.npz").items())
    assert in_file([], tmp_path / "none.npz") == {}


# ---------------------------------------------------------------------------------------------------------- json


def test_json_holds_everything_strictly(tmp_path: Path) -> None:
    found = in_file(RESULTS, tmp_path / "all.json")["results"]
    assert [result["kind"] for result in found] == ["sheet", "sheet", "curves", "table"]
    for result, told in zip(RESULTS, found, strict=True):
        assert set(told) == {"kind", *(field.name for field in fields(result))}
    filters, patches, loss, layers = found
    assert np.array([tile["pixels"] for tile in filters["tiles"]], np.float32).tolist() == PIXELS.tolist()
    assert filters["tiles"][2]["target"] == {"layer": "conv1", "map": 2}
    assert filters["tiles"][2]["caption"] == "filter 2 ×"
    assert filters["notes"] == ["a note"]
    assert (filters["low"], filters["high"]) == (FILTERS.low, FILTERS.high)
    assert patches["tiles"][0]["target"] == {"image": 3, "label": 0}
    assert patches["tiles"][1] == {"pixels": [[[None] * 3] * 3] * 2, "caption": "", "target": None}
    assert (patches["beside"], patches["block"], patches["captions"], patches["ramp"]) == (True, [1, 2], ["map 0"], "rgb")
    assert loss["series"] == {"train": [2.5, None, 0.5], "x": [0, 0, 0]}
    assert layers["rows"] == [["conv1", 12, 0.512, 1.25, None], ["dense1", 3000, 1.0, None, "→ wide"]]
    assert layers["targets"] == [{"layer": "conv1"}, None]


def test_what_is_not_finite_is_null_in_json() -> None:
    endless = Table("", ["a"], [[math.inf], [-math.inf], [NAN]])
    assert json.dumps(as_json([endless])["results"][0]["rows"], allow_nan=False) == "[[null], [null], [null]]"


def test_names_that_are_no_text_survive(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    results: list[Result] = [Sheet(name, [Tile(PIXELS[0], name)], "grey", -1, 1), Table("", [name], [[name]])]
    assert in_file(results, tmp_path / "odd.json")["results"][0]["tiles"][0]["caption"] == name
    assert in_file(results, tmp_path / "odd.npz")["captions"].tolist() == [name]
    save(results, tmp_path / "odd.png")


# --------------------------------------------------------------------------------------------------------- files


def test_other_names_and_folders_that_are_missing_are_refused(tmp_path: Path) -> None:
    for name in ("picture.gif", "picture", "picture.png.txt"):
        with pytest.raises(UsageError, match=r"the name must end in \.png, \.svg, \.pdf, \.csv, \.md, \.json or \.npz"):
            save(RESULTS, tmp_path / name)
    for ask in (check, lambda path: save(RESULTS, path)):
        with pytest.raises(UsageError, match=r"missing/a\.npz cannot be written: there is no folder"):
            ask(tmp_path / "missing" / "a.npz")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UsageError, match=r"folder\.png cannot be written: .*directory"):
        save(RESULTS, tmp_path / "folder.png")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


@pytest.mark.parametrize("name", ["a.PNG", "a.Json", "a.NPZ"])
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / name
    save(RESULTS, path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="cannot be written: No space left on device"):
        save([LAYERS], path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# ------------------------------------------------------------------------------------------------------ pictures


def png(results: list[Result], path: Path) -> NDArray[np.uint8]:
    save(results, path)
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image)


def box(pixels: NDArray[np.uint8], colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Top, left, height, width of what has this colour, which must fill a rectangle."""
    rows, columns = np.nonzero((pixels == colour).all(axis=2))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert len(rows) == height * width, "not a rectangle"
    return int(rows.min()), int(columns.min()), int(height), int(width)


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text as it is drawn."""
    drawn: list[str] = []
    draw_text = ImageDraw.ImageDraw.text

    def text(self: ImageDraw.ImageDraw, xy: Any, text: str, *arguments: Any, **options: Any) -> None:
        drawn.append(text)
        draw_text(self, xy, text, *arguments, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return drawn


def test_pixels_become_squares_of_their_own_colour(tmp_path: Path) -> None:
    colours = [[(200, 10, 30), (10, 200, 30), (1, 2, 250)], [(251, 240, 3), (10, 220, 230), (220, 9, 230)]]
    pixels = png([Sheet("", [Tile(np.array(colours, np.float32))], "rgb", 0, 255)], tmp_path / "a.png")
    top, left, side, _ = box(pixels, colours[0][0])
    assert side * 3 == 192
    for row, line in enumerate(colours):
        for column, colour in enumerate(line):
            assert box(pixels, colour) == (top + row * side, left + column * side, side, side)


def test_values_get_the_colours_of_the_scale(tmp_path: Path) -> None:
    values = np.array([[-2.0, 0.0], [1.0, 2.0]], np.float32)
    pixels = png([Sheet("", [Tile(values)], "grey", -2, 2)], tmp_path / "a.png")
    # The first tile stands under the title, at the margin; 192 pixels for two values.
    top = 24 + int(np.argmax((pixels[24:, 24:216] == [0, 0, 0]).all(axis=2)[:, 0]))
    tile = pixels[top : top + 192, 24:216]
    for row, column, grey in ((0, 0, 0), (0, 1, 128), (1, 0, 192), (1, 1, 255)):
        assert (tile[row * 96 : row * 96 + 96, column * 96 : column * 96 + 96] == grey).all()


def flat(*colours: tuple[int, int, int], **options: Any) -> Sheet:
    """A sheet of one tile of 8x8 pixels a colour; a colour that begins with -1 is not-a-number."""
    tiles = [Tile(np.full((8, 8, 3), NAN if c[0] < 0 else c, np.float32)) for c in colours]
    return Sheet("", tiles, "rgb", 0, 255, **options)


def test_blocks_stand_beside_those_of_the_sheet_before(tmp_path: Path) -> None:
    left = [(255, 0, 9 * n) for n in range(8)]
    right = [(0, 255, 9 * n) for n in range(8)]
    two_blocks = {"block": (2, 2), "captions": ["map 0", "map 1"]}
    pixels = png([flat(*left, **two_blocks), flat(*right, **two_blocks, beside=True)], tmp_path / "a.png")
    at = {colour: box(pixels, colour) for colour in (*left, *right)}
    assert len({place[2:] for place in at.values()}) == 1
    for n in range(8):
        assert at[left[n]][0] == at[right[n]][0], "a projection and its patch are in one row"
        assert 0 < at[right[n]][1] - at[left[n]][1] - 2 * at[left[n]][3] < at[left[n]][3], "with nothing between their blocks"
    assert at[left[1]][0] == at[left[0]][0]
    assert at[left[2]][0] > at[left[0]][0]
    # Within a block tiles are nearer to each other than to the next block.
    assert at[left[1]][1] - at[left[0]][1] < at[right[0]][1] - at[left[1]][1]
    below = png([flat(*left, **two_blocks), flat(*right, **two_blocks)], tmp_path / "b.png")
    assert box(below, right[0])[0] > box(below, left[7])[0]


def test_a_dead_map_is_an_empty_frame(tmp_path: Path) -> None:
    red = (255, 1, 2)
    pixels = png([flat(red, (-1, 0, 0), red[::-1])], tmp_path / "a.png")
    top, left, side, _ = box(pixels, red)
    _, third, _, _ = box(pixels, red[::-1])
    dead = pixels[top : top + side, (left + third) // 2 : (left + third) // 2 + side]
    assert (dead[1:-1, 1:-1] == DARK.ground).all()
    assert (dead[[0, -1]] == DARK.line).all()
    assert (dead[:, [0, -1]] == DARK.line).all()


def test_missing_units_in_a_tile_show_the_ground(tmp_path: Path) -> None:
    units = np.array([[1.0, 1.0], [1.0, NAN]], np.float32)
    pixels = png([Sheet("", [Tile(units)], "even", 0, 1)], tmp_path / "a.png")[:-70]
    rows, columns = np.nonzero((pixels == ramp("even")[-1]).all(axis=2))
    assert len(rows) == 3 * 96 * 96
    assert (pixels[rows.max(), columns.max()] == DARK.ground).all()


def test_captions_never_touch_their_neighbours(tmp_path: Path) -> None:
    long = "#31415 Nordfriesischer_Schafspudelmischling as something else entirely, with much more to be said (12.3)"
    colours = [(255, 1, 2), (2, 255, 1), (1, 2, 255), (255, 255, 1)]
    sheet = Sheet("", [Tile(np.full((5, 5, 3), colour, np.float32), long) for colour in colours], "rgb", 0, 255)
    pixels = png([sheet], tmp_path / "a.png")
    (top, left, side, _), (_, right, _, _), (below, _, _, _) = (box(pixels, colour) for colour in colours[:3])
    written = (pixels != DARK.ground).any(axis=2)
    caption = written[top + side : below, left : left + side]
    assert caption.any(axis=1).sum() > 20, "several lines"
    assert not caption[-2:].any(), "clear of the tile below"
    assert right - left - side >= 4
    assert not written[top:below, left + side : right].any(), "clear of the tile on the right"


def test_titles_notes_and_scales_are_said(words: list[str]) -> None:
    picture([FILTERS, PATCHES])
    said = " | ".join(words)
    for text in ("filters of conv1", "right: patches", "a note", "map 0", "filter 3 x", FILTERS.scale, f"{FILTERS.high:.3g}", "0"):
        assert text in said
    assert "0 to 255" not in said, "an image needs no scale"


def test_what_the_font_lacks_is_written_otherwise(words: list[str]) -> None:
    title = "5×5 → conv2 — café · ≥ 3² µ 日\n\x1b[31m"
    picture([Sheet(title, [Tile(PIXELS[0])], "grey", -1, 1)])
    assert words[0] == "5x5 -> conv2 - cafe · >= 3^2 u ? ?[31m"


@pytest.mark.parametrize(
    ("count", "shape", "block", "least"),
    [
        (2048, (5, 5), (1, 1), 45),
        (576, (14, 14, 3), (1, 1), 42),
        (576, (14, 14), (3, 3), 48),
        (1, (32, 32), (1, 1), 192),
        (1, (1, 10), (1, 1), 190),
        (16, (28, 28), (1, 1), 168),
        (64, (32, 32, 3), (1, 1), 96),
        (12, (224, 224, 3), (1, 1), 224),
    ],
)
def test_tiles_are_legible_and_the_picture_is_not_too_wide(
    count: int, shape: tuple[int, ...], block: tuple[int, int], least: int
) -> None:
    colour = (255, 1, 2) if len(shape) == 3 else tuple(ramp("even")[0].tolist())
    tiles = [Tile(np.full(shape, colour if len(shape) == 3 else 0, np.float32), f"filter {number}") for number in range(count)]
    captions = [f"map {number}" for number in range(count // 9)] if block != (1, 1) else []
    sheet = Sheet("", tiles, "rgb" if len(shape) == 3 else "even", 0, 255, block=block, captions=captions)
    drawn = picture([sheet])
    assert drawn.width <= 2448
    there = (np.asarray(drawn) == colour).all(axis=2)
    row = there[there.any(axis=1).argmax(), 24:]
    assert row.argmin() >= least
    assert row.argmin() % shape[1] == 0


def test_a_curve_runs_through_its_points_and_leaves_gaps(tmp_path: Path) -> None:
    x = np.arange(101.0)
    peak = np.where(x == 25, 10.0, 0.0)
    peak[60:81] = NAN
    pixels = png([Curves("", "step", x, {"peak": peak})], tmp_path / "a.png").astype(int)
    line = np.abs(pixels - COLOURS[0]).sum(axis=2) < 60
    line[:, 770:] = False  # the legend
    rows, columns = np.nonzero(line)
    low, high = columns.min(), columns.max()
    assert columns[rows == rows.min()].mean() == pytest.approx(low + 0.25 * (high - low), abs=3)
    inside = line[:, round(low + 0.605 * (high - low)) : round(low + 0.795 * (high - low))]
    assert not inside.any()
    assert line[:, round(low + 0.5 * (high - low))].any()


@pytest.mark.parametrize("values", [[0.999, 0.999], [0.001, 0.001], [1.0, 1.0], [0.78, 1.0], [0.0, 1.0]])
def test_an_axis_of_shares_stays_between_0_and_1(words: list[str], values: list[float]) -> None:
    picture([Curves("", "", np.array([np.nan, np.nan]), {"a": np.array(values)}, shares=True)])
    numbers = [float(word) for word in words if word and word != "a"]
    assert 0 <= min(numbers) < max(numbers) <= 1


def test_axes_have_round_numbers_and_series_their_names(words: list[str]) -> None:
    picture([Curves("t", "epoch", np.arange(1.0, 11), {"train": np.linspace(0.13, 2.31, 10), "test": np.full(10, NAN)}, "loss")])
    assert {"0.5", "1.0", "1.5", "2.0", "2", "4", "6", "8", "10", "train", "test", "epoch", "loss", "t"} <= set(words)
    words.clear()
    picture([Curves("", "", np.zeros(1), {f"series {n}": np.full(1, 1e-30) for n in range(30)})])
    assert "… and 10 more" in words
    picture([Curves("", "", np.zeros(0), {}), Curves("", "", np.array([NAN]), {"a": np.array([NAN])})])


def test_a_table_is_said_as_people_read_it(words: list[str]) -> None:
    picture([LAYERS])
    assert {"layers", "name", "conv1", "3,000", "51.2 %", "100.0 %", "1.250", "-", "-> wide"} <= set(words)


def test_a_table_says_what_was_left_out(words: list[str]) -> None:
    rows = [[number, *([0.5] * 200)] for number in range(10_000)]
    drawn = picture([Table("all", ["number", *(f"column {n}" for n in range(200))], rows)])
    assert drawn.width <= 2448
    assert drawn.height < 5000
    (left_out,) = [text for text in words if "not drawn" in text]
    shown = sum(text.startswith("column ") for text in words)
    assert left_out == f"not drawn: 9,800 more rows and {200 - shown} more columns; .csv, .json and .npz have all"


def test_results_of_all_kinds_stand_under_each_other(words: list[str]) -> None:
    alone = [picture([result]) for result in ([FILTERS, LOSS, LAYERS])]
    together = picture([FILTERS, LOSS, LAYERS])
    assert together.width == max(image.width for image in alone)
    assert together.height == sum(image.height for image in alone)
    picture([])
    picture([Sheet("no tiles", [], "grey", 0, 1)])
    assert words[-1] == "0 to 1"
