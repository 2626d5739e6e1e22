"""What a net is made of: shapes, parameters, neurons, receptive fields and multiply-adds, layer by layer (report 003)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import nn
from torch.nn.parameter import is_lazy

from convtui.engine.data.names import listed
from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Cell, Result, Table, Target
from convtui.engine.lens.receptive_field import ReceptiveField, receptive_fields
from convtui.engine.lens.registry import Options, register
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.trace import Call, Trace
from convtui.engine.lens.tracer import INPUT

_GROUPS = {
    "conv": "convolutional", "cell": "recurrent", "dense": "dense", "attention": "attention", "product": "products of matrices",
    "scale": "batch norm",
}  # fmt: skip
_COMPUTING = ("conv", "dense", "cell", "attention", "product")


class SummaryOptions(Options):
    """There is nothing to choose."""


@register("summary", "layers, shapes, parameters, neurons, receptive fields and multiply-adds", SummaryOptions)
def summary(subject: Subject, options: SummaryOptions) -> list[Result]:
    """A table of the layers with totals, and one of each kind of layer's share of them.

    Neurons are the outputs of convolutional, dense and attention layers, and the hidden units of recurrent ones. Multiply-adds,
    for one image: a convolution's weights times the places of its output, a dense layer's weights, a recurrent one's weights times
    its steps, of attention its projections and both products of queries, keys and values; additions of biases, batch norm,
    activations, gates and pools are not counted. A layer used several times has its parameters once, and the neurons and
    multiply-adds of all its uses. Where the net cannot be run or followed, parameters are all that is told, and why.
    """
    try:
        trace, trouble = subject.trace, subject.trace.unfollowed
    except NotApplicable as error:
        trace, trouble = None, str(error)
    layers = _layers(trace) if trace is not None and trouble is None else _untraced(subject.net)
    shape = "×".join(map(str, subject.shape))
    rows = [layer.cells() for layer in layers]
    *most, weights, biases = (_sum(getattr(layer, name) for layer in layers) for name in _COUNTED)
    total: list[Cell] = ["total", "", "", "", *most, None, weights, biases, ""]
    known = [name for name in trace.leaves() if trace.layers[name] != INPUT] if trace is not None else []
    targets = [Target(layer=layer.name) if layer.name in known else None for layer in layers]
    counted = ("parameters", "multiply-adds", "neurons", "receptive field", "weights", "biases")
    columns = ("layer", "kind", "input", "output", *counted, "made of")
    table = Table(f"layers · {subject.title}", columns, [*rows, total], [*targets, None], _notes(layers, shape, trace, trouble))
    return [table, _shares(subject, layers)]


_COUNTED = ("parameters", "multiply_adds", "neurons", "weights", "biases")
"""What is added up, as attributes of `_Layer`: first what is asked most, since narrow terminals leave out the last columns."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """One module: a leaf that was used, or one that has parameters of its own."""

    name: str
    kind: str
    """Its class, as in `Conv2d`."""
    group: str
    """`convolutional`, `dense`, `batch norm`, or its class again."""
    input: str
    """As in `3×32×32`; of its first use, and of the first thing that it is given; empty where that is not known."""
    output: str
    """As in `32×16×16`; of its first use."""
    made_of: str
    """Its weights and biases by their shapes, as in `64×3×3×3 + 64`; empty where it has none."""
    weights: int
    biases: int
    neurons: int | None
    field: str | None
    """As in `14×14` (height by width in pixels), or `whole image`; None where nothing is known."""
    multiply_adds: int | None
    """None where they are not known, as then neither are the neurons: as of modules never called."""
    uses: int
    """Its convolutions or dense products in one forward pass."""
    called: bool
    """Whether it, or any function with its weights, was."""

    @property
    def parameters(self) -> int:
        return self.weights + self.biases

    def cells(self) -> list[Cell]:
        named = (self.shown, self.kind, self.input, self.output)
        counts = (self.parameters, self.multiply_adds, self.neurons)
        return [*named, *counts, self.field, self.weights, self.biases, self.made_of]

    @property
    def shown(self) -> str:
        """Its name for people."""
        return self.name or "(the net)"


_Owned = Mapping[str, Sequence[tuple[str, nn.Parameter]]]


def _owned(net: nn.Module) -> tuple[_Owned, Mapping[int, str]]:
    """Module -> its parameters by name; and whose each is, by identity. Those that several share belong to the first of them."""
    owned: dict[str, list[tuple[str, nn.Parameter]]] = defaultdict(list)
    owner: dict[int, str] = {}
    for name, module in net.named_modules():
        for key, parameter in module.named_parameters(recurse=False):
            if owner.setdefault(id(parameter), name) == name and not is_lazy(parameter):
                owned[name].append((key, parameter))
    return owned, owner


def _untraced(net: nn.Module) -> list[_Layer]:
    """Those that have parameters, in the order in which they were made."""
    found = []
    kinds = {name: type(module).__name__ for name, module in net.named_modules()}
    for name, parameters in _owned(net)[0].items():
        biases = sum(parameter.numel() for key, parameter in parameters if "bias" in key)
        weights = sum(parameter.numel() for _, parameter in parameters) - biases
        kind = kinds[name]
        found.append(
            _Layer(
                name=name,
                kind=kind,
                group=kind,
                input="",
                output="",
                made_of=_made_of(parameters),
                weights=weights,
                biases=biases,
                neurons=None,
                field=None,
                multiply_adds=None,
                uses=0,
                called=False,
            )
        )
    return found


def _layers(trace: Trace) -> list[_Layer]:
    """In the order of their first use; at the end those that have parameters and were never called."""
    owned, owner = _owned(trace.net)
    first = {name: trace.layers[name] for name in trace.leaves()}
    computing: dict[str, list[Call]] = defaultdict(list)
    for call in trace.calls:
        if call.kind in _COMPUTING:
            # A function that is given a module's weight is that module's, as in conv2d(x, self.conv1.weight).
            name = call.module if call.module in first else owner.get(id(call.settings.get("weight")), call.module)
            computing[name].append(call)
    for name, calls in computing.items():
        first.setdefault(name, calls[0].index)
    begins = {call.module: call.index for call in reversed(trace.calls)} | first
    names = sorted({**first, **owned}, key=lambda name: begins.get(name, len(trace.calls)))
    used = {owner.get(id(weight)) for calls in computing.values() for call in calls for weight in call.settings.get("weights", ())}
    fields = receptive_fields(trace, trace.calls)
    return [
        _layer(trace, name, owned.get(name, ()), first.get(name), computing[name], fields, called=name in begins, used=name in used)
        for name in names
    ]


def _layer(
    trace: Trace,
    name: str,
    owned: Sequence[tuple[str, nn.Parameter]],
    first: int | None,
    computing: Sequence[Call],
    fields: Mapping[int, ReceptiveField | None],
    *,
    called: bool,
    used: bool = False,
) -> _Layer:
    """`used` says that a function of another module was given its weights, and counts them."""
    kind = type(trace.net.get_submodule(name)).__name__
    weights = [parameter for key, parameter in owned if "bias" not in key]
    known = {call.kind for call in computing} or {call.kind for call in trace.calls if call.module == name and call.kind == "scale"}
    # Matrices that go into nothing this program understands; or parameters that another module's code may or may not read.
    unread = not computing and not used and (not called or any(weight.ndim > 1 for weight in weights))
    unknown = unread or any(call.size is None for call in computing)
    return _Layer(
        name=name,
        kind=kind,
        group=_GROUPS[known.pop()] if len(known) == 1 else _GROUPS["attention"] if used and not known else kind,
        input=_shape(trace, _given(trace, name, first)),
        output=_shape(trace, first),
        made_of=_made_of(owned),
        weights=sum(weight.numel() for weight in weights),
        biases=sum(parameter.numel() for key, parameter in owned if "bias" in key),
        neurons=None if unknown else sum(_neurons(call) for call in computing),
        field=None if first is None else _field(trace, first, fields[first]),
        multiply_adds=None if unknown else sum(call.multiply_adds for call in computing),
        uses=len(computing),
        called=called or used,
    )


def _made_of(owned: Sequence[tuple[str, nn.Parameter]]) -> str:
    return " + ".join("×".join(map(str, parameter.shape)) for _, parameter in owned if parameter.ndim)


def _shape(trace: Trace, index: int | None) -> str:
    return "" if index is None else "×".join(map(str, trace.input if index == INPUT else trace.calls[index].shape))


def _given(trace: Trace, name: str, first: int | None) -> int | None:
    """The call whose output the module is given: what its first own call begins with."""
    if first is None or first == INPUT:
        return None
    inside = {call.index for call in trace.calls if call.module == name}
    begins = min(inside, default=first)
    sources = [source for source in trace.calls[begins].sources if source not in inside]
    return sources[0] if sources else None


def _neurons(call: Call) -> int:
    """Each of its outputs, but of a product of matrices none; of a cell each unit, however many steps it makes."""
    if call.kind == "product":
        return 0
    return call.shape[0] * int(call.settings["layers"]) if call.kind == "cell" else call.size or 0


def _field(trace: Trace, index: int, field: ReceptiveField | None) -> str | None:
    if field is not None:
        return f"{field.size[0]}×{field.size[1]}"
    path = trace.path_to(index)
    if any(call.kind == "other" or call.function == "__getitem__" for call in path):
        return None
    return "whole image" if any(_takes_in_everything(call) for call in path) else None


def _takes_in_everything(call: Call) -> bool:
    """Whether each of its outputs depends on every place of what it is given."""
    if call.kind == "average":
        return "kernel_size" not in call.settings and math.prod(call.shape[1:]) == 1
    return call.kind == "dense" and len(call.shape) == 1


def _sum(counts: Iterable[int | None]) -> int | None:
    """Of what is known; None where nothing is."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _notes(layers: Sequence[_Layer], shape: str, trace: Trace | None, trouble: str | None) -> list[str]:
    if trace is None or trouble is not None:
        return [f"parameters alone, module by module, since {trouble}"]
    notes = [
        f"for one image of {shape}; multiply-adds are of convolutions, dense layers, cells and products of matrices, without biases"
    ]
    again = [f"{layer.shown} ({layer.uses})" for layer in layers if layer.uses > 1]
    if again:
        notes.append(f"used several times, parameters counted once, shape and field of the first use: {listed(again)}")
    sums = {call.module or "the net" for call in trace.calls if call.function == "einsum"}
    if sums:
        notes.append(f"products written as einsum are not counted: {listed(sorted(sums))}")
    unknown = [f"{layer.shown} ({layer.kind})" for layer in layers if layer.multiply_adds is None and layer.called]
    if unknown:
        notes.append(f"multiply-adds and neurons not known: {listed(unknown)}")
    uncalled = [f"{layer.shown} ({layer.kind})" for layer in layers if not layer.called]
    if uncalled:
        notes.append(f"never called, so only their parameters are counted: {listed(uncalled)}")
    return notes


def _shares(subject: Subject, layers: Sequence[_Layer]) -> Table:
    """A row a kind of layer that has anything to count: each count beside its share of the total."""
    groups: dict[str, Mapping[str, int | None]] = {}
    for group in dict.fromkeys(layer.group for layer in layers):
        members = [layer for layer in layers if layer.group == group]
        groups[group] = {name: _sum(getattr(layer, name) for layer in members) for name in _COUNTED}
    total = {name: _sum(counts[name] for counts in groups.values()) for name in _COUNTED}
    rows: list[list[Cell]] = []
    for group, counts in [*((group, counts) for group, counts in groups.items() if any(counts.values())), ("total", total)]:
        row: list[Cell] = [group]
        for name in _COUNTED:
            count, whole = counts[name], total[name]
            row += [count, count / whole if whole and count is not None else None]
        rows.append(row)
    words = [name.replace("_", "-") for name in _COUNTED]
    columns = ["kind", *(column for word in words for column in (word, f"share of {word}"))]
    return Table(f"shares by kind · {subject.title}", columns, rows, shares=[f"share of {word}" for word in words])
