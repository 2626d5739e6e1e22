"""Compared runs in words: the cells of a table, and the whole as Markdown. For the page Compare and for the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from convtui.engine.metrics import metric
from convtui.tui.render.metric_text import metric_text, value_text
from convtui.tui.render.text import NOTHING, clean, compact, how_far

if TYPE_CHECKING:
    from convtui.engine.study.comparing import Comparison, Outcome

_NONE: Mapping[str, float] = MappingProxyType({})
EQUAL = "="
"""What stands for a difference of nothing."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of outcomes: of a metric, of which differences can be told, or of what `told` makes of an outcome."""

    head: str
    metric: str = ""
    told: Callable[[Outcome], str] = str

    def text(self, outcome: Outcome) -> str:
        """An outcome's cell; of what a run does not know of test images, what it knows of validation images: `val 87.5 %`."""
        if not self.metric:
            return self.told(outcome)
        value, validation = getattr(outcome, self.metric), self.metric.replace("test_", "validation_")
        if value is None and validation != self.metric and (other := getattr(outcome, validation)) is not None:
            return f"val {metric_text(validation, other)}"
        return metric_text(self.metric, value)

    def size(self, difference: float) -> str:
        """How much a difference is, without its sign; of two shares in percentage points."""
        form = metric(self.metric).form
        return f"{100 * abs(difference):.1f} pp" if form == "share" else value_text(abs(difference), form)


COLUMNS = (
    Column("run", told=lambda run: f"{run.run} {clean(run.name)}"),
    Column("status", told=lambda run: clean(run.status)),
    Column("epoch", told=lambda run: how_far(run.epoch, run.step, run.total_steps, run.steps_per_epoch)),
    Column("test acc", "test_accuracy"),
    Column("best", "best_accuracy"),
    Column("at", told=lambda run: f"ep {run.best_epoch}" if run.best_epoch else NOTHING),
    Column("loss", "test_loss"),
    Column("train acc", "train_accuracy"),
    Column("train loss", "train_loss"),
    Column("time", "seconds"),
    Column("images/s", "images_per_second"),
    Column("to 90 %", "steps_to_90"),
    Column("stability", "stability"),
)
DROPPED = ("train loss", "train acc", "at", "images/s", "stability", "status", "to 90 %", "time", "epoch")
"""Columns left out where there is no room, the first ones first."""
FLUSH_RIGHT = tuple(column.head for column in COLUMNS if column.head not in ("run", "status"))
LEGEND = (
    "to 90 %: steps until 90 % of the best test accuracy",
    "stability: how much the training loss changes from step to step",
    "train: means over the epoch's steps, while the weights changed; of a script what it told last",
)
AROUND_OF = ("test_accuracy", "best_accuracy", "test_loss")
AROUND = "±: standard deviation over seeds"
"""What the heads do not say, and what means over seeds have beside them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One value in words."""

    text: str
    verdict: int = 0
    """1 where it is better than the baseline's, -1 where it is worse."""


def cells(outcome: Outcome, baseline: Outcome | None = None, deviation: Mapping[str, float] = _NONE) -> list[Cell]:
    """One row, as COLUMNS has it; of another run than the baseline its differences to that, or its own where that has
    none. `deviation` is that of a mean over seeds, by metric."""
    if baseline is None or outcome.run == baseline.run:
        return [Cell(f"{column.text(outcome)}{_around(column, deviation)}") for column in COLUMNS]
    from convtui.engine.study.comparing import difference_to

    differences = difference_to(baseline, outcome)
    compared = [bool(column.metric) and getattr(baseline, column.metric) is not None for column in COLUMNS]
    return [
        _difference(column, differences[column.metric]) if both else Cell(column.text(outcome))
        for column, both in zip(COLUMNS, compared, strict=True)
    ]


def _around(column: Column, deviation: Mapping[str, float]) -> str:
    """` ±0.4`, of scores."""
    known = deviation.get(column.metric) if column.metric in AROUND_OF else None
    if known is None:
        return ""
    return f" ±{100 * known:.1f}" if metric(column.metric).form == "share" else f" ±{compact(known, 2)}"


def _difference(column: Column, value: float | None) -> Cell:
    if value is None or value != value:
        return Cell(NOTHING)
    if value == 0:
        return Cell(EQUAL)
    if column.size(value) == column.size(0.0):
        return Cell(f"±{column.size(0.0)}")  # too little to be told, or to be called better
    better = 1 if (metric(column.metric).better == "more") == (value > 0) else -1
    return Cell(f"{'+' if value > 0 else '−'}{column.size(value)}", better)


def heads(baseline: Outcome | None = None) -> list[str]:
    """What stands above the columns; with a baseline the first says which run the others are told against."""
    return [f"run, against {baseline.run}" if baseline else COLUMNS[0].head, *(column.head for column in COLUMNS[1:])]


def lacking(comparison: Comparison, baseline: Outcome | None) -> list[str]:
    """Why some columns are no differences, in one line; none where all that can be are."""
    if baseline is None:
        return []
    others = [outcome for outcome in comparison.outcomes if outcome is not baseline]
    missing = [
        column.head
        for column in COLUMNS
        if column.metric and getattr(baseline, column.metric) is None
        if any(getattr(outcome, column.metric) is not None for outcome in others)
    ]
    return [f"run {baseline.run} has no {', '.join(missing)}: these columns show plain values"] if missing else []


def baseline_of(comparison: Comparison, run_id: int | None) -> Outcome | None:
    """The outcome of that run, if it is one of them."""
    return next((outcome for outcome in comparison.outcomes if outcome.run == run_id), None)


def markdown(comparison: Comparison, baseline: Outcome | None = None) -> str:
    """The outcomes and the settings that differ, as two tables of GitHub's Markdown."""
    rows = [[cell.text for cell in cells(outcome, baseline)] for outcome in comparison.outcomes]
    parts = [_table(heads(baseline), rows, FLUSH_RIGHT), f"{'. '.join(LEGEND)}."]
    if baseline is not None:
        parts.append(f"Differences from run {baseline.run} {_escaped(clean(baseline.name))}, accuracies in percentage points.")
    if comparison.settings:
        runs = [str(outcome.run) for outcome in comparison.outcomes]
        parts.append(_table(["differs", *runs], [[*map(clean, (path, *values))] for path, values in comparison.settings]))
    parts += [_escaped(clean(remark)) for remark in (*lacking(comparison, baseline), *comparison.remarks)]
    return "\n\n".join(parts) + "\n"


def _table(names: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> str:
    rule = ["---:" if name in right else "---" for name in names]
    return "\n".join(f"| {' | '.join(map(_escaped, row))} |" for row in (names, rule, *rows))


def _escaped(text: str) -> str:
    """So that a name is a name, and neither a column nor markup."""
    return "".join(f"\\{c}" if c in "|\\`*[<" else c for c in text)
