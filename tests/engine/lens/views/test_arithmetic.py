"""One output taken apart."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Sheet, Table
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from tests.engine.lens import oracles
from tests.engine.lens.views.making import dense, sequential, subject_of
from tests.tolerance import assert_close

LOOK = view("arithmetic")
OPERATIONS = 200


def apart(subject: Subject, **options: object) -> tuple[list[Sheet], dict[str, float]]:
    """Window, filter and products, and the values step by step."""
    _, steps, *sheets = LOOK(subject, LOOK.make({"image": "5"} | options))
    assert isinstance(steps, Table)
    return sheets, {str(row[0]): float(row[1]) for row in steps.rows}  # type: ignore[arg-type, return-value]


def pixels(sheet: Sheet) -> Tensor:
    return torch.tensor(np.stack([tile.pixels for tile in sheet.tiles]))


def given(subject: Subject, layer: str) -> Tensor:
    """What the module `layer` gives for image 5."""
    with torch.no_grad():
        return oracles.features(subject.net, subject.seen(subject.images.test.images[5:6]), layer)[0]


def test_window_filter_and_product_add_up_to_what_the_layer_gives_and_batch_norm_and_activation_follow() -> None:
    subject = subject_of(sequential(lambda: nn.LeakyReLU(0.1), norm=True))
    (window, weight, products), steps = apart(subject, layer="conv1", map=2, row=0, column=7)
    seen = subject.seen(subject.images.test.images[5:6])[0]
    conv = subject.net.get_submodule("conv1").requires_grad_(False)
    expected = oracles.window(seen, 0, 7, (3, 3), 1, 1)
    assert_close(pixels(window), expected, OPERATIONS, dtype=np.float32)
    assert_close(pixels(weight), conv.weight[2], OPERATIONS, dtype=np.float32)
    assert_close(pixels(products), expected * conv.weight[2], OPERATIONS, dtype=np.float32)
    assert "5 of 9 places are beyond the border, where there are zeros" in window.notes
    total = float((expected * conv.weight[2]).sum())
    values = [
        total,
        float(conv.bias[2]),
        total + float(conv.bias[2]),
        *(float(given(subject, n)[2, 0, 7]) for n in ("bn1", "act1")),
    ]
    assert list(steps) == ["sum of products", "bias", "conv1", "bn1", "act1"]
    assert_close(list(steps.values()), values, OPERATIONS)
    assert float(given(subject, "conv1")[2, 0, 7]) == pytest.approx(steps["conv1"])


def test_groups_dilation_strides_and_no_bias() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 6, (3, 2), stride=2, padding=2, dilation=2, groups=2, bias=False)
    net = nn.Sequential(OrderedDict(before=nn.Conv2d(1, 4, 1), conv=conv, flatten=nn.Flatten(), output=nn.Linear(120, 3)))
    subject = subject_of(net)
    for row in range(3):
        (window, _, _), steps = apart(subject, layer="conv", map=4, row=row, column=1)
        expected = oracles.window(given(subject, "before"), row, 1, (3, 2), 2, 2, 2)[2:]
        assert_close(pixels(window), expected, OPERATIONS, dtype=np.float32)
        assert [tile.caption for tile in window.tiles] == ["map 2", "map 3"]  # of the second group
        assert steps["conv"] == pytest.approx(float(given(subject, "conv")[4, row, 1]))
        assert steps["bias"] == 0


def test_the_greatest_output_is_taken_apart_and_the_input_maps_that_contribute_most_are_shown() -> None:
    subject = subject_of(sequential(nn.ReLU))
    values = given(subject, "conv2")
    (window, _, products), steps = apart(subject, count=2)
    assert steps["conv2"] == pytest.approx(float(values.max()))
    place = np.unravel_index(int(values.argmax()), values.shape)
    target = window.tiles[0].target
    assert target is not None
    assert (target.layer, target.map, target.row, target.column, target.image) == ("conv2", *place, 5)
    every = apart(subject)[0][2]
    sums = pixels(every).sum((1, 2))
    assert sums.abs().topk(2).indices.sort().values.tolist() == [int(tile.caption.split()[1]) for tile in window.tiles]
    assert len(products.tiles) == 2
    assert apart(subject, map=1)[1]["conv2"] == pytest.approx(float(values[1].max()))


def test_a_dense_layer_has_its_largest_contributions() -> None:
    subject = subject_of(sequential(nn.ReLU))
    before = given(subject, "flatten")
    output = subject.net.get_submodule("output")
    _, steps, contributions = LOOK(subject, LOOK.make({"image": "5", "layer": "output", "map": 1, "count": 3}))
    assert isinstance(contributions, Table)
    assert isinstance(steps, Table)
    products = before * output.weight[1].detach()
    largest = products.abs().argsort(descending=True)[:3]
    names = [f"map {int(at) // 4} at {int(at) % 4 // 2},{int(at) % 2}" for at in largest]
    assert [row[0] for row in contributions.rows] == [*names, "17 others"]
    assert_close([row[3] for row in contributions.rows[:3]], products[largest], OPERATIONS)
    assert float(sum(row[3] for row in contributions.rows)) == pytest.approx(float(products.sum()))  # type: ignore[misc]
    assert float(steps.rows[-1][1]) == pytest.approx(float(given(subject, "output")[1]))  # type: ignore[arg-type]


def test_a_net_without_convolutions_has_its_last_dense_layer_taken_apart() -> None:
    subject = subject_of(dense())
    _, steps, contributions = LOOK(subject, LOOK.make({"map": 2}))
    assert isinstance(contributions, Table)
    assert isinstance(steps, Table)
    assert contributions.rows[0][0] in [f"unit {number}" for number in range(7)]
    assert steps.rows[-1][0] == "output"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"layer": "act1"}, NotApplicable, "gives no weighted sums.*choose one of conv1, conv2, output"),
        ({"map": "5"}, UsageError, "layer conv2 has no map 5"),
        ({"map": "1", "row": "2", "column": "0"}, UsageError, "no unit at 2,0"),
        ({"row": "1"}, UsageError, "give all three, or the map alone"),
        ({"layer": "output", "map": "1", "row": "0"}, UsageError, "no rows and columns"),
    ],
)
def test_what_there_is_not_is_told(options: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        apart(subject_of(sequential(nn.ReLU)), **options)
