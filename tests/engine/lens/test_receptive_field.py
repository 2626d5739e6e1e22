"""Receptive fields, against pixels perturbed one by one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn

from convtui.engine.lens.receptive_field import ReceptiveField, receptive_field
from convtui.engine.lens.trace import Trace
from convtui.engine.models import build
from convtui.engine.spec import make
from tests.engine.lens.nets import Drawn, drawn_nets

ROUNDING = 1e-9
"""Above what ten million operations in double precision can come to (1e7 x 1.1e-16), relative."""


def by_perturbing(net: nn.Module, image: Tensor, row: int, column: int) -> set[tuple[int, int]]:
    """The pixels of `image` on which the unit at this place depends."""
    _, height, width = image.shape
    one_each = image.repeat(height * width, 1, 1, 1)
    for number in range(height * width):
        one_each[number, :, number // width, number % width] += 1e6
    with torch.no_grad():
        before, after = net(image[None])[0, :, row, column], net(one_each)[:, :, row, column]
    # Batches of one and of many may be rounded differently. A pixel that matters changes far more: it was made a million lighter.
    changed = ((after - before).abs() > ROUNDING * before.abs()).any(1)
    return {(number // width, number % width) for number in changed.nonzero().flatten().tolist()}


def corners(pixels: set[tuple[int, int]]) -> tuple[int, int, int, int]:
    rows, columns = zip(*pixels, strict=True)
    return min(rows), min(columns), max(rows) + 1, max(columns) + 1


def assert_field(net: nn.Module, image: Tensor) -> None:
    """The rectangle around the pixels that matter to a unit is its field; for one at the border it is within it.

    There padding may stand where a pool that rounds down has left pixels out.
    """
    trace = Trace(net, image)
    field = receptive_field(trace, trace.calls[-1].index)
    assert field is not None
    _, height, width = trace.calls[-1].shape
    for row, column in {(0, 0), (height // 2, width // 2), (height - 1, width - 1)}:
        top, left, bottom, right = field.of(row, column)
        found = corners(by_perturbing(net, image, row, column))
        if top >= 0 and left >= 0 and bottom <= image.shape[1] and right <= image.shape[2]:
            assert found == (top, left, bottom, right)
        else:
            assert top <= found[0]
            assert left <= found[1]
            assert found[2] <= bottom
            assert found[3] <= right


@settings(deadline=None, max_examples=40)
@given(drawn_nets(norms=False))
def test_field_of_a_drawn_net_is_what_perturbing_pixels_finds(drawn: Drawn) -> None:
    # Strides wider than kernels leave pixels out, also at a field's edges: they are then no rectangle.
    layers = tuple(
        (kind, how | {"stride": min(how["stride"], how["kernel"])} if kind == "conv" else how) for kind, how in drawn.layers
    )
    drawn = Drawn(drawn.channels, drawn.size, layers, drawn.seed, double=True)
    try:
        assert_field(drawn.net(positive=True), drawn.images(1)[0].abs())
    except RuntimeError as error:
        assert "too small" in str(error) or "Kernel size" in str(error)  # noqa: PT017 - smaller strides never make maps smaller


class Residual(nn.Module):
    """Two paths of different length that meet."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.one, self.two, self.three = (nn.Conv2d(2, 2, size, padding=size // 2, bias=False) for size in (3, 5, 3))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, 0.1, 1)
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        first = self.one(images).relu()
        other = self.three(self.two(first).relu())
        return first + other if self.how == "sum" else torch.cat([first, other], 1)


@pytest.mark.parametrize("how", ["sum", "join"])
def test_where_paths_meet_the_field_is_the_rectangle_around_both(how: str) -> None:
    torch.manual_seed(0)
    assert_field(Residual(how), torch.rand(2, 12, 12, dtype=torch.float64))


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(1, 2, 3, dilation=2), nn.Conv2d(2, 1, 2, dilation=3)],
        [nn.Conv2d(1, 2, (3, 5), stride=(2, 1), padding=(0, 2)), nn.MaxPool2d((1, 2))],
        [nn.Conv2d(1, 1, 3), nn.AvgPool2d(2, stride=1), nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)],
        [nn.Conv2d(1, 1, 5, padding="same"), nn.Dropout(), nn.Tanhshrink(), nn.Conv2d(1, 1, 3, padding="valid")],
    ],
    ids=["holes", "rectangles", "pools", "padding in words"],
)
def test_rectangles_holes_pools_and_paddings_in_words(layers: list[nn.Module]) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(*layers).double().eval()
    for parameter in net.parameters():
        parameter.data.abs_().add_(0.1)
    assert_field(net, torch.rand(1, 14, 14, dtype=torch.float64))


@pytest.mark.parametrize(
    "blocks",
    [
        "4 3x5 pad 1 avg-pool 2, 4 3x3 groups 2",
        "4 3x3 dilation 2 groups 1 avg-pool 3/2, 4 1x3 pad same",
        "4 3x3 pad same pool 2, 4 3x3 stride 2 pad 1, 6 1x3 pad same skip 2",
        "4 4x2 pad same dilation 2, 4 3x3 pad same dilation 2 no-bias",
    ],
)
def test_fields_of_a_spec_s_blocks(blocks: str) -> None:
    net = build(make({"model": {"conv_blocks": blocks}}).model, channels=1, size=14, classes=2)[:-2].double().eval()
    for parameter in net.parameters():
        parameter.data.abs_().add_(0.1)
    assert_field(net, torch.rand(1, 14, 14, dtype=torch.float64))


@pytest.mark.parametrize("padding", [0, 2])
def test_lenet_by_the_book(padding: int) -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=padding), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5, padding=padding), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.LazyLinear(10),
    )  # fmt: skip
    trace = Trace(net, torch.zeros(1, 32, 32))
    fields = [receptive_field(trace, index) for index in (0, 2, 3, 5)]
    assert [field and (field.size[0], field.stride[0]) for field in fields] == [(5, 1), (6, 2), (14, 2), (16, 4)]
    assert fields[0] == ReceptiveField((5, 5), (1, 1), (-padding, -padding))
    # A dense unit looks at everything.
    assert receptive_field(trace, trace.calls[-1].index) is None


def test_what_is_unknown_is_not_guessed() -> None:
    class Turned(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flip(2).transpose(2, 3)

    trace = Trace(nn.Sequential(nn.Conv2d(1, 1, 3), Turned(), nn.Conv2d(1, 1, 3)), torch.zeros(1, 9, 9))
    assert receptive_field(trace, trace.calls[-1].index) is None
