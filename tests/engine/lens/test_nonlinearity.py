"""The curves of an activation function against values that are known."""

from __future__ import annotations

import pytest

from convtui.engine.lens.nonlinearity import nonlinearity
from convtui.engine.spec import ModelSpec


def test_the_curves_have_the_functions_values_and_its_slope() -> None:
    curves = nonlinearity(ModelSpec(activation="tanh"))
    middle = list(curves.x).index(0.0)
    assert curves.series["tanh"][middle] == 0
    assert curves.series["derivative"][middle] == 1
    assert curves.series["tanh"][-1] == pytest.approx(0.999329299739067)
