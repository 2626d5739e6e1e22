"""The confusion table against scikit-learn's, and the images behind its cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

from convtui.engine.data.split import Dataset
from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Sheet, Table, Target
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.views.confusion import unique
from tests.conftest import toy_dataset
from tests.engine.lens.views.making import NETS, Diverged, knowing, linear, sequential, subject_of


def look(subject: Subject, **options: object) -> Table | Sheet:
    confusion = view("confusion")
    (result,) = confusion(subject, confusion.make(options))
    assert isinstance(result, Table | Sheet)
    return result


def table(subject: Subject, **options: object) -> Table:
    result = look(subject, **options)
    assert isinstance(result, Table)
    return result


def sheet(subject: Subject, **options: object) -> Sheet:
    result = look(subject, **options)
    assert isinstance(result, Sheet)
    return result


def scores(subject: Subject, split: str = "test") -> tuple[list[int], list[int], np.ndarray]:
    """True and predicted classes and probabilities, by the net itself and the softmax by hand."""
    images = getattr(subject.images, split)
    with torch.no_grad():
        output = subject.net(subject.seen(images.images)).numpy()
    share = np.exp(output) / np.exp(output).sum(1, keepdims=True)
    return images.labels.tolist(), output.argmax(1).tolist(), share


def with_classes(*names: str) -> Dataset:
    dataset = toy_dataset()
    return replace(dataset, train=replace(dataset.train, classes=names), test=replace(dataset.test, classes=names))


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("split", ["test", "train"])
def test_counts_are_scikit_learns(name: str, split: str) -> None:
    subject = subject_of(NETS[name](), batch=7)
    true, predicted, _ = scores(subject, split)
    expected = confusion_matrix(true, predicted, labels=[0, 1, 2])
    found = table(subject, split=split)
    assert list(found.columns) == ["true class", "left", "middle", "right", "accuracy"]
    assert [row[0] for row in found.rows] == ["left", "middle", "right"]
    assert [row[1:4] for row in found.rows] == expected.tolist()
    assert all(type(count) is int for row in found.rows for count in row[1:4])
    assert [row[4] for row in found.rows] == pytest.approx((expected.diagonal() / expected.sum(1)).tolist())
    assert found.targets == [Target(label=0), Target(label=1), Target(label=2)]
    assert found.shares == ("accuracy",)
    right = int(expected.trace())
    assert found.notes[0] == f"{right} of {len(true)} images are classified correctly ({100 * right / len(true):.2f} %)"


def test_rows_may_be_predicted_classes_and_shares() -> None:
    subject = subject_of(NETS["functional"]())
    true, predicted, _ = scores(subject)
    counts = confusion_matrix(true, predicted, labels=[0, 1, 2]).T
    found = table(subject, rows="predicted")
    assert (found.columns[0], found.columns[-1]) == ("predicted class", "precision")
    assert [row[1:4] for row in found.rows] == counts.tolist()
    assert found.targets[1] == Target(predicted=1)
    for column, name in enumerate(list(found.columns)[1:4]):
        for row in range(3):
            assert found.matrix[name][row] == (Target(label=column, predicted=row) if counts[row, column] else None)
    shares = table(subject, rows="predicted", normalised=True)
    for row, line in zip(counts, shares.rows, strict=True):
        assert line[1:4] == ([None] * 3 if not row.sum() else pytest.approx((row / row.sum()).tolist()))
    assert set(shares.shares) == {*list(shares.columns)[1:]}


def test_a_net_that_knows_has_a_diagonal() -> None:
    found = table(subject_of(knowing()))
    assert [row[1:] for row in found.rows] == [[20, 0, 0, 1.0], [0, 20, 0, 1.0], [0, 0, 20, 1.0]]


def test_a_class_without_images_has_no_accuracy_and_is_said_to_be_empty() -> None:
    dataset = toy_dataset()
    subject = subject_of(knowing(), replace(dataset, test=dataset.test.select((dataset.test.labels != 1).nonzero().flatten())))
    assert table(subject).rows[1] == ["middle", 0, 0, 0, None]
    with pytest.raises(NotApplicable, match="no test images of middle: look at another"):
        look(subject, label="middle")


@pytest.mark.parametrize("name", NETS)
def test_every_cell_row_and_column_is_a_sheet_of_its_images_surest_first(name: str) -> None:
    subject = subject_of(NETS[name]())
    true, predicted, share = scores(subject)
    for label in (None, 0, 1, 2):
        for guess in (None, 0, 1, 2):
            if label is None and guess is None:
                continue
            options = {
                "label": None if label is None else subject.classes[label],
                "predicted": None if guess is None else str(guess),
            }
            here = [n for n in range(60) if label in (None, true[n]) and guess in (None, predicted[n])]
            if not here:
                with pytest.raises(NotApplicable, match=r"predicted as|another"):
                    look(subject, count=100, **options)
                continue
            found = sheet(subject, count=100, **options)
            expected = sorted(here, key=lambda n: -share[n].max())
            assert [tile.target for tile in found.tiles] == [
                Target(image=n, label=true[n], predicted=predicted[n]) for n in expected
            ]
            for tile, n in zip(found.tiles, expected, strict=True):
                assert np.array_equal(tile.pixels, subject.images.test.images[n, 0].numpy())
            first, best = expected[0], np.argsort(-share[expected[0]])
            shown = {c: f"{subject.classes[c]} ({100 * share[first][c]:.0f} %)" for c in best}
            own = shown.pop(true[first]) if true[first] != predicted[first] else subject.classes[true[first]]
            assert found.tiles[0].caption == f"#{first} {own} → {', '.join(shown.values())}"
            assert (found.low, found.high) == (0, 255)


def test_at_most_count_images_and_the_rest_is_counted() -> None:
    found = sheet(subject_of(knowing()), label="left", predicted="left", count=5)
    assert len(found.tiles) == 5
    assert found.notes == ["20 test images of left predicted as left", "first 5 of 20; raise count for more"]


def test_an_empty_cell_says_which_are_filled() -> None:
    subject = subject_of(linear(torch.zeros(3, 64), torch.tensor([0.0, 1.0, 0.5])))
    with pytest.raises(NotApplicable, match=r"no test images of left predicted as right: those are predicted as middle \(20\)$"):
        look(subject, label="left", predicted="right")
    with pytest.raises(NotApplicable, match=r"no test images predicted as right: images are predicted as middle \(60\)$"):
        look(subject, predicted="right")
    with pytest.raises(UsageError, match=r"unknown class 'midle'.*middle"):
        look(subject, predicted="midle")


def test_columns_are_told_apart_whatever_the_classes_are_called() -> None:
    found = table(subject_of(knowing(), with_classes("accuracy", "true class", "accuracy")))
    assert len(set(found.columns)) == 5
    assert found.columns[-1] == "accuracy"
    assert [row[4] for row in found.rows] == [1, 1, 1]
    assert unique(["a", "b", "a (0)", "a"], ["b"]) == ["a (0) (0)", "b (1)", "a (0)", "a (3)"]


def test_a_diverged_net_predicts_nothing() -> None:
    with pytest.raises(NotApplicable, match=r"NaN for all 60 test images.*earlier epoch"):
        look(subject_of(Diverged(-torch.inf)))
    subject = subject_of(Diverged(0))
    with torch.no_grad():
        silent = int(subject.net(subject.seen(subject.images.test.images)).isnan().any(1).sum())
    assert 0 < silent < 60
    found = table(subject)
    assert sum(sum(row[1:4]) for row in found.rows) == 60 - silent  # type: ignore[misc, arg-type]
    assert found.notes[-1] == f"{silent} images are left out: the net's output is NaN for them"


def test_a_net_that_gives_no_classes_is_refused() -> None:
    net = sequential(torch.nn.Tanh)[:3]
    with pytest.raises(NotApplicable, match="confusion is not applicable: the net's output is not one number for each"):
        look(subject_of(net))
