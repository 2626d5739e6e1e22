"""Accuracy after each row, against a loop over images that are cut there."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Curves
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from tests.engine.lens.subjects import small_net, subject_of
from tests.engine.lens.views.recurrent_nets import IMAGES, SIZE, built, own

LOOK = view("accuracy-by-row")


@pytest.mark.parametrize("subject", [built("lstm"), built("rnn", 1), own(nn.GRU), own(nn.LSTM, bidirectional=True, num_layers=2)])
def test_accuracies_are_those_of_images_that_end_there(subject: Subject) -> None:
    subject.batch = 5
    (curve,) = LOOK(subject, LOOK.make({}))
    assert isinstance(curve, Curves)
    labels = subject.split("test").labels
    expected = []
    for row in range(1, SIZE + 1):
        outputs = subject.net(subject.seen(IMAGES)[:, :, :row])
        expected.append(sum(int(told.argmax()) == int(label) for told, label in zip(outputs, labels, strict=True)) / len(labels))
    assert curve.series["accuracy"].tolist() == pytest.approx(expected)
    assert curve.x.tolist() == list(range(1, SIZE + 1))


def test_nets_whose_steps_are_not_rows_are_refused() -> None:
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.head = nn.GRU(SIZE, 2, batch_first=True), nn.Linear(2 * SIZE, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(self.cell(images[:, 0])[0].flatten(1))  # type: ignore[no-any-return]

    for subject, why in (
        (own(nn.GRU, columns=True), "images of 8 rows only"),
        (subject_of(Whole(), IMAGES), "images of 8 rows only: it cannot be stopped after fewer; use 'row-saliency'"),
        (subject_of(small_net(size=SIZE), IMAGES), "no recurrent layer"),
    ):
        with pytest.raises(NotApplicable, match=why):
            LOOK(subject, LOOK.make({}))
