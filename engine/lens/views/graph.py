"""A net as a diagram: its blocks from top to bottom, and what goes past them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from convtui.engine.figures.figure import Cell, Table, Target
from convtui.engine.lens.lanes import lanes
from convtui.engine.lens.registry import Options, register
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.trace import Call, Trace
from convtui.engine.lens.tracer import INPUT
from convtui.engine.spec import hyper

_FOLDED = ("scale", "rectify", "pointwise", "same", "gain")
"""What belongs to the layer before it, where nothing else reads that: batch norm, activations, dropout."""
_PASSED = ("reshape", "same", "gain", "other")
"""Functions that have no row where they are given one thing alone."""
_NAMES = {"sum": "+", "join": "concatenate", "product": "product"}


class GraphOptions(Options):
    """How finely it is drawn."""

    fold: bool = hyper(True, "activations, batch norm and dropout in one row with the layer before them")


def _followed(subject: Subject) -> str | None:
    reason = subject.trace.unfollowed
    return None if reason is None else f"{reason}; use 'summary'"


@register("graph", "the net as a diagram: blocks, shapes, parameters, and skips", GraphOptions, _followed)
def graph(subject: Subject, options: GraphOptions) -> Table:
    """A row for each block, in the order in which they are computed, with lines from what it is given; skips have their own.

    From the calls of a forward pass, not from the order in which modules were made. Reshapes and the like have no row; a layer
    used several times has one for each use, its parameters at the first.
    """
    nodes = _nodes(subject.trace, fold=options.fold)
    lines = lanes([node.sources for node in nodes])
    rows: list[list[Cell]] = []
    counted: set[str] = set()
    for node, line in zip(nodes, lines, strict=True):
        new = [name for name in dict.fromkeys(node.modules) if name not in counted]
        counted.update(new)
        rows.append(
            [line, node.name, node.kind, "×".join(map(str, node.shape)), sum(_parameters(subject, name) for name in new) or None]
        )
    known = subject.trace.layers
    targets = [
        Target(layer=node.modules[0]) if node.modules and known.get(node.modules[0], INPUT) != INPUT else None for node in nodes
    ]
    skips = sum(len(node.sources) - 1 for node in nodes if len(node.sources) > 1)
    places = "place" if skips == 1 else "places"
    total = sum(parameter.numel() for parameter in subject.net.parameters())
    return Table(
        f"graph · {subject.title}",
        ("graph", "layer", "kind", "output", "parameters"),
        rows,
        targets,
        [
            f"{len(nodes) - 1} blocks, {skips} {places} where another path joins; {total:,} parameters",
            *_outside(subject, counted),
        ],
    )


def _parameters(subject: Subject, name: str) -> int:
    return sum(parameter.numel() for parameter in subject.net.get_submodule(name).parameters())


def _outside(subject: Subject, counted: set[str]) -> list[str]:
    """What no row counts: parameters of a module's own that its children's functions are given."""
    shown = {id(parameter) for name in counted for parameter in subject.net.get_submodule(name).parameters()}
    rest = sum(parameter.numel() for parameter in subject.net.parameters() if id(parameter) not in shown)
    return [f"{rest:,} parameters belong to no row: of modules that hold others, or are not used"] if rest else []


@dataclass(eq=False, slots=True)
class _Node:
    name: str
    kind: str
    shape: tuple[int, ...]
    modules: list[str] = field(default_factory=list)
    """Its layer, and those that are folded into it."""
    sources: list[int] = field(default_factory=list)
    """Numbers of the nodes that it is given."""
    call: Call | None = None


def _nodes(trace: Trace, *, fold: bool) -> list[_Node]:
    """The image, then every block; sources come before what is made of them."""
    leaves = set(trace.leaves())
    nodes = [_Node("image", "", trace.input)]
    of: dict[int, tuple[int, ...]] = {INPUT: (0,)}
    """Call -> the nodes whose output it is, or is made of."""
    readers = _readers(trace)
    for call in trace.calls:
        sources = list(dict.fromkeys(node for source in call.sources for node in of[source]))
        last = nodes[sources[0]] if len(sources) == 1 else None
        inside = last is not None and last.call is not None and call.module in leaves and last.modules[-1:] == [call.module]
        if inside and last is not None and last.call is not None and last.call.index == call.index - 1:
            of[call.index] = tuple(sources)  # a module of several calls
            last.shape, last.call = call.shape, call
        elif _has_no_row(call, sources, leaves):
            of[call.index] = tuple(sources)
        elif fold and last is not None and last.call is not None and call.kind in _FOLDED and _alone(trace, last, call, readers):
            of[call.index] = tuple(sources)
            _fold(trace, last, call, leaves)
        else:
            of[call.index] = (len(nodes),)
            nodes.append(_node(trace, call, sources, leaves))
    return nodes


def _readers(trace: Trace) -> Mapping[int, int]:
    counts = dict.fromkeys([INPUT, *(call.index for call in trace.calls)], 0)
    for call in trace.calls:
        for source in call.sources:
            counts[source] += 1
    return counts


def _has_no_row(call: Call, sources: Sequence[int], leaves: set[str]) -> bool:
    return len(sources) < 2 and (call.kind in _PASSED if call.module not in leaves else call.kind == "same")


def _alone(trace: Trace, node: _Node, call: Call, readers: Mapping[int, int]) -> bool:
    """Whether nothing but `call` reads the node's output, all the way from there."""
    assert node.call is not None
    reached = call.sources[0]
    while reached not in (INPUT, node.call.index):
        if readers[reached] != 1:
            return False
        reached = trace.calls[reached].sources[0]
    return readers[node.call.index] == 1


def _fold(trace: Trace, node: _Node, call: Call, leaves: set[str]) -> None:
    node.kind += f", {_kind(trace, call, leaves)}"
    node.shape, node.call = call.shape, call
    if call.module in leaves:
        node.modules.append(call.module)


def _node(trace: Trace, call: Call, sources: list[int], leaves: set[str]) -> _Node:
    own = call.module in leaves
    name = call.module if own else ""
    return _Node(name, _kind(trace, call, leaves), call.shape, [call.module] if own else [], sources, call)


def _kind(trace: Trace, call: Call, leaves: set[str]) -> str:
    if call.module in leaves:
        return type(trace.net.get_submodule(call.module)).__name__
    return _NAMES.get(call.kind, call.function.strip("_"))
