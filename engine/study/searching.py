"""The trials of a study that searches: which comes next, when one is given up, what they come to. The store is the only state.

Optuna chooses; what it knows is read from the store each time, so that a searcher that is killed loses nothing, and any number of
processes may search together.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from convtui.engine.errors import SpecError, UsageError
from convtui.engine.extras import how_to_install
from convtui.engine.metrics import metric
from convtui.engine.spec import RunSpec, changed, difference, read, written
from convtui.engine.statuses import CLAIMED
from convtui.engine.store import Run, Store
from convtui.engine.study import measures
from convtui.engine.study.model import Range, Search, Setting, Study
from convtui.engine.study.plan import Wanted

if TYPE_CHECKING:
    import optuna

PRUNED = "pruned"
"""The metric that a trial has at its last step that was given up."""
FIRST_TRIALS, FIRST_EPOCHS = 5, 1
"""Which no trial is given up in: of the search, and of itself."""
_SHORT = 10
"""Letters of a value that is told in a run's name."""
_MOST_ASKED = 100
"""Settings that do not fit each other, one after another, before a search is given up."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of a search, and what it came to."""

    number: int
    run: Run
    values: Mapping[str, Any]
    """By hyperparameter, as the run has them."""
    value: float | None
    """Of the objective; None where it is not known, or was given up before its end."""
    pruned: bool


@dataclass(frozen=True, slots=True)
class Found:
    """All that a store has of a search."""

    trials: tuple[Trial, ...]
    """In the order in which they began."""
    importance: Mapping[str, float]
    """Hyperparameter -> how much of the objective's variance it explains, 0 to 1 (fANOVA: Hutter et al. 2014), the largest first.
    Empty where Optuna is not there, or too few trials are done."""

    def ranked(self, search: Search) -> list[Trial]:
        """The best first, those without a value last."""
        done = [trial for trial in self.trials if trial.value is not None]
        best = sorted(done, key=lambda trial: trial.value or 0.0, reverse=search.most)
        return [*best, *(trial for trial in self.trials if trial.value is None)]


def settings_words(values: Mapping[str, Any]) -> str:
    """Hyperparameters by their own names, as short as they can be."""
    return " ".join(f"{path.rpartition('.')[2]}={shown_value(value).replace(' ', '_')}" for path, value in values.items())


def shown_value(value: Any) -> str:
    """Of a hyperparameter, three digits of a number."""
    return f"{value:.3g}" if isinstance(value, float) else written(value)


def searched(store: Store, study: Study) -> Study:
    """A study that searches, with a setting for each of its trials in the store, the best first, or for the first one that will be;
    any other as it is."""
    search = study.search
    if search is None:
        return study
    rows = {_name(trial.number): trial.run.settings for trial in Found(tuple(trials(store, study)), {}).ranked(search)}
    rows = rows or {_name(1): search.spec}
    settings = {name: Setting(name, search.preset, spec, 1, "", {}, ()) for name, spec in rows.items()}
    return replace(study, settings=settings)


def trials(store: Store, study: Study) -> list[Trial]:
    """Those in the store, in the order in which they began: runs that differ from what the study says in its space alone."""
    search = study.search
    assert search is not None
    runs = [run for run in reversed(store.runs(study=study.name)) if run.setting.isdecimal() and _is_of(run, search)]
    pruned = store.last_values([run.id for run in runs], PRUNED)
    found = []
    for run in runs:
        spec = run.settings
        done = run.status in ("finished", "diverged") and run.id not in pruned
        value = measures.value(store, run, search.objective) if done else None
        found.append(
            Trial(int(run.setting), run, {path: read(spec, path) for path in search.space}, _finite(value), run.id in pruned)
        )
    return found


def _is_of(run: Run, search: Search) -> bool:
    try:
        apart = difference(search.spec, run.settings)
    except SpecError:  # another program's
        return False
    return set(apart) <= {*search.space, "data.source"}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _name(number: int) -> str:
    return f"{number:03}"


def first_trial(study: Study) -> Wanted:
    """What all trials have in common, as if it were to be trained."""
    search = study.search
    assert search is not None
    return Wanted(study.name, _name(1), search.spec.training.seed, search.spec, search.preset, study.name, ())


def found(store: Store, study: Study) -> Found:
    """What the store has of a search. Raises StoreError."""
    there = trials(store, study)
    assert study.search is not None
    return Found(tuple(there), _importance(study.search, there))


def as_json(of: Found, study: Study) -> dict[str, object]:
    """All of it, in plain values."""
    search = study.search
    assert search is not None
    trials_ = [
        {
            "number": trial.number,
            "run": trial.run.id,
            "status": trial.run.status,
            "given_up": trial.pruned,
            "value": trial.value,
            "values": {path: value if isinstance(value, int | float) else written(value) for path, value in trial.values.items()},
        }
        for trial in of.trials
    ]
    return {"search": {"objective": search.objective, "importance": dict(of.importance), "trials": trials_}}


def _importance(search: Search, there: Sequence[Trial]) -> dict[str, float]:
    if sum(trial.value is not None for trial in there) < FIRST_TRIALS:
        return {}
    try:
        import optuna
    except ImportError:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    try:
        told = optuna.importance.get_param_importances(_known(search, there, {}), evaluator=evaluator)
    except (ValueError, RuntimeError):  # all of one value
        return {}
    return {path: told[path] for path in sorted(told, key=lambda path: -told[path])}


class Searcher:
    """Says which trial comes next, and which is to be given up."""

    def __init__(self, store: Store, study: Study) -> None:
        """Raises UsageError where Optuna is not installed."""
        try:
            import optuna  # noqa: F401
        except ImportError:
            raise UsageError(f"a study with [search] needs Optuna: {how_to_install('optuna')}") from None
        assert study.search is not None
        self._store, self.study, self.search = store, study, study.search
        self._refused = 0
        """Choices that could not be trained."""
        self.left: set[int] = set()
        """Runs that were stopped while this process searched: a person wants them to be."""

    def next(self) -> Wanted | None:
        """The trial to be trained now: one that was stopped or whose process is gone, else a new one; None where there are enough.

        Another process may want the same: `running.take` tells. Raises UsageError where the space has nothing that can be trained.
        """
        there = self.trials
        for trial in there:
            if trial.run.status in ("stopped", "crashed") and not trial.pruned and trial.run.id not in self.left:
                return self._wanted(trial.number, trial.run.settings)
        if len(there) >= self.search.trials:
            return None
        number = max((trial.number for trial in there), default=0) + 1
        for _ in range(_MOST_ASKED):
            values = self._asked(there, number)
            try:
                spec = changed(self.search.spec, values)
            except SpecError as error:
                self._refused += 1
                why = error
                continue
            return self._wanted(number, spec)
        raise UsageError(f"study {self.study.name}: {_MOST_ASKED} choices of its space in a row cannot be trained; the last: {why}")

    def _asked(self, there: Sequence[Trial], number: int) -> dict[str, Any]:
        import optuna

        # The seed counts on: a sampler that begins again would draw the same again.
        seed = self.search.seed + number + self._refused
        match self.search.sampler:
            case "tpe":
                sampler: optuna.samplers.BaseSampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
            case "random":
                sampler = optuna.samplers.RandomSampler(seed=seed)
        known = _known(self.search, there, {"sampler": sampler})
        asked = known.ask({path: _distribution(of) for path, of in self.search.space.items()})
        space = self.search.space
        # Lists are chosen from by place: their values may be of any kind.
        return {path: of[asked.params[path]] if isinstance(of := space[path], tuple) else asked.params[path] for path in space}

    def _wanted(self, number: int, spec: RunSpec) -> Wanted:
        values = {path: read(spec, path) for path in self.search.space}
        return Wanted(
            self.study.name, _name(number), spec.training.seed, spec, self.search.preset, self._called(number, values), ()
        )

    def _called(self, number: int, values: Mapping[str, Any]) -> str:
        """The name of a run: with the values, where they are as short as numbers are."""
        short = {path: value for path, value in values.items() if len(shown_value(value)) <= _SHORT}
        return f"{self.study.name}/{_name(number)} {settings_words(short)}".rstrip()

    def gives_up(self, run_id: int) -> str:
        """Why the run is not worth going on with, in words; empty where it is: its best epoch is behind the median of what trials
        that are done had at its newest epoch (Golovin et al. 2017, "Google Vizier", as Optuna's MedianPruner has it)."""
        search = self.search
        if search.pruner == "none":
            return ""
        own = self._store.epoch_series([run_id], search.objective).get(run_id, [])
        mine = [point.value for point in own if math.isfinite(point.value)]
        if len(mine) <= FIRST_EPOCHS:  # before all trials are looked through
            return ""
        done = [trial.run.id for trial in self.trials if trial.value is not None]
        if len(done) < FIRST_TRIALS:
            return ""
        curves = self._store.epoch_series(done, search.objective)
        best = max if search.most else min
        others = [curve[len(mine) - 1].value for curve in curves.values() if len(curve) >= len(mine)]
        middle = statistics.median([value for value in others if math.isfinite(value)] or [best(mine)])
        if best(best(mine), middle) == best(mine):
            return ""
        form = metric(search.objective)
        told = [f"{100 * value:.1f} %" if form.form == "share" else f"{value:.4g}" for value in (best(mine), middle)]
        return f"given up after epoch {len(mine)}: {form.title} {told[0]}, the median of {len(others)} trials {told[1]}"

    def give_up(self, run_id: int) -> None:
        """Mark a run that was stopped for that."""
        self._store.add_metrics(run_id, {PRUNED: 1.0})

    @property
    def lacking(self) -> int:
        """How many trials are still to be trained."""
        there = self.trials
        return self.search.trials - sum(trial.pruned or trial.run.status not in ("stopped", "crashed") for trial in there)

    @property
    def trials(self) -> list[Trial]:
        """As `trials`."""
        return trials(self._store, self.study)


def _distribution(of: Range | tuple[Any, ...]) -> optuna.distributions.BaseDistribution:
    import optuna

    if isinstance(of, tuple):
        return optuna.distributions.CategoricalDistribution(range(len(of)))
    if of.whole:
        return optuna.distributions.IntDistribution(int(of.low), int(of.high), log=of.log, step=int(of.step or 1))
    return optuna.distributions.FloatDistribution(of.low, of.high, log=of.log, step=of.step)


def _known(search: Search, there: Sequence[Trial], options: Mapping[str, Any]) -> optuna.Study:
    """What Optuna is to know: trials that are done, in training, given up (those that diverged too), or failed."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    states = optuna.trial.TrialState
    study = optuna.create_study(direction="maximize" if search.most else "minimize", **options)
    space = {path: _distribution(of) for path, of in search.space.items()}
    for trial in there:
        params = {path: _place(search, path, trial.values[path]) for path in space}
        if any(params[path] is None or not space[path]._contains(space[path].to_internal_repr(params[path])) for path in space):
            continue  # the space was another one then
        if trial.value is not None:
            state = states.COMPLETE
        elif trial.run.status in CLAIMED:
            state = states.RUNNING
        else:
            state = states.FAIL if trial.run.status == "failed" else states.PRUNED
        study.add_trial(optuna.trial.create_trial(state=state, params=params, distributions=space, value=trial.value))
    return study


def _place(search: Search, path: str, value: Any) -> Any:
    """What Optuna calls the value: its place in a list; None where it is not in it."""
    of = search.space[path]
    if not isinstance(of, tuple):
        return value
    same = (place for place, choice in enumerate(of) if read(changed(search.spec, {path: choice}), path) == value)
    return next(same, None)
