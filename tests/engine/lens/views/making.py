"""Small nets in float64, each written in another style, and what their layers give by hand; three classes of 8x8 images."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from convtui.engine.data.batches import Standardise
from convtui.engine.data.split import Dataset
from convtui.engine.lens.subject import Subject
from convtui.engine.spec import RunSpec
from tests.conftest import toy_dataset

Values = NDArray[np.float64]


def subject_of(net: nn.Module, dataset: Dataset | None = None, *, batch: int = 256) -> Subject:
    """A net of its own and the toy images; in float64, so that sums by hand are exact to many digits."""
    found = dataset or toy_dataset()
    return Subject(
        net=net.double().eval(),
        shape=(1, 8, 8),
        classes=found.train.classes,
        standardise=Standardise(found.mean, found.std),
        dataset=lambda: found,
        spec=RunSpec(),
        title="toy",
        batch=batch,
    )


class Written(nn.Module):
    """conv1, ReLU, pool, conv2, ReLU, output: written as `style` says."""

    def __init__(self, style: str) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.style = style
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 5, 3)
        self.act = nn.ReLU(inplace=style == "in place")
        self.output = nn.Linear(5 * 2 * 2, 3)

    def forward(self, images: Tensor) -> Tensor:
        if self.style == "functional":
            hidden = torch.relu(self.conv2(F.max_pool2d(F.relu(self.conv1(images)), 2)))
        else:  # one module for both, in place or not
            hidden = self.act(self.conv2(F.max_pool2d(self.act(self.conv1(images)), 2)))
        return self.output(hidden.flatten(1))  # type: ignore[no-any-return]


def sequential(activation: Callable[[], nn.Module], *, norm: bool = False) -> nn.Sequential:
    """conv1, batch norm if wanted, activation, pool, conv2, activation, output."""
    torch.manual_seed(1)
    layers: list[tuple[str, nn.Module]] = [("conv1", nn.Conv2d(1, 4, 3, padding=1))]
    if norm:
        scale = nn.BatchNorm2d(4)
        nn.init.uniform_(scale.weight, -2, 2)
        nn.init.uniform_(scale.bias, -1, 1)
        nn.init.normal_(scale.running_mean)
        nn.init.uniform_(scale.running_var, 0.5, 2)
        layers.append(("bn1", scale))
    layers += [("act1", activation()), ("pool1", nn.MaxPool2d(2)), ("conv2", nn.Conv2d(4, 5, 3)), ("act2", activation())]
    return nn.Sequential(OrderedDict([*layers, ("flatten", nn.Flatten()), ("output", nn.Linear(20, 3))]))


def dense() -> nn.Sequential:
    torch.manual_seed(5)
    layers = {"flatten": nn.Flatten(), "dense1": nn.Linear(64, 7), "act1": nn.ReLU(), "output": nn.Linear(7, 3)}
    return nn.Sequential(OrderedDict(layers))


def linear(weight: Tensor, bias: Tensor) -> nn.Sequential:
    """A single dense layer with this weight [3, 64] and bias [3]."""
    output = nn.Linear(64, 3)
    output.weight.data, output.bias.data = weight, bias
    return nn.Sequential(OrderedDict([("flatten", nn.Flatten()), ("output", output)]))


def knowing() -> nn.Sequential:
    """Tells the toy images apart without a mistake: each class by the two columns that are lighter in it."""
    weight = torch.zeros(3, 8, 8)
    for label in range(3):
        weight[label, :, 3 * label : 3 * label + 2] = 1
    return linear(weight.flatten(1), torch.zeros(3))


class Diverged(nn.Module):
    """Takes everything for the middle; its output is not a number for images whose first pixel is lighter than `limit`."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit, self.output = limit, linear(torch.zeros(3, 64), torch.tensor([0.0, 1.0, 0.0]))

    def forward(self, images: Tensor) -> Tensor:
        told: Tensor = self.output(images)
        return told.where(images[:, 0, 0, :1] < self.limit, torch.nan)


NETS: Mapping[str, Callable[[], nn.Module]] = {
    "dense": dense,
    "tanh": lambda: sequential(nn.Tanh),
    "norm": lambda: sequential(lambda: nn.LeakyReLU(0.1), norm=True),
    "functional": lambda: Written("functional"),
    "in place": lambda: Written("in place"),
    "reused": lambda: Written("reused"),
}


def by_hand(name: str, net: nn.Module, seen: Tensor) -> dict[tuple[str, str], Values]:
    """(layer, stage) -> outputs for the standardised images `seen`, all at once, layer by layer."""
    layer = net.get_submodule
    activation = {"tanh": torch.tanh, "norm": lambda values: F.leaky_relu(values, 0.1)}.get(name, torch.relu)
    found: dict[tuple[str, str], Tensor] = {}
    with torch.no_grad():
        if name == "dense":
            found["dense1", "before"] = layer("dense1")(seen.flatten(1))
            found["dense1", "after"] = activation(found["dense1", "before"])
            found["output", "before"] = layer("output")(found["dense1", "after"])
        else:
            first = layer("conv1")(seen)
            found["conv1", "before"] = layer("bn1")(first) if name == "norm" else first
            found["conv1", "after"] = activation(found["conv1", "before"])
            found["conv2", "before"] = layer("conv2")(F.max_pool2d(found["conv1", "after"], 2))
            found["conv2", "after"] = activation(found["conv2", "before"])
            found["output", "before"] = layer("output")(found["conv2", "after"].flatten(1))
    return {key: values.numpy() for key, values in found.items()}
