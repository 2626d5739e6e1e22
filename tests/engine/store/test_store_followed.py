"""Series as a reader keeps them up with the store: in few buckets, and with no extreme lost."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from convtui.engine import events
from convtui.engine.store import Recorder, Store
from convtui.engine.store.followed import MANY, MOST, SKETCHED, KeptChanges, KeptSeries
from convtui.tui.render.series_lines import Options, XAxis, line_of
from tests.tui.stores import add_run, fill

NOW = 6


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Six runs; `now` (6) is claimed by this process, so that it counts as running."""
    with fill(tmp_path / "store.db") as store:
        yield store


def test_a_kept_series_is_what_the_store_has(store: Store) -> None:
    kept, run = KeptSeries("batch_loss"), store.run(NOW)
    kept.read(store, run)
    assert [bucket.mean for bucket in kept.buckets] == list(store.series(NOW, "batch_loss").values)
    with Recorder(store, NOW) as recorder:
        recorder.record(events.Progress(142, 8, 2, 141, {"batch_loss": (math.nan, 0.5)}, 256, 43.0, 2600.0))
    kept.read(store, store.run(NOW))
    assert len(kept.buckets) == 142
    assert kept.troubles() == [141]


def test_a_long_series_is_kept_in_few_buckets_that_lose_no_extreme(store: Store) -> None:
    steps = 3 * MANY
    losses = [1.0 + math.sin(step) for step in range(steps)]
    losses[33_333], losses[-1] = 9.0, -3.0
    run = add_run(store, "long", epochs=1, done=0, ending="running", steps_per_epoch=steps)
    with Recorder(store, run.id) as recorder:
        half = steps // 2
        recorder.record(events.Progress(half, 1, half, 1, {"batch_loss": tuple(losses[:half])}, 1, 1.0, 1.0))
        recorder.flush()
        kept = KeptSeries("batch_loss")
        kept.read(store, store.run(run.id), sketch=True)
        assert 200 < len(kept.buckets) <= SKETCHED[0]
        assert sum(bucket.count for bucket in kept.buckets) <= SKETCHED[0] * SKETCHED[1]
        for bucket in kept.buckets:
            seen = losses[bucket.first_step - 1 : bucket.last_step]
            assert min(seen) == bucket.minimum
            assert max(seen) == bucket.maximum
        kept.read(store, store.run(run.id))
        assert len(kept.buckets) <= MOST + 1
        for first in range(half, steps, 1000):
            some = tuple(losses[first : first + 1000])
            recorder.record(events.Progress(first + 1000, 1, first, first + 1, {"batch_loss": some}, 1, 1.0, 1.0))
            recorder.flush()
            kept.read(store, store.run(run.id))
    assert len(kept.buckets) <= 2 * MOST
    assert sum(bucket.count for bucket in kept.buckets) == steps
    assert max(bucket.maximum for bucket in kept.buckets) == 9.0
    assert min(bucket.minimum for bucket in kept.buckets) == -3.0
    run = store.run(run.id)
    line = line_of(kept, 0, XAxis("step", run), Options("step"))
    assert list(line.xs) == sorted(line.xs)


def test_the_beginning_of_a_long_run_is_seen_step_by_step_and_a_part_of_it_never_in_fewer_than_a_thousand_points(
    store: Store,
) -> None:
    run = add_run(store, "begun", epochs=1, done=0, ending="running", steps_per_epoch=10**6)
    losses = [math.exp(-step / 500) for step in range(5 * MOST)]
    kept, changes = KeptSeries("batch_loss"), KeptChanges()
    with Recorder(store, run.id) as recorder:
        for first in range(0, len(losses), 100):
            some = tuple(losses[first : first + 100])
            recorder.record(events.Progress(first + 100, 1, first, first + 1, {"batch_loss": some}, 1, 1.0, 1.0))
            recorder.flush()
            seen = store.run(run.id)
            kept.read(store, seen)
            changes.read(store, seen)
            assert min(seen.step, MOST) <= len(kept.buckets) <= 2 * MOST
            assert min(seen.step // 10, 50) <= len(changes.points) <= 100
            assert sum(bucket.count for bucket in kept.buckets) == seen.step
    assert [bucket.mean for bucket in kept.buckets] == pytest.approx(
        [sum(losses[place : place + 4]) / 4 for place in range(0, len(losses), 4)]
    )
    again = KeptSeries("batch_loss")
    again.read(store, store.run(run.id))
    assert [(bucket.first_step, bucket.last_step) for bucket in again.buckets] == [
        (bucket.first_step, bucket.last_step) for bucket in kept.buckets
    ], "whoever looks only now sees the same"


@pytest.mark.parametrize("rises", [False, True])
def test_a_rate_that_only_falls_or_only_rises_is_drawn_so_however_many_steps_a_point_stands_for(store: Store, rises: bool) -> None:
    steps = 4 * MOST
    rates = sorted((math.exp(-step / 1000) for step in range(steps)), reverse=not rises)
    run = add_run(store, "scheduled", epochs=1, done=0, ending="running", steps_per_epoch=steps)
    with Recorder(store, run.id) as recorder:
        recorder.record(events.Progress(steps, 1, steps, 1, {"learning_rate": tuple(rates)}, 1, 1.0, 1.0))
    kept, run = KeptSeries("learning_rate"), store.run(run.id)
    kept.read(store, run)
    assert MOST <= len(kept.buckets) <= 2 * MOST
    line = line_of(kept, 0, XAxis("step", run), Options("step"))
    assert (line.ys[0], line.ys[-1]) == (rates[0], rates[-1])
    assert list(line.ys) == sorted(line.ys, reverse=not rises)


def test_a_new_attempt_takes_the_place_of_what_was_given_up(store: Store) -> None:
    kept = KeptSeries("batch_loss")
    kept.read(store, store.run(4))
    assert len(kept.buckets) == 100
    store.claim(4)
    with Recorder(store, 4) as recorder:
        recorder.record(events.Started(60, 3, 200, 20, 2560, 1, "cifar10", "cpu"))
        recorder.record(events.Progress(62, 4, 2, 61, {"batch_loss": (7.0, 8.0)}, 256, 20.0, 1.0))
    kept.read(store, store.run(4))
    assert [bucket.last_step for bucket in kept.buckets] == list(range(1, 63))
    assert [bucket.mean for bucket in kept.buckets[-2:]] == [7.0, 8.0]


def test_the_loss_change_follows_a_run_and_breaks_where_the_loss_is_no_number(store: Store) -> None:
    kept, run = KeptChanges(), store.run(NOW)
    kept.read(store, run)
    assert [step for step, _ in kept.points] == list(range(10, 141, 10))
    with Recorder(store, NOW) as recorder:
        recorder.record(events.Progress(143, 8, 2, 141, {"batch_loss": (math.nan, 0.5, 0.25)}, 256, 43.0, 2600.0))
        kept.read(store, store.run(NOW))
        assert [step for step, _ in kept.points][-2:] == [140, 143]
        recorder.record(events.Progress(152, 8, 9, 144, {"batch_loss": (0.25, 0.75) * 4 + (0.25,)}, 256, 43.0, 2600.0))
        recorder.flush()
    kept.read(store, store.run(NOW))
    assert [step for step, _ in kept.points][-3:] == [140, 150, 152]
    assert [math.isfinite(value) for _, value in kept.points][-3:] == [True, False, True]
    assert kept.points[-1].value == pytest.approx(0.5)  # 0.75 to 0.25 and back again
