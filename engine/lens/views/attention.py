"""What each token of a transformer attends to, and all layers together (attention rollout, Abnar and Zuidema 2020)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Pixels, Result, Sheet, Target, Tile
from convtui.engine.lens import selection
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import Chosen, OfLayer, OfOneImage
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.tiles import image_sheet
from convtui.engine.lens.trace import Call, Trace, in_company
from convtui.engine.lens.tracer import Output, Tracer
from convtui.engine.lens.undisturbed import undisturbed
from convtui.engine.spec import hyper, nearest

_MOST_EXTRA = 16
"""Tokens that a net may put before those of the image: of the class, registers."""
_FUSED, _WHOLE = "scaled_dot_product_attention", "multi_head_attention_forward"


class AttentionOptions(OfLayer, OfOneImage):
    """Of which layer, for which image."""

    layer: str | None = hyper(None, "name of an attention layer; default: the last")
    map: int | None = hyper(None, "one head; default: all", ge=0)


def _has_attention(subject: Subject) -> str | None:
    if _layers(subject.trace):
        return None
    if any(_is_attention(subject.trace, call) for call in subject.trace.calls):
        return "the net's attention is within windows, which are put into the batch: none is of the whole image; use 'activations'"
    return "the net has no attention layer; use 'cam' or 'saliency' for where it looks"


@register("attention", "what each token attends to: a layer's heads, and all layers together", AttentionOptions, _has_attention)
def attention(subject: Subject, options: AttentionOptions) -> list[Result]:
    """The image, beside it the rollout; where tokens form a grid, what a layer's class token attends to; its heads as [T, T].

    Weights are softmax(q k / sqrt(d)), worked out from queries and keys where a fused function does not give them. The rollout is
    the product of 0.5 mean over heads + 0.5 I, rows normalised, from the first layer to the last. Without a class token the mean
    over all tokens stands for it. Raises UsageError for a layer or head that there is not.
    """
    layers = _layers(subject.trace)
    name = list(layers)[-1] if options.layer is None else _named(layers, options.layer)
    chosen = selection.image(subject, options)
    weights = _weights(subject, chosen, layers)
    heads = weights[layers[name]]
    if options.map is not None and options.map >= len(heads):
        raise UsageError(f"layer {name} has no head {options.map}: its {len(heads)} heads are 0 to {len(heads) - 1}")
    numbers = range(len(heads)) if options.map is None else [options.map]
    grid = _grid(subject.trace, min(layers.values()), heads.shape[2])
    results: list[Result] = [image_sheet(subject, f"image {chosen.names[0]} · {subject.title}", chosen)]
    if all(_of_whole_images(call) for call in subject.trace.calls if _is_attention(subject.trace, call)):
        results += _rollout(subject, chosen, list(weights.values()), grid)
    targets = [Target(name, number, image=chosen.numbers[0]) for number in numbers]
    tokens, others = heads.shape[1:]
    if grid is not None and tokens == others:
        tiles = [
            Tile(_pixels(_of_class(heads[number], grid)), f"head {number}", target)
            for number, target in zip(numbers, targets, strict=True)
        ]
        high = max(float(tile.pixels.max()) for tile in tiles)
        results.append(Sheet(f"what {_who(tokens, grid)} attends to in {name}, {grid[0]}x{grid[1]} tokens", tiles, "even", 0, high))
    tiles = [Tile(_pixels(heads[number]), f"head {number}", target) for number, target in zip(numbers, targets, strict=True)]
    notes = [
        f"{tokens} tokens down, what each attends to of {others} across: rows add up to 1",
        "where a head looks, and not what it takes from there",
    ]
    return [*results, Sheet(f"attention of {name}", tiles, "even", 0, float(heads.max()), notes=notes)]


# ------------------------------------------------------------------------------------------------------------ weights


def _is_attention(trace: Trace, call: Call) -> bool:
    """Torch's own two ways; or a softmax of [heads, T, S], windows perhaps before that, that goes into a product of matrices."""
    if call.function in (_FUSED, _WHOLE):
        return True
    if call.function != "softmax" or len(call.shape) < 3:
        return False
    reached = {call.index}
    for later in trace.calls[call.index + 1 :]:
        if not reached.isdisjoint(later.sources):
            if later.kind == "product" or later.function == "einsum":
                return True
            if later.kind == "same":
                reached.add(later.index)
    return False


def _of_whole_images(call: Call) -> bool:
    return call.layout.by_image and (call.function != "softmax" or len(call.shape) == 3)


def _layers(trace: Trace) -> dict[str, int]:
    """Module -> its call, in their order; of a module with several, or used twice, `NAME (2)`."""
    found: dict[str, int] = {}
    for call in trace.calls if trace.unfollowed is None else ():
        if not _is_attention(trace, call) or not _of_whole_images(call):
            continue
        name, number = call.module or "(the net)", 2
        while name in found:
            name, number = f"{call.module or '(the net)'} ({number})", number + 1
        found[name] = call.index
    return found


def _named(layers: Mapping[str, int], name: str) -> str:
    within = [each for each in layers if each == name or each.startswith(f"{name}.")]
    if len(within) != 1:
        raise UsageError(f"attention layer {name!r}{nearest(name, layers)}: choose one of {', '.join(layers)}")
    return within[0]


class _Watching(Tracer):
    """A forward pass in which the weights of some calls are kept, [N, heads, T, S]."""

    def __init__(self, trace: Trace, wanted: Sequence[int]) -> None:
        super().__init__(until=max(wanted), opaque=trace.opaque)
        self._trace, self._wanted = trace, frozenset(wanted)
        self.kept: dict[int, Tensor] = {}

    def called(self, output: Output) -> None:
        call = self._trace.expect(output)
        if call.index in self._wanted:
            self.kept[call.index] = _of_call(call, output)


def _of_call(call: Call, output: Output) -> Tensor:
    if call.function == _WHOLE:
        kwargs = {**output.kwargs, "need_weights": True, "average_attn_weights": False}
        weights = F.multi_head_attention_forward(*output.args, **kwargs)[1]
        assert weights is not None
        return weights
    return _from_queries(*output.args, **output.kwargs) if call.function == _FUSED else output.tensor.clone()


def _from_queries(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """[..., T, S]: the weights that torch's scaled_dot_product_attention, which has these arguments, does not give."""
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
    scores = query @ key.mT * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return scores.softmax(-1)


def _weights(subject: Subject, chosen: Chosen, layers: Mapping[str, int]) -> dict[int, Tensor]:
    """Call -> float32 [heads, T, S] of the one image, on the CPU; in the layers' order."""

    def run(images: Tensor) -> dict[int, Tensor]:
        watching = _Watching(subject.trace, list(layers.values()))
        watching.through(subject.net, images)
        return watching.kept

    with undisturbed(subject.net), torch.inference_mode():
        found = in_company(subject.seen(chosen.images), run)
    if any(weights.ndim != 4 for weights in found.values()):
        raise NotApplicable("the net's attention is not of [images, heads, tokens, features]; use 'activations'")
    return {index: found[index][0].float().cpu() for index in layers.values()}


# ------------------------------------------------------------------------------------------------------ on the image


def _grid(trace: Trace, first: int, tokens: int) -> tuple[int, int] | None:
    """Rows and columns of the image's tokens, as the last convolution before the first attention lays them out."""
    for call in reversed(trace.path_to(first)):
        if call.kind == "conv" and len(call.shape) == 3:
            _, height, width = call.shape
            return (height, width) if 0 <= tokens - height * width <= _MOST_EXTRA and height * width > 1 else None
    return None


def _who(tokens: int, grid: tuple[int, int]) -> str:
    return "the class token" if tokens > math.prod(grid) else "the mean of all tokens"


def _of_class(weights: Tensor, grid: tuple[int, int]) -> Tensor:
    """[T, T] -> [rows, columns]: what the first token, or where it is of the image as the others are the mean, attends to."""
    extra = weights.shape[1] - math.prod(grid)
    row = weights[0] if extra else weights.mean(0)
    return row[extra:].reshape(grid)


def rolled(layers: Sequence[Tensor]) -> Tensor:
    """[T, T] of the layers' weights [heads, T, T], the first layer first."""
    mixed = [0.5 * weights.double().mean(0) + 0.5 * torch.eye(weights.shape[1], dtype=torch.float64) for weights in layers]
    mixed = [each / each.sum(1, keepdim=True) for each in mixed]
    found = mixed[0]
    for _, later in pairwise(mixed):
        found = later @ found
    return found


def _rollout(subject: Subject, chosen: Chosen, layers: Sequence[Tensor], grid: tuple[int, int] | None) -> list[Sheet]:
    if len({weights.shape[1:] for weights in layers}) != 1 or layers[0].shape[1] != layers[0].shape[2]:
        return []  # tokens are merged on the way, or attend to others than themselves
    found = rolled(layers)
    target = Target(image=chosen.numbers[0])
    title = f"attention rollout over {len(layers)} layers"
    notes = ["the rollout adds up paths through all layers, the residual as half of each; it says nothing of what is done with it"]
    if grid is None:
        return [
            Sheet(
                title,
                [Tile(_pixels(found), "tokens down, what they draw on across", target)],
                "even",
                0,
                float(found.max()),
                notes=notes,
            )
        ]
    small = _of_class(found, grid)
    large = F.interpolate(small[None, None], subject.shape[1:], mode="bilinear", align_corners=False)[0, 0]
    low, high = float(large.min()), float(large.max())
    high = high if high > low else low + 1
    tile = Tile(_pixels(large), f"{_who(found.shape[0], grid)}, {grid[0]}x{grid[1]} tokens enlarged", target)
    return [Sheet(title, [tile], "even", low, high, notes=notes, beside=True)]


def _pixels(values: Tensor) -> Pixels:
    return values.numpy().astype(np.float32)
