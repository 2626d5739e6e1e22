"""The blocks of a net, each in a one-line notation that is read and written."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo, field_validator, model_validator

from convtui.engine.spec.base import Part, hyper, quoted, several
from convtui.engine.spec.choices import PoolKind
from convtui.engine.spec.spelling import nearest

_CONV_NOTATION = (
    "FILTERS KxK [stride S] [pad P|same] [dilation D] [groups G] [no-bias] [bn] [skip N] [pool|avg-pool P[/S]|global] "
    "[dropout SHARE]"
)
DENSE_NOTATION = "UNITS [no-bias] [bn] [dropout SHARE]"
_CONV_FIRST = re.compile(r"\s*(?P<filters>\d+)\s+(?P<kernel>\d+)(?:[x×](?P<kernel_width>\d+))?(?=\s|$)")
_DENSE_FIRST = re.compile(r"\s*(?P<units>\d+)(?=\s|$)")
_COMMON = r"(?P<bias>no-bias)|(?P<batch_norm>bn)|dropout\s+(?P<dropout>[\d.]+(?:e-?\d+)?)"
_CONV_WORDS = re.compile(
    rf"""\s+(?:stride\s+(?P<stride>\d+) | pad\s+(?:(?P<same>same)|(?P<padding>\d+)) | dilation\s+(?P<dilation>\d+)
        | groups\s+(?P<groups>\d+) | skip\s+(?P<skip>\d+) | {_COMMON}
        | (?P<pool_kind>avg-)?pool\s+(?:(?P<global_pool>global)|(?P<pool>\d+)(?:/(?P<pool_stride>\d+))?))(?=\s|$)""",
    re.VERBOSE,
)
_DENSE_WORDS = re.compile(rf"\s+(?:{_COMMON})(?=\s|$)")
_MEANING: dict[str, Any] = {"bias": False, "batch_norm": True, "same": True, "global_pool": True, "pool_kind": "average"}
"""Of words that stand for a value."""


class ConvBlock(Part):
    """Convolution, batch norm and skip if wanted, activation, pool and dropout if wanted. Written `32 5x5 pad 2 bn pool 3/2`."""

    filters: int = hyper(32, "number of filters and feature maps", ge=1, le=4096)
    kernel: int = hyper(5, "rows of the kernel; columns too, unless kernel_width is set", "pixels", ge=1, le=512)
    kernel_width: int = hyper(0, "columns of a kernel that is not square", "pixels", zero="same as rows", ge=0, le=512)
    stride: int = hyper(1, "stride of the kernel", "pixels", ge=1, le=16)
    padding: int = hyper(0, "zeros added at each border before the convolution", "pixels", ge=0, le=128)
    same: bool = hyper(False, "pad so that maps keep their size, instead of padding")
    dilation: int = hyper(1, "spacing of the kernel's elements", "pixels", ge=1, le=64)
    groups: int = hyper(1, "groups of maps and filters that are convolved separately", ge=1, le=4096)
    bias: bool = hyper(True, "add a bias to each filter's output")
    batch_norm: bool = hyper(False, "batch normalisation between convolution and activation")
    skip: int = hyper(
        0, "blocks, this one the last, whose input is added before this one's activation", "blocks", zero="none", ge=0, le=32
    )
    pool: int = hyper(0, "side of the pool after the activation", "pixels", zero="none", ge=0, le=16)
    pool_stride: int = hyper(0, "stride of the pool", "pixels", zero="same as its side", ge=0, le=16)
    pool_kind: PoolKind = hyper("max", "how each window is pooled")
    global_pool: bool = hyper(False, "pool over each whole map")
    dropout: float = hyper(0.0, "share of the block's outputs set to zero in each training step", ge=0, lt=1)

    @property
    def kernel_sides(self) -> tuple[int, int]:
        """Rows and columns of the kernel."""
        return self.kernel, self.kernel_width or self.kernel

    @property
    def paddings(self) -> tuple[int, int]:
        """Rows and columns of zeros at each border."""
        rows, columns = self._reach
        return (rows // 2, columns // 2) if self.same else (self.padding, self.padding)

    @property
    def pool_step(self) -> int:
        """Of the pool, 1 where there is none, or one over whole maps."""
        return self.pool_stride or self.pool or 1

    @property
    def _reach(self) -> tuple[int, int]:
        """From the first to the last row and column of the kernel, with its holes."""
        rows, columns = self.kernel_sides
        return self.dilation * (rows - 1), self.dilation * (columns - 1)

    def __str__(self) -> str:
        rows, columns = self.kernel_sides
        words = [f"{self.filters} {rows}x{columns}"]
        words += [f"stride {self.stride}"] if self.stride != 1 else []
        words += ["pad same"] if self.same else [f"pad {self.padding}"] if self.padding else []
        words += [f"dilation {self.dilation}"] if self.dilation != 1 else []
        words += [f"groups {self.groups}"] if self.groups != 1 else []
        words += _common_words(self)
        words += [f"skip {self.skip}"] if self.skip else []
        if self.pool or self.global_pool:
            step = f"/{self.pool_stride}" if self.pool_stride else ""
            words.append(f"{'avg-' * (self.pool_kind == 'average')}pool {'global' if self.global_pool else f'{self.pool}{step}'}")
        return " ".join([*words, *_dropout_words(self)])

    @field_validator("kernel_width", "pool_stride")
    @classmethod
    def _one_way_to_say_it(cls, value: int, info: ValidationInfo) -> int:
        """0 where the side says it already: blocks that do the same are equal."""
        side = info.data.get("kernel" if info.field_name == "kernel_width" else "pool", 0)
        return 0 if value == side or not side else value

    @model_validator(mode="after")
    def _fit_together(self) -> ConvBlock:
        if self.same:
            self._check_same()
        if self.global_pool and self.pool:
            raise ValueError(f"pool {self.pool} and pool global are two pools: write one of them")
        if self.pool_kind != "max" and not (self.pool or self.global_pool):
            raise ValueError(f"pool_kind = {self.pool_kind} is about a pool, but there is none: set pool, or pool_kind = max")
        return self

    def _check_same(self) -> None:
        if self.padding:
            raise ValueError(f"pad {self.padding} and pad same are two paddings: write one of them")
        if self.stride != 1:
            near = max(self.paddings)
            raise ValueError(
                f"pad same keeps the size of maps, which a stride of {self.stride} does not: write pad {near}, or no stride"
            )
        if any(reach % 2 for reach in self._reach):
            odd = "x".join(str(side + (side + 1) % 2) for side in self.kernel_sides)
            raise ValueError(f"pad same puts as many zeros on either side, and a kernel of even sides has no middle: write {odd}")


class DenseBlock(Part):
    """Dense layer, batch norm if wanted, activation, dropout if wanted. Written `1024 bn dropout 0.5`."""

    units: int = hyper(128, "number of units", ge=1, le=65536)
    bias: bool = hyper(True, "add a bias to each unit's output")
    batch_norm: bool = hyper(False, "batch normalisation between dense layer and activation")
    dropout: float = hyper(0.0, "share of units set to zero in each training step", ge=0, lt=1)

    def __str__(self) -> str:
        return " ".join([f"{self.units}", *_common_words(self), *_dropout_words(self)])


def _common_words(block: ConvBlock | DenseBlock) -> list[str]:
    return [*([] if block.bias else ["no-bias"]), *(["bn"] if block.batch_norm else [])]


def _dropout_words(block: ConvBlock | DenseBlock) -> list[str]:
    return [f"dropout {block.dropout!r}"] if block.dropout else []


def _conv_from_notation(value: Any) -> Any:
    return _read(value, _CONV_FIRST, _CONV_WORDS, _CONV_NOTATION, "32 5x5 pad 2 pool 2") if isinstance(value, str) else value


def _dense_from_notation(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"units": value}
    return _read(value, _DENSE_FIRST, _DENSE_WORDS, DENSE_NOTATION, "1024 dropout 0.5") if isinstance(value, str) else value


def _read(text: str, first: re.Pattern[str], words: re.Pattern[str], notation: str, example: str) -> dict[str, Any]:
    """The values that a block's notation gives; its words in any order, each once."""
    given: dict[str, Any] = {}
    place, found = 0, first.match(text)
    while found:
        new = {name: _MEANING.get(name, told) for name, told in found.groupdict().items() if told is not None}
        if new.keys() & given.keys():
            break
        given |= new
        place = found.end()
        found = words.match(text, place)
    rest = text[place:].strip()
    if given and not rest:
        return given
    known, wrong = re.findall(r"[a-z][a-z-]+", notation), rest.partition(" ")[0]
    near = nearest(wrong, known) if given and wrong not in known else ""
    at = f" from '{quoted(rest)}' on{near}" if given else ""
    raise ValueError(f"is not a block{at}: write {notation}, as in '{example}'")


ConvBlocks = Annotated[tuple[Annotated[ConvBlock, BeforeValidator(_conv_from_notation)], ...], BeforeValidator(several)]
DenseBlocks = Annotated[tuple[Annotated[DenseBlock, BeforeValidator(_dense_from_notation)], ...], BeforeValidator(several)]
