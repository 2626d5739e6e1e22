"""Layers that are not trained."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from convtui.engine.errors import SpecError
from convtui.engine.spec import nearest

MOST_NAMED = 12


class Frozen:
    """The layers of a net that a run does not train: their parameters have no gradients, and their statistics, as batch norms have
    them, are used as they are and not brought up to date."""

    def __init__(self, net: nn.Module, patterns: Sequence[str]) -> None:
        """`patterns` are names, of layers or parameters, or patterns of names (`layer1*`); a layer's name means all that is in it.
        Raises SpecError for one that there is nothing of, and where nothing is left to train."""
        names = [name for name, _ in net.named_modules() if name] + [name for name, _ in net.named_parameters()]
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise SpecError(f"training.freeze = {pattern}: the net has no such layer{nearest(pattern, names)}: {_listed(net)}")
        for name, parameter in net.named_parameters():
            if _within(name, patterns):
                parameter.requires_grad_(False)
        if not any(parameter.requires_grad for parameter in net.parameters()):
            raise SpecError("training.freeze leaves nothing to train: leave a layer out of it")
        self._statistics = [
            layer for name, layer in net.named_modules() if _within(name, patterns) and list(layer.buffers(recurse=False))
        ]

    def train(self, net: nn.Module) -> None:
        """Put the net into training mode, but for frozen statistics."""
        net.train()
        for layer in self._statistics:
            layer.eval()


def _within(name: str, patterns: Sequence[str]) -> bool:
    parts = name.split(".")
    return any(fnmatchcase(".".join(parts[:count]), pattern) for count in range(1, len(parts) + 1) for pattern in patterns)


def _listed(net: nn.Module) -> str:
    names = [name for name, layer in net.named_modules() if list(layer.parameters(recurse=False))]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"it has {', '.join(names[:MOST_NAMED])}{more}"
