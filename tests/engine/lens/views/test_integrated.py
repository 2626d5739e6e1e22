"""Integrated gradients, against captum, and where the sum is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from torch import nn

from convtui.engine.figures.figure import Sheet
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Cancelled, Subject
from tests.engine.lens import oracles
from tests.engine.lens.subjects import noise_images, small_net, subject_of
from tests.tolerance import assert_close

OPERATIONS = 3000


def looked(subject: Subject, **options: object) -> Sequence[Sheet]:
    look = view("integrated")
    found = look(subject, look.make(options))
    assert [isinstance(sheet, Sheet) and sheet.beside for sheet in found] == [False, True]
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("batch", [7, 256])
@pytest.mark.parametrize("baseline", ["black", "mean"])
def test_contributions_are_captums(baseline: str, batch: int) -> None:
    net, images = small_net(channels=3).double(), noise_images(4, channels=3)
    subject = subject_of(net, images, batch=batch)
    _, sheet = looked(subject, image="2", baseline=baseline, label="middle")
    seen = subject.seen(images[2:3])
    start = subject.seen(torch.zeros_like(images[2:3])) if baseline == "black" else torch.zeros_like(seen)
    theirs = IntegratedGradients(net).attribute(seen, start, target=1, n_steps=50).detach()
    assert_close(sheet.tiles[0].pixels, theirs[0].sum(0), OPERATIONS, dtype=np.float32)
    assert (sheet.ramp, sheet.low) == ("diverging", -sheet.high)


def test_the_sum_is_the_change_of_the_output_and_the_error_is_told() -> None:
    net, images = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(200, 3)).double(), noise_images(3)
    subject = subject_of(net, images)
    image, sheet = looked(subject, label="right")
    seen, start = subject.seen(images[:1]), subject.seen(torch.zeros_like(images[:1]))
    outputs = net(torch.cat([seen, start]))[:, 2].detach()
    assert float(sheet.tiles[0].pixels.sum()) == pytest.approx(float(outputs[0] - outputs[1]), abs=1e-4)
    assert image.notes[0] == (
        f'contributions to the output of "right", {outputs[0]:.4g}, beside that of the black image, {outputs[1]:.4g}'
    )
    assert "completeness error" in image.notes[1]
    assert not any("coarse" in note for note in image.notes)
    expected = oracles.integrated_gradients(net, seen[0], 2, start[0], 400)
    np.testing.assert_allclose(sheet.tiles[0].pixels, expected.sum(0), atol=1e-4 * float(expected.abs().max()))


def test_of_a_linear_net_one_step_is_exact_and_too_few_are_called_coarse() -> None:
    net, images = nn.Sequential(nn.Flatten(), nn.Linear(144, 3)).double(), noise_images(3)
    subject = subject_of(net, images)
    _, sheet = looked(subject, steps=1, baseline="mean", label="0")
    assert_close(sheet.tiles[0].pixels, subject.seen(images)[0, 0] * net[1].weight[0].view(12, 12), OPERATIONS, dtype=np.float32)
    steep = nn.Sequential(nn.Flatten(), nn.Linear(144, 3), nn.Sigmoid()).double()
    steep[1].weight.data.mul_(50)
    image, _ = looked(subject_of(steep, images), steps=1)
    assert image.notes[2] == "which is coarse: raise steps above 1"


def test_a_look_that_is_no_longer_wanted_ends() -> None:
    subject = subject_of(small_net(), noise_images(3), batch=10)
    asked = iter([False, False, False, True])
    subject.cancelled = lambda: next(asked)
    with pytest.raises(Cancelled):
        looked(subject)
