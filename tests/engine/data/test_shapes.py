"""The drawn objects: the same bytes everywhere, true to their geometry, and hard for a linear classifier."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy import ndimage
from sklearn.linear_model import SGDClassifier

from convtui.engine.data import shapes
from convtui.engine.data.raw import RawSplit


@pytest.fixture(scope="module")
def drawn() -> RawSplit:
    return shapes.draw(2000, seed=2)


def of(drawn: RawSplit, name: str) -> np.ndarray:
    assert drawn.masks is not None
    return drawn.masks[drawn.labels == shapes.CLASSES.index(name)]


def test_every_machine_has_the_same_bytes(drawn: RawSplit) -> None:
    assert drawn.masks is not None
    assert hashlib.sha256(drawn.images.tobytes()).hexdigest() == "378983e73fd3a3cc5723d7f89eb2d74ba3a8edeba3f008a6cd75a85c43e568a4"
    assert hashlib.sha256(drawn.masks.tobytes()).hexdigest() == "1fdd541c1c33805930d69a75ab86cc29cde4705efbce875d00b3bf173aa1f506"


def test_another_seed_draws_other_images() -> None:
    assert (shapes.draw(50, seed=3).images != shapes.draw(50, seed=4).images).any()


def test_ten_classes_in_equal_shares_and_mixed_order(drawn: RawSplit) -> None:
    assert shapes.CLASSES == ("disc", "ring", "square", "frame", "triangle", "cross", "flower", "crescent", "bar", "half-disc")
    assert np.bincount(drawn.labels).tolist() == [200] * 10
    assert len(set(drawn.labels[:50].tolist())) == 10
    assert drawn.images.shape == (2000, 3, 32, 32)
    assert drawn.images.dtype == np.uint8


@pytest.mark.parametrize(
    ("name", "unit_area"),
    [
        ("disc", np.pi * 0.9**2),
        ("ring", np.pi * (0.95**2 - 0.55**2)),
        ("square", 1.5**2),
        ("frame", 1.6**2 - 0.9**2),
        # An equilateral triangle of inradius 1/2 has the area 3 sqrt(3) / 4.
        ("triangle", 3 * np.sqrt(3) / 4),
        ("cross", 2 * 1.9 * 0.54 - 0.54**2),
        ("bar", 1.9 * 0.54),
        ("half-disc", np.pi * 0.95**2 / 2),
    ],
)
def test_masks_have_the_area_of_the_figure(drawn: RawSplit, name: str, unit_area: float) -> None:
    areas = of(drawn, name).sum((1, 2))
    low, high = shapes.RADIUS
    # Counting pixels errs by a part of the figure's edge.
    assert areas.min() > 0.93 * unit_area * low**2
    assert areas.max() < 1.05 * unit_area * high**2
    # Radii are uniform, so the mean square radius is (high^3 - low^3) / 3 (high - low).
    assert areas.mean() == pytest.approx(unit_area * (high**3 - low**3) / (3 * (high - low)), rel=0.06)


@pytest.mark.parametrize("name", shapes.CLASSES)
def test_each_object_is_one_piece_with_a_hole_only_in_ring_and_frame(drawn: RawSplit, name: str) -> None:
    for mask in of(drawn, name):
        pieces, count = ndimage.label(mask)
        # A pointed tip thins out to less than a pixel, and may leave one behind.
        assert count == 1 or np.bincount(pieces[mask]).max() >= mask.sum() - 4
        around = ndimage.label(~np.pad(mask, 1), np.ones((3, 3)))[0]
        # Part 1 is the ground outside; a single pixel may be closed in where two petals meet.
        holes = np.bincount(around.ravel())[2:] > 1
        assert holes.sum() == (1 if name in ("ring", "frame") else 0)


def test_flowers_have_five_petals_and_crescents_are_hollow(drawn: RawSplit) -> None:
    petals = []
    for mask in of(drawn, "flower"):
        rows, columns = np.nonzero(mask)
        reach = np.hypot(rows - rows.mean(), columns - columns.mean()).max()
        # A circle through the petals' outer parts meets five pieces.
        turn = np.linspace(0, 2 * np.pi, 360, endpoint=False)
        y = np.rint(rows.mean() + 0.8 * reach * np.sin(turn)).astype(int).clip(0, 31)
        x = np.rint(columns.mean() + 0.8 * reach * np.cos(turn)).astype(int).clip(0, 31)
        around = mask[y, x]
        petals.append((around != np.roll(around, 1)).sum() // 2)
    assert np.bincount(petals).argmax() == 5
    for mask in of(drawn, "crescent"):
        rows, columns = np.nonzero(mask)
        box = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        assert 0.25 < mask.sum() / box < 0.7


def test_objects_lie_within_the_image_anywhere(drawn: RawSplit) -> None:
    assert drawn.masks is not None
    centres = np.array([ndimage.center_of_mass(mask) for mask in drawn.masks])
    assert centres.min() < 9
    assert centres.max() > 23
    assert centres.mean(0) == pytest.approx([16, 16], abs=1)
    edge = np.ones((32, 32), bool)
    edge[1:-1, 1:-1] = False
    assert (drawn.masks & edge).sum((1, 2)).max() < 20


def test_objects_stand_out_from_their_ground(drawn: RawSplit) -> None:
    assert drawn.masks is not None
    luma = np.tensordot(drawn.images.astype(float), [0.299, 0.587, 0.114], ([1], [0])) / 255
    inside = (luma * drawn.masks).sum((1, 2)) / drawn.masks.sum((1, 2))
    outside = (luma * ~drawn.masks).sum((1, 2)) / (~drawn.masks).sum((1, 2))
    assert np.quantile(np.abs(inside - outside), 0.02) > 0.08
    # Lighter and darker objects are as frequent: no single pixel's brightness tells the class.
    assert 0.45 < (inside > outside).mean() < 0.55


@pytest.mark.long
def test_a_linear_classifier_stays_near_chance(drawn: RawSplit) -> None:
    train = shapes.draw(4000, seed=1)
    pixels, unseen = (split.images.reshape(len(split.images), -1) / 255.0 - 0.5 for split in (train, drawn))
    classifier = SGDClassifier(loss="log_loss", max_iter=8, tol=None, random_state=0).fit(pixels, train.labels)
    assert classifier.score(unseen, drawn.labels) <= 0.2
