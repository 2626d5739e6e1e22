"""The blocks of a net, each in a one-line notation that is read and written."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

from convtui.engine.spec.base import Part, hyper, several

_CONV_NOTATION = re.compile(
    r"""^\s*(?P<filters>\d+)\s+(?P<kernel>\d+)(?:[x×](?P<kernel_too>\d+))?
        (?:\s+stride\s+(?P<stride>\d+))?
        (?:\s+pad\s+(?P<padding>\d+))?
        (?:\s+(?P<batch_norm>bn))?
        (?:\s+pool\s+(?P<pool>\d+)(?:/(?P<pool_stride>\d+))?)?\s*$""",
    re.VERBOSE,
)
_DENSE_NOTATION = re.compile(r"^\s*(?P<units>\d+)(?:\s+(?P<batch_norm>bn))?(?:\s+dropout\s+(?P<dropout>[\d.]+(?:e-?\d+)?))?\s*$")


class ConvBlock(Part):
    """Convolution, batch norm if wanted, activation, max-pool if wanted. Written `32 5x5 stride 1 pad 2 bn pool 3/2`."""

    filters: int = hyper(32, "number of filters, and so of feature maps", ge=1, le=4096)
    kernel: int = hyper(5, "side of the square kernel", "pixels", ge=1, le=512)
    stride: int = hyper(1, "step of the kernel", "pixels", ge=1, le=16)
    padding: int = hyper(0, "zeros added at each border before the convolution", "pixels", ge=0, le=128)
    batch_norm: bool = hyper(False, "batch normalisation between convolution and activation")
    pool: int = hyper(0, "side of the max-pool after the activation; 0 is none", "pixels", ge=0, le=16)
    pool_stride: int = hyper(0, "step of the max-pool; 0 is its side", "pixels", ge=0, le=16)

    def __str__(self) -> str:
        words = [f"{self.filters} {self.kernel}x{self.kernel}"]
        words += [f"stride {self.stride}"] if self.stride != 1 else []
        words += [f"pad {self.padding}"] if self.padding else []
        words += ["bn"] if self.batch_norm else []
        if self.pool:
            step = self.pool_stride or self.pool
            words.append(f"pool {self.pool}" if step == self.pool else f"pool {self.pool}/{step}")
        return " ".join(words)


class DenseBlock(Part):
    """Dense layer, batch norm if wanted, activation, dropout if wanted. Written `1024 bn dropout 0.5`."""

    units: int = hyper(128, "number of units", ge=1, le=65536)
    batch_norm: bool = hyper(False, "batch normalisation between dense layer and activation")
    dropout: float = hyper(0.0, "share of units set to zero in each training step", ge=0, lt=1)

    def __str__(self) -> str:
        words = [f"{self.units}"]
        words += ["bn"] if self.batch_norm else []
        words += [f"dropout {self.dropout!r}"] if self.dropout else []
        return " ".join(words)


def _conv_from_notation(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = _CONV_NOTATION.match(value)
    if not found or found["kernel_too"] not in (None, found["kernel"]):
        raise ValueError("is not a block: write FILTERS KxK [stride S] [pad P] [bn] [pool P[/S]], as in '32 5x5 pad 2 pool 2'")
    given = {name: text for name, text in found.groupdict().items() if text is not None and name != "kernel_too"}
    return {name: True if name == "batch_norm" else int(text) for name, text in given.items()}


def _dense_from_notation(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"units": value}
    if not isinstance(value, str):
        return value
    found = _DENSE_NOTATION.match(value)
    if not found:
        raise ValueError("is not a block: write UNITS [bn] [dropout SHARE], as in '1024 dropout 0.5'")
    given = {name: text for name, text in found.groupdict().items() if text is not None}
    return {name: True if name == "batch_norm" else text for name, text in given.items()}


ConvBlocks = Annotated[tuple[Annotated[ConvBlock, BeforeValidator(_conv_from_notation)], ...], BeforeValidator(several)]
DenseBlocks = Annotated[tuple[Annotated[DenseBlock, BeforeValidator(_dense_from_notation)], ...], BeforeValidator(several)]
