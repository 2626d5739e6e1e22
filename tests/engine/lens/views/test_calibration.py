"""Whether a net is right as often as it is sure."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss, log_loss
from torch import nn

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Curves, Table
from convtui.engine.lens.registry import view
from convtui.engine.spec import RunSpec, changed
from tests.conftest import toy_dataset
from tests.engine.lens import oracles
from tests.engine.lens.subjects import CLASSES, noise_images, small_net
from tests.engine.lens.subjects import subject_of as subject_of_noise
from tests.engine.lens.views.making import Diverged, dense, knowing, subject_of

LOOK = view("calibration")
OPERATIONS = 1000
"""Sums over 60 images of sums over 3 classes, in float64."""


def measured(net: nn.Module, **options: object) -> tuple[Curves, Curves, dict[str, float], Table]:
    reliability, shares, errors, bins = LOOK(subject_of(net), LOOK.make(options))
    assert isinstance(reliability, Curves)
    assert isinstance(shares, Curves)
    assert isinstance(errors, Table)
    assert isinstance(bins, Table)
    return reliability, shares, {str(row[0]): float(row[1]) for row in errors.rows}, bins  # type: ignore[arg-type]


def told(net: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """The net's probabilities for the toy images, and their classes."""
    data = toy_dataset()
    seen = (data.test.images.double() / 255 - data.mean.double()) / data.std.double()
    with torch.no_grad():
        return net.double()(seen).softmax(1), data.test.labels


@pytest.mark.parametrize("bins", [1, 4, 15])
def test_bins_and_errors_are_those_of_a_slow_loop(bins: int) -> None:
    net = dense()
    reliability, shares, errors, table = measured(net, bins=bins)
    probabilities, labels = told(net)
    rows, expected, greatest = oracles.calibration(probabilities, labels, bins)
    assert [row[1] for row in table.rows] == [count for count, *_ in rows]
    for name, place in (("accuracy", 1), ("mean confidence", 2)):
        filled = [row[place] if row[0] else np.nan for row in rows]
        np.testing.assert_allclose(reliability.series[name], filled, rtol=1e-5)
    np.testing.assert_allclose(shares.series["images"], [count / 60 for count, *_ in rows])
    assert errors["expected calibration error"] == pytest.approx(expected, rel=1e-4)
    assert errors["maximum calibration error"] == pytest.approx(greatest, rel=1e-4)
    assert errors["negative log likelihood"] == pytest.approx(oracles.log_likelihood(probabilities, labels), rel=1e-5)
    assert errors["Brier score"] == pytest.approx(oracles.brier(probabilities, labels), rel=1e-5)


def test_likelihood_and_brier_score_are_scikit_learns() -> None:
    net = dense()
    errors = measured(net)[2]
    probabilities, labels = told(net)
    assert errors["negative log likelihood"] == pytest.approx(log_loss(labels, probabilities), rel=1e-5)
    assert errors["Brier score"] == pytest.approx(brier_score_loss(labels, probabilities.numpy(), labels=[0, 1, 2]), rel=1e-5)


def test_a_net_that_is_always_right_and_never_sure_is_told_so() -> None:
    reliability, _, errors, _ = measured(knowing())
    assert errors["accuracy"] == 1
    assert errors["expected calibration error"] == pytest.approx(1 - errors["mean confidence"])
    assert "points too unsure" in reliability.notes[1]


def test_images_without_a_number_or_a_label_are_left_out() -> None:
    data = toy_dataset()
    data.test.labels[:5] = -1
    subject = subject_of(Diverged(0.5), data)
    reliability, _, _, table = LOOK(subject, LOOK.make({}))
    silent = int((subject.seen(data.test.images)[:, 0, 0, 0] >= 0.5).sum())
    unlabelled = int((subject.seen(data.test.images)[:5, 0, 0, 0] < 0.5).sum())
    assert isinstance(table, Table)
    assert sum(int(row[1]) for row in table.rows) == 60 - silent - unlabelled  # type: ignore[arg-type]
    assert f"{silent} images are left out: the net's output is NaN for them" in reliability.notes


@pytest.mark.parametrize(
    ("spec", "why"), [(changed(RunSpec(), {"training.loss": "sum_squares"}), "does not make"), (None, "not known")]
)
def test_outputs_that_are_no_probabilities_have_no_calibration(spec: RunSpec | None, why: str) -> None:
    subject = subject_of_noise(small_net(), noise_images(9), classes=CLASSES)
    subject.spec = spec
    with pytest.raises(NotApplicable, match=rf"calibration is not applicable: .*{why}.* probabilities; .*use 'confusion'"):
        LOOK(subject, LOOK.make({}))
