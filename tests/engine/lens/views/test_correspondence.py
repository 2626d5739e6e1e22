"""Masked parts of several images and what their features have in common, against a slow loop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Sheet, Table
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from tests.engine.lens import oracles
from tests.engine.lens.subjects import noise_images, small_net, subject_of
from tests.engine.lens.views.making import sequential
from tests.engine.lens.views.making import subject_of as toy_subject


def looked(subject: Subject, **options: object) -> tuple[Sequence[Sheet], Table]:
    look = view("correspondence")
    table, *sheets = look(subject, look.make(options))
    assert [isinstance(sheet, Sheet) and sheet.beside for sheet in sheets] == [False, True, True]
    assert isinstance(table, Table)
    return sheets, table  # type: ignore[return-value]


def shown(sheet: Sheet) -> np.ndarray:  # type: ignore[type-arg]
    return np.stack([tile.pixels for tile in sheet.tiles])


@pytest.mark.parametrize("batch", [3, 256])
def test_distances_are_those_of_a_loop_over_pairs_and_features(batch: int) -> None:
    net = sequential(nn.ReLU, norm=True)
    subject = toy_subject(net, batch=batch)
    sheets, table = looked(subject, label="middle", count=4, box="1,2,3,2")
    split = subject.split("test")
    images = split.images[split.labels == 1][:4]
    np.testing.assert_array_equal(shown(sheets[0]), images[:, 0])
    own = images.clone()
    own[:, :, 1:4, 2:4] = 128
    np.testing.assert_array_equal(shown(sheets[1]), own[:, 0])
    random = torch.from_numpy(shown(sheets[2])).byte()[:, None]
    for row, module in zip(table.rows, ("act1", "act2"), strict=True):
        with torch.no_grad():
            expected = [oracles.correspondence(net, subject.seen(images), subject.seen(each), module) for each in (own, random)]
        assert row[2:] == pytest.approx([number for pair in expected for number in pair], abs=1e-12)
    assert [row[:2] for row in table.rows] == [["conv1", 256], ["conv2", 20]]


def test_random_parts_are_as_large_beside_the_box_drawn_by_the_seed_and_no_global_generator() -> None:
    images = torch.zeros((12, 1, 12, 12), dtype=torch.uint8)
    subject = subject_of(small_net(), images)
    state = torch.get_rng_state()
    for seed in range(5):
        sheets, _ = looked(subject, box="3,3,4,5", count=4, seed=seed)
        grey = shown(sheets[2]) == 128
        assert (grey.sum((1, 2)) == 20).all()
        assert not grey[:, 3:7, 3:8].any()
        again, _ = looked(subject, box="3,3,4,5", count=4, seed=seed)
        np.testing.assert_array_equal(shown(sheets[2]), shown(again[2]))
    assert not np.array_equal(grey, shown(looked(subject, box="3,3,4,5", count=4)[0][2]) == 128)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_part_is_the_middle_and_where_none_fits_beside_it_that_is_said() -> None:
    subject = subject_of(small_net(), noise_images(12))
    sheets, table = looked(subject)
    assert table.notes[0] == "part of 3x3 pixels from 4,4 on, masked with grey, in 4 test images of left"
    assert (shown(sheets[1])[:, 4:7, 4:7] == 128).all()
    assert not any("no room" in note for note in table.notes)
    assert any("no room" in note for note in looked(subject, box="3,3,6,6")[1].notes)


def test_what_is_the_same_in_all_images_has_no_distance_and_what_a_mask_cannot_reach_is_no_change() -> None:
    images = noise_images(1).repeat(9, 1, 1, 1)
    _, table = looked(subject_of(small_net(), images))
    assert [row[2:4] for row in table.rows] == [[0, 0], [0, 0]]
    far = nn.Sequential(nn.Conv2d(1, 3, 1), nn.Flatten(), nn.Linear(432, 3))
    _, table = looked(subject_of(far, noise_images(12)), box="0,0,1,1")
    assert 0 < table.rows[0][2] <= 3 / 432 + 1e-9  # type: ignore[operator]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"box": "1,2,3"}, UsageError, "box=1,2,3: give top, left, height and width"),
        ({"box": "8,0,5,2"}, UsageError, "not within the image of 12x12"),
        ({"box": "0,0,0,2"}, UsageError, "not within the image"),
        ({"label": "nobody"}, UsageError, "unknown class"),
        ({"count": 1}, UsageError, "count"),
        ({"label": "right"}, NotApplicable, "has 1 images of class right: it takes two"),
    ],
)
def test_what_there_is_not(options: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        looked(subject_of(small_net(), noise_images(4)), **options)


def test_images_of_unknown_classes_belong_together() -> None:
    subject = subject_of(small_net(), noise_images(4))
    subject.split("test").labels[:] = -1
    sheets, table = looked(subject, count=3)
    assert len(sheets[0].tiles) == 3
    assert table.title == "correspondence in test images · a test"
