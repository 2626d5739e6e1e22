"""What can be measured of a net's layers, where a run asks for it (`training.measures`).

Told of every step:

- `gradient_norm/LAYER`: ||dE/dw||, Euclidean, over all weights and biases of the layer, of the step's mean loss, before clipping.
- `update_ratio/LAYER`: ||dw|| / ||w|| over the layer's weights, biases left out: dw what the step changed, w the weights before it.

Told of every epoch, over the images and weights of its steps, as `train_loss` is:

- `conv_deltas/LAYER`: mean over images of the sum over the units of a convolution of |dE/dv|, v what goes into its activation
  (so behind batch normalisation), E the image's own loss: report 004's "magnitude of convolutional deltas".

Told of every evaluation, over the images of the test split:

- `saturated/LAYER`: of all outputs of an activation, the share at the ends of its range: |tanh| > 0.99, a sigmoid < 0.01 or > 0.99.
  An activation that is used several times in a pass has a series for each: `saturated/relu`, `saturated/relu:2`.
- `dead/LAYER`: share of a ReLU's units that are zero for every image. The places of a feature map share their weights, so a
  map counts as one unit, dead where all of it is. Activations that are not flat below zero cannot die and have no such series.
- `class_accuracy/CLASS`: share of the class's images that are classified correctly.
- the confusion matrix: counts of images by true class (row) and predicted class (column).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, assert_never

import torch
from torch import Tensor, nn

from convtui.engine.models import nonlinearity
from convtui.engine.spec import TrainingSpec
from convtui.engine.training.metric_buffer import MetricBuffer

EDGE = 0.01
"""How near to an end of its range an output is saturated."""


class LayerMetrics:
    """Metrics of every step: made once per training, and asked before and after each update."""

    def __init__(self, spec: TrainingSpec, net: nn.Module) -> None:
        layers = [(name or "net", layer) for name, layer in net.named_modules()]
        self._parameters, self._weights, self.conv_deltas = {}, {}, {}
        for measure in spec.measures:
            match measure:
                case "gradient_norm":
                    self._parameters = {name: trained for name, layer in layers if (trained := _trained(layer))}
                case "update_ratio":
                    self._weights = {name: weights for name, layer in layers if (weights := _weights(layer))}
                case "conv_deltas":
                    self.conv_deltas = dict(_before_activations(net))
                    """Convolution -> the last layer before its activation."""
                case "mean_squared_error":  # each step measures it itself, where it has the outputs
                    pass
                case "saturated" | "dead" | "class_accuracy" | "confusion":  # of an evaluation
                    pass
                case other:
                    assert_never(other)
        self._before: dict[str, list[Tensor]] = {}
        self._deltas: dict[str, list[Tensor]] = {}
        self.watches_updates = bool(self._parameters or self._weights)
        """False where nothing is to be recorded before and after an update."""

    def record_gradients(self, buffer: MetricBuffer) -> None:
        """Once the gradients are there, before they are clipped and used."""
        for name, parameters in self._parameters.items():
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            # A pass may leave a layer out.
            buffer.series[f"gradient_norm/{name}"].append(_norm(gradients or [parameters[0].new_zeros(1)]))
        self._before = {name: [weight.detach().clone() for weight in weights] for name, weights in self._weights.items()}

    def record_update(self, buffer: MetricBuffer) -> None:
        """Once the weights are the new ones."""
        for name, before in self._before.items():
            changes = [new.detach() - old for new, old in zip(self._weights[name], before, strict=True)]
            buffer.series[f"update_ratio/{name}"].append(_norm(changes) / _norm(before))

    @contextmanager
    def watching_deltas(self) -> Iterator[None]:
        """A forward pass within the block has its backward pass, of the batch's mean loss, measured too."""

        # The mean loss has the gradient of each image's own loss over N: its sum over the batch is the mean over images.
        def watch(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
            sums = self._deltas[name] = []

            def hook(_layer: nn.Module, _inputs: Any, output: Tensor) -> None:
                if output.requires_grad:  # not where all that leads to it is frozen
                    output.register_hook(lambda gradient: sums.append(gradient.abs().sum(dtype=torch.float32)))  # type: ignore[no-untyped-call]

            return hook

        with ExitStack() as hooks:
            for name, layer in self.conv_deltas.items():
                hooks.enter_context(layer.register_forward_hook(watch(name)))
            yield

    def record_deltas(self, buffer: MetricBuffer) -> None:
        """Once the backward pass is done: of a convolution that was used several times their sum."""
        for name, sums in self._deltas.items():
            device = next(self.conv_deltas[name].parameters()).device
            buffer.means[f"conv_deltas/{name}"].append(torch.stack(sums).sum() if sums else torch.zeros((), device=device))


class EvaluationMetrics:
    """Metrics of one evaluation. Counts stay on the device until `values` is asked for."""

    def __init__(self, spec: TrainingSpec, classes: Sequence[str]) -> None:
        self._chosen = spec.measures
        self.watches_layers = "saturated" in spec.measures or "dead" in spec.measures
        """Whether hooks look at layers' outputs."""
        self._counts_classes = "class_accuracy" in spec.measures or "confusion" in spec.measures
        self._classes = classes
        self._confusion: Tensor | None = None
        self._saturated: dict[str, list[Tensor]] = {}
        self._alive: dict[str, Tensor] = {}
        self._outputs: dict[str, int] = {}
        self._uses: Counter[str] = Counter()
        """Of an activation in the pass that goes on."""

    @contextmanager
    def watching(self, net: nn.Module) -> Iterator[None]:
        """Within the block the net's activations are looked at."""
        with ExitStack() as hooks:
            hooks.enter_context(net.register_forward_pre_hook(lambda _net, _inputs: self._uses.clear()))
            for name, layer in net.named_modules():
                does = nonlinearity(layer)
                if "saturated" in self._chosen and does is not None and does.rule.ends is not None:
                    hooks.enter_context(layer.register_forward_hook(self._note_saturated(name, *does.rule.ends)))
                if "dead" in self._chosen and does is not None and does.is_flat_below_zero:
                    hooks.enter_context(layer.register_forward_hook(self._note_alive(name)))
            yield

    def count(self, predicted: Tensor, labels: Tensor) -> None:
        """Count predicted classes by true class, both int64 [N]."""
        if self._counts_classes:
            classes = len(self._classes)
            counts = torch.bincount(labels * classes + predicted, minlength=classes**2)
            self._confusion = counts if self._confusion is None else self._confusion + counts

    def count_all(self, summed: Callable[[Tensor], Tensor]) -> None:
        """Add what the other processes of the run have counted of classes; `summed` is the sum of a tensor of each, int64 here."""
        if self._counts_classes:
            nothing = torch.zeros(len(self._classes) ** 2, dtype=torch.int64)
            self._confusion = summed(nothing if self._confusion is None else self._confusion)

    @property
    def values(self) -> dict[str, float]:
        """The series and their values; a class without images has none."""
        found = {name: torch.stack(counts).sum().item() / self._outputs[name] for name, counts in self._saturated.items()}
        found |= {name: 1 - alive.float().mean().item() for name, alive in self._alive.items()}
        if self._confusion is not None and "class_accuracy" in self._chosen:
            for name, row, right in zip(self._classes, self._table(), range(len(self._classes)), strict=True):
                if sum(row):
                    found[f"class_accuracy/{name}"] = row[right] / sum(row)
        return found

    @property
    def confusion(self) -> tuple[tuple[int, ...], ...] | None:
        """Counts by true class (row) and predicted class; None where it was not asked for."""
        return tuple(map(tuple, self._table())) if self._confusion is not None and "confusion" in self._chosen else None

    def _table(self) -> list[list[int]]:
        assert self._confusion is not None
        classes = len(self._classes)
        table: list[list[int]] = self._confusion.reshape(classes, classes).tolist()
        return table

    def _series(self, measure: str, layer: str) -> str:
        name = f"{measure}/{layer}"
        self._uses[name] += 1
        return name if self._uses[name] == 1 else f"{name}:{self._uses[name]}"

    def _note_saturated(self, layer: str, low: float, high: float) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            name = self._series("saturated", layer)
            count = ((output < low + EDGE) | (output > high - EDGE)).sum()
            self._saturated.setdefault(name, []).append(count)
            self._outputs[name] = self._outputs.get(name, 0) + output.numel()

        return hook

    def _note_alive(self, layer: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            name = self._series("dead", layer)
            # [N, units] or [N, maps, H, W] -> which units or maps are above zero anywhere.
            alive = output.transpose(0, 1).flatten(1).gt(0).any(1)
            self._alive[name] = self._alive[name] | alive if name in self._alive else alive

        return hook


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    """Euclidean, over all entries of all of them; a quarter of what torch's own way of taking many tensors costs."""
    norms = [torch.linalg.vector_norm(tensor) for tensor in tensors]
    total: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return total


def _trained(layer: nn.Module) -> list[nn.Parameter]:
    """Its own parameters, without frozen ones."""
    return [parameter for parameter in layer.parameters(recurse=False) if parameter.requires_grad]


def _weights(layer: nn.Module) -> list[Tensor]:
    named = layer.named_parameters(recurse=False)
    return [parameter for name, parameter in named if parameter.requires_grad and not name.startswith("bias")]


def _before_activations(net: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Each convolution's name with the layer whose output goes into its activation: itself, or its batch normalisation.

    In a net of a person's own code, that of the convolution is the one that its class names next.
    """
    leaves = [(name, layer) for name, layer in net.named_modules() if not list(layer.children())]
    named = list(net.named_children()) if isinstance(net, nn.Sequential) else leaves
    for (name, layer), (_, following) in zip(named, [*named[1:], ("", None)], strict=True):
        if isinstance(layer, nn.Conv2d):
            yield name, following if isinstance(following, nn.BatchNorm2d) else layer
