"""Images as points by what a layer makes of them."""

from __future__ import annotations

import time
from threading import Event

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Curves
from convtui.engine.lens.awaiting import awaited
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Cancelled, Subject
from tests.conftest import toy_dataset
from tests.engine.lens import oracles
from tests.engine.lens.views.making import Diverged, knowing, sequential, subject_of

LOOK = view("embedding")


def embedded(subject: Subject, **options: object) -> Curves:
    (found,) = LOOK(subject, LOOK.make(options))
    assert isinstance(found, Curves)
    return found


def points(found: Curves) -> np.ndarray:  # type: ignore[type-arg]
    """[N, 2], of all classes together."""
    heights = np.array(list(found.series.values()))
    assert (np.isfinite(heights).sum(0) == 1).all()  # each image is in one class
    return np.stack([found.x, np.nansum(heights, axis=0)], axis=1)


@pytest.mark.parametrize(("layer", "behind"), [(None, "act2"), ("conv1", "act1"), ("output", "output")])
def test_components_are_scikit_learns_and_those_of_the_covariance(layer: str | None, behind: str) -> None:
    subject = subject_of(sequential(nn.ReLU))
    found = embedded(subject, layer=layer, count=50)
    with torch.no_grad():
        values = oracles.features(subject.net, subject.seen(subject.images.test.images[:50]), behind).flatten(1)
    pca = PCA(2, svd_solver="full")
    expected = pca.fit_transform(values.numpy())
    scores, shares = oracles.principal_components(values, 2)
    close = 1e-5 * np.abs(expected).max()  # features are float32
    np.testing.assert_allclose(points(found), expected, rtol=0, atol=close)
    np.testing.assert_allclose(np.abs(points(found)), scores.abs(), rtol=0, atol=close)
    assert found.x_name == f"component 1 ({100 * float(shares[0]):.1f} % of the variance)"
    assert f"the plane holds {100 * pca.explained_variance_ratio_.sum():.1f} % of the variance" in found.notes[1]


def test_each_point_is_in_the_series_of_its_class_and_leads_to_its_image() -> None:
    subject = subject_of(sequential(nn.ReLU))
    found = embedded(subject)
    assert list(found.series) == ["left", "middle", "right"]
    assert set(found.styles.values()) == {"points"}
    for place, (target, label) in enumerate(zip(found.targets, subject.images.test.labels.tolist(), strict=True)):
        assert target is not None
        assert (target.image, target.label) == (place, label)
        assert np.isfinite(list(found.series.values())[label][place])


def test_tsne_keeps_classes_together_and_is_the_same_again_by_its_seed() -> None:
    subject = subject_of(knowing())
    first, again = (points(embedded(subject, layer="output", method="tsne", seed=1)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    labels = subject.images.test.labels.numpy()
    apart = np.linalg.norm(first[:, None] - first[None], axis=2) + 1e9 * np.eye(60)
    assert (labels[apart.argmin(1)] == labels).mean() > 0.9


def test_where_no_class_is_known_colours_are_what_the_net_takes_images_for() -> None:
    data = toy_dataset()
    true = data.test.labels.clone()
    data.test.labels[:] = -1
    found = embedded(subject_of(knowing(), data))
    assert "coloured by predicted class" in found.title
    for label, values in enumerate(found.series.values()):
        assert np.isfinite(values).tolist() == (true == label).tolist()


def test_large_layers_are_averaged_and_diverged_ones_refused() -> None:
    torch.manual_seed(0)
    wide = nn.Sequential(nn.Conv2d(1, 80, 1), nn.ReLU(), nn.Flatten(), nn.Linear(80 * 64, 3))
    subject = subject_of(wide)
    found = embedded(subject)
    with torch.no_grad():
        maps = oracles.features(subject.net, subject.seen(subject.images.test.images), "1")
        values = nn.functional.adaptive_avg_pool2d(maps, 7).flatten(1).numpy()
    expected = PCA(2, svd_solver="full").fit_transform(values)
    np.testing.assert_allclose(points(found), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert "neighbouring places are averaged, to at most 4,096 values" in found.notes
    with pytest.raises(NotApplicable, match="NaN or infinite values: the net diverged"):
        embedded(subject_of(Diverged(-100.0)))


def test_what_cannot_be_interrupted_is_abandoned_where_it_is_not_wanted() -> None:
    subject = subject_of(knowing())
    ends = Event()
    subject.cancelled = lambda: True
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        awaited(subject, lambda: ends.wait(60))
    ends.set()
    assert time.monotonic() - begun < 30
    subject.cancelled = lambda: False
    assert awaited(subject, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        awaited(subject, lambda: 1 // 0)
