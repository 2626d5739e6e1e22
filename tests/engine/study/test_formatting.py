"""How figures read."""

from __future__ import annotations

import math

import pytest

from convtui.engine.study.formatting import difference, published, setting, shown, spread
from convtui.engine.study.model import Published


@pytest.mark.parametrize(
    ("measure", "value", "said"),
    [
        ("test_accuracy", 0.94171, "94.17 %"),
        ("test_loss", 0.16949, "0.169"),
        ("train_loss", 1.13e-6, "1.13e-06"),
        ("train_loss", 1.003, "1.00"),
        ("train_loss", 0.3, "0.300"),
        ("train_loss", 99.96, "100"),
        ("train_loss", 999.7, "1,000"),
        ("train_loss", 0.0, "0"),
        ("train_loss", math.inf, "∞"),
        ("class_accuracy/3", 0.926, "92.60 %"),
        ("dead/act2", 0.25, "25.00 %"),
        ("best_epoch", 7.0, "7"),
        ("seconds", 0.0412, "0.0412 s"),
        ("steps_to_90", 12345.0, "12,345"),
        ("steps_to_loss", math.inf, "never"),
        ("seconds", 61.25, "61.2 s"),
        ("seconds", 12345.6, "12,346 s"),
        ("images_per_second", 2711.4, "2,711"),
        ("statistics.conv2.before.min", -0.8971613, "−0.897"),
        ("test_accuracy", None, "—"),
    ],
)
def test_a_value_has_its_measures_form(measure: str, value: float | None, said: str) -> None:
    assert shown(measure, value) == said


def test_several_values_are_their_mean_and_range() -> None:
    assert spread("test_accuracy", [0.9, 0.92, 0.94]) == "92.00 % (90.00 to 94.00)"
    assert spread("test_accuracy", [0.9]) == spread("test_accuracy", [0.9, 0.9]) == "90.00 %"
    assert spread("steps_to_loss", [100.0, math.inf]) == "never (100 to never)"
    assert spread("test_loss", []) == "—"


def test_what_was_published_is_a_number_roughly_one_or_a_range() -> None:
    assert published("test_accuracy", Published(0.98, 0.98, about=True)) == "about 98.00 %"
    assert published("seconds", Published(600, 720)) == "600 to 720 s"
    assert published("seconds", Published(180, 180, about=True)) == "about 180 s"
    assert published("test_loss", Published(0.169, 0.169)) == "0.169"
    assert published("test_loss", None) == "—"


def test_differences_have_a_sign_and_accuracies_are_told_in_percentage_points() -> None:
    assert difference("test_accuracy", 0.0052) == "+0.52 pp"
    assert difference("test_accuracy", -0.01) == "−1.00 pp"
    assert difference("test_loss", 0.0) == "±0"
    assert difference("test_accuracy", -0.00004) == difference("test_accuracy", 0.0) == "±0.00 pp"
    assert difference("steps_to_90", 0.4) == "±0"
    assert difference("test_loss", -1e-9) == "−1.00e-09"
    assert difference("seconds", -12.04) == "−12.0 s"
    assert difference("test_loss", math.inf) == "∞"
    assert difference("test_loss", None) == "—"


def test_of_a_source_of_ones_own_the_name_is_told() -> None:
    assert setting("folder:/home/somebody/images/cifar10-jpeg.zip") == "folder:cifar10-jpeg.zip"
    assert setting("mnist") == "mnist"
    assert setting("0.001") == "0.001"
