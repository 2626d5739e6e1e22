"""What is to be done about the runs that a study wants, one after another, by any number of processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from convtui.engine import metrics, models
from convtui.engine.data import catalog
from convtui.engine.data.batches import Standardise
from convtui.engine.data.preview import count
from convtui.engine.data.split import Dataset
from convtui.engine.errors import CheckpointError, SpecError, UsageError
from convtui.engine.lens.loading import subject_from_run
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.views.statistics import call_of, figures_of
from convtui.engine.store import Match, Run, Store, match
from convtui.engine.study.plan import Wanted
from convtui.engine.training import check_fits


def standing(store: Store, wanted: Sequence[Wanted]) -> list[Match]:
    """How each of them stands in the store now. Nothing is written; `take` looks again."""
    settings = {(one.study, one.setting) for one in wanted}
    runs: dict[tuple[str, str], list[Run]] = {each: [] for each in settings}
    for study in {study for study, _ in settings}:
        # Of a single one, as before each run of a study of thousands, the others' rows are not read.
        for run in store.runs(study=study, setting=wanted[0].setting if len(settings) == 1 else None):
            runs.get((study, run.setting), []).append(run)
    return [match(runs[one.study, one.setting], one.spec) for one in wanted]


def to_do(store: Store, wanted: Sequence[Wanted]) -> list[Wanted]:
    """Those of them that are to be trained, or of which statistics are still to be kept."""
    return [
        one
        for one, found in zip(wanted, standing(store, wanted), strict=True)
        if found.is_open or lacks_statistics(store, one, found)
    ]


def check(
    wanted: Sequence[Wanted],
    device: torch.device | None,
    data_dir: Path | None,
    progress: catalog.ProgressCallback | None = None,
) -> None:
    """Before anything is started: that the images of these runs are there, downloading what is to be had, and that the nets can be
    trained on `device`; None where that is another machine's.

    A study is never run on stand-ins. Raises DataUnavailable, which says how to name another place, DataError, SpecError.
    """
    for source in dict.fromkeys(one.spec.data.source for one in wanted):
        if not catalog.on_disk(source, data_dir):
            instead = f"or with --data {source}=folder:PATH (a directory or .zip); a study is never run on other images"
            catalog.get(source, data_dir, progress, instead=instead)
    seen = set()
    for one in wanted:
        if one.setting not in seen:
            seen.add(one.setting)
            counts = count(one.spec.data, data_dir)
            try:
                check_fits(one.spec, device, counts)
                _check_statistics(one, counts.classes)
            except UsageError as error:
                raise SpecError(f"setting {one.setting}: {error}") from None


def _check_statistics(wanted: Wanted, classes: int) -> None:
    """Raise UsageError for a layer or stage that the net has not: better now than when it is trained."""
    if not wanted.statistics:
        return
    spec = wanted.spec
    channels = spec.data.channels
    net = models.build_to_fill(spec.model, channels=channels, size=spec.data.sides, classes=classes)
    shape = (channels, *spec.data.sides)
    names_of_classes = tuple(map(str, range(classes)))
    subject = Subject(net.eval(), shape, names_of_classes, Standardise.none(channels), _no_images, spec)
    for layer, stage in wanted.statistics:
        call_of(subject, layer, stage)


def _no_images() -> Dataset:
    raise AssertionError("which layers there are is told by the net alone")


def take(
    store: Store,
    wanted: Wanted,
    *,
    provenance: Mapping[str, Any] | None = None,
    hold: Literal["claim", "queue"] = "claim",
    alone: bool = False,
) -> Match:
    """Claim one of them, made if it is missing, or queue it; leave it alone if it is done or claimed.

    What comes back says how it stood and which run it is: `unfinished` is to be resumed, `failed` and `missing` to be trained from
    its start. Exactly one of several processes gets a run; `alone`: or a setting, whatever its spec.
    """
    return store.find_or_create(
        wanted.study,
        wanted.setting,
        wanted.spec,
        name=wanted.name,
        preset=wanted.preset,
        provenance=provenance,
        hold=hold,
        alone=alone,
    )


def lacks_statistics(store: Store, wanted: Wanted, found: Match) -> bool:
    """Whether the run has come to its end, and figures of layers that the study wants are not kept with it yet."""
    if not wanted.statistics or found.run is None:
        return False
    if store.run(found.run.id).status != "finished":
        return False
    kept = store.metric_names(found.run.id)
    return any(metrics.statistic(*stage, metrics.FIGURES[0]) not in kept for stage in wanted.statistics)


def keep_statistics(store: Store, wanted: Wanted, run_id: int, device: torch.device, data_dir: Path | None) -> None:
    """Compute the figures of layers that the study wants over the run's test images, and keep them as metrics of its last step.

    Raises UsageError for a layer or stage that the net has not, CheckpointError where its last weights are damaged, and what
    reading images raises.
    """
    subject = subject_from_run(store, store.run(run_id), device=device, data_dir=data_dir)
    if subject.notes:
        raise CheckpointError(f"no statistics are kept of run {run_id}: {subject.notes[0]}")
    values: dict[str, float] = {}
    for layer, stage in wanted.statistics:
        found = figures_of(subject, layer, stage)
        values |= {metrics.statistic(layer, stage, figure): found[figure] for figure in metrics.FIGURES}
    store.add_metrics(run_id, values)
