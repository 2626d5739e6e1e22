"""Misclassified images, against the net's own output."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Sheet, Target
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from convtui.engine.spec import RunSpec, changed
from tests.conftest import toy_dataset
from tests.engine.lens.views.making import NETS, Diverged, knowing, linear, sequential, subject_of


def look(subject: Subject, **options: object) -> Sheet:
    misclassified = view("misclassified")
    (result,) = misclassified(subject, misclassified.make(options))
    assert isinstance(result, Sheet)
    return result


def wrong_by_hand(subject: Subject, split: str = "test") -> list[tuple[int, int, int]]:
    """Place, true and predicted class of each mistake, the surest first."""
    images = getattr(subject.images, split)
    with torch.no_grad():
        share = subject.net(subject.seen(images.images)).softmax(1).numpy()
    true, guess = images.labels.numpy(), share.argmax(1)
    wrong = np.flatnonzero(true != guess)
    ordered = wrong[np.argsort(-share[wrong].max(1), kind="stable")]
    return [(int(n), int(true[n]), int(guess[n])) for n in ordered]


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("split", ["test", "train"])
def test_the_wrong_ones_surest_first(name: str, split: str) -> None:
    subject = subject_of(NETS[name](), batch=7)
    expected = wrong_by_hand(subject, split)
    found = look(subject, split=split, count=1000)
    assert [tile.target for tile in found.tiles] == [Target(image=n, label=t, predicted=p) for n, t, p in expected]
    images = getattr(subject.images, split).images
    assert all(np.array_equal(tile.pixels, images[n, 0]) for tile, (n, _, _) in zip(found.tiles, expected, strict=True))
    total = len(images)
    share = 100 * len(expected) / total
    assert list(found.notes) == [f"{len(expected)} of {total} {split} images are misclassified ({share:.1f} %)"]


def test_captions_name_the_three_likeliest_classes() -> None:
    subject = subject_of(linear(torch.zeros(3, 64), torch.tensor([0.0, 2.0, 1.0])))
    # By hand: exp(0), exp(2), exp(1) of 11.107 are 9, 67 and 24 %.
    assert look(subject).tiles[0].caption == f"#{wrong_by_hand(subject)[0][0]} right (24 %) → middle (67 %), left (9 %)"


def test_mistakes_of_a_net_of_squares_are_ordered_by_the_margin_of_its_outputs() -> None:
    subject = subject_of(NETS["tanh"]())
    subject.spec = changed(RunSpec(), {"training.loss": "sum_squares"})
    images = subject.images.test
    with torch.no_grad():
        output = subject.net(subject.seen(images.images))
    guess = output.argmax(1)
    margin = output.amax(1) - output.gather(1, images.labels[:, None])[:, 0]
    wrong = (guess != images.labels).nonzero().flatten().tolist()
    expected = sorted(wrong, key=lambda n: -float(margin[n]))
    found = look(subject, count=1000)
    assert [tile.target and tile.target.image for tile in found.tiles] == expected
    assert expected != [n for n, _, _ in wrong_by_hand(subject)], "the softmax would put them in another order"
    first = expected[0]
    true = f"{subject.classes[images.labels[first]]} ({output[first, images.labels[first]]:.3g})"
    predicted = f"{subject.classes[guess[first]]} ({output[first, guess[first]]:.3g})"
    assert found.tiles[0].caption.startswith(f"#{first} {true} → {predicted}")
    assert "confidence is the margin of the predicted class's output over the true class's" in found.notes
    assert any("does not make them probabilities" in note for note in found.notes)


def test_count_limits_what_is_shown_and_not_what_is_counted() -> None:
    subject = subject_of(linear(torch.zeros(3, 64), torch.tensor([0.0, 1.0, 0.0])))
    assert len(look(subject).tiles) == 36
    found = look(subject, count=4)
    assert len(found.tiles) == 4
    assert list(found.notes) == [
        "40 of 60 test images are misclassified (66.7 %)",
        "first 4 of 40; raise count for more",
    ]


def test_one_class_only() -> None:
    subject = subject_of(NETS["tanh"]())
    mistaken = wrong_by_hand(subject)
    labels = {true for _, true, _ in mistaken}
    assert labels
    for label in labels:
        expected = [n for n, true, _ in mistaken if true == label]
        found = look(subject, label=str(label))
        assert [tile.target and tile.target.image for tile in found.tiles] == expected
        assert f"{len(expected)} of 20 test images of {subject.classes[label]}" in found.notes[0]


def test_none_wrong_is_said() -> None:
    with pytest.raises(NotApplicable, match="all 60 test images are classified correctly: look at another split"):
        look(subject_of(knowing()))
    subject = subject_of(linear(torch.zeros(3, 64), torch.tensor([0.0, 1.0, 0.0])))
    with pytest.raises(NotApplicable, match="all 20 test images of middle are classified correctly: look at another class"):
        look(subject, label="middle")


def test_a_split_or_class_that_there_is_not() -> None:
    with pytest.raises(NotApplicable, match="no validation images"):
        look(subject_of(knowing()), split="validation")
    # The two test images are of the classes right and left.
    with pytest.raises(NotApplicable, match="no image of middle to judge"):
        look(subject_of(knowing(), toy_dataset(test=2)), label="middle")


def test_images_about_which_a_diverged_net_says_nothing_are_no_mistakes() -> None:
    subject = subject_of(Diverged(0))
    with torch.no_grad():
        output = subject.net(subject.seen(subject.images.test.images))
    told = ~output.isnan().any(1)
    wrong = told & (output.argmax(1) != subject.images.test.labels)
    found = look(subject, count=1000)
    assert sorted(tile.target.image for tile in found.tiles if tile.target) == wrong.nonzero().flatten().tolist()  # type: ignore[type-var]
    assert found.notes[0].startswith(f"{int(wrong.sum())} of {int(told.sum())} test images")
    with pytest.raises(NotApplicable, match="diverged"):
        look(subject_of(Diverged(-torch.inf)))


def test_a_net_that_gives_no_classes_is_refused() -> None:
    with pytest.raises(NotApplicable, match="misclassified is not applicable"):
        look(subject_of(sequential(nn.Tanh)[:3]))
