"""How weights are drawn before training."""

from __future__ import annotations

from torch import nn


def initialise(net: nn.Module, how: str) -> None:
    """Draw the weights of every convolution and dense layer of `net` in place, from torch's global generator.

    `default` leaves PyTorch's own (uniform within fan_in^-1/2, biases too). The others set biases to zero and draw weights
    xavier: uniform, variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010, eq. 16);
    he: normal, variance 2 / fan_in (He et al. 2015, eq. 10);
    lecun: normal, variance 1 / fan_in (LeCun et al. 1998, "Efficient BackProp", eq. 16).
    """
    if how == "default":
        return
    for layer in net.modules():
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        if how == "xavier":
            nn.init.xavier_uniform_(layer.weight)
        elif how == "he":
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        else:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
