"""Nets in which an earlier layer's output is added to a later one's (He et al. 2015, "Deep residual learning")."""

from __future__ import annotations

from torch import Tensor, nn


class Skip(nn.Module):
    """Adds the output of the layer `source`, or the images where that is empty.

    As it is where `conv` is None, else through that 1x1 convolution, and batch norm where `bn` is one: option B of the paper.
    """

    def __init__(self, source: str, conv: nn.Conv2d | None = None, bn: nn.BatchNorm2d | None = None) -> None:
        super().__init__()
        self.source, self.conv, self.bn = source, conv, bn

    def forward(self, values: Tensor, earlier: Tensor) -> Tensor:
        """Both [N, C, H, W]; `earlier` before its convolution."""
        for layer in (self.conv, self.bn):
            earlier = earlier if layer is None else layer(earlier)
        return values + earlier

    def extra_repr(self) -> str:
        return f"of {self.source or 'the images'}"


class Residual(nn.Sequential):
    """A chain of layers in which skips are handed an earlier layer's output besides."""

    def forward(self, images: Tensor) -> Tensor:
        """One after the other."""
        wanted = {layer.source for layer in self if isinstance(layer, Skip)}
        outputs, values = {"": images}, images
        for name, layer in self.named_children():
            values = layer(values, outputs[layer.source]) if isinstance(layer, Skip) else layer(values)
            if name in wanted:
                outputs[name] = values
        return values
