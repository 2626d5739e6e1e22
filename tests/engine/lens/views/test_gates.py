"""Gates are those of a cell written out by hand, and the states that they lead to those of torch's own module."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Sheet
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from tests.engine.lens import oracles
from tests.engine.lens.views.recurrent_nets import UNITS, built, own, rows

NEAR = {"rtol": 1e-6, "atol": 1e-6}
"""Pictures are float32."""


def shown(subject: Subject, **options: Any) -> dict[str, Tensor]:
    """`cell1 i` -> [units, steps]."""
    look = view("gates")
    sheets = [result for result in look(subject, look.make(options))[1:] if isinstance(result, Sheet)]
    return {
        f"{sheet.title} {tile.caption.partition(',')[0]}": torch.from_numpy(tile.pixels) for sheet in sheets for tile in sheet.tiles
    }


def assert_shown(found: dict[str, Tensor], layer: str, expected: dict[str, Tensor]) -> None:
    for name, values in expected.items():
        (tile,) = [tile for title, tile in found.items() if f"of {layer}" in title and title.endswith(f" {name}")]
        torch.testing.assert_close(tile.double(), values.detach().T, **NEAR)


@pytest.mark.parametrize(("cell", "oracle"), [("lstm", oracles.lstm_gates), ("gru", oracles.gru_gates)])
def test_gates_of_each_layer_are_those_of_a_cell_by_hand(cell: str, oracle: Any) -> None:
    subject = built(cell)
    found = shown(subject, image="3")
    first = oracle(subject.net.get_submodule("cell1"), rows(subject, 3))
    assert_shown(found, "cell1", first)
    assert_shown(found, "cell2", oracle(subject.net.get_submodule("cell2"), first["h"]))
    assert len(shown(subject, layer="cell2")) == len(found) // 2


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize("more", [{}, {"bias": False}, {"num_layers": 2}, {"num_layers": 2, "bidirectional": True}])
def test_states_are_the_modules_own_whatever_its_layers_and_directions(kind: type[nn.RNNBase], more: dict[str, Any]) -> None:
    subject = own(kind, **more)
    states, _ = subject.net.get_submodule("cell")(rows(subject)[None])
    last = f"cell, layer {more['num_layers'] - 1}" if "num_layers" in more else "cell"
    assert_shown(shown(subject, direction="forward"), last, {"h": states[0, :, :UNITS]})
    if more.get("bidirectional"):
        assert_shown(shown(subject, direction="backward"), f"{last}, backward", {"h": states[0, :, UNITS:]})


def test_what_has_no_gates_or_is_not_torchs_is_refused_with_the_reason() -> None:
    class Doubled(nn.LSTM):
        def forward(self, *args: Any) -> Any:
            states, last = super().forward(*args)
            return 2 * states, last

    look = view("gates")
    for subject, why in (
        (built("rnn"), "plain ones, which have no gates; use 'hidden'"),
        (own(Doubled), "layer cell does not compute what torch's does"),
        (
            own(nn.LSTM, batch_first=False),
            r"layer cell \(batch_first=False\) takes .* \[steps, images, features\], and of 2 images that is 2 x 8 x 8",
        ),
    ):
        with pytest.raises(NotApplicable, match=why):
            look(subject, look.make({}))
    with pytest.raises(UsageError, match="depth=1: no recurrent layer has that"):
        look(built("lstm"), look.make({"depth": 1}))
