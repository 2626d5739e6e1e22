"""A net of a person's own code as the net of a run."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from convtui.engine.errors import UsageError
from convtui.engine.models.eval_mode import eval_mode
from convtui.engine.models.importing import channels_of, imported_net
from convtui.engine.models.outputs import answer
from convtui.engine.named_code import require_named, short
from convtui.engine.own_code import told_as_own
from convtui.engine.spec import ModelSpec

TRIED = 2
"""Images that a net is tried on: one could be taken for none, where a net squeezes its outputs."""


def build_own(spec: ModelSpec, shape: tuple[int, int, int], *, device: str = "cpu") -> nn.Module:
    """The net of the spec's module for images of `shape` [C, H, W], in training mode; sizes that its layers leave open are what
    such images make of them. Raises CodeError where its code is not named in this process or cannot be built, UsageError where it
    has nothing to train."""
    net = imported_net(require_named(spec.module), spec.keywords, device=device)
    if any(map(is_lazy, (*net.parameters(), *net.buffers()))):
        with eval_mode(net), torch.no_grad():
            _outputs(net, spec, shape)
    if not any(parameter.requires_grad for parameter in net.parameters()):
        raise UsageError(f"--model {spec.module}: this net has no parameters that could be trained")
    return net.train()


def try_own(net: nn.Module, spec: ModelSpec, shape: tuple[int, int, int], classes: int) -> None:
    """Raise UsageError where the net does not take such images, in training and outside, or gives no number for each class, or
    none that can be trained."""
    with torch.enable_grad():
        trained = answer(_outputs(net.train(), spec, shape))
    if trained is not None and not trained.requires_grad:
        raise UsageError(
            f"--model {spec.module}: what it gives in training has no gradient (computed under no_grad, detached, or whole numbers)"
        )
    with torch.no_grad():
        found = answer(_outputs(net.eval(), spec, shape))
    if found is None or tuple(found.shape) != (TRIED, classes):
        gives = "no tensor" if found is None else list(found.shape)
        raise UsageError(
            f"--model {spec.module}: for images {[TRIED, *shape]} it gives {gives}, and these data have {classes} classes: it must "
            f"give {[TRIED, classes]}{_how_many(net, classes)}"
        )


def _outputs(net: nn.Module, spec: ModelSpec, shape: tuple[int, int, int]) -> Tensor:
    device = next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
    takes, colour = channels_of(net), {1: "grey", 3: "rgb", 4: "rgba"}
    hint = ""
    if takes in colour and takes != shape[0]:
        hint = f" (its images have {takes} channel{'s' * (takes != 1)}: data.colour={colour[takes]})"
    refusal = f"--model {spec.module}: it does not take images {[TRIED, *shape]}{hint}"
    with told_as_own(refusal, f"{short(spec.module)} was still being tried"):
        outputs: Tensor = net(torch.zeros(TRIED, *shape, device=device))
    return outputs


def _how_many(net: nn.Module, classes: int) -> str:
    """What to type, where the net's class has an argument for it."""
    names = inspect.signature(type(net).__init__).parameters
    return next((f": --arg {name}={classes}" for name in names if "class" in name), "")
