"""Nets that read an image row by row."""

from __future__ import annotations

from typing import assert_never

from torch import Tensor, nn

from convtui.engine.spec.choices import Cell


class Rows(nn.Module):
    """[N, C, H, W] -> [N, H, C x W]: an image as its rows, from top to bottom; a row's colours one after the other."""

    def forward(self, images: Tensor) -> Tensor:
        """Read each image as a sequence."""
        return images.transpose(1, 2).flatten(2)


class Last(nn.Module):
    """[N, H, units] -> [N, units]: the states after the last row."""

    def forward(self, states: Tensor) -> Tensor:
        """Forget all states but the last."""
        return states[:, -1]


class Recurrent(nn.Sequential):
    """A chain of layers in which each cell hands on its states after every row, and not the last ones besides."""

    def forward(self, images: Tensor) -> Tensor:
        """One after the other."""
        values = images
        for layer in self:
            given = layer(values)
            values = given[0] if isinstance(layer, nn.RNNBase) else given
        return values


def cell(name: Cell, features: int, hidden: int) -> nn.RNNBase:
    """A new single layer of `hidden` units that reads rows [N, H, features]; torch's own, with oneDNN or cuDNN behind it.

    rnn: h' = tanh(W x + U h + b) (Elman 1990). lstm: with forget gates (Gers et al. 2000). gru: the reset gate after the matrix
    product, as cuDNN has it (Cho et al. 2014 have it before).
    """
    match name:
        case "rnn":
            return nn.RNN(features, hidden, batch_first=True)
        case "lstm":
            return nn.LSTM(features, hidden, batch_first=True)
        case "gru":
            return nn.GRU(features, hidden, batch_first=True)
        case other:
            assert_never(other)
