"""What is known of torch's functions: what kind of thing each does, and its settings in one form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from torch import Tensor
from torch.nn import Parameter

Kind = Literal[
    "conv", "dense", "cell", "attention", "product", "scale", "gain", "rectify", "max_pool", "average", "pointwise", "same",
    "reshape", "sum", "join", "other",
]  # fmt: skip
"""`cell`: a recurrent layer that reads forward; what counts as its output is its states after each step. `attention`: torch's
multi-head attention, all of it. `product`: of matrices, attention written out. `scale`: batch norm in eval mode. `gain`: multiplied
by a number. `rectify`: ReLU, also as `clamp(min=0)` or `threshold(0, 0)`, or leaky ReLU. `pointwise`: any other function of one
value, tanh say. `same`: nothing in eval mode, as dropout. `reshape`: values moved or left out, zeros added. `sum`: of tensors or
with a constant. `join`: concatenation. `other`: nothing is known of it."""
Settings = dict[str, Any]

_FUNCTIONS: Mapping[Kind, str] = {
    "conv": "conv2d",
    "dense": "linear",
    "cell": "rnn_tanh rnn_relu lstm gru",
    "attention": "multi_head_attention_forward",
    "product": "matmul __matmul__ mm bmm baddbmm scaled_dot_product_attention",
    "gain": "mul __mul__ __rmul__",
    "scale": "batch_norm",
    "rectify": "relu leaky_relu",
    "max_pool": "max_pool2d max_pool2d_with_indices adaptive_max_pool2d adaptive_max_pool2d_with_indices",
    "average": "avg_pool2d adaptive_avg_pool2d mean",
    "pointwise": "tanh sigmoid elu selu celu gelu silu mish softplus softsign tanhshrink softshrink hardshrink hardtanh relu6 "
    "hardswish hardsigmoid logsigmoid prelu rrelu threshold _threshold abs exp square sqrt clamp clamp_min clip",
    "same": "dropout dropout2d alpha_dropout feature_dropout contiguous clone to float double half",
    "reshape": "flatten view reshape squeeze unsqueeze permute transpose unflatten pad __getitem__ chunk split tensor_split unbind "
    "narrow select flip roll",
    "sum": "add sub __add__ __radd__ __iadd__ __sub__",
    "join": "cat concat concatenate",
}
_KINDS: Mapping[str, Kind] = {name: kind for kind, names in _FUNCTIONS.items() for name in names.split()}


def kind_of(name: str) -> Kind:
    """By the name of a function, as far as that tells."""
    return _KINDS.get(name, "other")


def is_inner(name: str) -> bool:
    """Whether it is one of those behind torch's functions, as in `conv2d.default`, of which exported nets are made.

    Their arguments may be in another order.
    """
    outer, dot, _ = name.partition(".")
    return bool(dot) and kind_of(outer) != "other"


def name_of(function: Callable[..., Any]) -> str:
    """As in `relu`, in place or not."""
    name = str(getattr(function, "__name__", function))
    if name == "__get__":  # of an attribute, as in `x.T`
        name = str(getattr(getattr(function, "__self__", None), "__name__", name))
    return name if name.startswith("__") else name.rstrip("_")


def understood(kind: Kind, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Kind, Settings]:
    """The call's kind and settings; `other` where this program does not know that variant."""
    if name in ("dropout", "dropout2d", "alpha_dropout", "feature_dropout") and _drops(args, kwargs):
        return "other", {}
    reader = _READERS.get(kind)
    return reader(name, args, kwargs) if reader is not None else (kind, {})


def _drops(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a dropout does: written as a function it does unless told otherwise, in eval mode too."""
    found = _arguments(args, kwargs, 1, (("p", 0.5), ("training", kwargs.get("train", True))))
    return bool(found["training"] and found["p"])


def _conv(_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Kind, Settings]:
    names = (("weight", None), ("bias", None), ("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1))
    found = _arguments(args, kwargs, 1, names)
    sides, dilation, padding = found["weight"].shape[2:], _pair(found["dilation"]), found["padding"]
    uneven = False
    if padding == "same":
        missing = [d * (side - 1) for d, side in zip(dilation, sides, strict=True)]
        # Where the sum is odd, torch pads the end by one more: the start is what fields and projections count from.
        padding = (missing[0] // 2, missing[1] // 2)
        uneven = any(m % 2 for m in missing)
    elif padding == "valid":
        padding = 0
    return "conv", found | {"padding": _pair(padding), "uneven": uneven, "stride": _pair(found["stride"]), "dilation": dilation}


def _dense(_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Kind, Settings]:
    return "dense", _arguments(args, kwargs, 1, (("weight", None), ("bias", None)))


def _cell(_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Kind, Settings]:
    names = ("input", "state", "weights", "bias", "layers", "dropout", "training", "both_ways", "batch_first")
    given = dict(zip(names, args, strict=False))
    # Of packed sequences, which have no such arguments, and of those read both ways nothing is known.
    if len(args) != len(names) or given["both_ways"] or given["input"].ndim != 3:
        return "other", {}
    # Weights of the inputs, of the states, then biases, layer by layer.
    weights = [weight for weight in given["weights"] if weight.ndim == 2]
    return "cell", {"weights": weights, "weight": weights[0], "layers": given["layers"]}


def _attention(_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Kind, Settings]:
    """Of queries, keys and values [steps, N, features]; of variants that few use nothing is known."""
    by_place = ("query", "key", "value", "features", "heads", "in_proj_weight", "in_proj_bias", "bias_k", "bias_v", "add_zero_attn")
    names = (*by_place, "dropout_p", "out_proj_weight")
    found = _arguments(args[: len(names)], kwargs, 0, [(name, None) for name in names])
    unusual = (found["bias_k"], found["add_zero_attn"] or None, kwargs.get("static_k"), kwargs.get("static_v"))
    if found["query"].ndim != 3 or any(value is not None for value in unusual):
        return "other", {}
    apart = [kwargs[f"{name}_proj_weight"] for name in "qkv"] if kwargs.get("use_separate_proj_weight") else []
    projections = apart or found["in_proj_weight"].chunk(3)
    steps, others = len(found["query"]), len(found["key"])
    counts = zip((*projections, found["out_proj_weight"]), (steps, others, others, steps), strict=True)
    # Queries times keys, and what comes of that times values.
    products = sum(weight.numel() * times for weight, times in counts) + 2 * steps * others * found["query"].shape[2]
    weights = [*(apart or [found["in_proj_weight"]]), found["out_proj_weight"]]
    return "attention", {"weights": weights, "weight": weights[0], "multiply_adds": products}


def _product(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Kind, Settings]:
    """`inner` is how many multiply-adds each of its outputs takes."""
    factors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)][name == "baddbmm" :]
    if name == "scaled_dot_product_attention":
        query, key, value = factors[:3]
        return "product", {"inner": key.shape[-2] * (query.shape[-1] + value.shape[-1]) / value.shape[-1]}
    weights = [factor for factor in factors[:2] if isinstance(factor, Parameter)]
    return "product", {"inner": factors[0].shape[-1], "weight": weights[0] if weights else None}


def _gain(_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Kind, Settings]:
    numbers = [value for value in (*args, *kwargs.values()) if isinstance(value, int | float)]
    return ("gain", {"factor": float(numbers[0])}) if len(numbers) == 1 else ("other", {})


def _scale(_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Kind, Settings]:
    names = (("running_mean", None), ("running_var", None), ("weight", None), ("bias", None), ("training", False))
    found = _arguments(args, kwargs, 1, (*names, ("momentum", 0.1), ("eps", 1e-5)))
    # Without running statistics it depends on the rest of the batch.
    return ("other", {}) if found["training"] or found["running_var"] is None else ("scale", found)


def _rectify(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Kind, Settings]:
    slope = 0.0 if name == "relu" else _arguments(args, kwargs, 1, (("negative_slope", 0.01),))["negative_slope"]
    return "rectify", {"slope": float(slope)}


def _pointwise(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Kind, Settings]:
    """Some are a ReLU by another name."""
    if name in ("clamp", "clamp_min", "clip"):
        bounds = _arguments(args, kwargs, 1, (("min", None), ("max", None)))
        relu = isinstance(bounds["min"], int | float) and bounds["min"] == 0 and bounds["max"] is None
    else:
        bounds = _arguments(args, kwargs, 1, (("threshold", None), ("value", None)))
        relu = name in ("threshold", "_threshold") and bounds == {"threshold": 0, "value": 0}
    return ("rectify", {"slope": 0.0}) if relu else ("pointwise", {})


def _max_pool(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Kind, Settings]:
    if name.startswith("adaptive"):
        given = args[0] if args else kwargs["input"]
        return "max_pool", _adaptive(given.shape[-2:], _arguments(args, kwargs, 1, (("output_size", None),))["output_size"])
    return "max_pool", _windows(args, kwargs, ("kernel_size", "stride", "padding", "dilation", "ceil_mode"))


def _average(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Kind, Settings]:
    return "average", _windows(args, kwargs, ("kernel_size", "stride", "padding", "ceil_mode")) if name == "avg_pool2d" else {}


def _windows(args: Sequence[Any], kwargs: Mapping[str, Any], names: Sequence[str]) -> Settings:
    defaults: Settings = {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False}
    found = defaults | _arguments(args, kwargs, 1, [(name, defaults.get(name)) for name in names])
    kernel = _pair(found["kernel_size"])
    stride = kernel if found["stride"] in (None, []) else _pair(found["stride"])
    return found | {
        "kernel_size": kernel, "stride": stride, "padding": _pair(found["padding"]), "dilation": _pair(found["dilation"])
    }  # fmt: skip


def _adaptive(sides: Sequence[int], wanted: Any) -> Settings:
    """The windows where they are alike and do not overlap, which is where the sides are multiples of those wanted; else none."""
    wanted = wanted if isinstance(wanted, list | tuple) else (wanted, wanted)
    counts = [side if count is None else count for side, count in zip(sides, wanted, strict=True)]
    if any(side % count for side, count in zip(sides, counts, strict=True)):
        return {}
    kernel = (sides[0] // counts[0], sides[1] // counts[1])
    return {"kernel_size": kernel, "stride": kernel, "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False}


_READERS: Mapping[Kind, Callable[[str, Sequence[Any], Mapping[str, Any]], tuple[Kind, Settings]]] = {
    "conv": _conv, "dense": _dense, "cell": _cell, "attention": _attention, "product": _product, "gain": _gain, "scale": _scale,
    "rectify": _rectify, "pointwise": _pointwise, "max_pool": _max_pool, "average": _average,
}  # fmt: skip


def _arguments(args: Sequence[Any], kwargs: Mapping[str, Any], first: int, names: Sequence[tuple[str, Any]]) -> Settings:
    found = {name: kwargs.get(name, default) for name, default in names}
    return found | {name: value for (name, _), value in zip(names, args[first:], strict=False)}


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[-1]))
