"""Images that excite units most."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Sheet
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Cancelled, Subject
from tests.engine.lens import oracles
from tests.engine.lens.views.making import knowing, sequential, subject_of

LOOK = view("maximise")


def climbed(subject: Subject, **options: object) -> Sheet:
    (sheet,) = LOOK(subject, LOOK.make({"steps": 20} | options))
    assert isinstance(sheet, Sheet)
    return sheet


def values(sheet: Sheet) -> list[tuple[float, float]]:
    """At the start and at the end, as captions tell them."""
    return [tuple(float(part) for part in tile.caption.split(": ")[1].split(" → ")) for tile in sheet.tiles]  # type: ignore[misc]


def seen(subject: Subject, sheet: Sheet) -> torch.Tensor:
    """The tiles as the net sees them."""
    images = torch.tensor(np.stack([tile.pixels for tile in sheet.tiles])).double()[:, None] / 255
    return (images - subject.standardise.mean) / subject.standardise.std


def test_a_class_is_climbed_to_what_its_weights_look_for() -> None:
    subject = subject_of(knowing())
    sheet = climbed(subject, steps=60)
    with torch.no_grad():
        reached = subject.net(seen(subject, sheet)).diagonal()
    for label, (tile, (before, after)) in enumerate(zip(sheet.tiles, values(sheet), strict=True)):
        assert after > before + 1
        assert after == pytest.approx(float(reached[label]), rel=0.01)  # captions have three digits
        own = np.zeros(8, bool)
        own[3 * label : 3 * label + 2] = True
        assert tile.pixels[:, own].min() > tile.pixels[:, ~own].max() - 1e-3
        assert tile.pixels.min() >= -1e-3
        assert tile.pixels.max() <= 255 + 1e-3
        assert tile.caption.startswith(f'"{subject.classes[label]}": ')


@pytest.mark.parametrize("place", [{}, {"row": 3, "column": 0}])
def test_units_of_maps_rise_at_their_place_and_again_alike(place: dict[str, int]) -> None:
    subject = subject_of(sequential(nn.Tanh, norm=True))
    random = torch.get_rng_state()
    sheet, again, other = (climbed(subject, layer="conv1", seed=seed, jitter=0, **place) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), random)
    with torch.no_grad():
        maps = oracles.features(subject.net, seen(subject, sheet), "bn1")
    row, column = (place["row"], place["column"]) if place else (4, 4)
    for number, (tile, (before, after)) in enumerate(zip(sheet.tiles, values(sheet), strict=True)):
        assert after > before
        assert after == pytest.approx(float(maps[number, number, row, column]), rel=0.01, abs=1e-3)
        assert tile.target is not None
        assert (tile.target.map, tile.target.row, tile.target.column) == (number, row, column)
    np.testing.assert_array_equal([tile.pixels for tile in sheet.tiles], [tile.pixels for tile in again.tiles])
    assert not np.array_equal(sheet.tiles[0].pixels, other.tiles[0].pixels)


def test_a_dead_unit_is_told() -> None:
    net = sequential(nn.ReLU)
    with torch.no_grad():
        net.get_submodule("conv2").weight[2] = 0
    sheet = climbed(subject_of(net), layer="conv2")
    assert "1 of 5 did not rise: dead, or weaker than the decay, blur and movements that hold it back" in sheet.notes
    alone = climbed(subject_of(net), layer="output", map=1)
    assert [tile.caption.split(":")[0] for tile in alone.tiles] == ["unit 1"]


def test_it_stops_between_two_steps_where_it_is_not_wanted() -> None:
    subject = subject_of(knowing())
    asked: list[bool] = []
    subject.cancelled = lambda: bool(asked.append(True)) or len(asked) > 3
    with pytest.raises(Cancelled):
        climbed(subject)
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"layer": "conv2", "label": "left"}, UsageError, "leave --layer and --map out"),
        ({"layer": "conv2", "row": 9}, UsageError, "no unit at 9,1"),
        ({"row": 1}, UsageError, "give --layer"),
        ({"layer": "output", "map": 0, "row": 1}, UsageError, "no rows and columns"),
        ({"label": "lefd"}, UsageError, r"did you mean left\?"),
    ],
)
def test_what_there_is_not_is_told(options: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        climbed(subject_of(sequential(nn.ReLU)), **options)


def test_a_feature_extractor_has_units_alone() -> None:
    net = sequential(nn.ReLU)[:4]
    with pytest.raises(NotApplicable, match="--layer climbs for its units"):
        climbed(subject_of(net))
    assert len(climbed(subject_of(net), layer="conv2").tiles) == 5
