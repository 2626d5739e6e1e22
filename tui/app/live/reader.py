"""What the page Live shows of a run: read from the store in a thread, and only what is new since the last time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from convtui.engine.metrics import METRICS, SYSTEM, metric
from convtui.engine.statuses import LIVE
from convtui.engine.store.followed import MANY, KeptChanges, KeptSeries, stretch
from convtui.tui.render.canvas import Role
from convtui.tui.render.chart import Line, Mark, Plot
from convtui.tui.render.run_summary import BETWEEN, settings_words
from convtui.tui.render.series_lines import SPLIT_STYLES, Options, XAxis, lines_of
from convtui.tui.render.text import clean, percent, size

if TYPE_CHECKING:
    from convtui.engine.store import Run, Store

PAIRED = ("loss", "accuracy")
"""Series that belong in one chart: `batch_loss`, `train_loss`, ..."""
MOST_ENTRIES = 200
_ROUND = (1.0, 2.0, 5.0, 10.0)
LOSS_CHANGE = "loss change"
"""The chart of what `stability` tells of the last half of a run in one number; made of the series `batch_loss`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the run's messages."""

    created: float
    text: str
    severity: str = "info"


@dataclass(frozen=True, slots=True)
class Seen:
    """A run as it was when looked at."""

    run: Run
    about: str
    """Its net and how it is trained, in one line."""
    groups: Mapping[str, Sequence[str]]
    """What charts there can be of it, by their titles, each with the series in it."""
    entries: tuple[Entry, ...]
    """Oldest first."""
    here: bool
    """Whether it is, or was, trained on this machine."""


class Reader:
    """Reads one run at a time and keeps what it has read. For one thread at a time."""

    def __init__(self) -> None:
        self._run_id: int | None = None
        self._forget()

    def _turn_to(self, run: Run) -> None:
        """Forget what was read of another run."""
        if run.id != self._run_id:
            self._run_id = run.id
            self._forget()

    def _forget(self) -> None:
        self._series: dict[str, KeptSeries] = {}
        self._parts: dict[str, tuple[tuple[int, int, int, int], KeptSeries]] = {}
        """What was read of a part of a series; before it which attempt, its ends, and how far the series then went in it."""
        self._changes = KeptChanges()
        self._entries: list[Entry] = []
        self._message = self._checkpoint = 0

    def look(self, store: Store, run_id: int | None) -> Seen | None:
        """The run of this id, or the newest one; None where there is none at all. Raises StoreError, RunNotFound."""
        from convtui.engine.store.processes import hostname

        run = store.run(run_id) if run_id is not None else next(iter(store.runs(limit=1)), None)
        if run is None:
            return None
        self._turn_to(run)
        self._read_entries(store, run.id)
        is_here = run.host == hostname() and not run.node
        return Seen(run, _about(store, run), _groups(run, store.metric_names(run.id)), tuple(self._entries), is_here)

    def is_new_and_long(self, run: Run) -> bool:
        """Whether reading this run's series would take longer than a person wants to wait for a chart."""
        return run.step > MANY and not self._series

    def plot(self, store: Store, seen: Seen, group: str, options: Options, *, sketch: bool = False) -> Plot:
        """One chart of a run; as a `sketch` of a few points of its series. Raises StoreError."""
        run = seen.run
        self._turn_to(run)
        whole = partial(self._read, store, run, sketch=sketch)
        x_of = XAxis(options.axis, run, whole("seconds") if options.axis == "time" else None)
        read = whole if options.window is None or sketch else partial(self._part, store, run, x_of, options.window)
        names = seen.groups.get(group, ())
        if group == LOSS_CHANGE:
            lines = [self._loss_change(store, run, x_of, sketch=sketch)] if names else []
        else:
            styles = [SPLIT_STYLES.get(metric(name).split, place) for place, name in enumerate(names)]
            lines = list(chain(*(lines_of(read(name), style, x_of, options) for name, style in zip(names, styles, strict=True))))
        marks = _marks(whole("rate_factor"), run, x_of, best=group in PAIRED)
        marks += [Mark(x_of(step), "✗", "trouble") for step in _troubles(run, group, map(read, names))]
        return Plot(
            title=group,
            lines=lines,
            x_name=x_of.axis,
            x_range=(0.0, _end(run, x_of)) if run.step else None,
            window=options.window,
            grows=run.status in LIVE,
            seconds=x_of.axis == "time",
            form=metric(names[0]).form if names else "number",
            log=group in options.logarithmic,
            marks=marks,
            remarks=_remarks(run, group, marks),
            empty=f"no {group} above zero" if group in options.logarithmic and lines else _nothing(run, group),
        )

    def _read(self, store: Store, run: Run, name: str, *, sketch: bool) -> KeptSeries:
        series = self._series.setdefault(name, KeptSeries(name))
        series.read(store, run, sketch=sketch)
        return series

    def _part(self, store: Store, run: Run, x_of: XAxis, window: tuple[float, float], name: str) -> KeptSeries:
        whole = self._read(store, run, name, sketch=False)
        first, last = (math.floor(x_of.step_at(window[0])), math.ceil(x_of.step_at(window[1])))
        told = whole.buckets[-1].last_step if whole.buckets else -1
        key = run.attempt, first, last, min(told, last + 1)
        known = self._parts.get(name)
        if known is None or known[0] != key:
            known = self._parts[name] = key, whole.part(store, run, first, last)
        return known[1]

    def _loss_change(self, store: Store, run: Run, x_of: XAxis, *, sketch: bool) -> Line:
        """There is no sketch of it: what changes between two steps is not seen in a few of them."""
        if not sketch:
            self._changes.read(store, run)
        points = self._changes.points
        return Line("", [x_of(point.step) for point in points], [point.value for point in points])

    def _read_entries(self, store: Store, run_id: int) -> None:
        new = []
        for message in store.messages(run_id, self._message):
            self._message = message.id
            new.append(Entry(message.created, clean(message.text), message.severity))
        for checkpoint in store.files.checkpoints_after(run_id, self._checkpoint):
            self._checkpoint = checkpoint.id
            best = f", test {percent(checkpoint.test_accuracy)}" if checkpoint.test_accuracy is not None else ""
            what = {"best": "best epoch saved", "snapshot": "snapshot saved"}.get(checkpoint.kind, "checkpoint saved")
            new.append(Entry(checkpoint.created, f"{what} at step {checkpoint.step:,}{best} ({size(checkpoint.bytes)})"))
        if new:
            self._entries = sorted([*self._entries, *new], key=lambda entry: entry.created)[-MOST_ENTRIES:]


def _end(run: Run, x_of: XAxis) -> float:
    """Where the x axis ends: of a run that goes on a round number, so that what is drawn stays in its place for a while."""
    here = x_of(run.step)
    if run.status not in LIVE or not here > 0:
        return here
    power = 10.0 ** math.floor(math.log10(here))
    end = next(times * power for times in _ROUND if times * power >= here)
    total = x_of(run.total_steps) if run.total_steps and x_of.axis != "time" else end
    return min(end, total) if total >= here else end


def _groups(run: Run, names: Iterable[str]) -> dict[str, list[str]]:
    """The titles of charts, each with its series in the order in which they are drawn: as METRICS has them, then a script's own,
    then the machine's. A training has loss and accuracy from its beginning, a script what it tells of."""
    groups: dict[str, list[str]] = {name: [] for name in PAIRED}
    known = {of.chart: place for place, of in enumerate(METRICS.values()) if of.chart}
    for name in sorted(names, key=lambda name: known.get(metric(name).chart, len(METRICS) + name.startswith(SYSTEM))):
        if chart := metric(name).chart:
            groups.setdefault(chart, []).append(name)
    order = ["", *SPLIT_STYLES]
    shown = {chart: members for chart, members in groups.items() if members or run.is_training}
    groups = {chart: sorted(members, key=lambda name: order.index(metric(name).split)) for chart, members in shown.items()}
    if "batch_loss" not in groups.get("loss", ()):
        return groups
    machine = {chart: members for chart, members in groups.items() if members and members[0].startswith(SYSTEM)}
    of_run = {chart: members for chart, members in groups.items() if chart not in machine}
    return of_run | {LOSS_CHANGE: ["batch_loss"]} | machine


def _nothing(run: Run, group: str) -> str:
    return "no epoch yet" if run.is_training and not run.epoch else f"no {group} yet"


def _marks(rates: KeptSeries, run: Run, x_of: XAxis, *, best: bool) -> list[Mark]:
    marks, factor = [], 1.0
    if best and run.best_epoch:
        marks.append(Mark(x_of(min(run.best_epoch * run.steps_per_epoch, run.step)), "★", "best"))
    for bucket in rates.buckets:
        marks.append(Mark(x_of(bucket.first_step), "↑" if bucket.mean > factor else "↓", "rate"))
        factor = bucket.mean
    return marks


def _troubles(run: Run, group: str, series: Iterable[KeptSeries]) -> list[int]:
    """The steps at which what the chart shows stopped being finite."""
    steps = sorted({step for each in series for step in each.troubles()})
    return [run.step] if not steps and run.status == "diverged" and group == "loss" else steps


def _about(store: Store, run: Run) -> str:
    settings = settings_words(store, run.id)
    words = [clean(run.preset), clean(run.dataset), settings.net, *settings.training]
    return BETWEEN.join(dict.fromkeys(word for word in words if word))


def _remarks(run: Run, group: str, marks: Sequence[Mark]) -> list[tuple[str, Role]]:
    told: list[tuple[str, Role]] = []
    if group == LOSS_CHANGE:
        told.append((f"standard deviation over {stretch(run):,} steps each", "axis"))
    if run.best_epoch and group in PAIRED:
        score = f" {percent(run.best_accuracy)}" if group == "accuracy" and run.best_accuracy is not None else ""
        told.append((f"★ best{score} ep {run.best_epoch}", "best"))
    if any(mark.role == "trouble" for mark in marks):
        told.append(("✗ not finite", "trouble"))
    return told
