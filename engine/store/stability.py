"""How restless a training was: how much its loss changes from step to step."""

from __future__ import annotations

import math
from itertools import pairwise

from sqlalchemy import Connection

from engine.store.series import NO_LIMIT, Cursor, last_points, read_series

STABILITY = "stability"
"""What it is called among the series; it is none, since it is computed from another one when it is asked for."""
_OF = "batch_loss"


def read_stability(connection: Connection, run_id: int) -> float | None:
    """How restless training was: the standard deviation of the loss's change from each step to the next, over the last half of
    the steps. None where there are not two changes, or one of them is no finite number."""
    last = last_points(connection, run_id, [_OF]).get(_OF)
    if last is None:
        return None
    values = read_series(connection, run_id, _OF, Cursor(NO_LIMIT, last.step // 2)).values
    changes = [after - before for before, after in pairwise(values)]
    if len(changes) < 2 or not math.isfinite(sum(changes)):
        return None
    mean = math.fsum(changes) / len(changes)
    return math.sqrt(math.fsum((change - mean) ** 2 for change in changes) / len(changes))
