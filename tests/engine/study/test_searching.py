"""Studies that search: Optuna's own choices, made again from the store alone, and its rule for giving up."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convtui.engine.errors import SpecError
from convtui.engine.events import EpochEnded, Finished, Started, Stopped
from convtui.engine.spec import read
from convtui.engine.store import Recorder, Store
from convtui.engine.study import Study, study
from convtui.engine.study.results import progress, results
from convtui.engine.study.running import take
from convtui.engine.study.searching import Searcher, found

FILE = """
title = "digits"
question = "Which?"

[search]
preset = "lenet5"
trials = 9
sampler = "random"
seed = 5
set = {{ "data.source" = "digits", "data.validation_fraction" = 0.2 }}
{more}

[search.space]
"optimiser.learning_rate" = {{ low = 1e-4, high = 0.1, log = true }}
"data.batch_size" = {{ low = 16, high = 128, step = 16 }}
"model.activation" = ["relu", "tanh"]
"""


@pytest.fixture
def searched(tmp_path: Path) -> Study:
    return made(tmp_path)


def made(folder: Path, more: str = "", text: str = FILE) -> Study:
    path = folder / "tune.toml"
    path.write_text(text.format(more=more))
    return study(str(path))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    with Store.open(tmp_path / "store.db") as opened:
        yield opened  # type: ignore[misc]


def train(store: Store, searcher: Searcher, curve: list[float], *, stopped: bool = False) -> int:
    """The next trial, its validation accuracies after each epoch these."""
    one = searcher.next()
    assert one is not None
    run = take(store, one, alone=True).run
    assert run is not None
    with Recorder(store, run.id) as recorder:
        recorder.record(Started(0, 0, 10 * len(curve), 10, 100, 1, "digits", "cpu", {}, images=0))
        for epoch, accuracy in enumerate(curve, 1):
            recorder.record(EpochEnded(10 * epoch, epoch, {"validation_accuracy": accuracy}, 1.0, 1.0, False))
        last = (10 * len(curve), len(curve), {"validation_accuracy": curve[-1]}, 1.0, 1.0)
        recorder.record(Stopped(*last) if stopped else Finished(*last))
    return run.id


def test_a_random_search_chooses_what_optuna_chooses(store: Store, searched: Study) -> None:
    searcher = Searcher(store, searched)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = {
        "optimiser.learning_rate": optuna.distributions.FloatDistribution(1e-4, 0.1, log=True),
        "data.batch_size": optuna.distributions.IntDistribution(16, 128, step=16),
        "model.activation": optuna.distributions.CategoricalDistribution([0, 1]),
    }
    for number in range(1, 4):
        one = searcher.next()
        assert one is not None
        asked = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=5 + number)).ask(space).params
        asked["model.activation"] = ["relu", "tanh"][asked["model.activation"]]
        assert {path: read(one.spec, path) for path in space} == asked
        assert one.setting == f"{number:03}"
        train(store, searcher, [0.5])


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_one_who_begins_anew_chooses_what_one_who_went_on_would_have(store: Store, tmp_path: Path, sampler: str) -> None:
    searched = made(tmp_path, text=FILE.replace('"random"', f'"{sampler}"').replace("trials = 9", "trials = 20"))
    went_on = Searcher(store, searched)
    for number in range(13):
        assert went_on.next() == Searcher(store, searched).next()
        train(store, went_on, [0.1 * (number % 7)])


def test_as_many_trials_as_were_asked_for_and_what_was_stopped_goes_on_first(store: Store, searched: Study) -> None:
    searcher = Searcher(store, searched)
    for _ in range(4):
        train(store, searcher, [0.5, 0.6])
    stopped = train(store, searcher, [0.4], stopped=True)
    one = searcher.next()
    assert one is not None
    assert one.spec == store.run(stopped).settings
    assert take(store, one, alone=True).standing == "unfinished"
    left = Searcher(store, searched)
    left.left.add(stopped)
    assert [one.setting for one in [left.next()] if one is not None] == ["006"]
    searcher.give_up(stopped)
    with Recorder(store, stopped) as recorder:
        recorder.record(Started(10, 1, 20, 10, 100, 1, "digits", "cpu", {}, images=0))
        recorder.record(Stopped(10, 1, {}, 1.0, 1.0))
    after = searcher.next()
    assert after is not None
    assert after.setting == "006"
    for _ in range(4):
        train(store, searcher, [0.7])
    assert searcher.next() is None
    assert progress(store, searched).finished == progress(store, searched).wanted == 9


def test_two_who_think_of_the_same_number_do_not_both_get_it(store: Store, tmp_path: Path) -> None:
    searched = made(tmp_path)
    one = Searcher(store, searched).next()
    other = Searcher(store, made(tmp_path, text=FILE.replace("seed = 5", "seed = 6"))).next()
    assert one is not None
    assert other is not None
    assert one.spec != other.spec
    assert take(store, one, alone=True).standing == "missing"
    assert take(store, other, alone=True).standing == "busy"
    again = Searcher(store, searched).next()
    assert again is not None
    assert again.setting == "002"


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=4), min_size=3, max_size=8),
    st.lists(st.floats(0, 1), min_size=1, max_size=5),
)
def test_trials_are_given_up_where_optuna_s_median_pruner_gives_them_up(done: list[list[float]], mine: list[float]) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    expected = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2))
    for curve in done:
        intermediate = dict(enumerate(curve, 1))
        expected.add_trial(optuna.trial.create_trial(value=curve[-1], intermediate_values=intermediate))
    trial = expected.ask()
    for epoch, value in enumerate(mine, 1):
        trial.report(value, epoch)
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "store.db") as store:
        searched = made(Path(folder))
        searcher = Searcher(store, searched)
        for curve in done:
            train(store, searcher, curve)
        run = train(store, searcher, mine, stopped=True)
        assert bool(searcher.gives_up(run)) == trial.should_prune()


def test_results_have_a_row_for_each_trial_and_what_explains_their_differences(store: Store, searched: Study) -> None:
    assert list(results(store, searched).rows) == ["001"]
    searcher = Searcher(store, searched)
    for _ in range(8):
        one = searcher.next()
        assert one is not None
        accuracy = 0.5 + 0.1 * math.log10(one.spec.optimiser.learning_rate)
        train(store, searcher, [accuracy])
    rows = results(store, searched).rows
    assert sorted(rows) == [f"{number:03}" for number in range(1, 9)]
    assert all(row.figures["validation_accuracy"].mean is not None for row in rows.values())
    there = found(store, searched)
    assert searched.search is not None
    best = there.ranked(searched.search)
    assert list(rows) == [f"{trial.number:03}" for trial in best]
    rates = [trial.values["optimiser.learning_rate"] for trial in best]
    assert rates == sorted(rates, reverse=True)
    assert next(iter(there.importance)) == "optimiser.learning_rate"
    assert sum(there.importance.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"data.validation_fraction" = 0.2', '"data.flip" = true', "validation_accuracy is of images held out, and there are none"),
        ('["relu", "tanh"]', '["relu", "tahn"]', "tahn"),
        ('"model.activation"', '"model.activatoin"', "did you mean model.activation"),
        ("{more}", 'objective = "gradient_norm"', "line"),
        ("{more}", 'objective = "stability"', 'write pruner = "none"'),
        ("log = true", "lgo = true", "lgo"),
        ("low = 1e-4, high", "low = 0.2, high", "low must be below high"),
        ("high = 0.1", "high = 100", "100"),
        ("trials = 9", "trials = 0", "from 1 to 1,000"),
        ('"model.activation" = ["relu", "tanh"]', '"model.activation" = {{ low = 1, high = 2 }}', "is no number: list its values"),
        ('sampler = "random"', 'sampler = "grid"', "sampler"),
        ("{more}", "trails = 3", "unknown key 'trails'"),
        ("[search.space]", '[[setting]]\nname = "a"\npreset = "demo"\n[search.space]', "a search chooses its settings itself"),
    ],
)
def test_what_cannot_be_is_said_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(SpecError) as told:
        made(tmp_path, text=FILE.replace(old, new))
    assert said in str(told.value)
    assert "tune.toml, line " in str(told.value)
