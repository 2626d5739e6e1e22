"""Metrics: how they are written, and read: each step once, from the newest attempt that has it; whole, what is new, or as buckets.

An attempt that began at step s replaces all that earlier attempts recorded after s. At s itself both may have a point (the end of
an epoch, say, which the resumed attempt evaluates again); the newer one counts.
"""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection

from convtui.engine.metrics import is_of_accuracy, metric
from convtui.engine.store.raw import chosen_by, rows
from convtui.engine.store.sound import parsed

INSERT = "INSERT INTO metric (run_id, name, step, attempt, value) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
REPLACE = """INSERT INTO metric (run_id, name, step, attempt, value) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (run_id, name, step, attempt) DO UPDATE SET value = excluded.value
    WHERE metric.value <> excluded.value OR (metric.value IS NULL) <> (excluded.value IS NULL)"""

NO_LIMIT = 2**62
_OF_SERIES = "FROM metric WHERE run_id = :run_id AND name = :name AND attempt = :attempt AND step BETWEEN :low AND :high"


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far one series has been read."""

    attempt: int
    """The newest attempt that had begun."""
    step: int
    """All up to this step has been read; only a new attempt can change it."""


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one series. A reader with earlier points drops those of `step >= from_step` and appends these."""

    steps: array[int]
    """In ascending order."""
    values: array[float]
    """May hold NaN and infinities."""
    cursor: Cursor
    from_step: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """All points of a range of steps, summed up."""

    first_step: int
    """The first step in it that has a point, and the last."""
    last_step: int
    minimum: float
    """Of the numbers in it; NaN where there are none."""
    maximum: float
    mean: float
    count: int
    """How many points are numbers, infinities included."""
    not_numbers: int
    """How many are NaN."""


def merged(buckets: Sequence[Bucket]) -> Bucket:
    """All points of these buckets, of which no two have a step in common, as one."""
    if len(buckets) == 1:
        return buckets[0]
    numbers = [bucket for bucket in buckets if bucket.count]
    count = sum(bucket.count for bucket in numbers)
    return Bucket(
        first_step=min(bucket.first_step for bucket in buckets),
        last_step=max(bucket.last_step for bucket in buckets),
        minimum=min((bucket.minimum for bucket in numbers), default=math.nan),
        maximum=max((bucket.maximum for bucket in numbers), default=math.nan),
        mean=sum(bucket.mean * bucket.count for bucket in numbers) / count if count else math.nan,
        count=count,
        not_numbers=sum(bucket.not_numbers for bucket in buckets),
    )


class Point(NamedTuple):
    """One point of a series."""

    step: int
    value: float


class Span(NamedTuple):
    """The steps, both ends included, at which an attempt's points count."""

    attempt: int
    low: int
    high: int


def read_series(connection: Connection, run_id: int, name: str, after: Cursor | None = None) -> Series:
    """The whole series, or what is new since `after`."""
    begun = attempts_of(connection, run_id)
    from_step = first_new_step(begun, after)
    steps, values = array("q"), array("d")
    for attempt, low, high in reversed(spans_of(connection, run_id, name, begun)):
        given = {"run_id": run_id, "name": name, "attempt": attempt, "low": max(low, from_step), "high": high}
        found = rows(connection, f"SELECT step, value {_OF_SERIES} ORDER BY step", given)
        steps.extend(row[0] for row in found)
        values.extend(_number(row[1]) for row in found)
    last = steps[-1] if steps else from_step - 1
    newest, newest_step = begun[-1] if begun else (0, 0)
    # Where the newest attempt began it may yet say something of its own: let that one step be read again.
    return Series(steps, values, Cursor(newest, last - 1 if last == newest_step else last), from_step)


def downsample(
    connection: Connection, run_id: int, name: str, buckets: int, *, each: int = -1, between: tuple[int, int] | None = None
) -> list[Bucket]:
    """The series as at most `buckets` buckets of equally many steps each; empty ones are left out. With `each`, only the first so
    many points of each bucket are read; `between` two steps, both included, only what is there."""
    spans = spans_of(connection, run_id, name, attempts_of(connection, run_id))
    ends = [_ends(connection, run_id, name, span) for span in spans]
    known = [step for pair in ends if pair is not None for step in pair]
    if not known or buckets < 1:
        return []
    first, last = between or (0, NO_LIMIT)
    low, high = max(min(known), first, 0), min(max(known), last, NO_LIMIT)
    width = max(1, -(-(high - low + 1) // buckets))
    edges = ((edge, min(edge + width - 1, high)) for edge in range(low, high + 1, width))
    found = (_bucket(connection, run_id, name, spans, *ends, each) for ends in edges)
    return [bucket for bucket in found if bucket is not None]


def last_points(connection: Connection, run_id: int, names: Sequence[str], up_to: int = NO_LIMIT) -> dict[str, Point]:
    """The last point of each of these series that has one, at step `up_to` at the latest."""
    begun = attempts_of(connection, run_id)
    found: dict[str, Point] = {}
    for name in names:
        for attempt, low, high in spans_of(connection, run_id, name, begun):
            given = {"run_id": run_id, "name": name, "attempt": attempt, "low": low, "high": min(high, up_to)}
            if last := rows(connection, f"SELECT step, value {_OF_SERIES} ORDER BY step DESC LIMIT 1", given):
                found[name] = Point(int(last[0][0]), _number(last[0][1]))
                break
    return found


def final_points(connection: Connection, run_id: int) -> dict[str, Point]:
    """The last point of every series; of a run that ended with the weights of an earlier step the one at that step, where there is
    one."""
    names = names_of(connection, [run_id])
    found = last_points(connection, run_id, names)
    ((end_step,),) = rows(connection, "SELECT end_step FROM run WHERE id = :run_id", {"run_id": run_id}) or [(None,)]
    if type(end_step) is int:
        of_weights = [name for name in names if not metric(name).at_run_end]
        earlier = last_points(connection, run_id, of_weights, end_step)
        found |= {name: point for name, point in earlier.items() if point.step == end_step}
    return found


def names_of(connection: Connection, run_ids: Sequence[int]) -> list[str]:
    """The names of all series of these runs, sorted."""
    # One look-up for each name of a run, from each to the next: DISTINCT alone would walk over every row.
    query = """
        WITH RECURSIVE found(run_id, name) AS (
            SELECT id, (SELECT min(name) FROM metric WHERE run_id = run.id) FROM run WHERE {chosen}
            UNION ALL
            SELECT run_id, (SELECT min(name) FROM metric WHERE run_id = found.run_id AND name > found.name)
            FROM found WHERE name IS NOT NULL
        )
        SELECT DISTINCT name FROM found WHERE name IS NOT NULL"""
    names: set[str] = set()
    for chosen, given in chosen_by("id", run_ids):
        names.update(name for (name,) in rows(connection, query.format(chosen=chosen), given) if isinstance(name, str))
    return sorted(names)


def last_values(connection: Connection, run_ids: Sequence[int], name: str) -> dict[int, float]:
    """The last value of one series of many runs, by a look-up for each; runs without a point are left out.

    Of a run that ended with the weights of an earlier step it is the value at that step, where there is one.
    """
    # NaN is stored as NULL, which is also what a look-up that finds nothing says: as text the two differ.
    query = """
        SELECT id, coalesce((
            SELECT coalesce(value, 'nan') FROM metric WHERE run_id = run.id AND name = :name AND step = run.end_step AND :weights
            ORDER BY attempt DESC LIMIT 1
        ), (
            SELECT coalesce(value, 'nan') FROM metric WHERE run_id = run.id AND name = :name AND NOT EXISTS (
                SELECT 1 FROM attempt AS later
                WHERE later.run_id = run.id AND later.attempt > metric.attempt AND later.step < metric.step
            ) ORDER BY step DESC, attempt DESC LIMIT 1
        )) FROM run WHERE {chosen}"""
    given_name = {"name": name, "weights": not metric(name).at_run_end}
    found: dict[int, float] = {}
    for chosen, given in chosen_by("id", run_ids):
        pairs = rows(connection, query.format(chosen=chosen), given | given_name)
        found.update({run_id: _number(value) for run_id, value in pairs if value is not None})
    return found


def read_many(connection: Connection, run_ids: Sequence[int], name: str) -> dict[int, list[Point]]:
    """One short series (a value for each epoch, say) of many runs; runs without a point are left out."""
    found: dict[int, list[Point]] = {}
    for chosen, given in chosen_by("run_id", run_ids):
        begun: dict[int, list[tuple[int, int]]] = defaultdict(list)
        several = f"SELECT run_id, attempt, step FROM attempt WHERE {chosen} ORDER BY run_id, attempt"  # noqa: S608
        for run_id, attempt, step in rows(connection, several, given):
            if _is_sound(attempt, step):
                begun[run_id].append((attempt, step))
        points = f"SELECT run_id, step, attempt, value FROM metric WHERE name = :name AND {chosen}"  # noqa: S608
        points += " ORDER BY run_id, step, attempt"
        kept: dict[int, dict[int, float]] = defaultdict(dict)
        for run_id, step, attempt, value in rows(connection, points, given | {"name": name}):
            if _is_sound(attempt, step) and all(step <= later_step for later, later_step in begun[run_id] if later > attempt):
                kept[run_id][step] = _number(value)  # of one step the newest attempt comes last
        found.update({run_id: [Point(step, value) for step, value in points.items()] for run_id, points in kept.items()})
    return found


def accuracy_curves(connection: Connection, run_ids: Sequence[int]) -> dict[int, list[Point]]:
    """Accuracy over the epochs of each of these runs: that of test images, else of validation images; by convtui's name, or
    whatever a script calls it. Runs without one are left out."""
    found = read_many(connection, run_ids, "test_accuracy")
    for split in ("test", "validation"):
        lacking = [run_id for run_id in run_ids if run_id not in found]
        for name in names_of(connection, lacking):
            if is_of_accuracy(name, split):
                found |= read_many(connection, lacking, name)
    return found


def read_confusions(connection: Connection, run_id: int) -> dict[int, list[list[int]]]:
    """Step -> counts of test images by true class (row) and predicted class, as the newest attempt has them."""
    begun = attempts_of(connection, run_id)
    query = "SELECT step, attempt, counts FROM confusion WHERE run_id = :run_id ORDER BY step, attempt"
    return {
        step: matrix
        for step, attempt, counts in rows(connection, query, {"run_id": run_id})
        if _is_sound(attempt, step)
        and all(step <= later_step for later, later_step in begun if later > attempt)
        and (matrix := _matrix(parsed(counts))) is not None
    }


def _matrix(counts: Any) -> list[list[int]] | None:
    """Counts as rows of one length; None where they are something else."""
    if not isinstance(counts, list) or not all(isinstance(row, list) and len(row) == len(counts) for row in counts):
        return None
    return counts if all(type(count) is int and 0 <= count <= NO_LIMIT for row in counts for count in row) else None


def _is_sound(attempt: object, step: object) -> bool:
    """Rows of other values come from strangers, and are passed over."""
    return type(attempt) is int and type(step) is int and 0 <= step <= NO_LIMIT


def _number(value: object) -> float:
    """NaN is stored as NULL; anything but a number reads as NaN too."""
    return value if type(value) is float else float(value) if type(value) is int else math.nan


def first_new_step(begun: list[tuple[int, int]], after: Cursor | None) -> int:
    """The first step to read for what is new since `after`."""
    if after is None:
        return 0
    return min([after.step + 1, *(step for attempt, step in begun if attempt > after.attempt)])


def attempts_of(connection: Connection, run_id: int) -> list[tuple[int, int]]:
    """(attempt, the step at which it began), oldest first."""
    query = "SELECT attempt, step FROM attempt WHERE run_id = :run_id ORDER BY attempt"
    return [(attempt, step) for attempt, step in rows(connection, query, {"run_id": run_id}) if _is_sound(attempt, step)]


def spans_of(connection: Connection, run_id: int, name: str, begun: list[tuple[int, int]]) -> list[Span]:
    """Which steps of which attempt count, newest first, no step twice."""
    spans: list[Span] = []
    high, taken = NO_LIMIT, False  # the highest step still to be given, and whether a newer attempt has a point just there
    for attempt, low in reversed(begun):
        if low > high:
            continue  # what it did was given up for an earlier checkpoint
        if low <= (top := high - taken):
            spans.append(Span(attempt, low, top))
        given = {"run_id": run_id, "name": name, "attempt": attempt, "low": low, "high": low}
        taken = bool(rows(connection, f"SELECT 1 {_OF_SERIES}", given)) or (taken and low == high)
        high = low
    return spans


def _ends(connection: Connection, run_id: int, name: str, span: Span) -> tuple[int, int] | None:
    given = {"run_id": run_id, "name": name, **span._asdict()}
    first = rows(connection, f"SELECT step {_OF_SERIES} ORDER BY step LIMIT 1", given)
    last = rows(connection, f"SELECT step {_OF_SERIES} ORDER BY step DESC LIMIT 1", given)
    return (int(first[0][0]), int(last[0][0])) if first else None


def _bucket(
    connection: Connection, run_id: int, name: str, spans: Sequence[Span], low: int, high: int, each: int = -1
) -> Bucket | None:
    """The bucket of these steps; None where they have no points."""
    # One query for each bucket, over a range of the sorted key, where GROUP BY would sort all points first.
    query = "SELECT min(step), max(step), min(value), max(value), sum(value), count(value), count(*) "
    # Without a limit SQLite has no need of a table between the two.
    query += _OF_SERIES if each < 0 else f"FROM (SELECT step, value {_OF_SERIES} ORDER BY step LIMIT {each:d}) AS first_ones"
    parts = []
    for attempt, span_low, span_high in spans:
        given = {"run_id": run_id, "name": name, "attempt": attempt, "low": max(low, span_low), "high": min(high, span_high)}
        if max(low, span_low) <= min(high, span_high):
            ((first, last, least, greatest, total, count, points),) = rows(connection, query, given)
            if points:
                mean = _number(total) / count if count else math.nan
                parts.append(Bucket(first, last, _number(least), _number(greatest), mean, count, points - count))
    return merged(parts) if parts else None
