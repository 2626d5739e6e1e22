"""How weights are drawn before training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convtui.engine.spec import ModelSpec

_PATCHED = 64
"""Images whose patches are in memory at a time."""
_LEAST_EIGENVALUE = 5e-4
"""Added to each: what hardly varies is noise, and is not blown up to the size of all else."""


def initialise(net: nn.Module, spec: ModelSpec) -> None:
    """Draw the weights of every convolution, dense layer and recurrent cell of `net` in place, from torch's global generator.

    `default` leaves PyTorch's own (uniform within fan_in^-1/2, of a cell hidden^-1/2; biases too). The others set biases to
    zero and draw weights, in a cell those of each gate by themselves:
    xavier: uniform, variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010, eq. 16);
    he: normal, variance 2 / fan_in (He et al. 2015, eq. 10);
    lecun: normal, variance 1 / fan_in (LeCun et al. 1998, "Efficient BackProp", eq. 16);
    gaussian: normal, of the spec's standard deviation.
    """
    if spec.init == "default":
        return
    for layer in net.modules():
        for weight in _weights(layer):
            match spec.init:
                case "xavier":
                    nn.init.xavier_uniform_(weight)
                case "he":
                    nn.init.kaiming_normal_(weight, nonlinearity="relu")
                case "lecun":
                    nn.init.kaiming_normal_(weight, nonlinearity="linear")
                case "gaussian":
                    nn.init.normal_(weight, std=spec.init_std)
                case other:
                    assert_never(other)
        for name, parameter in layer.named_parameters(recurse=False):
            if isinstance(layer, nn.Conv2d | nn.Linear | nn.RNNBase) and name.startswith("bias"):
                nn.init.zeros_(parameter)


def whitening(images: Tensor, kernel: tuple[int, int], dilation: int = 1) -> Tensor:
    """float32 [K, C, *kernel]: filters whose responses to patches of `images` [N, C, H, W] (standardised) are uncorrelated and of
    mean square 1, strongest first, then the same with the other sign, for what follows passes one sign only; K = 2 C rows columns.

    The eigenvectors of the patches' second moments, each over the root of its eigenvalue (Page 2019, "How to train your ResNet 8";
    Jordan 2024, arXiv 2404.00498). Signs are such that the largest weight is positive: LAPACK's differ between processors.
    """
    size = images.shape[1] * kernel[0] * kernel[1]
    moments, count = torch.zeros(size, size, dtype=torch.float64), 0
    for part in torch.split(images, _PATCHED):
        patches = F.unfold(part.double(), kernel, dilation=dilation).transpose(0, 1).reshape(size, -1)
        moments += patches @ patches.T
        count += patches.shape[1]
    values, vectors = torch.linalg.eigh(moments / count)
    filters = (vectors / (values.clamp(min=0) + _LEAST_EIGENVALUE).sqrt()).T.flip(0)
    largest = filters.gather(1, filters.abs().argmax(1, keepdim=True))
    filters = (filters * largest.sign()).reshape(size, images.shape[1], *kernel).float()
    return torch.cat([filters, -filters])


def whiten_filters(net: nn.Module, images: Tensor) -> None:
    """Put the `whitening` of `images` into the first filters of `conv1`, in place; more filters than there are stay as drawn."""
    conv = net.get_submodule("conv1")
    assert isinstance(conv, nn.Conv2d)
    rows, columns = conv.kernel_size
    filters = whitening(images, (rows, columns), conv.dilation[0])[: conv.out_channels]
    with torch.no_grad():
        conv.weight[: len(filters)] = filters


def _weights(layer: nn.Module) -> Iterator[Tensor]:
    """What is drawn at once: a layer's weights, or the matrix of each gate."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        yield layer.weight
    elif isinstance(layer, nn.RNNBase):
        for name, matrix in layer.named_parameters(recurse=False):
            if name.startswith("weight"):
                yield from torch.split(matrix, layer.hidden_size)


def seed_filters(net: nn.Module, pictures: Tensor) -> None:
    """Put `pictures` [K, C, H, W] (standardised) into the first K filters of `conv1`, in place; further filters stay as drawn.

    A picture is resized to the kernel (bilinear, antialiased), its mean is taken off, and it is scaled to the standard
    deviation of the weights that it replaces: the layer's responses begin as large as they would have. Constant pictures
    leave their filter as it is.
    """
    conv = net.get_submodule("conv1")
    assert isinstance(conv, nn.Conv2d)
    weight = conv.weight
    fitted = F.interpolate(pictures.to(weight), size=weight.shape[2:], mode="bilinear", antialias=True, align_corners=False)
    with torch.no_grad():
        for drawn, picture in zip(weight, fitted, strict=False):
            spread = picture.std()
            if spread > 0:
                drawn.copy_((picture - picture.mean()) * (drawn.std() / spread))
