"""Learning rates against arithmetic by hand."""

from __future__ import annotations

import math

import pytest
import torch

from convtui.engine.spec import make
from convtui.engine.training.schedule import learning_rate


def rate(step: int, **settings: object) -> float:
    spec = make({"optimiser": {"learning_rate": 0.1} | settings}).optimiser
    return learning_rate(spec, step, steps_per_epoch=10, total_steps=100)


def test_constant() -> None:
    assert rate(0) == rate(99) == 0.1


def test_exponential_falls_by_its_factor_every_epoch_and_smoothly_between() -> None:
    assert rate(0, schedule="exponential", decay=0.5) == 0.1
    assert rate(20, schedule="exponential", decay=0.5) == pytest.approx(0.025)
    assert rate(5, schedule="exponential", decay=0.5) == pytest.approx(0.1 / math.sqrt(2))


def test_cosine_is_half_way_down_half_way_through_and_ends_at_zero() -> None:
    assert rate(0, schedule="cosine") == 0.1
    assert rate(50, schedule="cosine") == pytest.approx(0.05)
    assert rate(100, schedule="cosine") == pytest.approx(0, abs=1e-12)


def test_warm_up_rises_in_a_straight_line_and_never_starts_at_zero() -> None:
    warm = {"schedule": "cosine", "warmup_epochs": 2.0}
    assert rate(0, **warm) == pytest.approx(0.1 / 20)
    assert rate(9, **warm) == pytest.approx(0.05)
    assert rate(20, **warm) == pytest.approx(0.1)
    assert rate(60, **warm) == pytest.approx(0.05)


def test_step_falls_by_its_factor_every_so_many_epochs_and_stays_between() -> None:
    falling = {"schedule": "step", "decay": 0.1, "step_epochs": 3.0}
    assert [rate(step, **falling) for step in (0, 29, 30, 59, 60)] == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001])


@pytest.mark.parametrize("steps", [10, 100])
def test_one_cycle_is_torchs(steps: int) -> None:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, total_steps=steps)
    spec = make({"optimiser": {"learning_rate": 0.1, "schedule": "one_cycle"}}).optimiser
    for step in range(steps):
        ours = learning_rate(spec, step, steps_per_epoch=10, total_steps=steps)
        assert ours == pytest.approx(theirs.get_last_lr()[0], rel=1e-9), step
        optimiser.step()
        theirs.step()


@pytest.mark.parametrize("schedule", ["constant", "exponential", "step", "cosine", "one_cycle"])
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_every_schedule_gives_rates_however_short_the_run(schedule: str, steps: int) -> None:
    spec = make({"optimiser": {"schedule": schedule, "learning_rate": 0.1}}).optimiser
    rates = [learning_rate(spec, step, steps_per_epoch=10, total_steps=steps) for step in range(steps + 1)]
    assert all(0 <= each <= 0.1 for each in rates)
