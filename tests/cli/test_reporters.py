"""What a terminal shows of a training."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from convtui.engine import events
from convtui.tui.cli.reporters import BarReporter, SafeReporter
from convtui.tui.cli.tables import aligned
from convtui.tui.render.text import clean, duration, fitted_name, number, percent, size, sparkline


def drawn(width: int) -> str:
    screen = io.StringIO()
    reporter = BarReporter(Console(file=screen, force_terminal=True, width=width, color_system=None))
    reporter.preparing("reading pictures", 1, 2)
    reporter.preparing("reading pictures", 2, 2)
    reporter.show(events.Started(0, 0, 20, 10, 100, 4_257_674, "cifar10", "cpu"))
    values = {"batch_loss": (1.5, 1.0), "batch_accuracy": (0.5, 0.6), "learning_rate": (1e-4, 1e-4)}
    for step in (2, 4, 6):
        reporter.drawn = 0.0
        reporter.show(events.Progress(step, 1, step, step - 1, values, 20, float(step), 640.0))
    scores = {"train_loss": 1.2, "train_accuracy": 0.55, "test_loss": 1.1, "test_accuracy": 0.6}
    reporter.show(events.EpochEnded(10, 1, scores, 12.0, 640.0, best=True))
    reporter.close()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())


def test_the_bar_tells_step_loss_accuracy_speed_and_time_left() -> None:
    text = drawn(120)
    assert "4,257,674 parameters on cifar10" in text
    assert "step 6/20  loss 1.250  acc 55.0 %  640 img/s  0:14 left" in text
    assert "epoch 1/2" in text
    assert "test loss  1.100 acc  60.0 %" in text


def test_at_80_columns_a_large_run_fits_in_one_line() -> None:
    screen = io.StringIO()
    reporter = BarReporter(Console(file=screen, force_terminal=True, width=80, color_system=None))
    reporter.show(events.Started(0, 0, 3910, 391, 50_000, 4_257_674, "cifar10", "cpu"))
    values = {"batch_loss": (1.25,), "batch_accuracy": (1.0,), "learning_rate": (1e-4,)}
    for step in (3800, 3900):
        reporter.drawn = 0.0
        reporter.show(events.Progress(step, 10, 300, step, values, 128, float(step), 31_400.0))
    reporter.drawn = 0.0
    reporter.show(events.Evaluating(3910, 10, "validation", 5000, 5000, 3910.0))
    reporter.close()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert "epoch 10/10 3,900/3,910 loss 1.250 acc 100.0 % 31,400 img/s 0:10 left" in " ".join(text.split())
    assert "validating" in text
    assert all(len(line) <= 80 for line in text.replace("\r", "\n").splitlines())


class Gone(BarReporter):
    """A reporter whose terminal is gone."""

    def show(self, event: events.Event) -> None:
        raise OSError(5, "Input/output error")


def test_a_face_that_cannot_be_written_to_falls_silent_and_the_run_goes_on() -> None:
    reporter = SafeReporter(Gone(Console(file=io.StringIO())))
    for _ in range(2):
        reporter.show(events.Paused(1))
        reporter.say("something")
    reporter.close()


def test_a_table_that_is_too_wide_loses_whole_columns_and_never_a_digit() -> None:
    names, rows = ("id", "name", "loss", "when"), [("1", "first", "0.914", "Tue 14:05"), ("12", "größe日", "12.5", "now")]
    wide = aligned(names, rows, right={"id", "loss"}, drop=("when", "loss"), columns=80)
    assert wide == ["id  name      loss  when", " 1  first    0.914  Tue 14:05", "12  größe日   12.5  now"]
    narrow = aligned(names, rows, right={"id", "loss"}, drop=("when", "loss"), columns=20)
    assert narrow == ["id  name      loss", " 1  first    0.914", "12  größe日   12.5"]


def test_values_are_written_for_people() -> None:
    assert [percent(0.639), percent(None), percent(float("nan"))] == ["63.9 %", "—", "—"]
    assert [number(0.91449), number(None), number(float("nan")), number(float("inf"))] == ["0.914", "—", "nan", "inf"]
    assert [duration(5), duration(75.4), duration(3700), duration(None)] == ["0:05", "1:15", "1:01:40", "—"]
    assert [size(999), size(51_100_000), size(2e12)] == ["999 B", "51.1 MB", "2.0 TB"]
    assert sparkline([0.0, 1.0]) == "▁▇", "the blocks of two rows never touch"
    assert sparkline([0.5, float("nan")]) == "▁✗"
    assert sparkline([2.0] * 3) == "▁▁▁"
    assert len(sparkline(list(map(float, range(100))), 12)) == 12


def test_control_characters_never_reach_a_terminal() -> None:
    assert clean("a\x1b[31mb\x07\nc\u202ed") == r"a\x1b[31mb\x07 c\u202ed"


@pytest.mark.parametrize(
    ("name", "width", "fits"),
    [
        ("activations-and-rates/relu-adam-1e-4#1", 40, "activations-and-rates/relu-adam-1e-4#1"),
        ("activations-and-rates/relu-adam-1e-4#1", 18, "activ…-adam-1e-4#1"),
        ("卷积网络/激活函数", 10, "卷…活函数"),
        ("ab", 1, "…"),
        ("ab", 0, "…"),
    ],
)
def test_a_name_that_is_cut_keeps_its_end(name: str, width: int, fits: str) -> None:
    assert fitted_name(name, width) == fits
