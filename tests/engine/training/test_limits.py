"""Settings that cannot be trained on a device are refused before anything is started."""

from __future__ import annotations

import pytest
import torch

from convtui.engine.data.preview import Counts
from convtui.engine.errors import SpecError
from convtui.engine.models import check
from convtui.engine.presets import preset
from convtui.engine.spec import changed
from convtui.engine.training import limits, preparing
from convtui.engine.training.limits import chance, check_fits, odd
from tests.conftest import toy_dataset

LENET = preset("lenet5").spec
CPU = torch.device("cpu")
COUNTS = Counts(10, 50_000, 10_000)


def test_memory_to_the_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = check(LENET).least_bytes(LENET.data.batch_size)
    monkeypatch.setattr(limits, "memory", lambda device: needed)
    check_fits(LENET, CPU, COUNTS)
    monkeypatch.setattr(limits, "memory", lambda device: needed - 1)
    with pytest.raises(SpecError, match=r"needs at least 0\.1 GB, in batches of 128; cpu has 0\.1 GB"):
        check_fits(LENET, CPU, COUNTS)


def test_a_batch_that_is_too_large_is_refused_where_a_smaller_one_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "memory", lambda device: 10**9)
    check_fits(LENET, CPU, COUNTS)
    with pytest.raises(SpecError, match="smaller"):
        check_fits(changed(LENET, {"data.batch_size": 65536}), CPU, COUNTS)


def test_layers_that_do_not_fit_each_other() -> None:
    with pytest.raises(SpecError, match="does not fit"):
        check_fits(changed(LENET, {"model.conv_blocks": "4 90x90"}), CPU, COUNTS)


def test_a_batch_is_never_larger_than_the_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "memory", lambda device: check(LENET).least_bytes(20))
    huge = changed(LENET, {"data.batch_size": 65536})
    check_fits(huge, CPU, Counts(10, 20, 10))
    with pytest.raises(SpecError, match="in batches of 21;"):
        check_fits(huge, CPU, Counts(10, 21, 10))


def test_images_that_take_more_than_half_of_what_is_free_on_a_gpu_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    split = toy_dataset().train
    elsewhere = torch.device("meta")
    monkeypatch.setattr(preparing, "free_memory", lambda device: 2 * split.images.nbytes)
    there = preparing.near(split, elsewhere)
    assert there.images.device == there.labels.device == elsewhere
    monkeypatch.setattr(preparing, "free_memory", lambda device: 2 * split.images.nbytes - 1)
    assert preparing.near(split, elsewhere) is split
    assert preparing.near(split, CPU).images is split.images


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, []),
        ({"data.batch_size": 1000}, []),
        ({"data.batch_size": 1001}, ["data.batch_size = 1,001, but there are 1,000 training images"]),
        ({"data.batch_size": 2, "training.precision": "bfloat16"}, []),
        ({"data.batch_size": 1, "training.precision": "bfloat16"}, ["one image per step in bfloat16 is slower"]),
        ({"training.epochs": 5, "optimiser.schedule": "cosine", "optimiser.warmup_epochs": 5}, []),
        (
            {"training.epochs": 5, "optimiser.schedule": "cosine", "optimiser.warmup_epochs": 6},
            ["optimiser.warmup_epochs = 6 is 60 steps, but the run has 50"],
        ),
        (
            {"training.steps": 9, "optimiser.schedule": "cosine", "optimiser.warmup_epochs": 1},
            ["optimiser.warmup_epochs = 1 is 10 steps, but the run has 9"],
        ),
    ],
)
def test_what_was_hardly_meant_is_said(settings: dict[str, object], words: list[str]) -> None:
    said = list(odd(changed(LENET, {"data.batch_size": 100, "optimiser.schedule": "constant"} | settings), 1000))
    assert len(said) == len(words)
    assert all(text.startswith(start) for text, start in zip(said, words, strict=True))


def test_chance_is_within_two_standard_errors_of_guessing_the_largest_class() -> None:
    even = [1000] * 10  # a standard error of 0.003
    assert chance(even, 0.1)
    assert chance(even, 0.1059)
    assert not chance(even, 0.1061)
    assert chance(even, 0.02), "worse than guessing"
    assert chance([900, 100], 0.9)
    assert not chance([900, 100], 0.95)
