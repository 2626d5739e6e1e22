"""States are those that a cell written out by hand goes through."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Sheet
from convtui.engine.lens.registry import view
from tests.engine.lens import oracles
from tests.engine.lens.subjects import noise_images, small_net, subject_of
from tests.engine.lens.views.recurrent_nets import Reader, built, own, rows

LOOK = view("hidden")


def test_states_of_plain_layers_are_those_of_a_cell_by_hand_beside_the_image() -> None:
    subject = built("rnn")
    image, sheet = LOOK(subject, LOOK.make({"image": "2"}))
    assert isinstance(image, Sheet)
    assert isinstance(sheet, Sheet)
    assert sheet.beside
    first = oracles.rnn_states(subject.net.get_submodule("cell1"), rows(subject, 2))  # type: ignore[arg-type]
    second = oracles.rnn_states(subject.net.get_submodule("cell2"), first)  # type: ignore[arg-type]
    for tile, states in zip(sheet.tiles, (first, second), strict=True):
        torch.testing.assert_close(torch.from_numpy(tile.pixels).double(), states.detach().T, rtol=1e-6, atol=1e-6)


def test_a_layer_that_begins_with_states_of_its_own_goes_on_from_these() -> None:
    class Begun(Reader):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            begin = torch.full((1, len(images), 5), 0.5, dtype=images.dtype)
            states, _ = self.cell(images[:, 0], (begin, begin))
            return self.head(states[:, -1])  # type: ignore[no-any-return]

    subject = own(nn.LSTM)
    subject.net = Begun(nn.LSTM).double().eval()
    *_, sheet = LOOK(subject, LOOK.make({}))
    assert isinstance(sheet, Sheet)
    begin = torch.full((1, 1, 5), 0.5, dtype=torch.float64)
    states, _ = subject.net.cell(rows(subject)[None], (begin, begin))
    torch.testing.assert_close(torch.from_numpy(sheet.tiles[0].pixels).double(), states[0].detach().T, rtol=1e-6, atol=1e-6)


def test_a_net_without_recurrent_layers_is_refused() -> None:
    with pytest.raises(NotApplicable, match=r"hidden is not applicable: the net has no recurrent layer \(RNN, LSTM, GRU\); use"):
        LOOK(subject_of(small_net(), noise_images()), LOOK.make({}))
