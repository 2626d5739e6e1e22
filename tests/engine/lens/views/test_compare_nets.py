"""Where two nets disagree."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Sheet, Table
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.views.compare_nets import mcnemar
from tests.conftest import toy_dataset
from tests.engine.lens import oracles
from tests.engine.lens.views.making import Diverged, dense, knowing, linear, subject_of

LOOK = view("compare-nets")


def beside(first: Subject, second: Subject) -> Subject:
    second.title = "other"
    first.another = lambda run, epoch: second
    return first


def blind(label: int) -> Subject:
    """A net that takes everything for one class."""
    bias = torch.zeros(3)
    bias[label] = 1
    return subject_of(linear(torch.zeros(3, 64), bias))


def test_who_is_right_where_and_how_likely_that_is_by_chance() -> None:
    first, second = subject_of(dense()), blind(1)
    table, *sheets = LOOK(beside(first, second), LOOK.make({"other": "2", "count": 100}))
    assert isinstance(table, Table)
    images, labels = first.images.test.images, first.images.test.labels
    with torch.no_grad():
        right = first.net(first.seen(images)).argmax(1) == labels
    others = labels == 1
    expected = [[int((right == a)[others == b].sum()) for b in (True, False)] for a in (True, False)]
    assert [list(row[1:]) for row in table.rows] == expected
    only = expected[0][1], expected[1][0]
    assert min(only) > 0
    assert f"p = {oracles.mcnemar(*only):.3g};" in table.notes[2]
    for sheet, mask in zip(sheets, (right & ~others, ~right & others), strict=True):
        assert isinstance(sheet, Sheet)
        assert sorted(tile.target.image for tile in sheet.tiles if tile.target) == torch.nonzero(mask).flatten().tolist()  # type: ignore[type-var]
        assert all(": " in tile.caption and " / " in tile.caption for tile in sheet.tiles)
    assert isinstance(sheets[0], Sheet)
    assert sheets[0].title == "only the first is right, the second's surest mistakes first"


@pytest.mark.parametrize(("one", "two"), [(0, 0), (3, 11), (11, 3), (5, 5), (0, 40), (480, 550)])
def test_p_is_that_of_the_exact_sum(one: int, two: int) -> None:
    assert mcnemar(one, two) == pytest.approx(oracles.mcnemar(one, two), rel=1e-9)


def test_two_nets_that_agree_have_no_images_to_show() -> None:
    (table,) = LOOK(beside(subject_of(knowing()), subject_of(knowing())), LOOK.make({"other": "last"}))
    assert isinstance(table, Table)
    assert [list(row[1:]) for row in table.rows] == [[60, 0], [0, 0]]
    assert "p = 1;" in table.notes[2]


def test_what_is_no_number_is_wrong() -> None:
    first = subject_of(Diverged(0.5))
    table, *_ = LOOK(beside(first, subject_of(knowing())), LOOK.make({"other": "2"}))
    assert isinstance(table, Table)
    seen = first.seen(first.images.test.images)[:, 0, 0, 0]
    right = int(((seen < 0.5) & (first.images.test.labels == 1)).sum())
    assert [list(row[1:]) for row in table.rows] == [[right, 0], [60 - right, 0]]


def test_other_images_and_nets_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(UsageError, match="needs a second run: name it by the option other, as in --opt other=2"):
        LOOK(beside(blind(0), blind(1)), LOOK.make({}))
    with pytest.raises(NotApplicable, match="other has other test images than toy: nets are compared image by image"):
        LOOK(beside(blind(0), subject_of(knowing(), toy_dataset(seed=1))), LOOK.make({"other": "2"}))
    alone = blind(0)
    with pytest.raises(NotApplicable, match="a second net is found in a store"):
        LOOK(alone, LOOK.make({"other": "2"}))


def test_the_same_pictures_in_another_size_are_the_same_images() -> None:
    first, data = subject_of(knowing()), toy_dataset()
    small = replace(data, test=replace(data.test, images=data.test.images[:, :, ::2, ::2]))
    second = subject_of(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)), small)
    second.shape = (1, 4, 4)
    table, *_ = LOOK(beside(first, second), LOOK.make({"other": "2"}))
    assert isinstance(table, Table)
    assert "the same pictures, which the first net sees as 1 x 8 x 8, the second as 1 x 4 x 4" in table.notes
