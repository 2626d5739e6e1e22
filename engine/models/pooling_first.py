"""A net that does less for the same numbers."""

from __future__ import annotations

from torch import nn

from convtui.engine.spec import ModelSpec


def pooling_first(net: nn.Module, spec: ModelSpec) -> nn.Module:
    """Of a chain the same layers in another order: a max-pool before the ReLU that it follows. Any other net as it is, and those of
    a person's own code, which may have hooks.

    The largest of values after a ReLU is the ReLU of the largest, and a gradient reaches it alone either way: outputs and gradients
    are the same to the last bit. After a pool of 2x2 a ReLU has a quarter of the work. Hooks on these two layers would see other
    values: for them there is the net itself.
    """
    if spec.module or type(net) is not nn.Sequential:
        return net
    layers = list(net)
    for place in range(len(layers) - 1):
        layer, following = layers[place : place + 2]
        if type(layer) is nn.ReLU and type(following) is nn.MaxPool2d:
            layers[place : place + 2] = following, layer
    return nn.Sequential(*layers)
