"""A study beside what its runs came to: rows of published, measured and difference, and what that says of its claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from convtui.engine.data.digest import differing
from convtui.engine.errors import SpecError
from convtui.engine.metrics import metric
from convtui.engine.spec import RunSpec, changed, difference
from convtui.engine.store import Run, Store
from convtui.engine.study import formatting, measures
from convtui.engine.study.claims import WHOLE, Judged, judge
from convtui.engine.study.model import Published, Setting, Study
from convtui.engine.study.searching import searched, trials

MAIN_MEASURE = "test_accuracy"
"""What is shown of a setting of which nothing was published and nothing is claimed."""
_BUDGET = ("training.epochs", "training.steps", "training.images")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of one setting."""

    measure: str
    published: Published | None
    values: tuple[float, ...]
    """One a seed, in the order of the seeds; may be infinite where a run diverged or never got there."""

    @property
    def mean(self) -> float | None:
        """Over the seeds; None where nothing was measured."""
        return sum(self.values) / len(self.values) if self.values else None

    @property
    def difference(self) -> float | None:
        """The mean minus what was published; of a published range, beyond its nearer end."""
        return None if self.published is None or self.mean is None else self.published.difference(self.mean)


@dataclass(frozen=True, slots=True)
class Row:
    """One setting and its runs."""

    setting: Setting
    figures: Mapping[str, Figure]
    """Measure -> figure, published ones first."""
    runs: tuple[Run, ...]
    """Those that count, one per seed: finished or diverged."""
    others: tuple[Run, ...]
    """Those of the setting that do not count, newest first: in training, stopped, failed, of another scale or an older file."""
    scale: float
    """Share of the study's own budget that `runs` had; 1 where there are none."""
    scaled: str
    """That in words, where it is less than the whole: `scaled 0.1: 1 of 10 epochs`."""
    differing: Mapping[str, tuple[str, str]]
    """Hyperparameter -> (the study's, the runs'), for all that differ but the seed."""
    other_images: tuple[Run, ...] = ()
    """Those of `others` that are left out because they saw other images than `runs`."""

    @property
    def diverged(self) -> int:
        """How many of its runs did."""
        return sum(run.status == "diverged" for run in self.runs)

    @property
    def remarks(self) -> list[str]:
        """What to know about its runs before the figures are believed, in words."""
        said = [self.scaled] if self.scaled else []
        if self.diverged:
            said.append(f"{self.diverged} of {len(self.runs)} runs diverged")
        apart = (item for item in self.differing.items() if not (self.scaled and item[0] in _BUDGET))
        said += [f"{path} = {formatting.setting(theirs)}, not {formatting.setting(own)}" for path, (own, theirs) in apart]
        if self.other_images:
            numbers = ", ".join(str(number) for number in sorted(run.id for run in self.other_images))
            said.append(f"left out, since they saw other images: runs {numbers}")
        said += self._of_measures()
        counts = Counter(run.status for run in self.others if run.status not in ("finished", "diverged"))
        return [*said, *(f"{count} {status}" for status, count in sorted(counts.items()))]

    def _of_measures(self) -> Iterator[str]:
        """What its runs do not have, and which figures are not of the net that they ended with."""
        if missing := [measure for measure, figure in self.figures.items() if self.runs and not figure.values]:
            yield f"not measured: {', '.join(missing)}"
        if means := [name for name, figure in self.figures.items() if figure.values and _is_epoch_mean(name)]:
            yield f"{' and '.join(means)}: mean over the last epoch's steps, while the weights changed"


def _is_epoch_mean(name: str) -> bool:
    """Of an epoch's steps, each with the weights before it; all other accuracies and losses are of the net at one moment."""
    return metric(name).split == "train" and metric(name).cadence == "epoch"


@dataclass(frozen=True, slots=True)
class Results:
    """All that a store has to say to a study."""

    study: Study
    rows: Mapping[str, Row]
    """By setting, in the file's order."""
    claims: tuple[Judged, ...]
    unknown: tuple[Run, ...]
    """Runs that say they belong to the study, for settings that it does not have (any more)."""

    @property
    def remarks(self) -> list[tuple[list[str], list[str]]]:
        """(settings, what to know about the runs of each of them): what several have in common is said once."""
        said: dict[tuple[str, ...], list[str]] = {}
        for name, row in self.rows.items():
            if row.remarks:
                said.setdefault(tuple(row.remarks), []).append(name)
        if self.unknown:
            lost = f"{len(self.unknown)} runs" if len(self.unknown) > 1 else "1 run"
            said[(f"{lost} of settings no longer in the file",)] = sorted({run.setting for run in self.unknown})
        return [(settings, list(remarks)) for remarks, settings in said.items()]


def results(store: Store, study: Study) -> Results:
    """What the runs of `store` come to. Raises StoreError."""
    study = searched(store, study)
    runs = store.runs(study=study.name)
    rows = {
        name: _row(store, study, setting, [run for run in runs if run.setting == name]) for name, setting in study.settings.items()
    }
    counted = {name: row.runs for name, row in rows.items()}
    scales = {name: row.scale for name, row in rows.items()}
    claims = tuple(judge(store, claim, counted, scales) for claim in study.claims)
    return Results(study, rows, claims, tuple(run for run in runs if run.setting not in study.settings))


@dataclass(frozen=True, slots=True)
class StudyProgress:
    """How many of the runs that a study wants have come to their end, on images from anywhere."""

    wanted: int
    finished: int
    """At the study's own budget."""
    scaled: int
    """Of the others, those that have come to the end of another budget."""


def progress(store: Store, study: Study) -> StudyProgress:
    """How far a study is. Raises StoreError."""
    if study.search is not None:
        ended = [trial for trial in trials(store, study) if trial.pruned or trial.run.status in ("finished", "diverged", "failed")]
        return StudyProgress(study.search.trials, len(ended), 0)
    wanted = {
        (name, setting.spec.training.seed + number) for name, setting in study.settings.items() for number in range(setting.seeds)
    }
    finished: set[tuple[str, int]] = set()
    scaled: set[tuple[str, int]] = set()
    for run in store.runs(study=study.name, status=("finished", "diverged")):
        spec, setting = _seedless(run), study.settings.get(run.setting)
        if spec is not None and setting is not None:
            apart = set(difference(setting.spec, spec)) - {"training.seed", "data.source"}
            if not apart - set(_BUDGET):
                (scaled if apart else finished).add((run.setting, run.settings.training.seed))
    return StudyProgress(len(wanted), len(finished & wanted), len(scaled & wanted - finished))


def _row(store: Store, study: Study, setting: Setting, runs: Sequence[Run]) -> Row:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.status in ("finished", "diverged") and (spec := _seedless(run)) is not None:
            groups.setdefault(spec.model_dump_json(), []).append(run)
    alike = max(groups.values(), key=lambda group: _rank(group, setting), default=[])
    same = _of_the_same_images(alike)
    counted = _one_a_seed(same)
    ids = {run.id for run in counted}
    wanted = [*setting.published, *(name for name in _claimed(study, setting.name) if name not in setting.published)]
    figures = {}
    for measure in wanted or [study.search.objective if study.search is not None else MAIN_MEASURE]:
        found = [measures.value(store, run, measure) for run in counted]
        values = tuple(number for number in found if number is not None)
        figures[measure] = Figure(measure, setting.published.get(measure), values)
    spec = _seedless(counted[0]) if counted else None
    own = changed(setting.spec, {"training.seed": 0})
    differing_settings = difference(own, spec) if spec is not None else {}
    scale = _scale(counted[0], setting.spec) if counted else 1.0
    return Row(
        setting,
        figures,
        tuple(counted),
        tuple(run for run in runs if run.id not in ids),
        scale,
        _in_words(scale, counted[0], setting.spec) if counted else "",
        differing_settings,
        tuple(run for run in alike if run not in same),
    )


def _of_the_same_images(runs: Sequence[Run]) -> list[Run]:
    """Those that saw the images of the newest of which that is known; an older program did not note them, and its runs count."""
    newest = max((run for run in runs if run.digests), key=lambda run: run.id, default=None)
    return [run for run in runs if newest is None or not differing(newest.digests, run.digests)]


def _claimed(study: Study, setting: str) -> list[str]:
    """The measures that claims are about and that can be told of a run by itself, of those that name the setting."""
    named = [claim for claim in study.claims if any(setting in group for group in (*claim.groups, claim.settings))]
    return list(dict.fromkeys(claim.measure for claim in named if claim.measure != "steps_to_loss"))


def _seedless(run: Run) -> RunSpec | None:
    """The run's settings without its seed; None where they are another program's."""
    try:
        return changed(run.settings, {"training.seed": 0})
    except SpecError:
        return None


def _rank(group: Sequence[Run], setting: Setting) -> tuple[float, bool, int]:
    """Runs of one spec and several seeds: those count that come nearest to the study's own budget, then those that differ from the
    study in their source only, then the newest."""
    scale = _scale(group[0], setting.spec)
    apart = set(difference(setting.spec, group[0].settings)) - {"training.seed", "data.source", *_BUDGET}
    return round(min(scale, 1 / scale), 6), not apart, max(run.id for run in group)


def _one_a_seed(group: Sequence[Run]) -> list[Run]:
    """The newest of each seed, in the order of the seeds."""
    newest = {run.settings.training.seed: run for run in sorted(group, key=lambda run: run.id)}
    return [newest[seed] for seed in sorted(newest)]


def _scale(run: Run, own: RunSpec) -> float:
    """The run's budget as a share of the study's, both in steps where both are said in steps, else in epochs."""
    if run.settings.training.steps is not None and own.training.steps is not None:
        return run.settings.training.steps / own.training.steps
    return _epochs(run.settings, run.images_per_epoch) / _epochs(own, run.images_per_epoch)


def _epochs(spec: RunSpec, images: int) -> float:
    images = max(1, images)
    return spec.total_steps(images) / spec.steps_per_epoch(images)


def _in_words(scale: float, run: Run, own: RunSpec) -> str:
    if scale >= WHOLE:
        return ""
    unit, (done, whole) = "steps", (spec.total_steps(max(1, run.images_per_epoch)) for spec in (run.settings, own))
    budgets = [spec.training for spec in (run.settings, own)]
    if all(budget.steps is None and budget.images is None for budget in budgets):
        unit, (done, whole) = "epochs", (budget.epochs for budget in budgets)
    return f"scaled {scale:.2g}: {done:,} of {whole:,} {unit}"


# ------------------------------------------------------------------------------------------------------------- as JSON


def as_json(found: Results) -> dict[str, object]:
    """Everything, in plain values. Infinite numbers stay so: formats write them each in their way."""
    study = found.study
    return {
        "name": study.name,
        "title": study.title,
        "question": study.question,
        "report": study.report,
        "notes": list(study.notes),
        "file": str(study.file),
        "settings": [_row_as_json(row) for row in found.rows.values()],
        "unknown": [{"id": run.id, "setting": run.setting, "status": run.status} for run in found.unknown],
        "claims": [
            {
                "says": judged.claim.says,
                "measure": judged.claim.measure,
                "verdict": judged.verdict,
                "figures": judged.figures,
                "reason": judged.reason,
                "remarks": list(judged.remarks),
                "source": judged.claim.source,
            }
            for judged in found.claims
        ],
    }


def _row_as_json(row: Row) -> dict[str, object]:
    return {
        "name": row.setting.name,
        "preset": row.setting.preset,
        "source": row.setting.source,
        "seeds": row.setting.seeds,
        "runs": [{"id": run.id, "seed": run.settings.training.seed, "status": run.status} for run in row.runs],
        "others": [{"id": run.id, "status": run.status} for run in row.others],
        "diverged": row.diverged,
        "scale": row.scale,
        "scaled": row.scaled,
        "remarks": row.remarks,
        "differing": {path: {"study": own, "runs": theirs} for path, (own, theirs) in row.differing.items()},
        "measures": {name: _figure_as_json(figure) for name, figure in row.figures.items()},
    }


def _figure_as_json(figure: Figure) -> dict[str, object]:
    published = figure.published
    return {
        "published": None if published is None else {"low": published.low, "high": published.high, "about": published.about},
        "values": list(figure.values),
        "mean": figure.mean,
        "difference": figure.difference,
    }
