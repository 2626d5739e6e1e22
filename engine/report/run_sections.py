"""The sections of a run's report, each made from its row of the store or from a view of its net."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from convtui.engine.errors import CheckpointError, SpecError, UsageError
from convtui.engine.figures.figure import Result, Sheet, Table
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from convtui.engine.metrics import metric
from convtui.engine.named_code import short
from convtui.engine.report.content import (
    Block,
    Diagram,
    Facts,
    LeftOut,
    Methods,
    Paragraph,
    Part,
    Report,
    Tabulated,
    Words,
    chosen,
    made,
    shown,
)
from convtui.engine.report.sources import of_settings, of_views
from convtui.engine.spec import RunSpec, difference, hyperparameters, is_in_force, read, written
from convtui.engine.store import Run, Store
from convtui.engine.study.formatting import setting
from convtui.engine.study.formatting import shown as told
from convtui.engine.study.plotting import curves, groups
from convtui.engine.text import clock

MAPS = 12
"""Maps whose top nine are shown."""
MISTAKES = 24
"""Misclassified images that are shown."""
COUNTED = 1000
"""Images over which the values of layers are counted: enough for figures of three digits, and quick."""
SMOOTHED = 50
"""Points over which what is measured at single steps is smoothed."""
IMAGE = "0"
"""The test image that single-image views look at."""


@dataclass
class OfRun:
    """What the sections of a run's report are made from."""

    store: Store
    run: Run
    opened: Callable[[], Subject]
    """Opens its net. Raises ConvtuiError; called at most once."""
    used: list[str] = field(default_factory=list)
    """Views that have been shown."""

    @cached_property
    def _found(self) -> Subject | UsageError | CheckpointError:
        try:
            return self.opened()
        except (UsageError, CheckpointError) as error:
            return error

    @property
    def subject(self) -> Subject:
        """Its net and images. Raises UsageError, CheckpointError, where it cannot be opened: every time the same."""
        if isinstance(self._found, Exception):
            raise self._found
        return self._found

    @cached_property
    def spec(self) -> RunSpec | None:
        """Its settings; None where convtui did not train it, or another program wrote them."""
        try:
            return self.run.settings if self.run.is_training else None
        except SpecError:
            return None

    def look(self, name: str, **options: Any) -> list[Result]:
        """What a view shows. Raises UsageError, CheckpointError where it cannot."""
        found = view(name)
        results = found(self.subject, found.make(options))
        self.used.append(name)
        return results

    def views(self, name: str, **options: Any) -> Iterator[Block]:
        """The same as blocks, or why there are none."""
        try:
            yield from shown(self.look(name, **options), self.subject.title)
        except (UsageError, CheckpointError) as error:
            yield LeftOut(str(error))


def run_report(of: OfRun, names: Sequence[str] = (), telling: Callable[[str], None] = lambda title: None) -> Report:
    """The report of a run, of all sections or those of `names`; `telling` hears each section's title before it is made.

    Raises UsageError for a section that there is not, StoreError.
    """
    return Report(f"run {of.run.id} {of.run.name}", _about(of.run), made(chosen(PARTS, names, "run"), of, telling))


def _about(run: Run) -> str:
    words = [run.status, *([run.dataset] if run.dataset else []), *([day(run.started)] if run.started else [])]
    return " · ".join(words)


def day(seconds: float) -> str:
    """Seconds since 1970 -> `2026-11-29`, UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


# ------------------------------------------------------------------------------------------------- from the store alone


def _question(of: OfRun) -> Iterator[Block]:
    run = of.run
    if run.note:
        yield Words(run.note)
    own = short(of.spec.model.module) if of.spec is not None and of.spec.model.module else ""
    rows = [
        ("run", f"{run.id} {run.name}"),
        ("net", own),
        ("preset", f"{run.preset}, but for its net" if own and run.preset else run.preset),
    ]
    rows += [("study", f"{run.study}, setting {run.setting}")] if run.study else []
    rows += [("images", run.dataset), ("status", f"{run.status}{f': {run.reason}' if run.reason else ''}")]
    yield Facts([(name, value) for name, value in rows if value])


def _settings(of: OfRun) -> Iterator[Block]:
    if of.spec is None:
        rows = [[name, str(value)] for name, value in of.run.spec_values.items()]
        yield (
            Tabulated(Table("as the script told them", ("setting", "value"), rows))
            if rows
            else LeftOut("this run tells no settings of its own")
        )
        return
    changed = difference(RunSpec(), of.spec)
    fields = [each for each in hyperparameters() if is_in_force(of.spec, each.path)]
    own = [
        [each.path, setting(written(read(of.spec, each.path))), written(each.default), each.help]
        for each in fields
        if each.path in changed
    ]
    rest = [[each.path, setting(written(read(of.spec, each.path))), each.help] for each in fields if each.path not in changed]
    if own:
        yield Tabulated(Table("changed from the defaults", ("setting", "value", "default", "what it is"), own))
    folded = f"{len(rest)} settings left at their defaults"
    yield Tabulated(Table("left at the defaults", ("setting", "value", "what it is"), rest), folded)


def _curves(of: OfRun) -> Iterator[Block]:
    try:
        found = groups(of.store, [str(of.run.id)], spread="none")
        drawn = curves(of.store, found)
        recorded = of.store.metric_names(of.run.id)
        if "learning_rate" in recorded and len({*of.store.series(of.run.id, "learning_rate").values}) > 1:
            drawn += curves(of.store, found, metrics=["learning_rate"], axis="step")
        there = {each.y_name for each in drawn}
        if measured := [name for name in recorded if metric(name).chart in _MEASURED and metric(name).chart not in there]:
            drawn += curves(of.store, found, metrics=measured, window=SMOOTHED)
    except UsageError as error:
        yield LeftOut(str(error))
        return
    drawn.sort(key=lambda each: each.y_name not in ("loss", "accuracy"))
    yield from shown(drawn, f"run {of.run.id} {of.run.name}")


_MEASURED = ("conv deltas", "gradient norm", "update ratio", "saturated", "dead", "mean squared error")
"""Charts of what a run was told to measure."""


def _outcomes(of: OfRun) -> Iterator[Block]:
    run = of.run
    scores = [
        [split, told("test_accuracy", getattr(run, f"{split}_accuracy")), told("test_loss", getattr(run, f"{split}_loss"))]
        for split in ("test", "validation", "train")
        if getattr(run, f"{split}_accuracy") is not None or getattr(run, f"{split}_loss") is not None
    ]
    notes = ["train: means over the last epoch's steps, while the weights changed"] if run.is_training else []
    if scores:
        yield Tabulated(Table("at the end", ("images", "accuracy", "loss"), scores, notes=notes))
    rows = [
        ("best epoch", f"{run.best_epoch}, test accuracy {told('test_accuracy', run.best_accuracy)}" if run.best_epoch else ""),
        (
            "trained",
            _listed(
                run.epochs and not run.total_steps % run.steps_per_epoch and f"{run.epoch} of {run.epochs} epochs",
                f"{run.step:,} steps",
                run.images and f"{run.images:,} images shown",
            ),
        ),
        ("time", _listed(run.seconds and clock(run.seconds), run.images_per_second and f"{run.images_per_second:,.0f} images/s")),
        ("device", run.device),
        ("parameters", f"{run.parameters:,}" if run.parameters else ""),
    ]
    yield Facts([(name, value) for name, value in rows if value])
    yield from _provenance(run)


def _listed(*told: object) -> str:
    """What there is to be told, in a line."""
    return ", ".join(str(each) for each in told if each)


def _provenance(run: Run) -> Iterator[Block]:
    found = dict(run.repeatable)
    found.pop("earlier", None)
    found.pop("classes", None)
    command, images = found.pop("command", []), found.pop("images", {})
    rows = [[str(name), str(value)] for name, value in found.items()]
    rows += [[f"{split} images, digest", digest] for split, digest in images.items()]
    rows += [["command", shlex.join(command)]] if command else []
    if rows:
        yield Tabulated(Table("what the numbers depend on", ("", "value"), rows), "provenance")


def _messages(of: OfRun) -> Iterator[Block]:
    yield from [Paragraph(message.text) for message in of.store.messages(of.run.id) if message.severity != "info"]


# --------------------------------------------------------------------------------------------------------- from its net


def _net(of: OfRun) -> Iterator[Block]:
    yield from of.views("summary")
    try:
        (drawn,) = of.look("graph")
    except (UsageError, CheckpointError) as error:
        yield LeftOut(str(error))
        return
    assert isinstance(drawn, Table)
    names = [f"{row[1] or row[2]} {row[3]}" for row in drawn.rows]
    (block,) = shown([drawn], of.subject.title)
    if isinstance(block, Tabulated):
        yield Diagram(block.table, f"the net from top to bottom: {', then '.join(names)}")


def _confusion(of: OfRun) -> Iterator[Block]:
    try:
        yield from shown(of.look("confusion"), of.subject.title)
        return
    except (UsageError, CheckpointError) as error:
        kept = of.store.confusions(of.run.id)
        if not kept:
            yield LeftOut(str(error))
            return
    step = max(kept)
    names = of.run.repeatable.get("classes") or []
    classes = names if len(names) == len(kept[step]) == len({*names}) else [str(place) for place in range(len(kept[step]))]
    rows = [[name, *counts] for name, counts in zip(classes, kept[step], strict=True)]
    notes = [f"as counted at step {step:,}; rows are true classes, columns predicted ones"]
    matrix = {name: [None] * len(rows) for name in classes}
    yield Tabulated(Table("confusion", ("true class", *classes), rows, notes=notes, matrix=matrix))


def _statistics(of: OfRun) -> Iterator[Block]:
    yield from of.views("statistics", count=COUNTED)


def _activations(of: OfRun) -> Iterator[Block]:
    try:
        layers = _telling_layers(of.subject)
        if not layers:
            yield LeftOut("the net has no convolutional, dense or recurrent layer whose values can be shown")
        results = [of.look("activations", layer=layer, image=IMAGE) for layer in layers]
    except (UsageError, CheckpointError) as error:
        yield LeftOut(str(error))
        return
    # The image comes with each: once is enough.
    maps = [_lively(result) for each in results for result in each[1:]]
    yield from shown([*results[0][:1], *maps] if results else [], of.subject.title)


def _lively(result: Result) -> Result:
    """A sheet without its maps that are zero everywhere, which its notes count; all of them, where none is left."""
    if not isinstance(result, Sheet):
        return result
    tiles = [tile for tile in result.tiles if tile.pixels.any()]
    if not tiles or len(tiles) == len(result.tiles):
        return result
    return replace(result, tiles=tiles, notes=[*result.notes, f"those {len(result.tiles) - len(tiles)} are left out"])


def _telling_layers(subject: Subject) -> list[str]:
    """The first convolution and the last; without any, the first and the last other layer with values of each image."""
    trace = subject.trace
    for kinds in (("conv",), ("cell",), ("dense",)):
        names = [name for name, call in trace.of_kind(*kinds).items() if call.layout.by_image]
        if names:
            return list(dict.fromkeys([names[0], names[-1]]))
    return []


def _top_nine(of: OfRun) -> Iterator[Block]:
    try:
        yield from shown(of.look("deconvnet", maps=MAPS), of.subject.title)
    except (UsageError, CheckpointError) as error:
        yield LeftOut(str(error))
        try:
            patches = of.look("patches", maps=MAPS)
        except (UsageError, CheckpointError):
            return
        yield from shown(patches, of.subject.title)


def _occlusion(of: OfRun) -> Iterator[Block]:
    yield from of.views("occlusion", image=IMAGE)


def _misclassified(of: OfRun) -> Iterator[Block]:
    yield from of.views("misclassified", count=MISTAKES)


def _filters(of: OfRun) -> Iterator[Block]:
    yield from of.views("filters")


def _methods(of: OfRun) -> Iterator[Block]:
    rows = [*of_settings([of.spec] if of.spec is not None else []), *of_views(of.used)]
    if rows:
        yield Methods(rows)


PARTS: Sequence[Part[OfRun]] = (
    Part("question", "Question", "what was trained, on what, and the run's note", _question),
    Part("settings", "Settings", "hyperparameters, those that differ from the defaults first", _settings),
    Part("net", "Net", "layers, shapes, parameters, neurons, receptive fields; the diagram", _net),
    Part("curves", "Curves", "losses and accuracies, the learning rate, what else was measured", _curves),
    Part("outcomes", "Outcomes", "accuracies, losses, best epoch, time, device, provenance", _outcomes),
    Part("confusion", "Confusion", "which classes are predicted as which", _confusion),
    Part("filters", "First filters", "weights of the first layer as pictures", _filters),
    Part("statistics", "Activation statistics", "range, mean, deviation, histogram of each layer's values", _statistics),
    Part("activations", "Activation maps", "the first and the last layer's maps of a test image", _activations),
    Part("top-nine", "Top nine", "what excites maps most, projected back to pixels, beside the images", _top_nine),
    Part("occlusion", "Occlusion", "what the net loses where a square covers an image", _occlusion),
    Part("misclassified", "Misclassified", "wrong answers, most confident first", _misclassified),
    Part("messages", "Messages", "warnings and errors of the training", _messages),
    Part("methods", "Methods", "what was used, and the papers that describe it", _methods),
)
"""In the order of the page."""
