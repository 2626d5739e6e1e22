"""What a net is made of: layers, output shapes, parameters, neurons."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from convtui.engine.models.eval_mode import eval_mode
from convtui.engine.models.outputs import answer


@dataclass(frozen=True, slots=True)
class Layer:
    """A module without modules in it, or with parameters of its own, in the order of the forward pass."""

    name: str
    kind: str
    """The module's class, as in `Conv2d`."""
    output: tuple[int, ...]
    """Shape of its output for one image, without the batch."""
    weights: int
    biases: int
    neurons: int
    """Outputs of convolutional, dense and output layers, hidden units of recurrent ones; zero for every other kind."""

    @property
    def parameters(self) -> int:
        return self.weights + self.biases


@dataclass(frozen=True, slots=True)
class Summary:
    """A net's layers and totals."""

    input: tuple[int, ...]
    layers: tuple[Layer, ...]

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def neurons(self) -> int:
        return sum(layer.neurons for layer in self.layers)

    def least_bytes(self, batch_size: int) -> int:
        """What training cannot do with less of: float32 weights, gradients and two moments, and every layer's output once
        for a whole batch."""
        outputs = sum(torch.Size(layer.output).numel() for layer in self.layers)
        return 4 * (4 * self.parameters + batch_size * outputs)


def summarise(net: nn.Module, input: Sequence[int]) -> Summary:
    """Shapes and counts of `net` for one image of shape [C, H, W], by one forward pass of that image in zeros.

    Runs where the net's parameters are; put the net on the meta device to pay nothing for it.
    """
    layers: list[Layer] = []
    counted: set[nn.Parameter] = set()

    def count(layer: nn.Module, *, biases: bool) -> int:
        """Each parameter once, however often its layer is used."""
        own = [p for key, p in layer.named_parameters(recurse=False) if key.startswith("bias") == biases and p not in counted]
        counted.update(own)
        return sum(p.numel() for p in own)

    def note(name: str, layer: nn.Module) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            # A recurrent layer gives its states, and then the last of them besides.
            found = answer(output)
            shape = tuple(found.shape[1:]) if found is not None else ()
            weights, biases = count(layer, biases=False), count(layer, biases=True)
            neurons = torch.Size(shape).numel() if isinstance(layer, nn.Conv2d | nn.Linear) else 0
            if isinstance(layer, nn.RNNBase):
                neurons = layer.hidden_size * layer.num_layers
            layers.append(Layer(name, type(layer).__name__, shape, weights, biases, neurons))

        return hook

    first = next(net.parameters(), torch.zeros(0))
    with ExitStack() as hooks, eval_mode(net), torch.inference_mode():
        for name, layer in net.named_modules():
            if not list(layer.children()) or list(layer.parameters(recurse=False)):
                hooks.enter_context(layer.register_forward_hook(note(name or "net", layer)))
        net(torch.zeros(1, *input, device=first.device, dtype=first.dtype))
    return Summary(tuple(input), tuple(layers))
