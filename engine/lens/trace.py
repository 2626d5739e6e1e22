"""What a net computes, call by call: which functions, on what, in which order. Any module's, written in any style.

Every view that goes back through a net reads this: it sees functional, in-place and reused activations as well as modules.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convtui.engine.errors import NotApplicable
from convtui.engine.models.eval_mode import eval_mode
from convtui.engine.spec import nearest

Kind = Literal[
    "conv", "dense", "cell", "scale", "gain", "rectify", "max_pool", "average", "pointwise", "same", "reshape", "sum", "join",
    "other",
]  # fmt: skip
"""`cell`: a recurrent layer that reads forward and has the batch first; what counts as its output is its states after each step,
[units, steps] for one image. `scale`: batch norm in eval mode. `gain`: multiplied by a number. `rectify`: ReLU or leaky ReLU.
`pointwise`: any other function of one value, tanh say. `same`: nothing in eval mode, as dropout. `reshape`: values moved, zeros
added. `sum`: of tensors or with a constant. `join`: concatenation. `other`: nothing is known of it."""

_FUNCTIONS: Mapping[Kind, str] = {
    "conv": "conv2d",
    "dense": "linear",
    "cell": "rnn_tanh rnn_relu lstm gru",
    "gain": "mul __mul__ __rmul__",
    "scale": "batch_norm",
    "rectify": "relu leaky_relu",
    "max_pool": "max_pool2d",
    "average": "avg_pool2d adaptive_avg_pool2d mean",
    "pointwise": "tanh sigmoid elu selu celu gelu silu mish softplus softsign tanhshrink softshrink hardshrink hardtanh relu6 "
    "hardswish hardsigmoid logsigmoid prelu rrelu threshold abs exp square sqrt clamp",
    "same": "dropout dropout2d alpha_dropout feature_dropout contiguous clone to float double half",
    "reshape": "flatten view reshape squeeze unsqueeze permute transpose unflatten pad __getitem__",
    "sum": "add sub __add__ __radd__ __iadd__ __sub__",
    "join": "cat concat concatenate",
}
_KINDS: Mapping[str, Kind] = {name: kind for kind, names in _FUNCTIONS.items() for name in names.split()}
_CONVOLUTION = (("bias", None), ("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1))
_POOLING = (("kernel_size", 0), ("stride", None), ("padding", 0), ("dilation", 1), ("ceil_mode", False))
_CELL = ("input", "state", "weights", "bias", "layers", "dropout", "training", "both_ways", "batch_first")
"""Of a recurrent layer's function, all by place."""
_BATCH_NORM = (
    ("running_mean", None), ("running_var", None), ("weight", None), ("bias", None), ("training", False), ("momentum", 0.1),
    ("eps", 1e-5),
)  # fmt: skip
_AVERAGING = (("kernel_size", 0), ("stride", None), ("padding", 0), ("ceil_mode", False))

INPUT = -1
"""Stands for the images where calls are numbered."""


@dataclass(frozen=True, eq=False, slots=True)
class Call:
    """One call of a torch function on something that depends on the images."""

    index: int
    function: str
    """Its name without the underscore of an in-place one."""
    kind: Kind
    module: str
    """The innermost module that called it; empty for the net itself."""
    sources: tuple[int, ...]
    """The calls whose outputs it was given, `INPUT` for the images."""
    shape: tuple[int, ...]
    """Of its output for one image."""
    in_place: bool
    """Whether it overwrote what it was given."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """`weight`, `stride`, `padding`, `dilation`, `groups` of a convolution, and so on; pairs are (rows, columns)."""


class Trace:
    """The calls of one forward pass, and which of them is which layer's output."""

    def __init__(self, net: nn.Module, image: Tensor) -> None:
        """Run `net` in eval mode on `image` [C, H, W] (as the net sees it) and note every call.

        Raises NotApplicable where the net does not take such an image.
        """
        self.net = net
        self.input = tuple(image.shape)
        tracer = _CallTracer()
        # Not inference_mode: its tensors do not count how often they are overwritten.
        with eval_mode(net), torch.inference_mode(False), torch.no_grad():
            try:
                with tracer.listening(net):
                    # Two of them: of one alone a net may squeeze the batch away.
                    returned = tracer.through(net, image[None].repeat(2, 1, 1, 1))
            except Exception as error:  # a net may raise anything
                shape = "x".join(map(str, image.shape))
                why = (str(error) or type(error).__name__).splitlines()[0]
                raise NotApplicable(f"the net does not take an image of {shape}, or cannot be followed: {why}") from error
        first = next(_tensors((returned,)), None)
        output = None if first is None else tracer.number(first)
        if output is None:
            raise NotApplicable("part of this net is not made of torch's functions (compiled, NumPy): it cannot be looked into")
        self.output = output
        """The call that gives what the net returns; of several tensors the first."""
        self.calls: Sequence[Call] = tracer.calls
        self.layers: Mapping[str, int] = tracer.layers
        """Name of each module that gives one tensor -> the call of its output; of a module used twice, the first use."""

    def layer(self, name: str) -> Call:
        """The call that gives the output of the module `name`. Raises NotApplicable, with the names that there are."""
        if name not in self.layers:
            raise NotApplicable(f"the net has no layer {name!r}{nearest(name, self.layers)}: it has {', '.join(self.leaves())}")
        index = self.layers[name]
        if index == INPUT:
            raise NotApplicable(f"layer {name} passes the image on as it is: choose another of {', '.join(self.leaves())}")
        return self.calls[index]

    def leaves(self) -> list[str]:
        """Names of the modules without children that were used, in the order of their first use."""
        return [name for name in self.layers if self._is_leaf(name)]

    def _is_leaf(self, name: str) -> bool:
        """A weight that is computed from others hangs below its layer, which is a leaf all the same."""
        children = {child for child, _ in self.net.get_submodule(name).named_children()}
        return not children - {"parametrizations"} and "parametrizations" not in name.split(".")

    def of_kind(self, *kinds: Kind) -> dict[str, Call]:
        """Leaf module -> its call, for every one whose output is such a call."""
        found = {name: self.calls[self.layers[name]] for name in self.leaves() if self.layers[name] != INPUT}
        return {name: call for name, call in found.items() if call.kind in kinds and call.module == name}

    def path_to(self, index: int) -> list[Call]:
        """The calls that the output of call `index` depends on, itself last."""
        wanted = {index}
        for call in reversed(self.calls[: index + 1]):
            if call.index in wanted:
                wanted.update(call.sources)
        return [call for call in self.calls[: index + 1] if call.index in wanted]

    def nonlinearity(self, index: int) -> Call | None:
        """The activation that the output of call `index` goes through next, before any other layer's weights; or None."""
        reached = {index}
        for call in self.calls[index + 1 :]:
            if reached.isdisjoint(call.sources):
                continue
            if call.kind in ("rectify", "pointwise"):
                return call
            if call.kind in ("scale", "gain", "same", "sum", "max_pool", "average", "reshape", "join"):
                reached.add(call.index)
        return None

    def rectified(self, index: int) -> bool:
        """Whether the output of call `index` is, or goes next into, a ReLU, for which a unit at or below zero is off."""
        following = self.nonlinearity(index)
        return self.calls[index].kind == "rectify" or (following is not None and following.kind == "rectify")

    def with_norm(self, index: int) -> int:
        """The call whose output counts as the layer's: that of the batch norm right behind it, where there is one.

        How excited a unit is, is what its activation is given: batch norm may turn a layer's values over.
        """
        for call in self.calls[index + 1 :]:
            if call.sources == (index,) and call.kind in ("scale", "same"):
                return self.with_norm(call.index) if call.shape == self.calls[index].shape else index
        return index

    def stages(self, index: int) -> tuple[int, ...]:
        """The calls that give a layer's values before its activation (after batch norm) and after it.

        For the output of call `index`; one and the same where it is itself an activation, or none follows. An activation's slope
        is part of it.
        """
        following = self.nonlinearity(index)
        if self.calls[index].kind in ("rectify", "pointwise") or following is None or len(following.sources) != 1:
            return (index,)
        if following.shape[:1] != self.calls[index].shape[:1]:
            return (index,)  # maps of several layers go through it together, or of none
        before = following.sources[0]
        while self.calls[before].kind == "gain" and self.calls[before].module == following.module in self.leaves():
            before = self.calls[before].sources[0]
        return (before, following.index)

    def expect(self, index: int, function: Callable[..., Any], output: Any) -> None:
        """Raise NotApplicable where another pass takes another way than the one that was noted."""
        known = self.calls[index] if index < len(self.calls) else None
        if known is None or known.function != _name(function) or known.shape != _shape(output, known.kind):
            raise NotApplicable("the net computes otherwise for these images than for others: which layer is which cannot be told")

    def run(self, images: Tensor, wanted: Iterable[int]) -> dict[int, Tensor]:
        """The outputs of the calls `wanted` for `images` [N, C, H, W]; what comes after the last of them is not computed.

        For use within `eval_mode`; keeps gradients where they are switched on.
        """
        indices = frozenset(wanted)
        if not indices - {INPUT}:
            return {INPUT: images} if indices else {}
        runner = _Runner(self, indices)
        runner.through(self.net, images)
        return runner.kept | ({INPUT: images} if INPUT in indices else {})


# --------------------------------------------------------------------------------------- listening to torch's functions


class _Reached(Exception):
    """All that was wanted is there: no error, the way out of a forward pass that has gone far enough."""


class Tracer(TorchFunctionMode):
    """Follows what is computed from the images, numbering the calls alike in every pass."""

    def __init__(self, until: int | None = None) -> None:
        """`until` is the last call that is wanted."""
        super().__init__()
        # By identity, which another tensor may be given once one is gone: hence the reference, which keeps nothing alive.
        self._known: dict[int, tuple[int, weakref.ref[Tensor]]] = {}
        self._until = until
        self.count = 0

    def through(self, net: nn.Module, images: Tensor) -> Any:
        """One forward pass of `images` [N, C, H, W], as far as is wanted; what the net returns where it comes to that."""
        own = images.clone()  # a net may overwrite what it is given
        self._know(own, INPUT)
        with self:
            try:
                return net(own)
            except _Reached:
                return None

    def number(self, tensor: Any) -> int | None:
        """Which call gave `tensor`; None for what does not depend on the images."""
        number, known = self._known.get(id(tensor), (None, None))
        return number if known is not None and known() is tensor else None

    def _know(self, tensor: Tensor, index: int) -> None:
        self._known[id(tensor)] = (index, weakref.ref(tensor))

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        sources = [number for tensor in _tensors((*args, *given.values())) if (number := self.number(tensor)) is not None]
        if not sources:
            return function(*args, **given)
        output = self.compute(function, args, given)
        tensors = list(_tensors((output,)))
        if tensors:
            index = self.count
            self.count += 1
            self.called(index, function, args, given, sources, output)
            for tensor in tensors:
                self._know(tensor, index)
            if function == _DATA:
                self._know(args[0], index)  # what is done to its data shows nowhere
            if index == self._until:
                raise _Reached
        return output

    def compute(self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """What the call gives."""
        return function(*args, **kwargs)

    def called(
        self, index: int, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], sources: list[int], output: Any
    ) -> None:
        """Call number `index` is done."""


class _CallTracer(Tracer):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.layers: dict[str, int] = {}
        self._inside: list[str] = [""]
        self._versions: dict[int, int] = {}
        self._stale = False
        """Whether the call under way was handed a tensor that was overwritten."""

    def _know(self, tensor: Tensor, index: int) -> None:
        self._versions[id(tensor)] = tensor._version
        super()._know(tensor, index)

    def _was_overwritten(self, tensors: Iterable[Tensor]) -> bool:
        """Whether one of them was changed by a call that it was not handed to: through a view, or by an index."""
        return any(self.number(tensor) is not None and tensor._version > self._versions[id(tensor)] for tensor in tensors)

    def compute(self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        self._stale = self._was_overwritten(_tensors((*args, *kwargs.values())))
        return function(*args, **kwargs)

    @contextmanager
    def listening(self, net: nn.Module) -> Iterator[None]:
        """Within the block it hears which module is at work."""
        hooks: list[Any] = []
        try:
            for name, module in net.named_modules():
                hooks += self._listen(name, module)
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _listen(self, name: str, module: nn.Module) -> tuple[Any, Any]:
        def before(_module: nn.Module, _inputs: Any) -> None:
            self._inside.append(name)

        def after(_module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and self.number(output) is None:
                # It did something that torch's functions do not show, in compiled code or NumPy.
                sources = [number for tensor in _tensors(inputs) if (number := self.number(tensor)) is not None]
                if sources:
                    index, self.count = self.count, self.count + 1
                    self.calls.append(_hidden(index, type(_module).__name__, name, sources, output))
                    self._know(output, index)
            self._inside.pop()
            # A recurrent layer gives its states, and then the last of them besides.
            number = self.number(output[0] if isinstance(_module, nn.RNNBase) else output)
            if number is not None and name:
                self.layers.setdefault(name, number)

        return module.register_forward_pre_hook(before), module.register_forward_hook(after)

    def called(
        self, index: int, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], sources: list[int], output: Any
    ) -> None:
        name = _name(function)
        kind: Kind = _KINDS.get(name, "other") if not self._stale else "other"
        if not isinstance(output, Tensor) and kind != "cell":
            kind = "other"
        if "dropout" in name and _is_on(args, kwargs):
            kind = "other"
        settings: dict[str, Any] = {}
        if kind in ("conv", "dense", "cell", "scale", "gain", "rectify", "max_pool") or name == "avg_pool2d":
            known = _settings(kind, name, args, kwargs)
            kind, settings = ("other", {}) if known is None else (kind, known)
        in_place = any(output is tensor for tensor in _tensors((*args, *kwargs.values()))) and kind != "same"
        shape = _shape(output, kind)
        self.calls.append(Call(index, name, kind, self._inside[-1], tuple(dict.fromkeys(sources)), shape, in_place, settings))


class _Runner(Tracer):
    def __init__(self, trace: Trace, wanted: frozenset[int]) -> None:
        super().__init__(until=max(wanted))
        self._trace, self._wanted = trace, wanted
        # What is overwritten later in this very pass is copied before that; a view shares the memory of what it views.
        self._overwritten: set[int] = set()
        for call in reversed(trace.calls[: max(wanted) + 1]):
            if call.in_place or (call.kind in ("reshape", "same") and call.index in self._overwritten):
                self._overwritten.update(call.sources)
        self.kept: dict[int, Tensor] = {}

    def called(
        self, index: int, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], sources: list[int], output: Any
    ) -> None:
        self._trace.expect(index, function, output)
        if index in self._wanted:
            wanted = _states(output) if self._trace.calls[index].kind == "cell" else output
            self.kept[index] = wanted.clone() if index in self._overwritten else wanted


_DATA: Any = vars(torch._C.TensorBase)["data"].__get__
"""What reading `tensor.data` calls: the same memory, whose changes are not counted."""


def _states(output: Sequence[Tensor]) -> Tensor:
    """[N, units, steps] of what a recurrent layer returns."""
    return output[0].transpose(1, 2)


def _shape(output: Any, kind: Kind) -> tuple[int, ...]:
    """Of one image's output; () where it is not a single tensor."""
    if kind == "cell":
        return tuple(_states(output).shape[1:])
    return tuple(output.shape[1:]) if isinstance(output, Tensor) else ()


def _name(function: Callable[..., Any]) -> str:
    """As in `relu`, in place or not."""
    name = str(getattr(function, "__name__", function))
    return name if name.startswith("__") else name.rstrip("_")


def _is_on(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a dropout drops: written as a function it does unless told otherwise, in eval mode too."""
    found = _arguments(args, kwargs, 1, (("p", 0.5), ("training", kwargs.get("train", True))))
    return bool(found["training"] and found["p"])


def _hidden(index: int, what: str, module: str, sources: list[int], output: Tensor) -> Call:
    return Call(index, what, "other", module, tuple(dict.fromkeys(sources)), tuple(output.shape[1:]), False)


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


# ----------------------------------------------------------------------------------------- reading the calls' arguments


def _settings(kind: Kind, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
    """The call's settings in one form; None where this program does not know that variant."""
    match kind:
        case "conv":
            return _convolution(args, kwargs)
        case "dense":
            return {"weight": _weight(args, kwargs)}
        case "cell":
            return _recurrent(args)
        case "gain":
            numbers = [value for value in (*args, *kwargs.values()) if isinstance(value, int | float)]
            return {"factor": float(numbers[0])} if len(numbers) == 1 else None
        case "scale":
            return _batch_norm(args, kwargs)
        case "rectify":
            slope = 0.0 if name == "relu" else _arguments(args, kwargs, 1, (("negative_slope", 0.01),))["negative_slope"]
            return {"slope": float(slope)}
        case _:
            return _pooling(_arguments(args, kwargs, 1, _POOLING if kind == "max_pool" else _AVERAGING))


def _weight(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
    weight: Tensor = args[1] if len(args) > 1 else kwargs["weight"]
    return weight


def _convolution(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    found, weight = _arguments(args, kwargs, 2, _CONVOLUTION), _weight(args, kwargs)
    sides, dilation = weight.shape[2:], _pair(found["dilation"])
    padding, uneven = found["padding"], False
    if padding == "same":
        missing = [d * (side - 1) for d, side in zip(dilation, sides, strict=True)]
        # Where the sum is odd, torch pads the end by one more: the start is what fields and projections count from.
        padding = (missing[0] // 2, missing[1] // 2)
        uneven = any(m % 2 for m in missing)
    elif padding == "valid":
        padding = 0
    of_places = {"padding": _pair(padding), "stride": _pair(found["stride"]), "dilation": dilation, "uneven": uneven}
    return found | {"weight": weight} | of_places


def _recurrent(args: Sequence[Any]) -> dict[str, Any] | None:
    given = dict(zip(_CELL, args, strict=False))
    # Of packed sequences, which have no such arguments, and of those read both ways nothing is known.
    if len(args) != len(_CELL) or not given["batch_first"] or given["both_ways"] or given["input"].ndim != 3:
        return None
    # Weights of the inputs, of the states, then biases, layer by layer.
    weights = [weight for weight in given["weights"] if weight.ndim == 2]
    return {"weights": weights, "weight": weights[0], "layers": given["layers"]}


def _batch_norm(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
    found = _arguments(args, kwargs, 1, _BATCH_NORM)
    # Without running statistics it depends on the rest of the batch.
    return None if found["training"] or found["running_var"] is None else found


def _pooling(found: dict[str, Any]) -> dict[str, Any]:
    kernel = _pair(found["kernel_size"])
    stride = kernel if found["stride"] in (None, []) else _pair(found["stride"])
    padding, dilation = _pair(found["padding"]), _pair(found.get("dilation", 1))
    return found | {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}


def _arguments(args: Sequence[Any], kwargs: Mapping[str, Any], first: int, names: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = {name: kwargs.get(name, default) for name, default in names}
    return found | {name: value for (name, _), value in zip(names, args[first:], strict=False)}


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[-1]))
