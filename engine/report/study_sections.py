"""The sections of a study's report, each made from what its runs came to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from convtui.engine.errors import SpecError
from convtui.engine.figures.figure import Cell, Table
from convtui.engine.metrics import SCORES, metric
from convtui.engine.report.content import (
    Block,
    Charts,
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
)
from convtui.engine.report.sources import WELCH, of_settings
from convtui.engine.spec import RunSpec
from convtui.engine.store import Run, Store
from convtui.engine.study import formatting
from convtui.engine.study.comparing import Comparing, GroupOutcome, in_groups
from convtui.engine.study.model import Study
from convtui.engine.study.plotting import Group, curves
from convtui.engine.study.results import Results, results

TOGETHER = 8
"""Settings whose curves share a chart: as many as have colours that are told apart."""
_FIGURES = ("test_accuracy", "best_accuracy", "test_loss", "train_accuracy", "train_loss", "seconds", "images_per_second",
            "steps_to_90", "stability")  # fmt: skip
"""Columns of the comparison."""


@dataclass
class OfStudy:
    """What the sections of a study's report are made from."""

    store: Store
    study: Study

    @cached_property
    def results(self) -> Results:
        """What the store has to say to it."""
        return results(self.store, self.study)

    @cached_property
    def groups(self) -> list[Group]:
        """Settings with runs that count."""
        return [Group(name, row.runs) for name, row in self.results.rows.items() if row.runs]

    @property
    def runs(self) -> list[Run]:
        """Those that count, of all settings."""
        return [run for group in self.groups for run in group.runs]


def study_report(of: OfStudy, names: Sequence[str] = ()) -> Report:
    """The report of a study, of all sections or those of `names`. Raises UsageError for a section that there is not, StoreError."""
    wanted = sum(setting.seeds for setting in of.study.settings.values())
    about = f"{len(of.study.settings)} settings, {len(of.runs)} of {wanted} runs"
    return Report(f"{of.study.name}: {of.study.title}", about, made(chosen(PARTS, names, "study"), of))


_NO_RUN = "no run of it has come to its end: 'convtui study run' trains them"


def _question(of: OfStudy) -> Iterator[Block]:
    yield Paragraph(of.study.question)
    if of.study.report:
        yield Paragraph(f"Published in report {of.study.report}.")


def _published(of: OfStudy) -> Iterator[Block]:
    rows = [
        [
            name if first else "",
            measure,
            formatting.published(measure, figure.published),
            formatting.spread(measure, figure.values),
            formatting.difference(measure, figure.difference),
            f"{len(row.runs)} of {row.setting.seeds}" if first else "",
            row.setting.source if first else "",
        ]
        for name, row in of.results.rows.items()
        for first, (measure, figure) in zip([True, *[False] * len(row.figures)], row.figures.items(), strict=False)
    ]
    difference = "; difference: measured less published" if any(row[2] != formatting.NOTHING for row in rows) else ""
    notes = [f"measured: the mean and, of several seeds, the range{difference}"]
    heads = ("setting", "measure", "published", "measured", "difference", "runs", "source")
    yield Tabulated(_filled(Table("figures of each setting", heads, rows, notes=notes)))
    if remarks := of.results.remarks:
        yield Facts([(", ".join(names), "; ".join(said)) for names, said in remarks])


def _filled(table: Table) -> Table:
    """Without columns in which nothing is said."""
    kept = [
        place
        for place in range(len(table.columns))
        if not place or any(row[place] not in ("", formatting.NOTHING) for row in table.rows)
    ]
    rows = [[row[place] for place in kept] for row in table.rows]
    return Table(table.title, [table.columns[place] for place in kept], rows, notes=table.notes)


def _claims(of: OfStudy) -> Iterator[Block]:
    rows = [
        [
            judged.claim.says,
            judged.verdict,
            judged.reason,
            "; ".join(text for text in (judged.figures, *judged.remarks) if text),
            judged.claim.source,
        ]
        for judged in of.results.claims
    ]
    if rows:
        heads = ("claim", "verdict", "reason", "figures", "source")
        yield Tabulated(_filled(Table("what the runs say to each claim", heads, rows)))
    else:
        yield LeftOut("the study claims nothing")


def _curves(of: OfStudy) -> Iterator[Block]:
    if not of.groups:
        yield LeftOut(_NO_RUN)
        return
    recorded = of.store.metric_names(*(run.id for run in of.runs))
    names = [name for name in reversed(SCORES) if name in recorded]  # what is asked first: accuracies on test images
    if not names:
        yield LeftOut("its runs have recorded no losses and no accuracies by epoch")
    for first in range(0, len(of.groups), TOGETHER):
        part = of.groups[first : first + TOGETHER]
        recorded = of.store.metric_names(*(run.id for group in part for run in group.runs))
        drawn = [(name, chart) for name in names if name in recorded for chart in curves(of.store, part, metrics=[name])]
        yield Charts([replace(chart, title=metric(name).title, y_name=metric(name).title) for name, chart in drawn])


def _comparison(of: OfStudy) -> Iterator[Block]:
    if not of.groups:
        yield LeftOut(_NO_RUN)
        return
    comparison = Comparing().compare(of.store, of.runs)
    grouped, found = in_groups(comparison, [(group.name, [run.id for run in group.runs]) for group in of.groups])
    specs = {group.runs[0].id: _spec(group.runs[0]) for group in of.groups}
    rows: list[list[Cell]] = [
        [group.name, kind_of(specs[one.runs[0]]), f"{len(one.runs)}", *(_cell(one, name) for name in _FIGURES)]
        for group, one in zip(of.groups, found, strict=True)
    ]
    heads = ("setting", "net", "runs", *(metric(name).title for name in _FIGURES))
    notes = [
        "means over seeds, ± the standard deviation of a single run",
        "steps to 90: steps until 90 % of the best test accuracy; stability: how much the training loss changes from step to step",
        "train: means over the last epoch's steps, while the weights changed",
    ]
    yield Tabulated(_filled(Table("nets beside each other", heads, rows, notes=notes)))
    yield from (Paragraph(remark) for remark in grouped.remarks)


def _cell(one: GroupOutcome, name: str) -> str:
    """`97.85 % ± 0.12`."""
    text = formatting.shown(name, getattr(one.outcome, name))
    around = one.deviation.get(name)
    if around is None:
        return text
    if metric(name).form == "share":
        return f"{text} ± {100 * around:.2f}"
    return f"{text} ± {around:,.0f}" if around >= 10 else f"{text} ± {around:.2g}"


def kind_of(spec: RunSpec | None) -> str:
    """Which kind of net a spec says: CNN, RNN, LSTM, GRU, dense, or the name of a person's own."""
    if spec is None:
        return formatting.NOTHING
    if spec.model.module:
        return "own"
    if spec.model.cell != "none":
        return spec.model.cell.upper()
    return "CNN" if spec.model.conv_blocks else "dense"


def _settings(of: OfStudy) -> Iterator[Block]:
    if not of.runs:
        yield LeftOut(_NO_RUN)
        return
    comparison = Comparing().compare(of.store, of.runs)
    grouped, _ = in_groups(comparison, [(group.name, [run.id for run in group.runs]) for group in of.groups])
    paths = [path for path, _ in grouped.settings]
    rows = [
        [group.name, *(formatting.setting(values[place]) for _, values in grouped.settings)]
        for place, group in enumerate(of.groups)
    ]
    if paths:
        yield Tabulated(Table("settings that differ", ("setting", *paths), rows, notes=["-: nothing to that net"]))
    else:
        yield LeftOut("its runs have the same settings")


def _runs(of: OfStudy) -> Iterator[Block]:
    rows: list[list[Cell]] = [
        [
            str(run.id), run.setting, str(run.spec_values.get("training", {}).get("seed", "")), run.status, run.device,
            str(run.repeatable.get("torch", "")), formatting.shown("seconds", run.seconds), run.name,
        ]
        for run in of.runs
    ]  # fmt: skip
    if rows:
        heads = ("run", "setting", "seed", "status", "device", "torch", "time", "name")
        yield Tabulated(Table("runs that count", heads, rows), f"{len(rows)} runs")
    else:
        yield LeftOut(_NO_RUN)


def _notes(of: OfStudy) -> Iterator[Block]:
    yield from (Words(note) for note in of.study.notes)
    yield from (Words(f"{judged.claim.says}: {judged.claim.note}") for judged in of.results.claims if judged.claim.note)
    for run in of.runs:
        if run.note:
            yield Paragraph(f"run {run.id}, {run.setting}:")
            yield Words(run.note)


def _methods(of: OfStudy) -> Iterator[Block]:
    specs = [spec for group in of.groups if (spec := _spec(group.runs[0])) is not None]
    rows = [*of_settings(specs or [setting.spec for setting in of.study.settings.values()])]
    yield Methods([*rows, *([("means of several seeds against each other", WELCH)] if of.study.claims else [])])


def _spec(run: Run) -> RunSpec | None:
    try:
        return run.settings
    except SpecError:
        return None


PARTS: Sequence[Part[OfStudy]] = (
    Part("question", "Question", "what the study asks", _question),
    Part(
        "published",
        "Published and measured",
        "each figure beside the measured one, and why they differ as far as is known",
        _published,
    ),
    Part("claims", "Claims", "each claim, its verdict, the reason and the figures", _claims),
    Part("curves", "Curves", "losses and accuracies of all settings, with bands over seeds", _curves),
    Part("comparison", "Comparison", "accuracies, losses, time and stability of the nets beside each other", _comparison),
    Part("settings", "Settings", "what differs from setting to setting", _settings),
    Part("notes", "Notes", "how open points were read, notes of claims and runs", _notes),
    Part("runs", "Runs", "which runs count, and where they were trained", _runs),
    Part("methods", "Methods", "what was used, and the papers that describe it", _methods),
)
"""In the order of the page."""
