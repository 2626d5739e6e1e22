"""What a net computes, call by call: which functions, on what, in which order. Any module's, written in any style.

Every view that goes back through a net reads this: it sees functional, in-place and reused activations as well as modules.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from convtui.engine.errors import NotApplicable
from convtui.engine.lens.functions import Kind, is_inner, kind_of, name_of, understood
from convtui.engine.lens.layout import UNKNOWN, Layout, units_after
from convtui.engine.lens.tracer import INPUT, Output, Tracer, eagerly, version
from convtui.engine.lens.undisturbed import undisturbed
from convtui.engine.models import answer, tensors
from convtui.engine.own_code import is_interrupt, own_place
from convtui.engine.spec import nearest

_OTHERWISE = "the net takes another path for these images: its layers cannot be told apart"
_OPAQUE = "the net is not made of torch's own functions (it is scripted, exported or in NumPy): its layers cannot be looked into"
_BY_COUNT = "the net takes another path for another number of images: its layers cannot be told apart"


@dataclass(frozen=True, eq=False, slots=True)
class Call:
    """One tensor that a torch function gave of something that depends on the images; a function that gives several is several."""

    index: int
    function: str
    """Its name without the underscore of an in-place one."""
    kind: Kind
    module: str
    """The innermost module that called it; empty for the net itself."""
    sources: tuple[int, ...]
    """The calls whose outputs it was given, `INPUT` for the images."""
    shape: tuple[int, ...]
    """Of its output for one image: maps or units first, then their places."""
    in_place: bool
    """Whether it overwrote what it was given."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """`weight`, `stride`, `padding`, `dilation`, `groups` of a convolution, and so on; pairs are (rows, columns)."""
    layout: Layout = UNKNOWN

    @property
    def in_steps(self) -> bool:
        """Whether it gives its units' values one after the other, [units, steps]: of a cell, or a layer of a transformer."""
        return len(self.shape) == 2 and self.layout.known

    @property
    def size(self) -> int | None:
        """How many numbers it gives for one image; None where that is not known."""
        return math.prod(self.shape) * self.layout.pieces or None

    @property
    def multiply_adds(self) -> int:
        """Of a convolution, dense layer, cell, attention or product of matrices, for one image; else 0.

        Each of the outputs takes the weights of one filter or unit; each step of a cell takes all of its weights.
        """
        match self.kind:
            case "attention":
                return int(self.settings["multiply_adds"]) * self.layout.pieces
            case "product":
                return round((self.size or 0) * float(self.settings["inner"]))
            case "cell":
                weights: Sequence[Tensor] = self.settings["weights"]
                return self.shape[1] * self.layout.pieces * sum(each.numel() for each in weights)
            case "conv" | "dense":
                weight: Tensor = self.settings["weight"]
                return (self.size or 0) * (weight.numel() // len(weight))
            case _:
                return 0


_WITH_UNITS = (nn.modules.conv._ConvNd, nn.RNNBase)


class Trace:
    """The calls of one forward pass, and which of them is which layer's output."""

    def __init__(self, net: nn.Module, image: Tensor) -> None:
        """Run `net` in eval mode on `image` [C, H, W] (as the net sees it) and note every call.

        Raises NotApplicable where the net does not take such an image.
        """
        self.net = net
        self.input = tuple(image.shape)
        self.unfollowed: str | None
        """Why nothing but the net's output can be looked at; None where each of its calls can."""
        tracer = _CallTracer()
        # Not inference_mode: its tensors do not count how often they are overwritten.
        with undisturbed(net), torch.inference_mode(False), torch.no_grad():
            # Not one: of one alone a net may squeeze the batch away.
            images = [image[None].repeat(count, 1, 1, 1) for count in (2, 3)]
            try:
                two = answer(tracer.through(net, images[0]))
                again = _SizeTracer(opaque=tracer.opaque)
                three = answer(again.through(net, images[1]))
                self.unfollowed = tracer.why_unfollowed(two, again)
            except BaseException as error:  # a net may raise anything
                if is_interrupt(error):
                    raise
                two, three = (answer(_unfollowed(net, part)) for part in images)
                self.unfollowed = f"the net cannot be followed ({_in_words(error)}): its layers cannot be looked into"
        if two is None or three is None:
            raise NotApplicable("the net returns no tensor: there is nothing to look at")
        self.opaque: Set[str] = tracer.opaque
        """Modules, by name, that compute what torch's functions do not show: in compiled code or NumPy."""
        self.layers: Mapping[str, int] = {}
        """Name of each module that gives a tensor -> the call of its output (of several tensors the first); of a module used twice,
        the first use."""
        self._again: Mapping[str, int] = {}
        """The same of each later use, as `relu:2`."""
        self.output = 0
        """The call that gives what the net returns: its `logits` where it has such, of several tensors the first."""
        if self.unfollowed is None and (number := tracer.number(two)) is not None:
            self.calls: Sequence[Call] = list(map(_laid_out, tracer.calls, again.shapes, tracer.units))
            self.layers, self._again, self.output = tracer.layers, tracer.again, number
        else:
            whole = Call(0, type(net).__name__, "other", "", (INPUT,), tuple(two.shape), in_place=False)
            self.calls = [_laid_out(whole, tuple(three.shape), None)]

    def layer(self, name: str) -> Call:
        """The call that gives the output of the module `name`, of one used several times the first; `name:2` is its second.

        Raises NotApplicable, with the names that there are.
        """
        if self.unfollowed is not None:
            raise NotApplicable(self.unfollowed)
        known = {**self._again, **self.layers}
        if name not in known:
            raise NotApplicable(f"the net has no layer {name!r}{nearest(name, known)}: it has {', '.join(self.leaves())}")
        index = known[name]
        if index == INPUT:
            raise NotApplicable(f"layer {name} passes the image on as it is: choose another of {', '.join(self.leaves())}")
        if not self.calls[index].layout.pieces:
            others = ", ".join(leaf for leaf in self.leaves() if leaf != name)
            raise NotApplicable(f"what layer {name} gives cannot be divided among the images: choose another of {others}")
        return self.calls[index]

    def leaves(self) -> list[str]:
        """Names of the modules without children that were used, in the order of their first use."""
        return [name for name in self.layers if self._is_leaf(name)]

    def _is_leaf(self, name: str) -> bool:
        """A weight that is computed from others hangs below its layer, which is a leaf all the same."""
        if self.layers[name] != INPUT and self.calls[self.layers[name]].kind == "attention":
            return True  # its last projection is a module that is never called
        children = {child for child, _ in self.net.get_submodule(name).named_children()}
        return not children - {"parametrizations"} and "parametrizations" not in name.split(".")

    def of_kind(self, *kinds: Kind) -> dict[str, Call]:
        """Leaf module -> its call, for every one whose output is such a call, a part of it for each image."""
        if self.unfollowed is not None:
            raise NotApplicable(self.unfollowed)
        found = {name: self.calls[self.layers[name]] for name in self.leaves() if self.layers[name] != INPUT}
        return {name: call for name, call in found.items() if call.kind in kinds and call.module == name and call.layout.pieces}

    def weighted(self) -> dict[str, Call]:
        """Leaf module -> its call, of every layer whose weights make its units: of transposed and 1-d convolutions and cells that
        read both ways too, of whose arithmetic nothing more is known."""
        known: tuple[Kind, ...] = ("conv", "dense", "cell", "attention")
        return {
            name: call
            for name, call in self.of_kind(*known, "other").items()
            if call.kind in known or isinstance(self.net.get_submodule(name), _WITH_UNITS)
        }

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

    def together(self, index: int) -> list[int]:
        """Call `index`, with what its function gave besides where it is a cell: states after each step, then the last ones."""
        call = self.calls[index]
        if call.kind != "cell":
            return [index]
        ends = (other.index for other in self.calls[index + 1 :] if (other.function, other.kind) != (call.function, "other"))
        return list(range(index, next(ends, len(self.calls))))

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

    def overwritten(self, index: int) -> set[int]:
        """The calls whose outputs are overwritten before the end of call `index`; a view shares the memory of what it views."""
        found: set[int] = set()
        for call in reversed(self.calls[: index + 1]):
            if call.in_place or (call.kind in ("reshape", "same") and call.index in found):
                found.update(call.sources)
        return found

    def expect(self, output: Output) -> Call:
        """The call that gave `output`. Raises NotApplicable where this pass takes another way than the one that was noted."""
        known = self.calls[output.index] if output.index < len(self.calls) else None
        if known is None or known.function != name_of(output.function) or not _fits(known, output.tensor):
            raise NotApplicable(_OTHERWISE)
        return known

    def run(self, images: Tensor, wanted: Iterable[int]) -> dict[int, Tensor]:
        """The outputs of the calls `wanted` for `images` [N, C, H, W]; what comes after the last of them is not computed.

        Each is [N, ...] as the call's `shape` is, or [N x pieces, ...] where its layout says so. For use within `undisturbed`;
        keeps gradients where they are switched on.
        """
        indices = frozenset(wanted)
        if not indices - {INPUT}:
            return {INPUT: images} if indices else {}
        if self.unfollowed is not None:
            return {self.output: self.returned(images)}
        return dict(in_company(images, lambda several: self._run(several, indices)))

    def _run(self, images: Tensor, indices: frozenset[int]) -> dict[int, Tensor]:
        runner = _Runner(self, indices)
        runner.through(self.net, images)
        return runner.kept | ({INPUT: images} if INPUT in indices else {})

    def returned(self, images: Tensor) -> Tensor:
        """What the net returns for `images` [N, C, H, W], laid out as the output of the call `output`, however it comes to that.

        For use within `undisturbed`.
        """
        return in_company(images, self._returned)[self.output]

    def _returned(self, images: Tensor) -> dict[int, Tensor]:
        with eagerly():
            found = answer(self.net(images.clone()))
        known = self.calls[self.output]
        if found is None or not _fits(known, found):
            raise NotApplicable(_OTHERWISE)
        return {self.output: known.layout.arranged(found)}


def in_company(images: Tensor, compute: Callable[[Tensor], Mapping[int, Tensor]]) -> Mapping[int, Tensor]:
    """What `compute` gives for `images` [N, C, H, W]; for one alone beside a copy of it where a net squeezes the batch away."""
    try:
        return compute(images)
    except NotApplicable:
        if len(images) > 1:
            raise
        return {index: found[: len(found) // 2] for index, found in compute(images.repeat(2, 1, 1, 1)).items()}


def _unfollowed(net: nn.Module, images: Tensor) -> Any:
    """What the net returns; raises NotApplicable where it does not take such images."""
    try:
        with eagerly():
            return net(images.clone())
    except BaseException as error:  # a net may raise anything
        if is_interrupt(error):
            raise
        shape = "x".join(map(str, images.shape[1:]))
        raise NotApplicable(f"the net does not take an image of {shape}: {_in_words(error)}{own_place(error)}") from error


def _in_words(error: BaseException) -> str:
    """In one line."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _laid_out(call: Call, three: tuple[int, ...], units: int | None) -> Call:
    """`call`, whose shape is that for two images, with what its shape for three images tells."""
    layout = Layout.of(call.shape, three, units)
    return replace(call, shape=layout.shape(call.shape), layout=layout)


def _fits(call: Call, output: Tensor) -> bool:
    layout = call.layout
    return output.ndim == len(call.shape) + len(layout.grows) and layout.shape(output.shape) == call.shape


class _SizeTracer(Tracer):
    """Notes what is called, and the shapes of what it gives."""

    def __init__(self, opaque: Iterable[str]) -> None:
        super().__init__(opaque=opaque)
        self.functions: list[str] = []
        self.shapes: list[tuple[int, ...]] = []

    def called(self, output: Output) -> None:
        self.functions.append(name_of(output.function))
        self.shapes.append(tuple(output.tensor.shape))


class _CallTracer(Tracer):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        """Their shapes are those of whole tensors."""
        self.units: list[int | None] = []
        """The dimension of each call's units, where it is known."""
        self.layers: dict[str, int] = {}
        self.again: dict[str, int] = {}
        self._uses: Counter[str] = Counter()
        self._inside: list[str] = [""]
        self._versions: dict[int, int] = {}
        self._stale = False
        """Whether the call under way was handed a tensor that was overwritten."""

    def why_unfollowed(self, returned: Tensor | None, other: _SizeTracer) -> str | None:
        """Why the calls do not tell what the net computes, which `returned` that; `other` followed another number of images."""
        hidden = self.number(returned) is None or (self.opaque == {""} and len(self.calls) == 1)
        if hidden or any(is_inner(call.function) for call in self.calls):
            return _OPAQUE
        own = [(call.function, len(call.shape)) for call in self.calls]
        same = own == [(name, len(shape)) for name, shape in zip(other.functions, other.shapes, strict=True)]
        return None if same else _BY_COUNT

    def _know(self, tensor: Tensor, index: int) -> None:
        self._versions[id(tensor)] = version(tensor)
        super()._know(tensor, index)

    def _was_overwritten(self, tensors: Iterable[Tensor]) -> bool:
        """Whether one of them was changed by a call that it was not handed to: through a view, or by an index."""
        return any(self.number(tensor) is not None and version(tensor) > self._versions[id(tensor)] for tensor in tensors)

    def compute(self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        self._stale = self._was_overwritten(tensors((*args, *kwargs.values())))
        return function(*args, **kwargs)

    def _listen(self, name: str, module: nn.Module) -> Sequence[Any]:
        def before(_module: nn.Module, _inputs: Any) -> None:
            self._inside.append(name)

        def after(module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
            count = self.count
            self._heard(module, args, kwargs, output)
            if self.count > count:
                self.opaque.add(name)
            self._inside.pop()
            number = self.number(answer(output))
            if number is not None and name:
                self._uses[name] += 1
                if self._uses[name] == 1:
                    self.layers.setdefault(name, number)
                else:
                    self.again[f"{name}:{self._uses[name]}"] = number

        return module.register_forward_pre_hook(before), module.register_forward_hook(after, with_kwargs=True)

    def called(self, output: Output) -> None:
        name, args, kwargs = name_of(output.function), output.args, output.kwargs
        numbers = [number for tensor in output.sources if (number := self.number(tensor)) is not None]
        kind, settings = understood(kind_of(name), name, args, kwargs) if self._is_plain(output) else ("other", {})
        in_place = any(output.tensor is tensor for tensor in tensors((*args, *kwargs.values()))) and kind != "same"
        module, shape = self._inside[-1], tuple(output.tensor.shape)
        self.calls.append(Call(output.index, name, kind, module, tuple(dict.fromkeys(numbers)), shape, in_place, settings))
        if kind == "attention":
            self.layers.setdefault(module, output.index)  # the module may turn it before it gives it
        units = [None if number == INPUT else self.units[number] for number in numbers]
        sources = list(zip(output.sources, units, strict=True))
        self.units.append(None if self._stale else units_after(name, kind, args, kwargs, sources, output.tensor))

    def _is_plain(self, output: Output) -> bool:
        """Whether the function's name says what it did.

        It does not of what was changed elsewhere, where weights depend on the images too, nor of a second output of another kind.
        """
        kind = kind_of(name_of(output.function))
        if self._stale or isinstance(output.function, type) or (output.place and kind != "reshape"):
            return False
        given = output.args[0] if output.args else output.kwargs.get("input")
        return kind in ("sum", "join", "cell", "attention", "product") or all(tensor is given for tensor in output.sources)


class _Runner(Tracer):
    def __init__(self, trace: Trace, wanted: frozenset[int]) -> None:
        super().__init__(until=max(wanted), opaque=trace.opaque)
        self._trace, self._wanted = trace, wanted
        self._overwritten = trace.overwritten(max(wanted))
        self.kept: dict[int, Tensor] = {}

    def called(self, output: Output) -> None:
        call = self._trace.expect(output)
        if output.index in self._wanted:
            wanted = call.layout.arranged(output.tensor)
            self.kept[output.index] = wanted.clone() if output.index in self._overwritten else wanted
