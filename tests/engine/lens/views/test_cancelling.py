"""A look that is no longer wanted ends at once, whichever view it is of."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from convtui.engine import models
from convtui.engine.lens.registry import Options, View, views
from convtui.engine.lens.subject import Cancelled, Snapshot, Subject
from convtui.engine.spec import ModelSpec
from tests.engine.lens.foreign import Fused
from tests.engine.lens.subjects import CLASSES, noise_images, small_net, subject_of
from tests.engine.lens.views.test_everywhere import FEW

AT_ONCE = {"activation-functions", "filters", "graph", "summary"}
"""Views that run no images through the net."""
LONG = {"ablation", "accuracy-by-row", "evolution", "gradient-histograms", "invariance", "maximise", "occlusion", "probe"}
"""Views that go through the net many times for few images."""


def small_subject(name: str) -> Subject:
    """A net that the view is of, which takes images two by two."""
    size, channels = (8, 3) if name == "attention" else (12, 1)
    recurrent = models.build(ModelSpec(cell="lstm", hidden=4), channels=1, size=12, classes=3)
    nets: dict[str, nn.Module] = {"attention": Fused()} | dict.fromkeys(
        ("hidden", "gates", "row-saliency", "accuracy-by-row"), recurrent
    )
    net = nets.get(name) or small_net()
    classes = tuple("0123456789") if name == "attention" else CLASSES
    subject = subject_of(net, noise_images(12, channels=channels, size=size), classes=classes, batch=2)
    subject.snapshots = [Snapshot(epoch, epoch, net.state_dict) for epoch in range(3)]
    return subject


def brief(look: View) -> Options:
    return look.make({name: FEW[name] for name in ("steps", "other", "train") if name in look.options.model_fields})


@pytest.mark.parametrize("look", views().values(), ids=list(views()))
def test_a_look_that_is_cancelled_after_its_first_step_takes_no_other(look: View) -> None:
    torch.manual_seed(0)
    told: list[int] = []
    whole = small_subject(look.name)
    whole.progress = lambda done, total: told.append(done)
    look(whole, brief(look))
    steps = len(told)
    assert (steps == 0) == (look.name in AT_ONCE)
    assert steps > 1 or look.name not in LONG
    subject = small_subject(look.name)
    subject.trace, subject.images  # noqa: B018 - what is read once belongs to no view
    told.clear()
    subject.progress = lambda done, total: told.append(done)
    subject.cancelled = lambda: bool(told)
    if steps > 1:
        with pytest.raises(Cancelled):
            look(subject, brief(look))
        assert len(told) == 1


@pytest.mark.parametrize("name", sorted(set(views()) - AT_ONCE))
def test_a_look_that_is_cancelled_before_it_begins_gives_nothing(name: str) -> None:
    subject = replace(small_subject(name), cancelled=lambda: True)
    with pytest.raises(Cancelled):
        views()[name](subject, brief(views()[name]))
