"""Losses against arithmetic by hand and finite differences."""

from __future__ import annotations

import math

import pytest
import torch

from convtui.engine.losses import loss, mean_squared_error
from convtui.engine.spec import TrainingSpec
from tests.engine.training.finite import derivative
from tests.tolerance import assert_close, rounding

OUTPUTS = torch.tensor([[1.0, 2.0, -0.5], [0.0, -1.0, 3.0]], dtype=torch.float64)
LABELS = torch.tensor([1, 0])


def spec(name: str, smoothing: float = 0.0) -> TrainingSpec:
    return TrainingSpec(loss=name, label_smoothing=smoothing)  # type: ignore[arg-type]


def test_sum_squares_is_half_the_sum_of_squares_per_image_averaged_over_images() -> None:
    first = (1.0**2 + (2.0 - 1) ** 2 + 0.5**2) / 2
    second = ((0.0 - 1) ** 2 + 1.0**2 + 3.0**2) / 2
    assert loss(spec("sum_squares"), OUTPUTS, LABELS).item() == pytest.approx((first + second) / 2)
    assert loss(spec("sum_squares"), OUTPUTS, LABELS, reduction="sum").item() == pytest.approx(first + second)


def test_a_net_that_always_answers_a_tenth_has_report_004s_error() -> None:
    # Its sigmoid nets that did not learn stood at 0.449: half of 0.9^2 + 9 x 0.1^2.
    tenths = torch.full((4, 10), 0.1)
    assert loss(spec("sum_squares"), tenths, torch.arange(4)).item() == pytest.approx(0.45, rel=rounding(40))
    assert mean_squared_error(spec("sum_squares"), tenths, torch.arange(4)).item() == pytest.approx(0.09, rel=rounding(40))


def test_smoothing_gives_every_class_its_share_of_the_target() -> None:
    scores = [math.log(math.exp(y) / sum(math.exp(z) for z in row)) for row in OUTPUTS.tolist() for y in row]
    wanted = [0.1, 0.8, 0.1, 0.8, 0.1, 0.1]  # smoothing 0.3 over three classes
    by_hand = -sum(d * score for d, score in zip(wanted, scores, strict=True)) / 2
    assert loss(spec("cross_entropy", 0.3), OUTPUTS, LABELS).item() == pytest.approx(by_hand)
    squares = sum((d - y) ** 2 for d, y in zip(wanted, OUTPUTS.flatten().tolist(), strict=True)) / 4
    assert loss(spec("sum_squares", 0.3), OUTPUTS, LABELS).item() == pytest.approx(squares)


@pytest.mark.parametrize("name", ["cross_entropy", "sum_squares"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradients_agree_with_finite_differences(name: str, smoothing: float) -> None:
    outputs = OUTPUTS.clone().requires_grad_()
    loss(spec(name, smoothing), outputs, LABELS).backward()
    expected = derivative(lambda: loss(spec(name, smoothing), outputs, LABELS), outputs)
    # A difference over 2e-6 has the rounding of the losses times half a million.
    assert_close(outputs.grad, expected, 16, magnitude=10 * 0.5e6)


def test_under_cross_entropy_the_squared_error_is_that_of_the_probabilities() -> None:
    shares = [[math.exp(y) / sum(math.exp(z) for z in row) for y in row] for row in OUTPUTS.tolist()]
    wanted = [[0, 1, 0], [1, 0, 0]]
    squares = [(d - p) ** 2 for ds, ps in zip(wanted, shares, strict=True) for d, p in zip(ds, ps, strict=True)]
    assert mean_squared_error(spec("cross_entropy", 0.3), OUTPUTS, LABELS).item() == pytest.approx(sum(squares) / 6)


def test_half_precision_outputs_are_summed_in_single_precision() -> None:
    outputs = OUTPUTS.to(torch.bfloat16)
    for name in ("cross_entropy", "sum_squares"):
        assert loss(spec(name), outputs, LABELS).dtype == torch.float32
