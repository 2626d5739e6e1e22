"""Every kind of net and of training image: trained, stopped anywhere, resumed, and the same to the last bit."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
import torch

from convtui.engine import events
from convtui.engine.data import catalog
from convtui.engine.data.augment import augment
from convtui.engine.data.batches import Standardise, epoch_order
from convtui.engine.data.prepare import class_means
from convtui.engine.data.split import Dataset, Split
from convtui.engine.errors import SpecError
from convtui.engine.models import build, summarise
from convtui.engine.models.initialisation import whitening
from convtui.engine.spec import RunSpec, changed, make
from convtui.engine.training import Training, training
from convtui.engine.training.limits import refuse_lone_images
from tests.conftest import toy_dataset
from tests.engine.shrinking import PRESETS, shrunk
from tests.engine.training.pulling import losses, pull, weights
from tests.tolerance import rounding

CONV = make(
    {
        "model": {"conv_blocks": "4 3x3 pad 1 pool 2", "dense_blocks": "8 bn dropout 0.3"},
        "data": {"size": 8, "colour": "grey", "batch_size": 32},
        "optimiser": {"learning_rate": 0.01},
        "training": {"epochs": 2, "checkpoint_seconds": 86400},
    }
)
DISTORTED = {"data.flip": True, "data.shift": 2, "data.brightness": 0.2, "data.contrast": 0.2, "data.cutout": 3}
KINDS: dict[str, RunSpec] = {
    "augmented": changed(CONV, DISTORTED),
    "by class": changed(CONV, {"data.order": "by_class"}),
    "class means": changed(CONV, {"model.first_filters": "class_means"}),
    "everything in a block": changed(
        CONV,
        {
            "model.conv_blocks": "4 3x5 pad same no-bias bn skip 1 dropout 0.2, 6 3x3 pad 2 dilation 2 groups 2 skip 2 avg-pool 2",
            "model.activation": "gelu",
        },
    ),
    "wide": changed(CONV, {"data.source": "digits", "data.size": 6, "data.width": 12, "data.train_per_class": 10} | DISTORTED),
    "lion": changed(CONV, {"optimiser.name": "lion", "optimiser.learning_rate": 0.001, "optimiser.weight_decay": 0.1}),
    "of four channels": changed(CONV, {"data.source": "digits", "data.colour": "rgba", "data.train_per_class": 10} | DISTORTED),
    "sloped": changed(CONV, {"model.activation": "tanh", "model.slope": "0.7, 0.05"}),
} | {
    cell: changed(CONV, {"model.conv_blocks": "none", "model.cell": cell, "model.hidden": 8, "model.layers": 2} | DISTORTED)
    for cell in ("rnn", "lstm", "gru")
}


@pytest.fixture(autouse=True)
def _an_event_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "EVENT_SECONDS", 0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_stopped_at_any_step_and_resumed_is_the_same_to_the_last_bit(kind: str, tmp_path: Path) -> None:
    spec = KINDS[kind]
    dataset = toy_dataset(train=100, test=20) if spec.data.source != "digits" else catalog.load(spec.data)
    whole = Training(spec, dataset)
    told = losses(pull(whole))
    assert len(told) == 8
    for stop_at in range(1, 8):
        folder = tmp_path / str(stop_at)
        first = losses(pull(Training(spec, dataset, folder=folder), stop_at))
        (checkpoint,) = folder.glob("checkpoint-*.safetensors")
        resumed = Training(spec, dataset, resume_from=checkpoint)
        assert first + losses(pull(resumed)) == told
        assert all(torch.equal(tensor, weights(whole)[name]) for name, tensor in weights(resumed).items())


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_cells_learn(cell: str) -> None:
    spec = changed(KINDS[cell], dict.fromkeys(DISTORTED, 0) | {"data.flip": False, "training.epochs": 8})
    said = pull(Training(spec, toy_dataset()))
    assert isinstance(said[-1], events.Finished)
    assert said[-1].values["test_accuracy"] > 0.9


def test_augmentation_is_for_training_images_alone_and_draws_as_the_training_does() -> None:
    spec = changed(KINDS["augmented"], {"model.dense_blocks": "none", "optimiser.name": "sgd", "training.epochs": 1})
    dataset = toy_dataset()
    ours = Training(spec, dataset)
    said = pull(ours)
    net = build(spec.model, channels=1, size=8, classes=3, seed=0)
    optimiser = torch.optim.SGD(net.parameters(), 0.01)
    standardise = Standardise(dataset.mean, dataset.std)
    torch.manual_seed(0)
    expected = []
    for batch in epoch_order(200, how="shuffle", seed=0, epoch=1).split(32):
        seen = standardise(augment(dataset.train.images[batch], spec.data, dataset.mean))
        loss = torch.nn.functional.cross_entropy(net(seen), dataset.train.labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        expected.append(loss.item())
    assert losses(said) == pytest.approx(expected, rel=rounding(7 * 300))
    with torch.no_grad():
        undistorted = torch.nn.functional.cross_entropy(net(standardise(dataset.test.images)), dataset.test.labels)
    assert isinstance(said[-1], events.Finished)
    assert said[-1].values["test_loss"] == pytest.approx(undistorted.item(), rel=rounding(7 * 300))


def test_by_class_is_one_class_after_the_other_each_in_its_own_order() -> None:
    labels = torch.tensor([2, 0, 1, 0, 2, 1])
    for epoch in (1, 2):
        assert epoch_order(6, how="by_class", seed=3, epoch=epoch, labels=labels).tolist() == [1, 3, 2, 5, 0, 4]


def test_filters_may_begin_as_the_mean_images_of_the_training_split() -> None:
    dataset = toy_dataset()
    spec = changed(CONV, {"model.conv_blocks": "4 8x8", "model.first_filters": "class_means"})
    filters = Training(spec, dataset).net.conv1.weight.detach()  # type: ignore[union-attr]
    drawn = Training(changed(spec, {"model.first_filters": "drawn"}), dataset).net.conv1.weight  # type: ignore[union-attr]
    for label in range(3):
        mean = dataset.train.images[dataset.train.labels == label].double().mean(0).flatten()
        alike = torch.corrcoef(torch.stack([mean, filters[label].double().flatten()]))[0, 1]  # type: ignore[index]
        assert alike.item() > 0.999  # means are rounded to 256 steps
    assert torch.equal(filters[3], drawn[3])  # type: ignore[index]


@pytest.mark.parametrize(("kernel", "dilation"), [((2, 2), 1), ((3, 2), 2)])
def test_whitened_responses_are_uncorrelated_and_of_mean_square_one(kernel: tuple[int, int], dilation: int) -> None:
    mixed = torch.randn((3, 3), generator=torch.Generator().manual_seed(1)) + 2 * torch.eye(3)
    noise = torch.randn((200, 3, 9, 9), generator=torch.Generator().manual_seed(0))
    images = torch.einsum("ij,njhw->nihw", mixed, noise)
    filters = whitening(images, kernel, dilation)
    size = 3 * kernel[0] * kernel[1]
    assert filters.shape == (2 * size, 3, *kernel)
    responses = torch.nn.functional.conv2d(images.double(), filters.double(), dilation=dilation).transpose(0, 1).flatten(1)
    expected = torch.cat([torch.cat([torch.eye(size), -torch.eye(size)], 1), torch.cat([-torch.eye(size), torch.eye(size)], 1)])
    # What is added to each eigenvalue takes 5e-4 of the least one, which is about 1, and weights are rounded to float32.
    torch.testing.assert_close((responses @ responses.T / responses.shape[1]).float(), expected, rtol=0, atol=2e-3)


def test_whitening_filters_that_are_frozen_stay_as_they_were_made_of_the_first_images() -> None:
    dataset = toy_dataset()
    whitened = {"model.conv_blocks": "11 2x2 no-bias, 4 3x3 bn", "model.first_filters": "whitening", "training.freeze": "conv1"}
    training_ = Training(changed(CONV, whitened), dataset)
    images = (dataset.train.images.float() / 255 - dataset.mean[:, None, None]) / dataset.std[:, None, None]
    made = whitening(images, (2, 2))
    drawn = Training(changed(CONV, whitened | {"model.first_filters": "random"}), dataset).net.conv1.weight  # type: ignore[union-attr]
    expected = torch.cat([made, drawn[8:].detach()])  # type: ignore[index]
    pull(training_)
    torch.testing.assert_close(training_.net.conv1.weight.detach(), expected, rtol=1e-3, atol=1e-5)  # type: ignore[union-attr]


def test_test_images_may_be_seen_mirrored_and_shifted_too() -> None:
    dataset = toy_dataset()
    scored = {}
    for views in ("plain", "mirrored", "mirrored_shifted"):
        training_ = Training(changed(CONV, {"data.test_views": views}), dataset)
        said = pull(training_)
        assert isinstance(said[-1], events.Finished)
        scored[views] = said[-1].values["test_loss"]
    images = dataset.test.images.numpy()
    wide = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    shifted = [wide[:, :, 2:, 2:], wide[:, :, :-2, :-2]]
    seen = {"plain": [images], "mirrored": [images, images[..., ::-1]]}
    seen["mirrored_shifted"] = [view for each in (images, *shifted) for view in (each, each[..., ::-1])]
    standardise = Standardise(dataset.mean, dataset.std)
    net = training_.net.eval()
    with torch.no_grad():
        for views, each in seen.items():
            outputs = sum(net(standardise(torch.from_numpy(view.copy()))).double() for view in each) / len(each)
            expected = torch.nn.functional.cross_entropy(torch.as_tensor(outputs), dataset.test.labels)
            assert scored[views] == pytest.approx(expected.item(), rel=rounding(7 * 300))


def test_the_mean_image_of_each_class() -> None:
    images = torch.tensor([10, 20, 31, 200], dtype=torch.uint8)[:, None, None, None].expand(4, 1, 2, 2)
    split = Split(images, torch.tensor([0, 0, 0, 2]), ("a", "b", "c"))
    assert class_means(split)[:, 0, 1, 1].tolist() == [20, 0, 200]


@pytest.mark.parametrize("batch_size", [1, 100, 20])
def test_batch_norm_over_a_single_value_is_refused_before_training(batch_size: int) -> None:
    spec = changed(CONV, {"data.batch_size": batch_size})
    with pytest.raises(SpecError, match=rf"data.batch_size = {batch_size} leaves a batch of one of the 101 images.*batch norm bn1"):
        Training(spec, toy_dataset(train=101))
    # On maps of several places it can be computed; and so it can where the last batch has two images.
    for fine in ({"model.conv_blocks": "4 3x3 bn", "model.dense_blocks": "8"}, {"data.batch_size": 99}):
        assert Training(changed(spec, fine), toy_dataset(train=101)).steps_per_epoch > 1


@pytest.mark.parametrize(("images", "processes", "is_refused"), [(103, 1, False), (103, 2, True), (104, 2, False), (102, 3, True)])
def test_batch_norm_over_a_single_value_of_a_share_is_refused_too(images: int, processes: int, is_refused: bool) -> None:
    spec = changed(CONV, {"data.batch_size": 100})  # and a last batch of the rest, which the processes share
    net = Training(spec, toy_dataset(train=104)).net
    words = (
        rf"data.batch_size = 100 leaves a batch of {images - 100} for {processes} processes, one for some, of the {images} images"
    )
    with pytest.raises(SpecError, match=words) if is_refused else contextlib.nullcontext():
        refuse_lone_images(spec, lambda: summarise(net, (1, 8, 8)), images, processes)


def images_for(spec: RunSpec) -> Dataset:
    """Some noise in the form that the spec asks for, of as many classes as it names, or ten."""
    size, channels = spec.data.size, 1 if spec.data.colour == "grey" else 3
    classes = spec.data.classes or tuple("0123456789")
    count = 3 * spec.data.batch_size if spec.data.batch_size < 30 else 40
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, channels, size, size), generator=generator, dtype=torch.uint8)
    split = Split(images, torch.arange(count) % len(classes), classes)
    held_out = split if spec.data.validation_fraction else None
    return Dataset("noise", split, held_out, split, torch.full((channels,), 0.5), torch.full((channels,), 0.29))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_trains(name: str) -> None:
    spec = changed(
        shrunk(PRESETS[name].spec), {"training.steps": 3, "data.batch_size": min(PRESETS[name].spec.data.batch_size, 16)}
    )
    said = pull(Training(spec, images_for(spec)))
    assert isinstance(said[-1], events.Finished)
    assert said[-1].step == 3
    assert len(losses(said)) == 3
