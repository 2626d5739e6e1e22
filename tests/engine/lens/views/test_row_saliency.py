"""The gradient of a class's output, row by row."""

from __future__ import annotations

import pytest
import torch

from convtui.engine.figures.figure import Curves
from convtui.engine.lens.registry import view
from tests.engine.lens import oracles
from tests.engine.lens.subjects import small_net, subject_of
from tests.engine.lens.views.recurrent_nets import IMAGES, SIZE, built, rows


@pytest.mark.parametrize("label", [None, "left"])
def test_rows_have_the_magnitudes_that_the_gradient_has(label: str | None) -> None:
    look = view("row-saliency")
    for subject in (built("lstm"), built("gru"), subject_of(small_net(size=SIZE).double(), IMAGES)):
        _, curve = look(subject, look.make({"image": "4", "label": label}))
        assert isinstance(curve, Curves)
        ((name, values),) = curve.series.items()
        traced = 1 if label is None else 0  # labels go round the classes: image 4 is of class 1
        assert name == f"class {subject.classes[traced]}"
        expected = oracles.row_saliency(subject.net, rows(subject, 4)[None], traced)
        torch.testing.assert_close(torch.from_numpy(values), expected, rtol=1e-9, atol=1e-12)
