"""Training: what it computes, bit for bit; what it says; what it leaves behind."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.precision import compare
from convtui.engine import events
from convtui.engine.checkpoint import load, save
from convtui.engine.data import catalog
from convtui.engine.data.batches import Standardise, epoch_order
from convtui.engine.data.split import Dataset, Split
from convtui.engine.errors import CheckpointError, DataError
from convtui.engine.events import Event
from convtui.engine.models import build, eval_mode
from convtui.engine.presets import preset
from convtui.engine.spec import RunSpec, changed, make
from convtui.engine.training import Training, training
from convtui.engine.training.evaluation import Score
from convtui.engine.training.step import Step
from tests.conftest import toy_dataset
from tests.engine.training.pulling import losses, pull, weights
from tests.tolerance import rounding

SMALL = make(
    {
        "model": {"conv_blocks": ["4 3x3 pad 1 bn pool 2", "6 3x3 pad 1"], "dense_blocks": ["16 dropout 0.3"]},
        "data": {"size": 8, "colour": "grey", "batch_size": 32},
        "optimiser": {"learning_rate": 0.01},
        "training": {"epochs": 3, "checkpoint_seconds": 86400},
    }
)
EARLY = changed(
    SMALL,
    {
        "data.validation_fraction": 0.2,
        "training.patience": 2,
        "training.epochs": 30,
        "optimiser.schedule": "exponential",
        "optimiser.learning_rate": 0.005,
    },
)
"""On `misleading` images: stops early, a few epochs after its best one."""
OPERATIONS = 300
"""A step forward and back: at most four layers of sums of up to 96 terms."""


@pytest.fixture(autouse=True)
def _an_event_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "EVENT_SECONDS", 0.0)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def checkpoint_in(folder: Path) -> Path:
    (found,) = folder.glob("checkpoint-*.safetensors")
    return found


def test_a_training_is_the_plain_loop_that_anyone_would_write() -> None:
    spec = changed(SMALL, {"optimiser.name": "sgd", "optimiser.momentum": 0.9, "model.dense_blocks": "16", "training.epochs": 2})
    dataset = toy_dataset()
    ours = Training(spec, dataset)
    said = pull(ours)

    net = build(spec.model, channels=1, size=8, classes=3, seed=0)
    optimiser = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)
    images = (dataset.train.images.float() / 255 - dataset.mean) / dataset.std
    expected = []
    for epoch in (1, 2):
        for batch in epoch_order(200, how="shuffle", seed=0, epoch=epoch).split(32):
            loss = F.cross_entropy(net(images[batch]), dataset.train.labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            expected.append(loss.item())
    assert losses(said) == pytest.approx(expected, rel=rounding(14 * OPERATIONS))
    assert len(expected) == 2 * 7  # 200 images in batches of 32: the last short one of 8 is trained too

    net.eval()
    with torch.no_grad():
        logits = net((dataset.test.images.float() / 255 - dataset.mean) / dataset.std)
    finished = said[-1]
    assert isinstance(finished, events.Finished)
    expected_loss = F.cross_entropy(logits, dataset.test.labels).item()
    assert finished.values["test_loss"] == pytest.approx(expected_loss, rel=rounding(14 * OPERATIONS))
    assert finished.values["test_accuracy"] == (logits.argmax(1) == dataset.test.labels).sum().item() / 60


def test_the_epochs_own_loss_and_accuracy_weigh_every_image_the_same() -> None:
    said = pull(Training(changed(SMALL, {"training.epochs": 2}), toy_dataset()))
    counts = [32] * 6 + [8]
    for number, epoch in enumerate(event for event in said if isinstance(event, events.EpochEnded)):
        for of_epoch, of_steps in (("train_loss", "batch_loss"), ("train_accuracy", "batch_accuracy")):
            values = [value for event in said if isinstance(event, events.Progress) for value in event.values[of_steps]]
            of_images = sum(x * n for x, n in zip(values[7 * number : 7 * number + 7], counts, strict=True))
            assert epoch.values[of_epoch] == pytest.approx(of_images / 200)


def test_label_smoothing_is_for_training_alone() -> None:
    dataset = toy_dataset()
    training = Training(changed(SMALL, {"training.epochs": 1, "training.label_smoothing": 0.3}), dataset)
    finished = pull(training)[-1]
    assert isinstance(finished, events.Finished)
    with torch.no_grad():
        logits = training.net.eval()((dataset.test.images.float() / 255 - dataset.mean) / dataset.std)
    expected_loss = F.cross_entropy(logits, dataset.test.labels).item()
    assert finished.values["test_loss"] == pytest.approx(expected_loss, rel=rounding(OPERATIONS))


def test_the_same_spec_and_seed_give_the_same_numbers_to_the_last_bit() -> None:
    first, second = Training(SMALL, toy_dataset()), Training(SMALL, toy_dataset())
    assert losses(pull(first)) == losses(pull(second))
    assert same(weights(first), weights(second))
    other = Training(changed(SMALL, {"training.seed": 1}), toy_dataset())
    assert losses(pull(other)) != losses(pull(second))


# Five steps an epoch: within the first epoch, at its end, within later ones, after the best one.
@pytest.mark.parametrize("stop_at", [1, 3, 5, 8, 12, 15])
def test_stopped_and_resumed_is_the_same_to_the_last_bit(stop_at: int, tmp_path: Path) -> None:
    dataset = toy_dataset(train=150, validation=50, misleading=True)
    whole = Training(EARLY, dataset, folder=tmp_path / "whole")
    told = pull(whole)
    assert isinstance(told[-1], events.Finished)
    assert told[-1].early
    assert told[-1].best_epoch is not None
    assert 5 * told[-1].best_epoch < 15 < told[-1].step, "the stops must lie before and after the best epoch"

    first = pull(Training(EARLY, dataset, folder=tmp_path / "parts"), stop_at)
    assert isinstance(first[-1], events.Stopped)
    resumed = Training(EARLY, dataset, folder=tmp_path / "parts", resume_from=checkpoint_in(tmp_path / "parts"))
    second = pull(resumed)
    assert losses(first) + losses(second) == losses(told)
    assert same(weights(resumed), weights(whole))
    assert epochs(first) + epochs(second) == epochs(told)
    assert isinstance(second[-1], events.Finished)
    assert second[-1].values == told[-1].values
    assert (second[-1].early, second[-1].best_epoch) == (told[-1].early, told[-1].best_epoch)


def epochs(said: list[Event]) -> list[tuple[int, dict[str, float], bool]]:
    return [(event.epoch, dict(event.values), event.best) for event in said if isinstance(event, events.EpochEnded)]


def test_stopped_in_the_middle_of_an_evaluation_it_evaluates_when_resumed(tmp_path: Path) -> None:
    whole = pull(Training(SMALL, toy_dataset(test=600), folder=tmp_path / "whole"))
    first = []
    with Training(SMALL, toy_dataset(test=600), folder=tmp_path / "parts") as training:
        for event in training:
            first.append(event)
            if isinstance(event, events.Evaluating) and event.done < event.total:
                training.stop()
    assert isinstance(first[-1], events.Stopped)
    assert not epochs(first)
    second = pull(Training(SMALL, toy_dataset(test=600), resume_from=checkpoint_in(tmp_path / "parts")))
    assert epochs(second) == epochs(whole)
    assert losses(first) + losses(second) == losses(whole)


def test_what_the_puller_does_between_pulls_changes_nothing() -> None:
    quiet = Training(SMALL, toy_dataset())
    expected = losses(pull(quiet))
    curious = Training(SMALL, toy_dataset())
    found = []
    torch.manual_seed(7)
    drawn = []
    with curious:
        for event in curious:
            drawn.append(torch.rand(1).item())
            flag = curious.net.training
            with torch.no_grad():
                curious.net.eval()(torch.zeros(2, 1, 8, 8))
            curious.net.train(flag)
            found += losses([event])
    assert found == expected
    assert same(weights(quiet), weights(curious))
    torch.manual_seed(7)
    assert drawn == [torch.rand(1).item() for _ in drawn]


def test_the_thread_count_is_the_trainings_own_and_is_given_back() -> None:
    before = torch.get_num_threads()
    spec = changed(SMALL, {"training.threads": before + 1})
    with Training(spec, toy_dataset()) as training:
        started = next(training)
        assert isinstance(started, events.Started)
        assert started.provenance["threads"] == before + 1
        assert started.provenance["step_path"] == "eager"
        assert torch.get_num_threads() == before
    resumed = Training(changed(SMALL, {"training.threads": 4}), toy_dataset(), threads=2)
    assert resumed.provenance()["threads"] == 2


def test_what_it_says_comes_in_order_and_counts_every_step_once() -> None:
    said = pull(Training(SMALL, toy_dataset(test=600)))
    assert isinstance(said[0], events.Started)
    assert (said[0].total_steps, said[0].steps_per_epoch, said[0].images_per_epoch) == (21, 7, 200)
    assert isinstance(said[-1], events.Finished)
    progress = [event for event in said if isinstance(event, events.Progress)]
    covered = [step for event in progress for step in range(event.first_step, event.step + 1)]
    assert covered == list(range(1, 22))
    assert progress[-1].images == 600
    assert [event.epoch for event in said if isinstance(event, events.EpochEnded)] == [1, 2, 3]
    evaluated = [event.done for event in said if isinstance(event, events.Evaluating) and event.epoch == 1]
    assert evaluated == [256, 512, 600]


def test_losses_are_fetched_once_an_event_not_once_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "EVENT_SECONDS", 3600.0)
    said = pull(Training(SMALL, toy_dataset()))
    progress = [event for event in said if isinstance(event, events.Progress)]
    assert [len(event.values["batch_loss"]) for event in progress] == [7, 7, 7]


def test_the_speed_counts_the_wait_for_a_device_that_is_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU is asked for steps in no time; that it takes 2 s for the 200 images of an epoch shows when the losses are fetched."""
    clock = [0.0]
    monkeypatch.setattr(training, "EVENT_SECONDS", 3600.0)
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(Step, "before_fetch", lambda step, buffer: clock.__setitem__(0, clock[0] + 2.0))
    said = pull(Training(SMALL, toy_dataset()))
    assert [event.images_per_second for event in said if isinstance(event, events.Progress | events.EpochEnded)] == [100.0] * 6


# ------------------------------------------------------------------------------------------------ budgets and schedules


def test_a_budget_in_steps_ends_within_an_epoch_and_a_larger_one_goes_on_there(tmp_path: Path) -> None:
    dataset = toy_dataset()
    short = pull(Training(changed(SMALL, {"training.steps": 10}), dataset, folder=tmp_path))
    assert isinstance(short[-1], events.Finished)
    assert short[-1].step == 10
    assert "test_accuracy" in short[-1].values
    longer = changed(SMALL, {"training.steps": 18})
    onward = pull(Training(longer, dataset, resume_from=checkpoint_in(tmp_path)))
    assert losses(short) + losses(onward) == losses(pull(Training(longer, dataset)))


def test_a_finished_run_goes_on_to_a_larger_total_as_if_it_had_been_asked_for_at_once(tmp_path: Path) -> None:
    dataset = toy_dataset()
    short = pull(Training(SMALL, dataset, folder=tmp_path))
    longer = changed(SMALL, {"training.epochs": 5})
    onward = Training(longer, dataset, resume_from=checkpoint_in(tmp_path))
    told = pull(onward)
    whole = Training(longer, dataset)
    assert losses(short) + losses(told) == losses(pull(whole))
    assert same(weights(onward), weights(whole))


def test_a_budget_in_images_is_one_in_steps_the_last_short_batch_and_the_schedule_included(tmp_path: Path) -> None:
    # 200 images in batches of 32: seven steps an epoch, the last one of 8 images.
    of_images = changed(SMALL, {"training.images": 225, "optimiser.schedule": "cosine"})
    training = Training(of_images, toy_dataset(), folder=tmp_path)
    said = pull(training)
    assert isinstance(said[0], events.Started)
    assert (said[0].total_steps, said[0].total_images) == (8, 232)
    assert [event.images for event in said if isinstance(event, events.Progress)][-2:] == [200, 232]
    of_steps = Training(changed(SMALL, {"training.steps": 8, "optimiser.schedule": "cosine"}), toy_dataset())
    pull(of_steps)
    assert same(weights(training), weights(of_steps))


def test_more_images_go_on_within_the_epoch_and_end_as_if_never_stopped(tmp_path: Path) -> None:
    whole = Training(changed(SMALL, {"training.images": 400}), toy_dataset())
    pull(whole)
    pull(Training(changed(SMALL, {"training.images": 96}), toy_dataset(), folder=tmp_path))
    onward = Training(changed(SMALL, {"training.images": 400}), toy_dataset(), resume_from=checkpoint_in(tmp_path))
    said = pull(onward)
    assert isinstance(said[0], events.Started)
    assert (said[0].step, said[0].total_steps, onward.step) == (3, 14, 14)
    assert same(weights(onward), weights(whole))


def test_the_learning_rate_can_be_changed_by_hand_and_a_resume_remembers(tmp_path: Path) -> None:
    first = []
    with Training(SMALL, toy_dataset(), folder=tmp_path) as pulled:
        for event in pulled:
            first.append(event)
            if isinstance(event, events.Progress) and event.step == 2:
                pulled.scale_learning_rate(0.5)
            if isinstance(event, events.Progress) and event.step == 4:
                pulled.stop()
    assert rates(first) == [0.01, 0.01, 0.005, 0.005]
    (change,) = [event for event in first if isinstance(event, events.RateChanged)]
    assert (change.step, change.factor, change.learning_rate) == (2, 0.5, 0.005)
    second = pull(Training(SMALL, toy_dataset(), resume_from=checkpoint_in(tmp_path)))
    assert set(rates(second)) == {0.005}


def test_a_rate_that_was_changed_just_before_the_end_is_kept(tmp_path: Path) -> None:
    with Training(SMALL, toy_dataset(), folder=tmp_path) as pulled:
        for event in pulled:
            if isinstance(event, events.Progress) and event.step == 3:
                pulled.scale_learning_rate(0.5)
                pulled.scale_learning_rate(0.5)
                pulled.stop()
    assert load(checkpoint_in(tmp_path)).state.rate_factor == 0.25


def rates(said: list[Event]) -> list[float]:
    return [rate for event in said if isinstance(event, events.Progress) for rate in event.values["learning_rate"]]


def test_evaluations_and_snapshots_come_when_they_were_asked_for(tmp_path: Path) -> None:
    spec = changed(SMALL, {"training.epochs": 5, "training.evaluate_every": 2, "training.snapshot_every": 2})
    said = pull(Training(spec, toy_dataset(), folder=tmp_path))
    assert [epoch for epoch, values, _ in epochs(said) if "test_loss" in values] == [2, 4, 5]
    snapshots = [event.epoch for event in said if isinstance(event, events.CheckpointSaved) and event.kind == "snapshot"]
    assert snapshots == [0, 2, 4, 5]


def test_weights_of_a_budget_that_ends_within_an_epoch_take_no_other_weights_name(tmp_path: Path) -> None:
    spec = changed(SMALL, {"training.steps": 17, "training.snapshot_every": 1})
    said = pull(Training(spec, toy_dataset(), folder=tmp_path))
    saved = [event for event in said if isinstance(event, events.CheckpointSaved)]
    assert [event.step for event in saved if event.kind == "snapshot"] == [0, 7, 14, 17]
    assert [load(tmp_path / event.file).state.step for event in saved] == [event.step for event in saved]


def warnings(said: list[Event]) -> list[str]:
    return [event.text for event in said if isinstance(event, events.Message) and event.severity == "warning"]


def test_a_net_that_only_guesses_after_an_epoch_is_said_once() -> None:
    still = changed(SMALL, {"optimiser.name": "sgd", "optimiser.learning_rate": 1e-9, "training.epochs": 3})
    said = pull(Training(still, toy_dataset()))
    (text,) = warnings(said)
    assert text.startswith("after epoch 1 the test accuracy, ")
    assert "(33.3 % of 60 images)" in text
    assert warnings(pull(Training(changed(still, {"training.steps": 3}), toy_dataset()))) == [], "an epoch is not over"
    learns = changed(SMALL, {"training.epochs": 8, "training.evaluate_every": 8})
    assert warnings(pull(Training(learns, toy_dataset()))) == []


def test_a_batch_larger_than_the_set_is_said_when_the_run_begins() -> None:
    said = pull(Training(changed(SMALL, {"data.batch_size": 500, "training.steps": 1}), toy_dataset()))
    assert isinstance(said[1], events.Message)
    assert said[1].text == "data.batch_size = 500, but there are 200 training images: each step sees all of them"


# ------------------------------------------------------------------------------------------------------ early stopping


def scripted(monkeypatch: pytest.MonkeyPatch, validation: list[float], test: list[float]) -> None:
    """Evaluations that find these losses, epoch by epoch."""
    told = {40: iter(validation), 60: iter(test)}  # by the number of images, as in toy_dataset(validation=40)

    def evaluate(_net: object, split: Split, *_: object) -> Iterator[Score]:
        yield Score(next(told[len(split)]), 0.5, len(split))

    monkeypatch.setattr(training, "evaluate", evaluate)


def test_early_stopping_waits_for_the_validation_loss_and_never_looks_at_the_test_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, validation=[3, 1, 2, 2, 2, 1], test=[9, 8, 7, 6, 5, 8])
    said = pull(Training(EARLY, toy_dataset(validation=40)))
    finished = said[-1]
    assert isinstance(finished, events.Finished)
    assert (finished.early, finished.epoch, finished.best_epoch) == (True, 4, 2)
    assert [best for _, _, best in epochs(said)] == [True, True, False, False]


@pytest.mark.parametrize("patience", [2, 100])
def test_the_best_weights_are_restored_whether_or_not_it_stopped_early(
    patience: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scripted(monkeypatch, validation=[3, 1, *[2] * 28], test=[1.0, 42.0, *[1.0] * 28])
    pulled = Training(changed(EARLY, {"training.patience": patience}), toy_dataset(validation=40), folder=tmp_path)
    at_best: dict[str, Tensor] = {}
    with pulled:
        for event in pulled:
            if isinstance(event, events.EpochEnded) and event.epoch == 2:
                at_best = weights(pulled)
            last = event
    assert same(weights(pulled), at_best)
    assert isinstance(last, events.Finished)
    assert last.values["test_loss"] == 42.0, "that of the restored weights"
    assert last.end_step == 2 * pulled.steps_per_epoch
    assert same(load(tmp_path / "best-00002.safetensors").net, at_best)


def test_every_figure_of_an_early_stop_is_of_its_best_weights(tmp_path: Path) -> None:
    """Each is worked out once more from the weights that the run ended with; a running mean is the best epoch's."""
    spec = changed(EARLY, {"training.measures": "class_accuracy, mean_squared_error", "training.evaluate_train": True})
    dataset = toy_dataset(train=150, validation=50, misleading=True)
    pulled = Training(spec, dataset, folder=tmp_path)
    said = pull(pulled)
    end = said[-1]
    assert isinstance(end, events.Finished)
    assert end.early
    (at_best,) = (event for event in said if isinstance(event, events.EpochEnded) and event.epoch == end.best_epoch)
    assert end.values == at_best.values
    assert end.end_step == at_best.step < end.step
    assert dataset.validation is not None
    for split, figures in ((dataset.test, end.values), (dataset.validation, end.values), (dataset.train, end.final)):
        name = {id(dataset.test): "test", id(dataset.validation): "validation", id(dataset.train): "final_train"}[id(split)]
        loss, right = scored(pulled, split)
        assert figures[f"{name}_loss"] == pytest.approx(loss, rel=1e-4)
        assert figures[f"{name}_accuracy"] == pytest.approx(right.float().mean().item())
    _, right = scored(pulled, dataset.test)
    for label, of_class in enumerate(dataset.test.classes):
        expected = right[dataset.test.labels == label].float().mean().item()
        assert end.values[f"class_accuracy/{of_class}"] == pytest.approx(expected)
    assert set(end.final) == {"final_train_loss", "final_train_accuracy", "final_train_mean_squared_error"}


def scored(pulled: Training, split: Split) -> tuple[float, Tensor]:
    """Mean cross-entropy of the net as it is now, and which images it gets right."""
    with eval_mode(pulled.net), torch.no_grad():
        outputs = pulled.net(pulled.identity.standardise(split.images))
    return F.cross_entropy(outputs, split.labels).item(), outputs.argmax(1) == split.labels


def test_a_resume_from_a_file_without_the_best_epochs_figures_ends_with_its_last_weights(tmp_path: Path) -> None:
    """As an older program wrote it: nothing could be said of the weights that it kept."""
    dataset = toy_dataset(train=150, validation=50, misleading=True)
    pull(Training(EARLY, dataset, folder=tmp_path))
    kept = load(checkpoint_in(tmp_path))
    older = tmp_path / "older.safetensors"
    state = replace(kept.state, best_values={}, best_step=None)
    save(older, kept.identity, state, kept.net, best=kept.best, generators=kept.generators)
    resumed = Training(changed(EARLY, {"training.steps": kept.state.step}), dataset, resume_from=older)
    end = pull(resumed)[-1]
    assert isinstance(end, events.Finished)
    assert (end.end_step, end.values) == (None, kept.state.values)
    assert same(weights(resumed), kept.net)


def test_what_ended_with_its_best_weights_goes_on_from_its_last(tmp_path: Path) -> None:
    dataset = toy_dataset(train=150, validation=50, misleading=True)
    whole = pull(Training(EARLY, dataset))
    best = whole[-1].best_epoch  # type: ignore[union-attr]
    short = pull(Training(changed(EARLY, {"training.epochs": best + 1}), dataset, folder=tmp_path))
    assert isinstance(short[-1], events.Finished)
    assert short[-1].best_epoch == best
    onward = pull(Training(EARLY, dataset, resume_from=checkpoint_in(tmp_path)))
    assert losses(short) + losses(onward) == losses(whole)


def test_an_early_stop_that_is_asked_to_go_on_has_its_whole_patience_again(tmp_path: Path) -> None:
    dataset = toy_dataset(train=150, validation=50, misleading=True)
    first = pull(Training(EARLY, dataset, folder=tmp_path))[-1]
    assert isinstance(first, events.Finished)
    assert first.early
    second = pull(Training(changed(EARLY, {"training.epochs": 60}), dataset, resume_from=checkpoint_in(tmp_path)))[-1]
    assert isinstance(second, events.Finished)
    assert second.epoch >= first.epoch + 2


def test_a_validation_loss_that_is_no_number_is_never_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, validation=[math.nan, 2, 1, 3, 3, 1], test=[1] * 6)
    finished = pull(Training(EARLY, toy_dataset(validation=40)))[-1]
    assert isinstance(finished, events.Finished)
    assert finished.best_epoch == 3


def other_test_labels(dataset: Dataset) -> Dataset:
    test = dataset.test
    return replace(dataset, test=replace(test, labels=(test.labels + 1) % 3))


@pytest.mark.parametrize("standardise", [True, False])
def test_what_was_not_the_runs_images_is_refused(standardise: bool, tmp_path: Path) -> None:
    spec = changed(SMALL, {"data.standardise": standardise})
    pull(Training(spec, toy_dataset(), folder=tmp_path))
    kept = checkpoint_in(tmp_path)
    Training(spec, toy_dataset(), resume_from=kept)
    with pytest.raises(DataError, match="toy has other training and test images than when this run was trained on it"):
        Training(spec, toy_dataset(seed=1), resume_from=kept)
    with pytest.raises(DataError, match="has other test images"):
        Training(spec, other_test_labels(toy_dataset()), resume_from=kept)


def test_images_of_a_run_without_digests_are_told_by_mean_and_deviation(tmp_path: Path) -> None:
    pull(Training(SMALL, toy_dataset(), folder=tmp_path))
    kept = load(checkpoint_in(tmp_path))
    older = tmp_path / "older.safetensors"
    save(older, replace(kept.identity, digests={}), kept.state, kept.net, generators=kept.generators)
    Training(SMALL, other_test_labels(toy_dataset()), resume_from=older)
    with pytest.raises(DataError, match="toy has other images"):
        Training(SMALL, toy_dataset(seed=1), resume_from=older)


# --------------------------------------------------------------------------------------------------------- divergence


@pytest.mark.parametrize("leave", ["stop", "break", "raise"])
def test_weights_that_are_no_numbers_are_never_saved_however_it_is_left(leave: str, tmp_path: Path) -> None:
    pulled = Training(SMALL, toy_dataset(), folder=tmp_path)

    def consume() -> list[Event]:
        said = []
        with pulled:
            for event in pulled:
                said.append(event)
                if isinstance(event, events.Progress) and event.step == 3:
                    with torch.no_grad():
                        pulled.net.get_submodule("output").weight[0, 0] = math.nan  # type: ignore[operator]
                if isinstance(event, events.Progress) and event.step == 4:
                    if leave == "raise":
                        raise ZeroDivisionError
                    if leave == "break":
                        break
                    pulled.stop()
        return said

    if leave == "raise":
        with pytest.raises(ZeroDivisionError):
            consume()
    else:
        assert isinstance([*consume(), *pulled.farewell][-1], events.Diverged)
    assert not list(tmp_path.glob("checkpoint-*"))


def test_divergence_names_its_step_and_rate_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    spec = changed(SMALL, {"optimiser.name": "sgd", "training.checkpoint_seconds": 0})
    said = []
    with Training(spec, toy_dataset(), folder=tmp_path) as pulled:
        for event in pulled:
            said.append(event)
            if isinstance(event, events.Progress) and event.step == 3:
                pulled.scale_learning_rate(1e30)
    last = said[-1]
    assert isinstance(last, events.Diverged)
    assert last.step == 5  # the update of step 4 blows the weights up, the next loss is the first that is no number
    assert last.learning_rate == pytest.approx(1e28)
    assert last.reason == "the loss became NaN or infinite"
    saved = [event for event in said if isinstance(event, events.CheckpointSaved)]
    assert [event.step for event in saved] == [1, 2, 3, 4]
    good = load(tmp_path / saved[-1].file)
    assert all(tensor.isfinite().all() for tensor in good.net.values())


def test_divergence_within_an_event_names_its_own_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """All seven steps of the epoch are looked at together; the update of the first one blows the weights up."""
    monkeypatch.setattr(training, "EVENT_SECONDS", 3600.0)
    spec = changed(SMALL, {"optimiser.name": "sgd", "optimiser.schedule": "cosine", "training.epochs": 1})
    with Training(spec, toy_dataset()) as pulled:
        pulled.scale_learning_rate(1e30)
        (last,) = (event for event in pulled if isinstance(event, events.Diverged))
    assert last.step == 2
    assert last.learning_rate == pytest.approx(1e28 * (1 + math.cos(math.pi / 7)) / 2)


def test_weights_that_are_no_numbers_are_seen_also_where_the_loss_is_one(tmp_path: Path) -> None:
    spec = changed(SMALL, {"model.activation": "tanh", "model.conv_blocks": "4 3x3", "training.steps": 4, "optimiser.name": "sgd"})
    with Training(spec, toy_dataset()) as pulled:
        next(pulled)
        with torch.no_grad():
            pulled.net.get_submodule("conv1").bias[0] = math.inf  # type: ignore[index, operator]
        said = list(pulled)
    assert all(math.isfinite(loss) for loss in losses(said)[:1])  # tanh(inf) = 1
    assert isinstance(said[-1], events.Diverged)
    assert said[-1].step == 1
    assert "a weight" in said[-1].reason


# -------------------------------------------------------------------------------------------------- leaving and saving


def test_leaving_the_context_saves(tmp_path: Path) -> None:
    whole = losses(pull(Training(SMALL, toy_dataset())))
    with Training(SMALL, toy_dataset(), folder=tmp_path) as pulled:
        first = [event for event, _ in zip(pulled, range(6), strict=False)]
    assert [type(event).__name__ for event in pulled.farewell] == ["CheckpointSaved", "Stopped"]
    second = pull(Training(SMALL, toy_dataset(), resume_from=checkpoint_in(tmp_path)))
    # One more event was pulled than was looked at, so its step is in neither list.
    assert [*losses(first), *losses(second)] == [*whole[:5], *whole[pulled.step :]]


def test_a_consumer_that_raises_loses_nothing(tmp_path: Path) -> None:
    pulled = Training(SMALL, toy_dataset(), folder=tmp_path)

    def consume() -> None:
        with pulled:
            for event in pulled:
                if isinstance(event, events.Progress) and event.step == 4:
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()
    assert load(checkpoint_in(tmp_path)).state.step == 4


def test_an_error_within_a_step_saves_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulled = Training(SMALL, toy_dataset(), folder=tmp_path)
    step = Step.__call__

    def broken(self: object, *arguments: object) -> None:
        step(self, *arguments)  # type: ignore[arg-type]
        if pulled.step == 3:
            raise MemoryError

    monkeypatch.setattr(Step, "__call__", broken)
    with pytest.raises(MemoryError):
        pull(pulled)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_takes_nothing_is_a_message_while_training_and_an_error_at_the_end(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    said = []
    pulled = Training(changed(SMALL, {"training.checkpoint_seconds": 0}), toy_dataset(), folder=blocked)
    with pytest.raises(CheckpointError, match="could not be written"), pulled:
        said.extend(pulled)
    assert pulled.step == 21
    troubles = [event for event in said if isinstance(event, events.Message)]
    assert troubles
    assert all("training continues" in event.text and event.severity == "error" for event in troubles)


def test_checkpoints_come_by_the_clock_and_on_request(tmp_path: Path) -> None:
    said = []
    with Training(SMALL, toy_dataset(), folder=tmp_path) as pulled:
        for event in pulled:
            said.append(event)
            if isinstance(event, events.Progress) and event.step == 5:
                pulled.save_checkpoint()
    steps = [event.step for event in said if isinstance(event, events.CheckpointSaved) and event.kind == "checkpoint"]
    assert steps[0] in (5, 6)
    assert steps[1:] == [21]


def test_without_standardising_images_are_between_0_and_1() -> None:
    standardise = Standardise.none(1)
    images = torch.tensor([[[[0, 255]]]], dtype=torch.uint8)
    assert standardise(images).flatten().tolist() == [0.0, 1.0]


def test_standardised_training_images_have_mean_0_and_deviation_1() -> None:
    dataset: Dataset = toy_dataset()
    seen = Standardise(dataset.mean, dataset.std)(dataset.train.images)
    assert seen.mean().item() == pytest.approx(0, abs=rounding(100))
    assert seen.std().item() == pytest.approx(1, abs=rounding(100))


@pytest.mark.parametrize("how", ["shuffle", "fixed"])
def test_an_epoch_has_every_image_once(how: str) -> None:
    order = epoch_order(1000, how=how, seed=3, epoch=2)
    assert sorted(order.tolist()) == list(range(1000))
    assert (order.tolist() == list(range(1000))) == (how == "fixed")
    assert torch.equal(order, epoch_order(1000, how=how, seed=3, epoch=2))
    if how == "shuffle":
        assert not torch.equal(order, epoch_order(1000, how=how, seed=3, epoch=3))
        assert not torch.equal(order, epoch_order(1000, how=how, seed=4, epoch=2))


def test_a_spec_with_the_other_optimisers_learns() -> None:
    for name in ("sgd", "adam", "adamw", "lion"):
        spec: RunSpec = changed(SMALL, {"optimiser.name": name, "optimiser.weight_decay": 0.01, "training.epochs": 8})
        if name == "lion":
            spec = changed(spec, {"optimiser.learning_rate": 0.003})
        if name == "sgd":
            spec = changed(spec, {"optimiser.learning_rate": 0.05, "optimiser.momentum": 0.9})
        finished = pull(Training(spec, toy_dataset()))[-1]
        assert isinstance(finished, events.Finished)
        assert finished.values["test_accuracy"] > 0.9, name


def test_a_machine_without_torchvision_trains_and_says_that_it_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(training, "version", missing)
    said = pull(Training(changed(SMALL, {"training.steps": 1}), toy_dataset()))
    assert isinstance(said[0], events.Started)
    assert said[0].provenance["torchvision"] == "not installed"
    assert isinstance(said[-1], events.Finished)


@pytest.fixture
def any_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """bfloat16 without instructions for it is slow, not wrong."""
    monkeypatch.setattr("convtui.engine.device.bfloat16_instructions", lambda: ("avx512_bf16",))


HALF = changed(SMALL, {"training.precision": "bfloat16"})


@pytest.mark.usefixtures("any_processor")
def test_bfloat16_computes_in_bfloat16_and_learns() -> None:
    plain, mixed = Training(SMALL, toy_dataset()), Training(HALF, toy_dataset())
    first, second = losses(pull(plain)), losses(pull(mixed))
    assert first != second
    assert second[0] == pytest.approx(first[0], rel=rounding(6, torch.bfloat16))
    assert second[-1] < second[0]


@pytest.mark.usefixtures("any_processor")
def test_in_bfloat16_outputs_are_halves_in_evaluations_too_and_losses_weights_and_moments_singles() -> None:
    mixed = Training(HALF, toy_dataset())
    seen = []
    mixed.net.output.register_forward_hook(lambda layer, _values, outputs: seen.append((layer.training, outputs.dtype)))
    said = pull(mixed)
    assert set(seen) == {(True, torch.bfloat16), (False, torch.bfloat16)}
    assert {tensor.dtype for tensor in mixed.net.state_dict().values() if tensor.is_floating_point()} == {torch.float32}
    assert any(loss != float(torch.tensor(loss).bfloat16()) for loss in losses(said)), "a loss has more digits than bfloat16"
    assert mixed.provenance()["precision"] == "bfloat16"


@pytest.mark.usefixtures("any_processor")
def test_a_run_in_bfloat16_is_resumed_to_the_last_bit(tmp_path: Path) -> None:
    whole = Training(HALF, toy_dataset())
    at_once = losses(pull(whole))
    first = losses(pull(Training(HALF, toy_dataset(), folder=tmp_path), stop_at=9))
    resumed = Training(HALF, toy_dataset(), resume_from=checkpoint_in(tmp_path))
    assert first + losses(pull(resumed)) == at_once
    assert same(weights(resumed), weights(whole))


@pytest.mark.long
@pytest.mark.usefixtures("any_processor")
def test_bfloat16_is_as_accurate_as_other_seeds_are() -> None:
    """The net of `demo` on digits, six seeds: four standard errors, beyond which one in four hundred such tests would be by chance
    (Student's t with ten degrees of freedom)."""
    seeds = 6
    changes = {"data.source": "digits", "data.size": 8, "data.colour": "grey", "training.threads": 1}
    spec = changed(preset("demo").spec, changes)
    found = compare("demo", spec, catalog.load(spec.data), seeds)
    assert min(found.accuracies["float32"]) > 0.9
    assert abs(found.difference) <= 4 * found.error


@pytest.mark.usefixtures("any_processor")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("net", [{"model.conv_blocks": "4 3x3"}, {"model.conv_blocks": "none", "model.cell": "gru"}])
def test_no_gradient_of_the_images_is_computed(net: dict[str, object], precision: str) -> None:
    """The first node of the backward pass has nothing to hand on but what goes to its weights."""
    pulled = Training(changed(SMALL, net | {"training.precision": precision, "training.steps": 1}), toy_dataset())
    first = next(layer for layer in pulled.net.modules() if list(layer.parameters(recurse=False)))
    seen = []

    def look(_layer: torch.nn.Module, given: tuple[Tensor, ...], outputs: Tensor | tuple[Tensor, ...]) -> None:
        output = outputs if isinstance(outputs, Tensor) else outputs[0]
        seen.append((given[0].requires_grad, output.requires_grad))

    first.register_forward_hook(look)
    pull(pulled)
    assert seen[0] == (False, True)


def test_evaluation_keeps_no_graph() -> None:
    pulled = Training(changed(SMALL, {"training.epochs": 1}), toy_dataset())
    seen = []
    pulled.net.output.register_forward_hook(
        lambda _layer, _values, logits: seen.append((pulled.net.training, logits.is_inference()))
    )
    pull(pulled)
    assert set(seen) == {(True, False), (False, True)}
