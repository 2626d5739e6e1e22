"""Activation functions against their formulas, and their derivatives against differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

from convtui.engine.errors import UsageError
from convtui.engine.figures.figure import Curves
from convtui.engine.lens.registry import view
from tests.engine.lens.views.making import dense, subject_of


def charts(**options: object) -> tuple[Curves, Curves]:
    functions = view("activation-functions")
    values, derivatives = functions(subject_of(dense()), functions.make(options))
    assert isinstance(values, Curves)
    assert isinstance(derivatives, Curves)
    return values, derivatives


def test_every_function_of_the_program_is_its_formula_and_its_derivative_its_slope() -> None:
    values, derivatives = charts()
    formulas = {
        "relu": lambda x: max(x, 0.0),
        "leaky_relu, leak 0.01": lambda x: max(0.01 * x, x),
        "tanh": math.tanh,
        "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
        "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
        "silu": lambda x: x / (1 + math.exp(-x)),
        "elu": lambda x: x if x > 0 else math.exp(x) - 1,
    }
    assert set(values.series) == set(formulas) == set(derivatives.series)
    apart = 1e-5
    away = np.abs(values.x) > 2 * apart  # from the kink at zero
    for name, formula in formulas.items():
        assert values.series[name] == pytest.approx([formula(x) for x in values.x], abs=1e-12)
        slopes = [(formula(x + apart) - formula(x - apart)) / (2 * apart) for x in values.x]
        # Of differences this far apart the error is the third derivative's share, at most 1e-10, and rounding, 1e-16 / 1e-5.
        assert derivatives.series[name][away] == pytest.approx(np.array(slopes)[away], abs=1e-9)
    assert derivatives.beside


def test_several_slopes_stand_in_one_chart() -> None:
    values, derivatives = charts(function="tanh", slope="0.5,1,2")
    assert list(values.series) == ["tanh, slope 0.5", "tanh", "tanh, slope 2"]
    assert values.series["tanh, slope 2"] == pytest.approx(np.tanh(2 * values.x))
    assert derivatives.series["tanh, slope 2"].max() == pytest.approx(2)
    for wrong in ("", "1,,2", "nan", "steep"):
        with pytest.raises(UsageError, match="neither a number nor several"):
            charts(slope=wrong)
