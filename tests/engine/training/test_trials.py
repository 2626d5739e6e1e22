"""Trials against what a person would check: arithmetic by hand, and a training loop written out."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from convtui.engine import events
from convtui.engine.data.preview import Counts
from convtui.engine.errors import DataError, DeviceError, SpecError, UsageError
from convtui.engine.models import build
from convtui.engine.spec import RunSpec, changed, make
from convtui.engine.training import Training, trials
from convtui.engine.training.paths import make_step
from convtui.engine.training.trials import RatePoint
from tests.conftest import toy_dataset
from tests.tolerance import rounding

CPU = torch.device("cpu")
LINEAR = {"model__activation": "leaky_relu", "model__leak": 0.9}
"""Units that cannot die, so that a rate that is too high shows in the loss."""


def spec(**changes: object) -> RunSpec:
    plain = make(
        {
            "model": {"conv_blocks": "4 3x3", "dense_blocks": "16"},
            "data": {"source": "digits", "size": 8, "colour": "grey", "batch_size": 50, "order": "fixed", "standardise": False},
            "optimiser": {"name": "sgd", "learning_rate": 0.1},
            "training": {"epochs": 3},
        }
    )
    return changed(plain, {name.replace("__", "."): value for name, value in changes.items()})


def written_out(settings: RunSpec, rates: list[float], batches: list[slice]) -> list[float]:
    """Losses of plain gradient descent: w <- w - rate x gradient, on uint8 images divided by 255."""
    train = toy_dataset().train
    net = build(settings.model, channels=1, size=8, classes=3, seed=settings.training.seed)
    losses = []
    for rate, part in zip(rates, batches, strict=True):
        shares = F.log_softmax(net(train.images[part].float() / 255), dim=1)
        loss = -shares.gather(1, train.labels[part, None]).mean()
        losses.append(float(loss.detach()))
        net.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in net.parameters():
                parameter -= rate * parameter.grad  # type: ignore[operator]
    return losses


# ------------------------------------------------------------------------------------------------------------ how fast


@pytest.mark.parametrize(
    ("images", "changes", "steps", "total"),
    [(1438, {}, 29, 87), (100, {}, 2, 6), (101, {}, 3, 9), (1438, {"training__steps": 40}, 29, 40)],
)
def test_steps_an_epoch_and_in_all(images: int, changes: dict[str, object], steps: int, total: int) -> None:
    """In batches of 50, three times."""
    estimate = next(trials.speed(spec(**changes), CPU, Counts(10, images, 10)))
    assert (estimate.steps_per_epoch, estimate.total_steps, estimate.device) == (steps, total, "cpu")


def test_the_estimate_is_the_median_without_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [50.0, 40.0, 0.1, 0.4, 0.2, 0.2, 0.15, 9.0]
    ticks = iter([tick for at, took in enumerate(seconds) for tick in (100 * at, 100 * at + took)])
    monkeypatch.setattr(trials.time, "perf_counter", lambda: next(ticks))
    monkeypatch.setattr(trials, "TIMED_SECONDS", 1.04)
    estimates = [estimate.step_seconds for estimate in trials.speed(spec(), CPU, Counts(10, 1438, 359))]
    # The seventh step is the fifth timed one, and these add up to 1.05 s.
    assert estimates == pytest.approx([50.0, 45.0, 0.1, 0.25, 0.2, 0.2, 0.2])


def test_the_gain_of_bfloat16_is_the_median_of_pairs_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convtui.engine.device.bfloat16_instructions", lambda: ("avx512_bf16",))
    pairs = [(9.0, 1.0), (1.0, 1.0), (0.2, 0.1), (0.1, 0.1), (0.3, 0.1), (0.4, 0.2), (0.1, 0.2)]
    ticks = iter([tick for pair in pairs for took in pair for tick in (10.0, 10.0 + took)])
    monkeypatch.setattr(trials.time, "perf_counter", lambda: next(ticks))
    assert list(trials.bfloat16_gain(spec(), CPU, Counts(10, 1438, 359))) == pytest.approx([9.0, 5.0, 2.0, 1.5, 2.0, 2.0, 2.0])


def test_the_gain_of_bfloat16_is_of_steps_in_both_precisions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convtui.engine.device.bfloat16_instructions", lambda: ("avx512_bf16",))
    asked = []
    monkeypatch.setattr(trials, "make_step", lambda settings, *rest: asked.append(settings) or make_step(settings, *rest))
    assert next(trials.bfloat16_gain(spec(training__precision="bfloat16"), CPU, Counts(10, 1438, 359))) > 0
    assert [settings.training.precision for settings in asked] == ["float32", "bfloat16"]
    monkeypatch.setattr("convtui.engine.device.bfloat16_instructions", tuple)
    with pytest.raises(DeviceError, match="no instructions"):
        next(trials.bfloat16_gain(spec(), CPU, Counts(10, 1438, 359)))


# ------------------------------------------------------------------------------------------------- whether it can learn


@pytest.mark.parametrize("changes", [{}, {"model__first_filters": "class_means"}])
def test_trials_begin_where_the_run_would(tmp_path: Path, changes: dict[str, object]) -> None:
    """With weights of a file in all layers but the last, and pictures for filters."""
    file = tmp_path / "weights.safetensors"
    weights = build(spec().model, channels=1, size=8, classes=5, seed=3).state_dict()
    save_file({name: 4 * tensor for name, tensor in weights.items()}, file)
    first = []
    for settings in (spec(**changes), spec(training__start_from=str(file), **changes)):
        with Training(settings, toy_dataset()) as training:
            (loss, *_) = (event.values["batch_loss"][0] for event in training if isinstance(event, events.Progress))
        first.append(loss)
        assert next(trials.overfit(settings, toy_dataset(), CPU)) == pytest.approx(loss, rel=rounding(64))
        assert next(trials.lr_range_test(settings, toy_dataset(), CPU)).loss == pytest.approx(loss, rel=rounding(64))
    assert first[0] != pytest.approx(first[1], rel=1e-3)
    gone = changed(spec(), {"training.start_from": str(tmp_path / "gone.pt")})
    with pytest.raises(UsageError, match="there is no such file"):
        next(trials.speed(gone, CPU, Counts(3, 200, 60)))


def test_overfitting_is_gradient_descent_on_the_first_batch() -> None:
    settings = spec()
    found = list(itertools.islice(trials.overfit(settings, toy_dataset(), CPU), 6))
    assert found == pytest.approx(written_out(settings, [0.1] * 6, [slice(0, 50)] * 6), rel=rounding(6 * 300))


def test_a_net_that_can_learn_learns_a_batch_by_heart_and_one_that_stands_still_does_not() -> None:
    learning = list(trials.overfit(spec(optimiser__name="adam", optimiser__learning_rate=0.02), toy_dataset(), CPU))
    assert trials.memorised(learning)
    assert len(learning) < trials.OVERFIT_STEPS
    still = list(trials.overfit(spec(optimiser__learning_rate=1e-9), toy_dataset(), CPU))
    assert not trials.memorised(still)
    assert len(still) == trials.OVERFIT_STEPS + 1
    assert not trials.memorised([])


def test_a_loss_that_is_no_number_ends_it() -> None:
    losses = list(trials.overfit(spec(optimiser__learning_rate=10, **LINEAR), _bright(), CPU))
    assert not math.isfinite(losses[-1])
    assert all(map(math.isfinite, losses[:-1]))
    assert not trials.memorised(losses)


def _bright():
    """Images whose values are so large that a step of 10 throws the weights out of all bounds."""
    from dataclasses import replace

    toy = toy_dataset()
    return replace(toy, train=replace(toy.train, images=toy.train.images.float() * 1e6))


# --------------------------------------------------------------------------------------------------------- at which rate


def test_the_range_test_raises_the_rate_by_equal_factors_on_one_batch_after_another() -> None:
    settings = spec()
    points = list(itertools.islice(trials.lr_range_test(settings, toy_dataset(), CPU), 9))
    rates = [point.rate for point in points]
    assert rates[0] == 1e-5
    assert [after / before for before, after in itertools.pairwise(rates)] == pytest.approx([10 ** (5 / 99)] * 8)
    # 200 images: the fifth batch is the first one again.
    losses = written_out(settings, rates, [slice(50 * (step % 4), 50 * (step % 4) + 50) for step in range(9)])
    weights = [[0.8 ** (step - before) for before in range(step + 1)] for step in range(9)]
    smoothed = [sum(w * loss for w, loss in zip(each, losses, strict=False)) / sum(each) for each in weights]
    assert [point.loss for point in points] == pytest.approx(smoothed, rel=rounding(9 * 300))


def test_the_range_test_ends_at_the_highest_rate_or_where_the_loss_grows() -> None:
    calm = list(trials.lr_range_test(spec(), toy_dataset(), CPU))
    assert len(calm) == trials.RANGE_STEPS
    assert calm[-1].rate == pytest.approx(1.0)
    wild = list(trials.lr_range_test(spec(**LINEAR), _bright(), CPU))
    assert len(wild) < trials.RANGE_STEPS
    assert all(math.isfinite(point.loss) for point in wild)


def test_the_steepest_fall_is_found() -> None:
    rates = [10 ** (-5 + 0.05 * step) for step in range(100)]
    losses = [*[2.3] * 60, *(2.3 - 0.1 * step for step in range(10)), *[1.4] * 20, *(1.5 + step for step in range(10))]
    found = trials.suggest_lr([RatePoint(*pair) for pair in zip(rates, losses, strict=True)])
    assert found is not None
    assert rates[60] <= found <= rates[70]


def test_a_fall_in_the_very_first_steps_is_found_there() -> None:
    points = [RatePoint(1e-5 * 2**step, loss) for step, loss in enumerate([2.0, 1.0, 1.5, 2.5])]
    assert trials.suggest_lr(points) == 1e-5


def test_a_loss_that_only_trembles_has_no_steepest_fall() -> None:
    assert trials.suggest_lr([RatePoint(10 ** (-5 + 0.05 * step), 2.3 + 0.01 * (step % 3)) for step in range(100)]) is None
    assert trials.suggest_lr([]) is None


# -------------------------------------------------------------------------------------------------------- being a guest


def test_batch_norm_over_one_image_is_refused_as_a_training_refuses_it() -> None:
    alone = spec(model__dense_blocks="16 bn", data__batch_size=1)
    with pytest.raises(SpecError, match=r"data.batch_size = 1 leaves a batch of one"):
        next(trials.speed(alone, CPU, Counts(10, 1438, 359)))
    # The fifth batch of the range test is a single image.
    last_alone, images = changed(alone, {"data.batch_size": 50}), toy_dataset(train=201)
    for trial in (trials.overfit, trials.lr_range_test):
        with pytest.raises(SpecError, match="of the 201 images, on which the batch norm bn1"):
            next(iter(trial(last_alone, images, CPU)))
    assert next(trials.speed(last_alone, CPU, Counts(10, 201, 9))).steps_per_epoch == 5


def test_a_trial_draws_from_generators_of_its_own_and_keeps_to_its_own_threads() -> None:
    settings = spec(model__dense_blocks="16 dropout 0.5", training__threads=2)
    threads = torch.get_num_threads()
    torch.manual_seed(1)
    undisturbed = torch.rand(3)
    torch.manual_seed(1)
    once = list(itertools.islice(trials.overfit(settings, toy_dataset(), CPU), 5))
    assert torch.equal(torch.rand(3), undisturbed)
    assert torch.get_num_threads() == threads
    again = []
    for loss in itertools.islice(trials.overfit(settings, toy_dataset(), CPU), 5):
        again.append(loss)
        torch.rand(7)
    assert again == once


def test_what_is_not_on_disk_is_stood_in_for_and_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("a trial went to the network")

    monkeypatch.setattr("convtui.engine.data.mnist.IdxFiles.download", refused)
    settings = spec(data__source="mnist", data__train_per_class=2000)
    assert trials.images_at_hand(settings, tmp_path).source == "digits"
    with pytest.raises(DataError, match="there is no"):
        trials.images_at_hand(spec(data__source=f"folder:{tmp_path}/nothing"), tmp_path)
