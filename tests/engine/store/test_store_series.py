"""Metrics as readers see them, against a plain model of the same events and raw rows of the file."""

import math
import statistics
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convtui.engine.events import EpochEnded
from convtui.engine.store import Recorder, Store
from convtui.engine.store.series import NO_LIMIT
from tests.harness.rows import read
from tests.tolerance import rounding

numbers = st.floats(width=64)


def bits(value: float) -> bytes:
    """A float as it can be compared: NaN equals NaN, and the sign of a zero, which SQLite drops, does not matter."""
    return b"nan" if math.isnan(value) else struct.pack("d", value + 0.0)


def same(found: list[float], wanted: list[float]) -> bool:
    return [bits(value) for value in found] == [bits(value) for value in wanted]


def epoch(step: int, epoch_number: int, accuracy: float, *, best: bool = False) -> EpochEnded:
    return EpochEnded(step, epoch_number, {"test_accuracy": accuracy}, 1.0, 100.0, best)


def test_not_a_number_and_infinities_come_back_as_they_were(store: Store, hands) -> None:
    run_id = hands.new_run(store)
    losses = (1.5, math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, -0.0)
    hands.attempt(store, run_id, 0, losses)
    found = store.series(run_id, "batch_loss")
    assert list(found.steps) == [1, 2, 3, 4, 5, 6, 7]
    assert same(list(found.values), list(losses))
    raw = read(store, "SELECT value FROM metric WHERE name = 'batch_loss' ORDER BY step")
    assert raw == [(None if math.isnan(loss) else loss,) for loss in losses]


def test_every_series_is_named_and_has_a_last_point(store: Store, hands) -> None:
    run_id = hands.new_run(store)
    hands.attempt(store, run_id, 0, (3.0, 2.0))
    assert store.metric_names(run_id) == ["batch_loss", "images_per_second", "learning_rate", "seconds"]
    assert store.last_metrics(run_id) == {
        "batch_loss": (2, 2.0),
        "images_per_second": (2, 256.0),
        "learning_rate": (2, 0.1),
        "seconds": (2, 1.0),
    }
    assert store.metric_names(run_id + 1) == []
    assert store.last_metrics(run_id + 1) == {}


def test_a_new_attempt_takes_the_place_of_what_came_after_its_beginning(store: Store, hands) -> None:
    run_id = hands.new_run(store)
    hands.attempt(store, run_id, 0, (0.0, 1.0, 2.0, 3.0, 4.0))
    seen = store.series(run_id, "batch_loss")
    hands.attempt(store, run_id, 2, (12.0,))
    new = store.series(run_id, "batch_loss", seen.cursor)
    assert new.from_step == 2
    assert list(zip(new.steps, new.values, strict=True)) == [(2, 1.0), (3, 12.0)]
    full = store.series(run_id, "batch_loss")
    assert list(zip(full.steps, full.values, strict=True)) == [(1, 0.0), (2, 1.0), (3, 12.0)]
    assert read(store, "SELECT count(*) FROM metric WHERE name = 'batch_loss'") == [(6,)], "nothing is rewritten"


def test_an_attempt_that_never_began_hides_nothing(store: Store, hands) -> None:
    run_id = hands.new_run(store)
    hands.attempt(store, run_id, 0, (1.0, 2.0))
    store.claim(run_id)
    assert list(store.series(run_id, "batch_loss").values) == [1.0, 2.0]


def test_where_two_attempts_meet_the_newer_point_counts(store: Store, hands) -> None:
    run_id = hands.new_run(store)
    for begin, accuracy in ((0, 0.5), (100, 0.75)):
        store.claim(run_id)
        with Recorder(store, run_id) as recorder:
            recorder.record(hands.started(begin, begin // 100))
            recorder.record(epoch(100, 1, accuracy))
    assert list(store.series(run_id, "test_accuracy").values) == [0.75]
    assert store.epoch_series([run_id], "test_accuracy") == {run_id: [(100, 0.75)]}
    (bucket,) = store.downsampled(run_id, "test_accuracy", 10)
    assert (bucket.count, bucket.mean) == (1, 0.75)


def test_the_same_step_twice_in_one_attempt_keeps_the_first_and_training_alive(store: Store, hands) -> None:
    run_id = hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        recorder.record(hands.started())
        recorder.record(epoch(100, 1, 0.5))
        recorder.record(epoch(100, 1, 0.6))
    assert list(store.series(run_id, "test_accuracy").values) == [0.5]


def test_buckets_of_a_chart(store: Store, hands) -> None:
    run_id = hands.new_run(store)
    hands.attempt(store, run_id, 0, (4.0, math.nan, 2.0, 1.0, math.inf, 7.0, math.nan, math.nan, 5.0))
    first, second, third, fourth, last = store.downsampled(run_id, "batch_loss", 5)
    assert (first.first_step, first.last_step, first.minimum, first.maximum, first.mean) == (1, 2, 4.0, 4.0, 4.0)
    assert (first.count, first.not_numbers) == (1, 1)
    assert (second.minimum, second.maximum, second.mean, second.count) == (1.0, 2.0, 1.5, 2)
    assert (third.minimum, third.maximum, third.mean) == (7.0, math.inf, math.inf)
    assert (fourth.count, fourth.not_numbers) == (0, 2)
    assert math.isnan(fourth.minimum)
    assert math.isnan(fourth.mean)
    assert (last.first_step, last.last_step, last.mean) == (9, 9, 5.0)
    assert store.downsampled(run_id, "no such series", 5) == []


def test_sparklines_of_many_runs(store: Store, hands) -> None:
    ids = [hands.new_run(store) for _ in range(3)]
    for run_id in ids[:2]:
        store.claim(run_id)
        with Recorder(store, run_id) as recorder:
            recorder.record(hands.started())
            for number in range(1, 4):
                recorder.record(epoch(100 * number, number, run_id + number / 10))
    assert store.epoch_series(ids, "test_accuracy") == {
        run_id: [(100 * number, run_id + number / 10) for number in range(1, 4)] for run_id in ids[:2]
    }
    # More runs than one query takes.
    assert len(store.epoch_series([*range(1000, 3000), *ids], "test_accuracy")) == 2


def test_the_last_value_of_a_series_in_many_runs_is_that_of_the_attempt_that_counts(store: Store, hands) -> None:
    ids = [hands.new_run(store) for _ in range(5)]
    hands.attempt(store, ids[0], 0, (0.25, 0.5))
    hands.attempt(store, ids[1], 0, (4.0, 3.0, 2.0, 1.0))
    hands.attempt(store, ids[1], 1, (7.0,))  # steps 3 and 4 were given up
    hands.attempt(store, ids[2], 0, (1.0, math.nan))
    hands.attempt(store, ids[3], 0, (5.0,))
    store.claim(ids[3])  # an attempt that never began hides nothing
    found = store.last_values([*ids, 10_000, *range(20_000, 21_000)], "batch_loss")
    assert math.isnan(found.pop(ids[2]))
    assert found == {ids[0]: 0.5, ids[1]: 7.0, ids[3]: 5.0}
    assert store.last_values(ids, "no such series") == {}
    assert store.last_values([], "batch_loss") == {}
    assert found[ids[1]] == store.last_metrics(ids[1])["batch_loss"].value
    # In the last half of no run there are two changes yet.
    assert store.last_values(ids, "stability") == {}
    hands.attempt(store, ids[0], 2, (1.0, 3.0, 2.0, 6.0))  # steps 4, 5, 6: 3, 2, 6
    assert store.last_values(ids, "stability") == {ids[0]: pytest.approx(2.5)}


def test_the_series_of_several_runs_are_named_once(store: Store, hands) -> None:
    ids = [hands.new_run(store) for _ in range(2)]
    for run_id, name in zip(ids, ("conv_deltas/conv1", "dead/act1"), strict=True):
        store.claim(run_id)
        with Recorder(store, run_id) as recorder:
            recorder.record(hands.started())
            recorder.record(EpochEnded(100, 1, {name: 0.5, "test_loss": 1.0}, 1.0, 1.0, best=False))
    assert store.metric_names(*ids) == ["conv_deltas/conv1", "dead/act1", "test_loss"]
    assert store.metric_names(ids[1]) == ["dead/act1", "test_loss"]
    assert store.metric_names() == []


# (the step at which it begins, its values, whether it repeats the value of that very step)
attempts = st.lists(
    st.tuples(st.integers(0, 12), st.lists(numbers, max_size=8), st.booleans()),
    min_size=1,
    max_size=5,
)


@settings(deadline=None, max_examples=40)
@given(attempts=attempts, buckets=st.integers(1, 15))
def test_readers_who_follow_see_what_a_new_reader_sees(hands, attempts, buckets: int) -> None:
    """A model in a dictionary: an attempt that begins drops all after its step, then sets its own."""
    model, followed, cursor = {}, {}, None
    with TemporaryDirectory() as folder, Store.open(Path(folder) / "store.db") as store:
        run_id = hands.new_run(store)

        def check() -> None:
            nonlocal cursor
            full = store.series(run_id, "loss")
            assert list(full.steps) == sorted(model)
            assert same(list(full.values), [model[step] for step in sorted(model)])
            new = store.series(run_id, "loss", cursor)
            cursor = new.cursor
            for step in [step for step in followed if step >= new.from_step]:
                del followed[step]
            followed.update(zip(new.steps, new.values, strict=True))
            assert sorted(followed) == sorted(model)
            assert same([followed[step] for step in sorted(model)], [model[step] for step in sorted(model)])
            many = store.epoch_series([run_id], "loss").get(run_id, [])
            assert [step for step, _ in many] == sorted(model)
            assert same([value for _, value in many], [model[step] for step in sorted(model)])
            between = 3, 3 + buckets
            there = store.downsampled(run_id, "loss", NO_LIMIT, between=between)
            assert [(part.first_step, part.count) for part in there] == [
                (step, int(not math.isnan(model[step]))) for step in sorted(model) if between[0] <= step <= between[1]
            ]
            parts = store.downsampled(run_id, "loss", buckets)
            assert len(parts) <= buckets
            assert sum(part.count + part.not_numbers for part in parts) == len(model)
            for part in parts:
                inside = [model[step] for step in sorted(model) if part.first_step <= step <= part.last_step]
                finite = [value for value in inside if not math.isnan(value)]
                assert len(inside) == part.count + part.not_numbers
                assert same([part.minimum, part.maximum], [min(finite), max(finite)] if finite else [math.nan] * 2)

        for number, (begin, values, at_begin) in enumerate(attempts):
            begin = min(begin, max(model, default=0)) if number else 0
            store.claim(run_id)
            with Recorder(store, run_id) as recorder:
                recorder.record(hands.started(begin))
                for step in [step for step in model if step > begin]:
                    del model[step]
                check()
                for step, value in enumerate(values, start=begin + (0 if at_begin else 1)):
                    recorder.record(EpochEnded(step, 1, {"loss": value}, 1.0, 1.0, best=False))
                    model[step] = value
                    check()


def test_best_follows_the_attempt_that_counts(store: Store, hands) -> None:
    run_id = hands.new_run(store)
    store.claim(run_id)
    with Recorder(store, run_id) as recorder:
        recorder.record(hands.started())
        recorder.record(epoch(100, 1, 0.5, best=True))
        recorder.record(epoch(200, 2, 0.4))
        recorder.record(epoch(300, 3, 0.9, best=True))
    assert (store.run(run_id).best_epoch, store.run(run_id).best_accuracy) == (3, 0.9)
    store.claim(run_id)
    with Recorder(store, run_id) as recorder:
        recorder.record(hands.started(250, 2))
    run = store.run(run_id)
    assert (run.best_epoch, run.best_accuracy, run.attempt_step, run.images) == (1, 0.5, 250, 32_000)


@pytest.mark.parametrize("losses", [(), (1.0,)])
def test_a_reader_who_has_all_gets_nothing(store: Store, hands, losses: tuple[float, ...]) -> None:
    run_id = hands.new_run(store)
    hands.attempt(store, run_id, 0, losses)
    cursor = store.series(run_id, "batch_loss").cursor
    again = store.series(run_id, "batch_loss", cursor)
    assert list(again.steps) == []
    assert again.cursor == cursor


def test_confusion_matrices_are_those_of_the_attempt_that_counts(store: Store, hands) -> None:
    run_id = hands.new_run(store)
    old, new = ((5, 1), (2, 4)), ((6, 0), (1, 5))
    for begin, table in ((0, old), (100, new)):
        store.claim(run_id)
        with Recorder(store, run_id) as recorder:
            recorder.record(hands.started(begin))
            for step in (100, 200, 300)[: 3 if table is old else 2]:
                recorder.record(EpochEnded(step, step // 100, {}, 1.0, 1.0, best=False, confusion=table))
            recorder.record(EpochEnded(350, 4, {}, 1.0, 1.0, best=False))
    assert store.confusions(run_id) == {100: [[6, 0], [1, 5]], 200: [[6, 0], [1, 5]]}
    store.delete(run_id)
    assert store.confusions(run_id) == {}


def test_stability_is_the_deviation_of_the_losss_change_over_the_last_half(store: Store, hands) -> None:
    run_id = hands.new_run(store)
    assert store.stability(run_id) is None
    hands.attempt(store, run_id, 0, (9.0, 1.0, 7.0, 2.0, 2.0, 4.0, 5.0, 2.0))
    # Steps 5 to 8: 2, 4, 5, 2, so that it changes by 2, 1 and -3, of mean 0.
    assert store.stability(run_id) == pytest.approx(math.sqrt((4 + 1 + 9) / 3))
    hands.attempt(store, run_id, 8, (math.nan, 1.0))
    assert store.stability(run_id) is None


def test_the_loss_change_of_a_stretch_is_the_deviation_of_its_changes(store: Store, hands) -> None:
    run_id = hands.new_run(store)
    assert list(store.loss_changes(run_id, 4).steps) == []
    hands.attempt(store, run_id, 0, (9.0, 1.0, 7.0, 2.0, 2.0, 4.0, 5.0, 2.0, 2.0, 3.0, math.nan, 1.0, 1.0, math.inf, 2.0, 2.0, 5.0))
    found = store.loss_changes(run_id, 4)
    assert list(found.steps) == [4, 8, 12, 16]
    # Into steps 2, 3, 4: -8, 6, -5, of mean -7/3. Into 5 to 8: 0, 2, 1, -3, of mean 0. Step 17 has one change alone.
    assert found.values[0] == pytest.approx(math.sqrt((64 + 36 + 25) / 3 - 49 / 9))
    assert found.values[1] == pytest.approx(math.sqrt(14 / 4))
    assert [math.isnan(value) for value in found.values] == [False, False, True, True]


def test_a_loss_that_sinks_evenly_does_not_change(store: Store, hands) -> None:
    run_id = hands.new_run(store)
    hands.attempt(store, run_id, 0, tuple(5 - step / 16 for step in range(20)))
    assert list(store.loss_changes(run_id, 10).values) == [0.0, 0.0]
    assert store.stability(run_id) == 0.0


@settings(deadline=None, max_examples=25)
@given(
    attempts=st.lists(st.tuples(st.integers(0, 25), st.lists(st.floats(-9, 9), max_size=9)), min_size=1, max_size=5),
    width=st.integers(2, 9),
)
def test_who_follows_the_loss_change_sees_what_the_losses_that_count_say(hands, attempts, width: int) -> None:
    # A deviation of zero is the root of what rounding leaves of squares of up to 18.
    near = 18 * math.sqrt(rounding(50, torch.float64))
    losses: dict[int, float] = {}
    followed: dict[int, float] = {}
    cursor = None
    with TemporaryDirectory() as folder, Store.open(Path(folder) / "store.db") as store:
        run_id = hands.new_run(store)
        for begin, values in attempts:
            begin = min(begin, max(losses, default=0))
            hands.attempt(store, run_id, begin, tuple(values) or (1.0,))
            losses = {step: loss for step, loss in losses.items() if step <= begin}
            losses |= {begin + place: loss for place, loss in enumerate(values or (1.0,), start=1)}
            new = store.loss_changes(run_id, width, cursor)
            cursor = new.cursor
            followed = {step: value for step, value in followed.items() if step < new.from_step}
            followed |= dict(zip(new.steps, new.values, strict=True))
            changes: dict[int, list[float]] = {}
            for step in range(2, max(losses) + 1):
                changes.setdefault((step - 1) // width, []).append(losses[step] - losses[step - 1])
            wanted = {
                min((stretch + 1) * width, max(losses)): statistics.pstdev(each)
                for stretch, each in changes.items()
                if len(each) > 1
            }
            assert followed == {step: pytest.approx(value, abs=near) for step, value in wanted.items()}
