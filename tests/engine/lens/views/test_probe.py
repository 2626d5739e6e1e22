"""Linear classifiers on each layer's features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch import nn

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Table
from convtui.engine.lens import linear
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from tests.conftest import toy_dataset
from tests.engine.lens import oracles
from tests.engine.lens.views.making import knowing, sequential, subject_of

LOOK = view("probe")


def probed(subject: Subject, **options: object) -> Table:
    (table,) = LOOK(subject, LOOK.make(options))
    assert isinstance(table, Table)
    return table


def test_accuracies_are_those_of_scikit_learn_on_each_layers_features() -> None:
    subject = subject_of(sequential(nn.ReLU, norm=True))
    train, test = subject.images.train, subject.images.test
    places, asked = (torch.linspace(0, n - 1, count).round().long() for n, count in ((200, 50), (60, 40)))
    table = probed(subject, train=50, count=40)
    assert [row[0] for row in table.rows] == ["pixels", "conv1", "conv2", "the net itself"]
    for row, behind in zip(table.rows, (None, "act1", "act2"), strict=False):
        with torch.no_grad():
            learnt, told = (
                part.images[at].flatten(1).numpy() / 255
                if behind is None
                else oracles.features(subject.net, subject.seen(part.images[at]), behind).flatten(1).float().numpy()
                for part, at in ((train, places), (test, asked))
            )
        softmax, machine = LogisticRegression(C=1, max_iter=200), LinearSVC(C=0.01, dual="auto", random_state=0)
        scores = [
            make_pipeline(StandardScaler(), each).fit(learnt, train.labels[places]).score(told, test.labels[asked])
            for each in (softmax, machine)
        ]
        assert row[1] == learnt.shape[1]
        # A feature that is hardly ever above zero may round to the other side of a boundary.
        np.testing.assert_allclose([float(cell) for cell in row[2:]], scores, atol=1.5 / 40)  # type: ignore[arg-type]
    with torch.no_grad():
        own = subject.net(subject.seen(test.images[asked])).argmax(1) == test.labels[asked]
    assert table.rows[-1][2] == pytest.approx(float(own.float().mean()))


@pytest.mark.parametrize("classes", [2, 3])
def test_a_softmax_has_the_scores_of_scikit_learn_s(classes: int) -> None:
    """Its accuracies alone would hardly tell another cost."""
    labels = np.arange(60) % classes
    features = np.random.default_rng(0).normal(size=(60, 4)) + 0.7 * labels[:, None]
    found = linear.logistic_regression(subject_of(knowing()), features, labels, 1.0)
    theirs = LogisticRegression(C=1, tol=1e-8, max_iter=1000).fit(features, labels)
    scores = features @ found.weights[:, :-1].T + found.weights[:, -1]
    between = scores[:, 1:] - scores[:, :1]
    expected = theirs.decision_function(features).reshape(60, -1)
    expected = expected if classes == 2 else expected[:, 1:] - expected[:, :1]
    np.testing.assert_allclose(between, expected, atol=0.05)


def test_pixels_that_tell_the_classes_are_told_so_and_classes_may_come_one_after_the_other() -> None:
    data = toy_dataset()
    order = data.test.labels.argsort(stable=True)
    table = probed(subject_of(knowing(), replace(data, test=data.test.select(order))), train=200, count=30)
    assert table.rows[-1] == ["the net itself", None, 1.0, None]
    assert float(table.rows[0][2]) > 0.9  # type: ignore[arg-type]


def test_one_layer_alone_and_what_is_not_known() -> None:
    table = probed(subject_of(sequential(nn.Tanh)), layer="pool1", train=20, count=20)
    assert [row[0] for row in table.rows] == ["pixels", "pool1", "the net itself"]
    data = toy_dataset()
    data.train.labels[:] = -1
    with pytest.raises(NotApplicable, match="the classes of the train images are not known"):
        probed(subject_of(knowing(), data))
    data.train.labels[:] = 2
    with pytest.raises(NotApplicable, match="of one class"):
        probed(subject_of(knowing(), data))
