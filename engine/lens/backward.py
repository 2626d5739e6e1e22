"""Back from units to pixels: one backward pass, in which each ReLU obeys a rule of one's choice.

- `deconvnet` (Zeiler and Fergus 2014, section 2.1): the ReLU looks at what comes back, relu(g).
- `saliency` (Simonyan et al. 2013): the true gradient, m g, where m is 1 if the activation was positive on the way forward, else 0.
- `guided` (Springenberg et al. 2014, section 3.4): both, m relu(g).

A leaky ReLU of slope a multiplies by a where a ReLU makes zero: relu(g) is then leaky(g), and m is 1 or a. All else is the
gradient: a max-pool sends back to its switches, summing where windows overlap; batch norm in eval mode multiplies by its scale per
channel; biases are left out.

- `transposed` (report 004): activations of every kind are passed over as if they were not there, a max-pool spreads what comes
  evenly over its window, as an average pool does. What is left is one linear map, the same for every image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from convtui.engine.errors import NotApplicable
from convtui.engine.lens.functions import Kind, Settings
from convtui.engine.lens.trace import Call, Trace, in_company
from convtui.engine.lens.tracer import Output, Tracer
from convtui.engine.lens.undisturbed import undisturbed

Rule = Literal["deconvnet", "guided", "saliency", "transposed"]

_GO_BACK: dict[Rule, frozenset[Kind]] = {
    "deconvnet": frozenset({"conv", "dense", "scale", "gain", "rectify", "max_pool", "same", "reshape", "sum", "join"}),
    "guided": frozenset({"conv", "dense", "scale", "gain", "rectify", "max_pool", "average", "same", "reshape", "sum", "join"}),
    "transposed": frozenset(
        {"conv", "dense", "scale", "gain", "rectify", "pointwise", "max_pool", "average", "same", "reshape", "sum", "join"}
    ),
}
_RULED: dict[Rule, tuple[Kind, ...]] = {
    "deconvnet": ("rectify",),
    "guided": ("rectify",),
    "transposed": ("rectify", "pointwise", "max_pool"),
}
"""What has another way back than the gradient."""
_SALIENCY = "use saliency, the true gradient"
_BATCH = 64
"""Images in one backward pass."""


def check(trace: Trace, index: int, rule: Rule) -> None:
    """Raise NotApplicable where `rule` has no meaning for the output of call `index`: never another picture in its place."""
    reason = obstacle(trace, index, rule)
    if reason is not None:
        raise NotApplicable(f"{rule} is not applicable: {reason}")


def obstacle(trace: Trace, index: int, rule: Rule) -> str | None:
    """Why `rule` has no meaning for the output of call `index`, and what would serve; None where it has.

    What counts is everything between the images and the activation that the layer's output goes through.
    """
    if rule == "saliency":
        return None
    calls = trace.path_to(index)
    if (following := trace.nonlinearity(index)) is not None:
        calls.append(following)
    for call in calls:
        if call.kind in _GO_BACK[rule] and not (rule == "transposed" and call.kind == "max_pool" and not _has_windows(call)):
            continue
        where = f"{call.module} ({call.function})" if call.module else call.function
        if call.kind == "average":
            why = "is not a max-pool, so it has no switches"
            serves = _SALIENCY if obstacle(trace, index, "guided") else "use guided or saliency"
        elif call.kind == "pointwise":
            why, serves = "is not a ReLU, and the rule is for ReLUs only", _SALIENCY
        else:
            why, serves = "has no known way back by this rule", _SALIENCY
        return f"{where} {why}; {serves}"
    return None


def _has_windows(pool: Call) -> bool:
    """Whether all of its windows are alike, and without holes."""
    return pool.settings.get("dilation") == (1, 1)


def past_relu(back: Tensor, positive: Tensor | None, slope: float, rule: Rule) -> Tensor:
    """What arrives at the output of a ReLU of negative slope `slope`, after it has gone past it by `rule` (not `transposed`).

    `positive` says where its input was above zero; the rule of `deconvnet` does not ask for it.
    """
    if rule != "saliency":
        back = nn.functional.leaky_relu(back, slope) if slope else back.relu()
    if rule != "deconvnet":
        assert positive is not None
        back = torch.where(positive, back, back * slope)
    return back


def backward(trace: Trace, images: Tensor, index: int, rule: Rule, seed: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Pixels [N, C, H, W] from the output of call `index` for `images` [N, C, H, W], as the net sees them.

    `seed(outputs, first)` says what goes back, of the outputs [B, ...] of images `first` to `first + B`: ones at one unit each
    project that unit. The result does not depend on how images are batched. Raises NotApplicable as `check` does.
    """
    check(trace, index, rule)
    parts = []
    with undisturbed(trace.net):
        for first in range(0, len(images), _BATCH):
            # Not inference_mode, and on whatever the caller has switched off: gradients are the point here.
            with torch.inference_mode(False), torch.enable_grad():
                batch = images[first : first + _BATCH].detach().clone().requires_grad_()
                with without_cudnn(trace.net):
                    output = _forward(trace, batch, index, rule)
                    try:
                        (pixels,) = torch.autograd.grad(output, batch, seed(output.detach(), first))
                    except RuntimeError as error:
                        why = str(error).splitlines()[0]
                        raise NotApplicable(f"{rule} is not applicable: no gradient comes through to the pixels ({why})") from error
            parts.append(pixels.detach())
    return torch.cat(parts) if parts else torch.zeros_like(images)


def _forward(trace: Trace, images: Tensor, index: int, rule: Rule) -> Tensor:
    """The output of call `index`, from which autograd goes back by `rule`; the gradient as it is needs no rule."""
    if rule == "saliency":
        return trace.returned(images) if index == trace.output else trace.run(images, [index])[index]
    return in_company(images, lambda several: _ruled(trace, several, index, rule))[index]


def _ruled(trace: Trace, images: Tensor, index: int, rule: Rule) -> dict[int, Tensor]:
    ruled = _Ruled(trace, index, rule)
    ruled.through(trace.net, images)
    return ruled.output


def unit_seed(units: Sequence[Tensor]) -> Callable[[Tensor, int], Tensor]:
    """One unit an image: `units` are int64 [N] tensors, of maps, rows and columns, or of places in a vector."""

    def seed(outputs: Tensor, first: int) -> Tensor:
        ones = torch.zeros_like(outputs)
        each = torch.arange(len(outputs), device=outputs.device)
        ones[(each, *(place[first : first + len(outputs)].to(outputs.device) for place in units))] = 1
        return ones

    return seed


class _Back(torch.autograd.Function):
    """A ReLU with another way back."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, slope: float, rule: Rule) -> Tensor:
        if rule != "deconvnet":
            ctx.save_for_backward(values > 0)
        ctx.slope, ctx.rule = slope, rule
        return nn.functional.leaky_relu(values, slope) if slope else values.relu()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        positive = ctx.saved_tensors[0] if ctx.saved_tensors else None
        return past_relu(gradients[0], positive, ctx.slope, ctx.rule), None, None


class _Passed(torch.autograd.Function):
    """What a function gave of `values`, one for one; what comes back goes past it unchanged."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, result: Tensor) -> Tensor:
        return result.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


class _Spread(torch.autograd.Function):
    """What a max-pool of these settings gave of `values`; what comes back is spread evenly over each window."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, result: Tensor, settings: Settings) -> Tensor:
        ctx.shape, ctx.settings = values.shape, settings
        return result.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        with torch.enable_grad():
            values = gradients[0].new_zeros(ctx.shape).requires_grad_()
            windows = (ctx.settings[name] for name in ("kernel_size", "stride", "padding", "ceil_mode"))
            means = nn.functional.avg_pool2d(values, *windows)
        (back,) = torch.autograd.grad(means, values, gradients[0])
        return back, None, None


class _Ruled(Tracer):
    """A forward pass in which each activation goes back by `rule`, however it is written; ends at call `index`."""

    def __init__(self, trace: Trace, index: int, rule: Rule) -> None:
        super().__init__(until=index, opaque=trace.opaque)
        self._trace, self._index, self._rule = trace, index, rule
        self.output: dict[int, Tensor] = {}

    def compute(self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        call = self._trace.calls[self.count] if self.count < len(self._trace.calls) else None
        if call is None or call.kind not in _RULED[self._rule]:
            return function(*args, **kwargs)
        values = args[0] if args else kwargs["input"]
        if self._rule == "transposed":
            return self._passed(call, values, function, args, kwargs)
        result: Tensor = _Back.apply(values, call.settings["slope"], self._rule)
        # A net may count on having overwritten its tensor.
        return values.copy_(result) if call.in_place else result

    def _passed(self, call: Call, values: Tensor, function: Callable[..., Any], args: Sequence[Any], kwargs: Any) -> Any:
        """What `function` gives of `values`, with the way back that `transposed` has."""
        with torch.no_grad():
            given = function(*args, **kwargs)
        if call.kind == "max_pool":
            several = isinstance(given, tuple)
            result = _Spread.apply(values, given[0] if several else given, call.settings)
            return (result, *given[1:]) if several else result
        result = _Passed.apply(values, given)
        return values.copy_(result) if call.in_place else result

    def called(self, output: Output) -> None:
        call = self._trace.expect(output)
        if output.index == self._index:
            self.output[output.index] = call.layout.arranged(output.tensor)


def without_cudnn(net: nn.Module) -> AbstractContextManager[None]:
    """cuDNN refuses to go back through a recurrent layer in eval mode, and it is the way forward that decides who goes back."""
    recurrent = any(isinstance(module, nn.RNNBase) for module in net.modules())
    return torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext()
