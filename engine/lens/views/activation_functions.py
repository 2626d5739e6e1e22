"""Activation functions and their derivatives (report 004, for several slopes)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import get_args

from convtui.engine.errors import UsageError
from convtui.engine.figures.figure import Curves, Result
from convtui.engine.lens.nonlinearity import Values, X, value_and_derivative
from convtui.engine.lens.registry import Options, register
from convtui.engine.lens.subject import Subject
from convtui.engine.spec import hyper
from convtui.engine.spec.choices import Activation


class ActivationFunctionsOptions(Options):
    """Which functions, how steep."""

    function: Activation | None = hyper(None, "one function; default: all that a net can have")
    slope: str = hyper("1", "s in f(s x), one or several: 0.5,1,2")
    leak: str = hyper("0.01", "slope of leaky_relu below zero, one or several")


@register("activation-functions", "activation functions and their derivatives as curves", ActivationFunctionsOptions)
def activation_functions(subject: Subject, options: ActivationFunctionsOptions) -> list[Result]:
    """The functions in one chart, their derivatives in another beside it, from -4 to 4; of the net nothing is needed."""
    names = get_args(Activation) if options.function is None else (options.function,)
    values: dict[str, Values] = {}
    derivatives: dict[str, Values] = {}
    slopes, leaks = _numbers(options.slope, "slope"), _numbers(options.leak, "leak")
    for name in names:
        for slope, leak in product(slopes, leaks if name == "leaky_relu" else leaks[:1]):
            words = [name]
            words += [f"slope {slope:g}"] if slope != 1 else []
            words += [f"leak {leak:g}"] if name == "leaky_relu" else []
            values[", ".join(words)], derivatives[", ".join(words)] = value_and_derivative(name, slope, leak)
    used = (
        []
        if subject.spec is None or subject.spec.model.module
        else list(dict.fromkeys((*subject.spec.model.activations, subject.spec.model.activation)))
    )
    notes = [f"this net's hidden layers have {', '.join(used)}"] if used else []
    return [
        Curves("activation functions", "x", X, values, "f(x)", notes=notes),
        Curves("their derivatives", "x", X, derivatives, "f'(x)", beside=True),
    ]


def _numbers(text: str, name: str) -> Sequence[float]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = [math.nan]
    if not all(map(math.isfinite, found)):
        raise UsageError(f"{name} {text!r} is neither a number nor several, as in 0.5,1,2")
    return found
