"""Images that excite a unit or a class most, found by climbing from noise (Erhan et al. 2009; Yosinski et al. 2015)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Result, Sheet, Target, Tile
from convtui.engine.lens import backward, selection
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfLayer, gives_classes
from convtui.engine.lens.subject import Cancelled, Subject
from convtui.engine.lens.tiles import about_channels, pixels, ramp_of_images
from convtui.engine.lens.trace import Call
from convtui.engine.lens.undisturbed import undisturbed
from convtui.engine.spec import hyper

_PIXELS = 2**14
"""Of the images that climb at once, between two looks whether the answer is still wanted."""
_NOISE = 0.05
"""Deviation of the pixels at the start, of 0 to 1, around mid-grey."""
_BLUR_EVERY = 4
_BLUR = 0.5
"""Standard deviation of the Gaussian, in pixels."""


class MaximiseOptions(OfLayer):
    """Which units or class, and how the climb is kept from noise."""

    layer: str | None = hyper(None, "layer name; default: a class's output")
    map: int | None = hyper(None, "the unit's map (or its number in a dense layer); default: the first `count`", ge=0)
    row: int | None = hyper(None, "the unit's row; default: the centre", ge=0)
    column: int | None = hyper(None, "the unit's column; default: the centre", ge=0)
    label: str | None = hyper(None, "the class; default: the first `count`")
    count: int = hyper(10, "units or classes where none is named", ge=1, le=1000)
    steps: int = hyper(200, "steps of the climb", ge=1, le=10_000)
    rate: float = hyper(0.1, "length of a step: root mean square over the pixels, standardised", gt=0, le=10)
    decay: float = hyper(0.01, "share of each pixel's distance from the mean colour that a step takes away", ge=0, lt=1)
    jitter: int = hyper(2, "in each step the image is moved by up to this, or an eighth of it", "pixels", ge=0, le=64)
    seed: int = hyper(0, "of the noise and the movements", ge=0, le=2**63 - 1)


@register("maximise", "images that excite a unit or a class most, climbing from noise", MaximiseOptions)
def maximise(subject: Subject, options: MaximiseOptions) -> Result:
    """A tile for each unit: the image at the end, with the unit's value there and at the start.

    Each step goes along the gradient, scaled to a root mean square of `rate`, of the image moved a little; decay pulls pixels to
    the mean colour, a Gaussian blurs every fourth step, and pixels are kept within what images can be. The value is that of the
    layer with its batch norm, before the activation, or the class's output.
    """
    units = _units(subject, options)
    generator = torch.Generator().manual_seed(options.seed)
    noise = 0.5 + _NOISE * torch.randn((1, *subject.shape), generator=generator)
    start = subject.seen((255 * noise.clamp(0, 1)).round().to(torch.uint8))
    each = max(1, _PIXELS // (subject.shape[1] * subject.shape[2]))
    parts = [units.numbers[first : first + each] for first in range(0, len(units.numbers), each)]
    climbs = [
        _climbed(subject, units, part, options, start, number * options.steps, len(parts) * options.steps)
        for number, part in enumerate(parts)
    ]
    values = torch.cat([each for _, each in climbs], 1)
    tiles = [
        Tile(pixels(_shown(subject, image)), f"{_name(subject, units, number)}: {low:.3g} → {high:.3g}", _target(units, number))
        for number, image, low, high in zip(
            units.numbers, torch.cat([images for images, _ in climbs]), *values.tolist(), strict=True
        )
    ]
    what = (
        "each class"
        if units.is_class
        else f"units of {units.layer}" + (f" at {units.place[0]},{units.place[1]}" if units.place else "")
    )
    return Sheet(
        f"images that excite {what} most · {subject.title}",
        tiles,
        ramp_of_images(subject),
        0,
        255,
        notes=_notes(subject, options, values),
    )


@dataclass(frozen=True, slots=True)
class _Units:
    """What is climbed for: `numbers` are maps, units or classes, each at `place` where there are maps."""

    layer: str
    call: Call
    numbers: list[int]
    place: tuple[int, int] | None
    is_class: bool


def _units(subject: Subject, options: MaximiseOptions) -> _Units:
    if options.layer is None and options.map is None:
        return _classes(subject, options)
    if options.label is not None:
        raise UsageError("--class is the output's: leave --layer and --map out")
    name, call = selection.layer(subject, options.layer, maps=False)
    numbers = selection.of_maps(call.shape, name, options.map)[: options.count]
    if len(call.shape) == 1:
        if options.row is not None or options.column is not None:
            raise UsageError(f"layer {name} has no rows and columns: give --map alone")
        return _Units(name, call, numbers, None, is_class=False)
    row = call.shape[1] // 2 if options.row is None else options.row
    column = call.shape[2] // 2 if options.column is None else options.column
    selection.check_unit(call, name, row, column)
    return _Units(name, call, numbers, (row, column), is_class=False)


def _classes(subject: Subject, options: MaximiseOptions) -> _Units:
    if options.row is not None or options.column is not None:
        raise UsageError("row and column are of a layer's maps: give --layer")
    if (reason := gives_classes(subject)) is not None:
        raise NotApplicable(f"{reason}; --layer climbs for its units")
    last = subject.trace.calls[subject.trace.output]
    few = list(range(min(options.count, len(subject.classes))))
    numbers = few if options.label is None else [subject.label(options.label)]
    return _Units(last.module or "output", last, numbers, None, is_class=True)


def _name(subject: Subject, units: _Units, number: int) -> str:
    return f'"{subject.classes[number]}"' if units.is_class else f"{'map' if units.place else 'unit'} {number}"


def _target(units: _Units, number: int) -> Target:
    row, column = units.place or (None, None)
    return Target(units.layer, number, row, column, label=number if units.is_class else None)


def _climbed(
    subject: Subject, units: _Units, part: list[int], options: MaximiseOptions, start: Tensor, done: int, total: int
) -> tuple[Tensor, Tensor]:
    """The images at the end [N, C, H, W], as the net sees them, for the units `part`; and their values at start and end [2, N]."""
    generator = torch.Generator().manual_seed(options.seed + 1)
    least, most = (subject.seen(torch.full((1, *subject.shape), value, dtype=torch.uint8)) for value in (0, 255))
    reach = min(options.jitter, min(subject.shape[1:]) // 8)
    images = start.repeat(len(part), 1, 1, 1)
    with undisturbed(subject.net), torch.inference_mode(False), torch.enable_grad(), backward.without_cudnn(subject.net):
        first = _values(subject, units, part, images).detach()
        for step in range(options.steps):
            if subject.cancelled():
                raise Cancelled
            by = tuple(torch.randint(-reach, reach + 1, (2,), generator=generator).tolist())
            moved = images.roll(by, (2, 3)).detach().requires_grad_()
            (slope,) = torch.autograd.grad(_values(subject, units, part, moved).sum(), moved)
            length = slope.square().mean((1, 2, 3), keepdim=True).sqrt()
            images = images + options.rate * (slope / length.clamp(min=1e-12)).roll((-by[0], -by[1]), (2, 3))
            images = (1 - options.decay) * images
            if step % _BLUR_EVERY == _BLUR_EVERY - 1:
                images = blurred(images)
            images = images.clamp(least, most).detach()
            subject.progress(done + step + 1, total)
        last = _values(subject, units, part, images).detach()
    return images, torch.stack([first, last]).cpu()


def _values(subject: Subject, units: _Units, part: list[int], images: Tensor) -> Tensor:
    """[N]: of each image the value of its own unit."""
    found = subject.trace.run(images, [units.call.index])[units.call.index]
    place = (torch.arange(len(part)), torch.tensor(part))
    return found[place] if units.place is None else found[(*place, *units.place)]


def blurred(images: Tensor) -> Tensor:
    """[N, C, H, W] through a Gaussian of deviation `_BLUR`, the border repeated."""
    steps = torch.arange(-2, 3, device=images.device, dtype=images.dtype)
    line = (-(steps**2) / (2 * _BLUR**2)).exp()
    line = line / line.sum()
    channels = images.shape[1]
    for kernel, padding in ((line[:, None], (0, 0, 2, 2)), (line[None], (2, 2, 0, 0))):
        images = F.conv2d(F.pad(images, padding, "replicate"), kernel.expand(channels, 1, -1, -1), groups=channels)
    return images


def _shown(subject: Subject, image: Tensor) -> Tensor:
    """As a person knows it, 0 to 255."""
    standardise = subject.standardise.to(image.device)
    return 255 * (image * standardise.std[:, None, None] + standardise.mean[:, None, None])


def _notes(subject: Subject, options: MaximiseOptions, values: Tensor) -> list[str]:
    stuck = int((values[1] <= values[0]).sum())
    return [
        "under each tile the value at the start, in noise, and at the end",
        f"{options.steps} steps along the gradient, with decay {options.decay:g}, blur and movements",
        "what excites a unit most is one image of many, far from photographs: it shows what the unit reacts to, not what it is for",
        *(
            [f"{stuck} of {values.shape[1]} did not rise: dead, or weaker than the decay, blur and movements that hold it back"]
            if stuck
            else []
        ),
        *about_channels(subject),
    ]
