"""What a recurrent layer computes at each step, its gates too, which torch's own kernels do not give away."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Pixels
from convtui.engine.lens.registry import Options
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.tracer import eagerly
from convtui.engine.lens.undisturbed import undisturbed
from convtui.engine.models import answer
from convtui.engine.own_code import is_interrupt, own_error
from convtui.engine.spec import hyper

Direction = Literal["forward", "backward"]
_COPIES = 2
"""Of the image in one pass: of one alone a net may squeeze the batch away."""


class OfCells(Options):
    """Options of a view of recurrent layers."""

    layer: str | None = hyper(None, "name of a recurrent layer; default: all")
    depth: int | None = hyper(None, "which of several layers in one module, from 0; default: all", ge=0)
    direction: Direction | None = hyper(None, "of a layer that reads both ways: forward or backward; default: both")


@dataclass(frozen=True, eq=False, slots=True)
class Unrolled:
    """One layer, in one direction, step by step for one image."""

    name: str
    """Of its module."""
    depth: int
    of_several: bool
    """Whether its module has more than one layer."""
    direction: Direction
    values: Mapping[str, Tensor]
    """float64 [T, units] each, in the order of the image's steps whichever way it reads: `i f g o c h` of an LSTM, `r z n h` of a
    GRU, `h` of a plain one."""

    @property
    def shape(self) -> tuple[int, int]:
        """Units and steps."""
        steps, units = self.values["h"].shape
        return units, steps

    @property
    def label(self) -> str:
        """Module, layer and direction, as far as they are not plain: `cell`, `cell, layer 1, backward`."""
        depth = f", layer {self.depth}" if self.of_several else ""
        return f"{self.name}{depth}" + (", backward" if self.direction == "backward" else "")

    @property
    def axes(self) -> str:
        """A note for people."""
        return f"{self.shape[0]} hidden units down, {self.shape[1]} steps from left to right, the first on the left"

    def heat(self, what: str) -> Pixels:
        """One of its values as a picture, float32 [units, T]."""
        return self.values[what].T.float().numpy()


def cells(net: nn.Module) -> dict[str, nn.RNNBase]:
    """The net's recurrent layers by name: torch's RNN, LSTM and GRU."""
    return {name: module for name, module in net.named_modules() if isinstance(module, nn.RNNBase)}


def reads_steps(subject: Subject) -> str | None:
    """Whether there is a recurrent layer."""
    if cells(subject.net):
        return None
    single = sorted({type(module).__name__ for module in subject.net.modules() if isinstance(module, nn.RNNCellBase)})
    if single:
        return f"the net writes its own loop over {', '.join(single)}, and only RNN, LSTM and GRU are followed; use 'activations'"
    return "the net has no recurrent layer (RNN, LSTM, GRU); use 'activations' or 'saliency'"


def unrolled(subject: Subject, image: Tensor, options: OfCells) -> list[Unrolled]:
    """The recurrent layers that `options` name, for uint8 [1, C, H, W].

    Raises UsageError for what there is not; NotApplicable where a layer is not given one image's steps after the other, or computes
    something else than torch's.
    """
    found = []
    for name, module in _named(subject, options.layer).items():
        inputs, state, output = _seen(subject, name, module, image)
        layers = _through(name, module, inputs, state)
        _check(name, layers[-1 - module.bidirectional :], output)
        found += [
            layer for layer in layers if options.depth in (None, layer.depth) and options.direction in (None, layer.direction)
        ]
    if not found:
        asked = " ".join(
            f"{key}={value}" for key, value in (("depth", options.depth), ("direction", options.direction)) if value is not None
        )
        raise UsageError(f"{asked}: no recurrent layer has that; 'convtui look summary' lists them")
    return found


def _named(subject: Subject, name: str | None) -> dict[str, nn.RNNBase]:
    there = cells(subject.net)
    if name is None:
        return there
    if name not in there:
        subject.trace.layer(name)  # which says what layers there are
        raise NotApplicable(f"layer {name} is not recurrent: choose one of {', '.join(there)}")
    return {name: there[name]}


def steps_of(subject: Subject, name: str, rows: int) -> int | None:
    """How many steps the layer makes over images of so many rows; None where the net takes none of these."""
    module = cells(subject.net)[name]
    images = torch.zeros((_COPIES, subject.shape[0], rows, subject.shape[2]), device=subject.device, dtype=subject.dtype)
    try:
        given, _, _ = _call(subject, name, module, images)
    except NotApplicable:
        return None
    return given.shape[1 if module.batch_first else 0]


def _seen(subject: Subject, name: str, module: nn.RNNBase, image: Tensor) -> tuple[Tensor, Any, Tensor]:
    """What the module is given for one image [T, features], its first states, and what it gives [T, units]; float64, on the CPU."""
    given, state, output = _call(subject, name, module, subject.seen(image.expand(_COPIES, -1, -1, -1)))
    at = 0 if module.batch_first else 1
    return given.select(at, 0).double().cpu(), _first_of(state), output.select(at, 0).double().cpu()


def _call(subject: Subject, name: str, module: nn.RNNBase, images: Tensor) -> tuple[Tensor, Any, Tensor]:
    """What the module is given first, its first states, and what it gives, for `images` as the net sees them."""
    calls: list[tuple[Any, Any, Any]] = []

    def keep(_module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        given = (*args, *kwargs.values())
        calls.append((given[0], given[1] if len(given) > 1 else None, output))

    with undisturbed(subject.net), torch.inference_mode(), eagerly():
        handle = module.register_forward_hook(keep, with_kwargs=True)
        try:
            subject.net(images.clone())
        except BaseException as error:  # a net may raise anything
            if is_interrupt(error):
                raise
            raise NotApplicable(f"the net does not take such an image: {own_error(error)}") from error
        finally:
            handle.remove()
    if not calls:
        raise NotApplicable(f"layer {name} is not used by the net")
    given, state, output = calls[0]
    output = answer(output)
    if not isinstance(given, Tensor) or output is None:
        raise NotApplicable(f"layer {name} is given packed sequences, which are not followed; use 'activations'")
    if given.ndim != 3 or given.shape[0 if module.batch_first else 1] != len(images):
        raise NotApplicable(_takes_images_for_steps(name, module, tuple(given.shape)))
    return given, state, output


def _takes_images_for_steps(name: str, module: nn.RNNBase, shape: tuple[int, ...]) -> str:
    order = "images, steps, features" if module.batch_first else "steps, images, features"
    return (
        f"layer {name} (batch_first={module.batch_first}) takes what it is given for [{order}], and of {_COPIES} images that is "
        f"{' x '.join(map(str, shape))}: it does not read each image by itself"
    )


def _first_of(state: Any) -> Any:
    """Of the first image."""
    if isinstance(state, tuple):
        return tuple(_first_of(each) for each in state)
    return None if state is None else state.select(-2, 0).double().cpu()


def _through(name: str, module: nn.RNNBase, inputs: Tensor, state: Any) -> list[Unrolled]:
    """All its layers and directions, in torch's order."""
    if module.proj_size:
        raise NotApplicable(f"layer {name} projects its states (proj_size), which is not followed; use 'activations'")
    directions: Sequence[Direction] = ("forward", "backward") if module.bidirectional else ("forward",)
    found: list[Unrolled] = []
    for depth in range(module.num_layers):
        values = [_one(module, depth, direction, inputs, state) for direction in directions]
        found += [
            Unrolled(name, depth, module.num_layers > 1, direction, each)
            for direction, each in zip(directions, values, strict=True)
        ]
        inputs = torch.cat([each["h"] for each in values], 1)
    return found


def _one(module: nn.RNNBase, depth: int, direction: Direction, inputs: Tensor, state: Any) -> Mapping[str, Tensor]:
    back = direction == "backward"
    suffix = f"l{depth}" + ("_reverse" if back else "")
    number = depth * (1 + module.bidirectional) + back
    zero = inputs.new_zeros(module.hidden_size)
    first = [zero if state is None else each[number] for each in (state if isinstance(state, tuple) else (state, state))]
    weights = [_weight(module, f"{kind}_{suffix}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    step = _lstm if isinstance(module, nn.LSTM) else _gru if isinstance(module, nn.GRU) else _plain(module)
    values = _steps(step, inputs.flip(0) if back else inputs, first, weights)
    return {key: each.flip(0) for key, each in values.items()} if back else values


def _weight(module: nn.RNNBase, name: str) -> Tensor:
    """Zero for biases that there are not."""
    found = getattr(module, name, None)
    return torch.zeros((), dtype=torch.float64) if found is None else found.detach().double().cpu()


_Step = Callable[[Tensor, Tensor, Tensor, Tensor], dict[str, Tensor]]
"""From what the inputs and the last states add, each [units of all gates], and the last h and c."""


def _steps(step: _Step, inputs: Tensor, first: Sequence[Tensor], weights: Sequence[Tensor]) -> Mapping[str, Tensor]:
    of_input, of_state, bias, bias_of_state = weights
    added = inputs @ of_input.T + bias
    h, c = first
    found: list[dict[str, Tensor]] = []
    for row in added:
        found.append(step(row, of_state @ h + bias_of_state, h, c))
        h, c = found[-1]["h"], found[-1].get("c", c)
    return {key: torch.stack([each[key] for each in found]) for key in found[0]}


def _lstm(given: Tensor, back: Tensor, h: Tensor, c: Tensor) -> dict[str, Tensor]:
    i, f, g, o = (given + back).chunk(4)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    c = f * c + i * g
    return {"i": i, "f": f, "g": g, "o": o, "c": c, "h": o * c.tanh()}


def _gru(given: Tensor, back: Tensor, h: Tensor, c: Tensor) -> dict[str, Tensor]:
    """The reset gate behind the matrix product, as torch has it."""
    (r, z, n), (r_back, z_back, n_back) = given.chunk(3), back.chunk(3)
    r, z = (r + r_back).sigmoid(), (z + z_back).sigmoid()
    n = (n + r * n_back).tanh()
    return {"r": r, "z": z, "n": n, "h": (1 - z) * n + z * h}


def _plain(module: nn.RNNBase) -> _Step:
    activation = torch.relu if getattr(module, "nonlinearity", "tanh") == "relu" else torch.tanh
    return lambda given, back, h, c: {"h": activation(given + back)}


def _check(name: str, last: Sequence[Unrolled], output: Tensor) -> None:
    """Raise NotApplicable where the layer gives something else: a class of a person's own may be derived from torch's."""
    states = torch.cat([layer.values["h"] for layer in last], 1)
    if states.shape != output.shape or (states - output).abs().max() > _ROUNDING * max(1.0, float(states.abs().max())):
        raise NotApplicable(f"layer {name} does not compute what torch's does, so its gates are not known; use 'activations'")


_ROUNDING = 0.05
"""Of states: what a net in half precision may be off by."""
