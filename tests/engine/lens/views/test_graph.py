"""The diagram follows what is computed, and its lines say which block is given what."""

from __future__ import annotations

import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from convtui.engine.figures.boxes import NODE
from convtui.engine.figures.figure import Table
from convtui.engine.lens.lanes import lanes
from convtui.engine.lens.registry import view
from tests.engine.lens.subjects import noise_images, small_net, subject_of

LOOK = view("graph")


def table_of(net: nn.Module, channels: int = 1, size: int = 12, **options: object) -> Table:
    (table,) = LOOK(subject_of(net, noise_images(3, channels=channels, size=size)), LOOK.make(options))
    assert isinstance(table, Table)
    return table


def test_a_chain_is_a_line_and_activations_are_folded_into_their_layers() -> None:
    table = table_of(small_net())
    assert [row[:4] for row in table.rows] == [
        ["●", "image", "", "1×12×12"],
        ["●", "conv1", "Conv2d, ReLU", "4×12×12"],
        ["●", "pool1", "MaxPool2d", "4×6×6"],
        ["●", "conv2", "Conv2d, ReLU", "6×6×6"],
        ["●", "pool2", "MaxPool2d", "6×3×3"],
        ["●", "flatten", "Flatten", "54"],
        ["●", "output", "Linear", "3"],
    ]
    assert [row[4] for row in table.rows] == [None, 40, None, 222, None, None, 165]
    assert len(table_of(small_net(), fold=False).rows) == 9


def test_a_skip_goes_past_its_block_and_the_order_is_that_of_the_forward_pass() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.two, self.one = nn.Linear(4 * 144, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(1, 4, 3, padding=1)

        def forward(self, images: Tensor) -> Tensor:
            first = self.one(images).relu()
            return self.last((first + self.two(first)).relu().flatten(1))  # type: ignore[no-any-return]

    table = table_of(Residual())
    assert [(row[0], row[1], row[2]) for row in table.rows] == [
        ("●  ", "image", ""),
        ("●─╮", "one", "Conv2d, relu"),
        ("● │", "two", "Conv2d"),
        ("●─╯", "", "+, relu"),
        ("●  ", "last", "Linear"),
    ]


def test_parameters_of_resnet18_add_up_and_its_eight_skips_are_there() -> None:
    torch.manual_seed(0)
    net = torchvision.models.resnet18(weights=None, num_classes=3)
    table = table_of(net, channels=3, size=32)
    assert sum(row[4] for row in table.rows if isinstance(row[4], int)) == sum(weight.numel() for weight in net.parameters())
    assert [row[2] for row in table.rows].count("+, ReLU") == 8
    assert "8 places where another path joins" in table.notes[0]


@settings(deadline=None)
@given(st.data())
def test_lines_lead_from_every_node_to_all_that_read_it(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 9))
    sources = [[]] + [
        sorted(data.draw(st.sets(st.integers(0, node - 1), min_size=1, max_size=3)), reverse=True) for node in range(1, count)
    ]
    lines = lanes(sources)
    assert all(line.count(NODE) == 1 for line in lines)
    assert read_back(lines) == [set(each) for each in sources]


def read_back(lines: list[str]) -> list[set[int]]:
    """The nodes that each node reads, by following the lines: what a person does."""
    carried: dict[int, int] = {}
    found = []
    for node, line in enumerate(lines):
        place = line.index(NODE)
        ends = {place, *followed(line, place, 1, "╯╮┤"), *followed(line, place, -1, "╰╭├")}
        carried = {lane: source for lane, source in carried.items() if line[lane] in "│╯╰┴├┤┼" + NODE}
        found.append({carried[lane] for lane in ends if line[lane] in "╯╰┴├┤┼" + NODE and lane in carried})
        for lane in ends:
            if line[lane] in "╯╰┴":
                del carried[lane]
            if line[lane] in "╮╭┬" + NODE:
                carried[lane] = node
    return found


def followed(line: str, place: int, step: int, last: str) -> set[int]:
    """The lanes that a line from the node joins on its way, up to one of the characters `last`."""
    joined = set()
    column = place + step
    while 0 <= column < len(line) and line[column] != " ":
        if line[column] in "┴┼┬" + last:
            joined.add(column)
        if line[column] in last:
            break
        column += step
    return joined
