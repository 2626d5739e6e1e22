"""Runs beside each other in words."""

from __future__ import annotations

from dataclasses import replace

from convtui.engine.study.comparing import Outcome
from convtui.tui.render.comparison import COLUMNS, cells

ONE = Outcome(1, "one", "finished", 5, 5, 0.5, 0.6, 4, 1.2, 0.7, 0.8, 60.0, 100.0, 300.0, 0.01)


def told(outcome: Outcome, baseline: Outcome) -> dict[str, str]:
    return {column.head: cell.text for column, cell in zip(COLUMNS, cells(outcome, baseline), strict=True)}


def test_against_a_baseline_without_a_value_every_run_keeps_its_own() -> None:
    bare = replace(ONE, run=2, name="bare", test_accuracy=None, best_accuracy=None, best_epoch=None, test_loss=None)
    found = told(ONE, bare)
    assert (found["test acc"], found["best"], found["loss"]) == ("50.0 %", "60.0 %", "1.200")
    assert found["images/s"] == "="
    assert told(bare, ONE)["test acc"] == "—"
    assert told(replace(ONE, run=3, test_accuracy=0.55), ONE)["test acc"] == "+5.0 pp"


def test_a_budget_that_ends_within_an_epoch_is_told_in_steps() -> None:
    one = replace(ONE, step=1955, total_steps=1955, steps_per_epoch=391)
    assert told(one, one)["epoch"] == "5/5"
    assert told(replace(one, epoch=0, epochs=1, step=300, total_steps=300), one)["epoch"] == "step 300/300"


def test_what_is_known_of_validation_images_alone_is_called_so_and_is_no_difference() -> None:
    script = replace(ONE, run=2, test_accuracy=None, test_loss=None, validation_accuracy=0.875, validation_loss=0.5)
    for baseline in (None, ONE, script):
        texts = [cell.text for cell in cells(replace(script, run=3), baseline)]
        assert texts[3] == ("—" if baseline is ONE else "val 87.5 %")
