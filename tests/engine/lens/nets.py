"""Nets for tests of the lens: drawn at random, and written in every style that a net may be written in."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.tolerance import rounding


@dataclass(frozen=True)
class Drawn:
    """A chain of layers in words, from which a module and an oracle are made alike."""

    channels: int
    size: int
    layers: tuple[tuple[str, dict[str, int | float]], ...]
    seed: int
    double: bool

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64 if self.double else torch.float32

    def net(self, *, positive: bool = False) -> nn.Sequential:
        """The net in eval mode; with `positive`, weights above zero and no biases, so that nothing is ever cut off."""
        torch.manual_seed(self.seed)
        modules: list[nn.Module] = []
        channels = self.channels
        for kind, how in self.layers:
            modules.append(_module(kind, how, channels))
            channels = int(how.get("filters", channels))
        net = nn.Sequential(*modules).to(self.dtype).eval()
        for module in net if positive else ():
            if isinstance(module, nn.Conv2d):
                module.weight.data.abs_().add_(0.1)
                module.bias.data.zero_()
        return net

    def images(self, count: int = 3) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed + 1)
        return torch.randn((count, self.channels, self.size, self.size), generator=generator, dtype=torch.float64).to(self.dtype)


def _module(kind: str, how: dict[str, int | float], channels: int) -> nn.Module:
    match kind:
        case "conv":
            return nn.Conv2d(channels, int(how["filters"]), int(how["kernel"]), int(how["stride"]), int(how["padding"]))
        case "bn":
            norm = nn.BatchNorm2d(channels)
            for values in (norm.weight, norm.bias, norm.running_mean):
                nn.init.normal_(values)  # scales of both signs
            nn.init.uniform_(norm.running_var, 0.5, 2)
            return norm
        case "pool":
            return nn.MaxPool2d(int(how["kernel"]), int(how["stride"]))
        case "leaky":
            return nn.LeakyReLU(float(how["slope"]))
        case _:
            return nn.ReLU()


@st.composite
def drawn_nets(draw: st.DrawFn, *, norms: bool = True, leaky: bool = True) -> Drawn:
    """1 and 3 channels, padding or not, strides, 2x2/2 and 3x3/2 pools, batch norm, ReLU or leaky ReLU, float32 and 64."""
    channels, size = draw(st.sampled_from((1, 3))), draw(st.integers(9, 14))
    layers: list[tuple[str, dict[str, int | float]]] = []
    side = size
    slope = draw(st.sampled_from((0.0, 0.1))) if leaky else 0.0
    for _ in range(draw(st.integers(1, 3))):
        kernel = draw(st.integers(1, min(5, side)))
        padding = draw(st.integers(0, kernel // 2))
        stride = draw(st.sampled_from((1, 1, 2)))
        after = (side + 2 * padding - kernel) // stride + 1
        layers.append(("conv", {"filters": draw(st.integers(1, 4)), "kernel": kernel, "stride": stride, "padding": padding}))
        if norms and draw(st.booleans()):
            layers.append(("bn", {}))
        layers.append(("leaky", {"slope": slope}) if slope else ("relu", {}))
        pools = [pool for pool in ((2, 2), (3, 2)) if pool[0] <= after]
        if pools and draw(st.booleans()):
            pool, step = draw(st.sampled_from(pools))
            layers.append(("pool", {"kernel": pool, "stride": step}))
            after = (after - pool) // step + 1
        side = after
    return Drawn(channels, size, tuple(layers), draw(st.integers(0, 10_000)), draw(st.booleans()))


def decided(net: nn.Sequential, images: Tensor) -> bool:
    """True where no ReLU and no pool chooses between values that are closer than rounding, to each other or to zero.

    Otherwise two ways of computing the same may choose differently, and what goes back through the net is another thing.
    """
    with torch.no_grad():
        values = images
        for module in net:
            close = rounding(50, values.dtype) * float(values.abs().max())
            if isinstance(module, nn.ReLU | nn.LeakyReLU) and (values.abs() <= close).any():
                return False
            if isinstance(module, nn.MaxPool2d):
                windows = values.unfold(2, module.kernel_size, module.stride).unfold(3, module.kernel_size, module.stride)
                best = windows.flatten(4).topk(2).values
                gap = best[..., 0] - best[..., 1]
                # Units that are off are exactly alike for whoever computes them: the first one of a window is taken.
                if ((gap > 0) & (gap <= close)).any():
                    return False
            values = module(values)
    return True


class Styles(nn.Module):
    """conv, ReLU, pool, conv, ReLU twice over, written as `style` says; every style computes the same."""

    def __init__(self, style: str) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.style = style
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1)
        self.act = nn.ReLU(inplace=style == "in place")
        self.other = nn.ReLU()
        self.pool = nn.MaxPool2d(2)

    def forward(self, images: Tensor) -> Tensor:
        match self.style:
            case "modules":
                return self.other(self.conv2(self.pool(self.act(self.conv1(images)))))  # type: ignore[no-any-return]
            case "reused" | "in place":
                return self.act(self.conv2(self.pool(self.act(self.conv1(images)))))  # type: ignore[no-any-return]
            case "functional":
                hidden = torch.max_pool2d(
                    torch.relu(nn.functional.conv2d(images, self.conv1.weight, self.conv1.bias, padding=1)), 2
                )
                return nn.functional.relu(self.conv2(hidden))
            case "overwriting":
                hidden = self.conv1(images)
                hidden.relu_()  # the return value is left lying
                last: Tensor = self.conv2(self.pool(hidden))
                nn.functional.relu(last, inplace=True)
                return last
            case style:
                raise ValueError(style)


STYLES = ("modules", "reused", "in place", "functional", "overwriting")


def classifier(style: str) -> nn.Module:
    """`Styles` written so, then a dense layer for each of three classes; the same weights whatever the style."""
    torch.manual_seed(1)
    output = nn.Linear(180, 3)
    return nn.Sequential(Styles(style), nn.Flatten(), output)
