"""Gradients of one image worked out by hand: for small nets trained image by image, whose time would all go into autograd.

What makes it quick is what is left out: no graph is recorded, arrays are made once, and where the update is plain gradient descent
no gradient is ever written down: the weights themselves take its place in the product that would have made it. Products are
torch's, on as many threads as any other step; elementwise work is NumPy's, whose calls cost less. Both look at the memory of the
net's own parameters, so that checkpoints, evaluation and views see nothing of all this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol, assert_never

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor, nn

from convtui.engine.losses import mean_squared_error
from convtui.engine.models import Array, Nonlinearity, nonlinearity, summarise
from convtui.engine.spec import RunSpec, TrainingSpec
from convtui.engine.training.metric_buffer import MetricBuffer
from convtui.engine.training.step import Step

LARGEST = 2**18
"""Numbers in a convolution's windows: with more of them, copying them costs more than autograd does."""


class ByHandStep(Step):
    """Forward and backward, layer by layer, one image at a time."""

    step_path = "by hand"
    threads = 1

    def __init__(
        self,
        spec: RunSpec,
        net: nn.Module,
        optimiser: torch.optim.Optimizer,
        device: torch.device,
        shape: tuple[int, int, int],
    ) -> None:
        super().__init__(spec, net, optimiser, device)
        rule = spec.optimiser
        beyond_sgd = rule.momentum or rule.weight_decay or rule.clip_norm
        self.plain = rule.name == "sgd" and not (beyond_sgd or self.layer_metrics.watches_updates)
        """Whether the update is w - rate x dE/dw and nothing else, and dE/dw itself is not asked for."""
        layers = by_hand(net, shape, descend=self.plain)
        self.layers = list(layers.values())
        first = next(place for place, layer in enumerate(self.layers) if isinstance(layer, Convolution | Dense))
        self.way_back = list(layers.items())[: first - 1 if first else None : -1]
        """With their names, the last one first, as far as there is something to train."""

    def train_on_batch(self, images: Tensor, labels: Tensor, rate: float, buffer: MetricBuffer) -> None:
        label = int(labels.item())
        beta, alpha = (1.0, -rate) if self.plain else (0.0, 1.0)
        with np.errstate(all="ignore"):  # what is not finite is seen, and said, once per event
            values = images.numpy()[0]
            for layer in self.layers:
                values = layer.forward(values)
            loss, grad_output = loss_and_gradient(self.spec.training, values, label)
            for name, layer in self.way_back:
                if name in self.layer_metrics.conv_deltas:
                    buffer.means[f"conv_deltas/{name}"].append(float(np.abs(grad_output).sum()))
                grad_output = layer.backward(grad_output, beta, alpha)
        buffer.losses.append(loss)
        buffer.correct.append(float(values.argmax() == label))
        if "mean_squared_error" in self.spec.training.measures:
            outputs = torch.from_numpy(values)[None]
            buffer.means["train_mean_squared_error"].append(float(mean_squared_error(self.spec.training, outputs, labels)))
        if not self.plain:
            self.set_rate(rate)
            self.update(buffer)
        buffer.weight_sums.append(0.0)

    def before_fetch(self, buffer: MetricBuffer) -> None:
        """The sum of the weights once per event: at every step it would cost a fifth of the step."""
        if buffer.weight_sums:
            buffer.weight_sums[-1] = float(self.weight_sum())


def loss_and_gradient(spec: TrainingSpec, outputs: Array, label: int) -> tuple[float, Array]:
    """The spec's loss of one image's outputs [classes], and its derivative by each of them; as `losses.loss` has it."""
    wanted = _wanted(len(outputs), spec.label_smoothing, label)
    match spec.loss:
        case "sum_squares":
            errors = outputs - wanted
            return float(errors @ errors) / 2, errors
        case "cross_entropy":
            shifted = outputs - outputs.max()
            powers = np.exp(shifted)
            total = powers.sum()
            return math.log(total) - float(wanted @ shifted), powers / total - wanted
        case other:
            assert_never(other)


@lru_cache(1024)
def _wanted(classes: int, smoothing: float, label: int) -> Array:
    """What the outputs ought to be [classes]; not to be written to."""
    wanted = np.full(classes, smoothing / classes, np.float32)
    wanted[label] += 1 - smoothing
    wanted.flags.writeable = False
    return wanted


# ------------------------------------------------------------------------------------------------------------- layers


class Layer(Protocol):
    """One layer of a net for one image. What it gives belongs to it, and changes with the next image."""

    def forward(self, values: Array) -> Array:
        """From what goes in to what comes out."""

    def backward(self, grad_output: Array, beta: float, alpha: float) -> Array:
        """From dE/d(what came out) to dE/d(what went in); each accumulator becomes `beta` x itself + `alpha` x dE/dw."""


def is_known(net: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether every layer of `net`, for images of `shape`, is small and of a kind that is worked out here."""
    if not isinstance(net, nn.Sequential) or not all(_is_known(layer) for layer in net):
        return False
    convolutions = [layer for layer in summarise(net, shape).layers if layer.kind == "Conv2d"]
    return all(math.prod(layer.output[1:]) * layer.weights // layer.output[0] <= LARGEST for layer in convolutions)


def by_hand(net: nn.Module, shape: tuple[int, ...], *, descend: bool) -> dict[str, Layer]:
    """The layers of `net`, for images of `shape`, by their names.

    dE/dw is added, to `descend`, to the parameters themselves; else to their `grad`, which is made here.
    """
    layers: dict[str, Layer] = {}
    for name, layer in net.named_children():
        trained = [each for each in layers.values() if isinstance(each, Convolution | Dense)]
        if not descend:
            for parameter in layer.parameters():
                parameter.grad = torch.zeros_like(parameter)
        accumulators = [parameter.detach() if descend else parameter.grad for parameter in layer.parameters()]
        made: Convolution | Pool | Flatten | Dense | Activation
        match layer:
            case nn.Conv2d():
                made = Convolution(layer, accumulators, shape, first=not trained)
            case nn.MaxPool2d():
                made = Pool(layer, shape)
            case nn.Flatten():
                made = Flatten(shape)
            case nn.Linear():
                made = Dense(layer, accumulators, first=not trained)
            case _:
                does = nonlinearity(layer)
                assert does is not None, "`is_known` has not been asked"
                made = Activation(does, shape)
        layers[name], shape = made, made.shape
    return layers


def _is_known(layer: nn.Module) -> bool:
    match layer:
        case nn.Conv2d():
            square = all(
                isinstance(pair, tuple) and len(set(pair)) == 1 for pair in (layer.kernel_size, layer.stride, layer.padding)
            )
            plain = layer.groups == 1 and layer.dilation == (1, 1) and layer.padding_mode == "zeros"
            return square and plain and layer.bias is not None
        case nn.MaxPool2d():
            return (layer.padding, layer.dilation, layer.ceil_mode) == (0, 1, False)
        case nn.Linear():
            return layer.bias is not None
        case _:
            does = nonlinearity(layer)
            return isinstance(layer, nn.Flatten) or (does is not None and does.rule.derivative is not None)


class Convolution:
    """v = W * columns + b: every window of the image as one column ("im2col"), so that a convolution is one product."""

    def __init__(self, layer: nn.Conv2d, accumulators: Sequence[Any], shape: tuple[int, ...], *, first: bool) -> None:
        """For images of `shape` [C, H, W]; `accumulators` of weight and bias. What goes into a net needs no derivative."""
        (channels, height, width), kernel, step = shape, layer.kernel_size[0], layer.stride[0]
        assert isinstance(layer.padding, tuple)
        assert layer.bias is not None
        border = layer.padding[0]
        self.inside = np.s_[:, border : border + height, border : border + width]
        self.padded = np.zeros((channels, height + 2 * border, width + 2 * border), np.float32)
        windows = sliding_window_view(self.padded, (kernel, kernel), (1, 2))[:, ::step, ::step]
        # [K, K, C, H', W']: kernels have their channels last in memory.
        self.windows = windows.transpose(3, 4, 0, 1, 2)
        self.columns = np.empty_like(self.windows, order="C")
        self.shape = (layer.out_channels, *windows.shape[1:3])
        self.out = np.empty(self.shape, np.float32)
        self.weight, self.bias = _rows(layer.weight.detach()), layer.bias.detach()[:, None]
        self.weight_accumulator, self.bias_accumulator = _rows(accumulators[0]), accumulators[1]
        self.ones = torch.ones(math.prod(self.shape[1:]))
        columns = torch.from_numpy(self.columns).view(self.weight.shape[1], -1)
        self.as_product, self.columns_transposed = (columns, _flat(self.out)), columns.T
        # Where a window's pixel (row, column) of the kernel is in the padded image, for all windows.
        spans = [slice(start, start + step * count, step) for count in self.shape[1:] for start in range(kernel)]
        self.places = [
            (row, column, np.s_[:, spans[row], spans[kernel + column]]) for row in range(kernel) for column in range(kernel)
        ]
        self.grad_input = None if first else (np.empty_like(self.padded), np.empty_like(self.columns))

    def forward(self, values: Array) -> Array:
        self.padded[self.inside] = values
        self.columns[...] = self.windows
        columns, out = self.as_product
        torch.addmm(self.bias, self.weight, columns, out=out)
        return self.out

    def backward(self, grad_output: Array, beta: float, alpha: float) -> Array:
        rows = _flat(grad_output)
        if self.grad_input is not None:
            image, columns = self.grad_input
            torch.mm(self.weight.T, rows, out=torch.from_numpy(columns).view(self.weight.shape[1], -1))
            image[...] = 0
            for row, column, place in self.places:
                image[place] += columns[row, column]
            grad_output = image[self.inside]
        self.weight_accumulator.addmm_(rows, self.columns_transposed, beta=beta, alpha=alpha)
        self.bias_accumulator.addmv_(rows, self.ones, beta=beta, alpha=alpha)
        return grad_output


class Pool:
    """The greatest of every window; the derivative goes where it came from."""

    def __init__(self, layer: nn.MaxPool2d, shape: tuple[int, ...]) -> None:
        self.size, self.step = layer.kernel_size, layer.stride
        self.grad_input = np.empty(shape, np.float32)
        pooled, self.switches = self._pool(torch.zeros(shape))
        self.shape = tuple(pooled.shape)

    def _pool(self, values: Tensor) -> tuple[Tensor, Tensor]:
        return nn.functional.max_pool2d(values, self.size, self.step, return_indices=True)

    def forward(self, values: Array) -> Array:
        pooled, self.switches = self._pool(torch.from_numpy(values))
        return pooled.numpy()

    def backward(self, grad_output: Array, _beta: float, _alpha: float) -> Array:
        self.grad_input[...] = 0
        _flat(self.grad_input).scatter_add_(1, self.switches.flatten(1), _flat(grad_output))
        return self.grad_input


class Flatten:
    """Maps side by side."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.before = shape
        self.shape = (math.prod(shape),)

    def forward(self, values: Array) -> Array:
        return values.reshape(-1)

    def backward(self, grad_output: Array, _beta: float, _alpha: float) -> Array:
        return grad_output.reshape(self.before)


class Dense:
    """v = W y + b."""

    def __init__(self, layer: nn.Linear, accumulators: Sequence[Any], *, first: bool) -> None:
        """`accumulators` of weight and bias. What goes into a net needs no derivative."""
        self.shape = (layer.out_features,)
        self.weight, self.bias = layer.weight.detach(), layer.bias.detach()
        self.weight_accumulator, self.bias_accumulator = accumulators
        self.values = torch.empty(layer.in_features)
        self.weight_transposed = self.weight.T
        self.grad_input = None if first else torch.empty(layer.in_features)

    def forward(self, values: Array) -> Array:
        self.values = torch.from_numpy(values)
        return torch.addmv(self.bias, self.weight, self.values).numpy()

    def backward(self, grad_output: Array, beta: float, alpha: float) -> Array:
        column = torch.from_numpy(grad_output)
        if self.grad_input is not None:
            torch.mv(self.weight_transposed, column, out=self.grad_input)
            grad_output = self.grad_input.numpy()
        self.weight_accumulator.addr_(column, self.values, beta=beta, alpha=alpha)
        if beta != 1:
            self.bias_accumulator.mul_(beta)
        self.bias_accumulator.add_(column, alpha=alpha)
        return grad_output


class Activation:
    """y = f(slope v), value by value."""

    def __init__(self, does: Nonlinearity, shape: tuple[int, ...]) -> None:
        self.does = does
        self.shape = shape
        self.values: Array = np.empty(shape, np.float32)

    def forward(self, values: Array) -> Array:
        self.values = self.does.value(values)
        return self.values

    def backward(self, grad_output: Array, _beta: float, _alpha: float) -> Array:
        return np.multiply(grad_output, self.does.derivative(self.values))


def _rows(kernels: Tensor) -> Tensor:
    """Kernels [N, C, K, K], channels last in memory, as one row each; shares their memory."""
    return kernels.permute(0, 2, 3, 1).view(len(kernels), -1)


def _flat(maps: Array) -> Tensor:
    """Maps [C, H, W] as one row each; shares their memory where they are contiguous."""
    return torch.from_numpy(maps).flatten(1)
