"""How restless a training was: how much its loss changes from step to step."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

from sqlalchemy import Connection

from convtui.engine.store.raw import rows
from convtui.engine.store.series import NO_LIMIT, Cursor, Series, Span, attempts_of, first_new_step, last_points, spans_of

_OF = "batch_loss"


def read_stability(connection: Connection, run_id: int) -> float | None:
    """How restless training was: the standard deviation of the loss's change from each step to the next, over the last half of
    the steps. None where there are not two changes, or one of them is not finite."""
    last = last_points(connection, run_id, [_OF]).get(_OF)
    if last is None:
        return None
    spans = spans_of(connection, run_id, _OF, attempts_of(connection, run_id))
    stretches = _stretches(connection, run_id, spans, last.step // 2 + 1, NO_LIMIT)
    return stretches[0][1] if stretches and math.isfinite(stretches[0][1]) else None


def read_loss_changes(connection: Connection, run_id: int, width: int, after: Cursor | None = None) -> Series:
    """The same of every `width` steps: each stretch's standard deviation of the loss's change into each of its steps, at its
    last step; the whole series, or what is new since `after`. The last stretch may be short; those with fewer than
    two changes are left out, those in which the loss was no finite number are NaN."""
    begun = attempts_of(connection, run_id)
    from_step = first_new_step(begun, after)
    low = max(0, from_step - 1) // width * width
    found = _stretches(connection, run_id, spans_of(connection, run_id, _OF, begun), low, width)
    steps, values = array("q", (step for step, _ in found)), array("d", (value for _, value in found))
    newest = begun[-1][0] if begun else 0
    # The last stretch may grow yet.
    return Series(steps, values, Cursor(newest, (steps[-1] - 1) // width * width if steps else low), low + 1)


def _stretches(connection: Connection, run_id: int, spans: Sequence[Span], low: int, width: int) -> list[tuple[int, float]]:
    """(last step, deviation) of every `width` steps of all changes between steps from `low` on."""
    if not spans:
        return []
    values = ", ".join(f"({span.attempt:d}, {max(low, span.low):d}, {span.high:d})" for span in spans)
    query = f"""
        WITH span(attempt, low, high) AS (VALUES {values}),
        point AS (
            SELECT step, value FROM span CROSS JOIN metric
            WHERE run_id = :run_id AND name = :name AND metric.attempt = span.attempt AND step BETWEEN low AND high
        ),
        change AS (SELECT step, value - lag(value) OVER (ORDER BY step) AS by FROM point)
        SELECT max(step), count(*), count(by), avg(by), sum(by * by)
        FROM change WHERE step > (SELECT min(step) FROM point) GROUP BY (step - 1 - :low) / :width"""  # noqa: S608 - of numbers alone
    found = []
    given = {"run_id": run_id, "name": _OF, "low": low, "width": width}
    for last, steps, count, mean, squares in rows(connection, query, given):
        # A change from or to NaN is NULL, and not counted; one from or to an infinity is infinite.
        finite = count == steps and math.isfinite(squares)
        if steps > 1:
            found.append((last, math.sqrt(max(0.0, squares / count - mean * mean)) if finite else math.nan))
    return sorted(found)
