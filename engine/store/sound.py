"""What rows hold is checked as they are read: SQLite takes any value in any column, and a store may come from a stranger.

A value of another type than its column's, or out of its range, reads as the column's default.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, get_args

from sqlalchemy import event
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import SQLModel

from convtui.engine.statuses import STATUSES

_UNKNOWN_STATUS = "the store holds a status that convtui does not know"
_MOST = 2**53
"""Of counts: beyond it floats, and so JSON's readers, mistake them."""
_YEAR_10000 = 253_402_300_800.0
_MOST_PER_SECOND = 1e12
_PIDS = 2**31

Check = Callable[[Any], Any]


def corrections(table: type[SQLModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Of these columns of a row of `table`, those whose values are unsound, with what they read as.

    A status outside the closed list reads `failed`, with a reason.
    """
    checks = _checks(table)
    found = {name: sound for name, value in values.items() if name in checks and (sound := checks[name](value)) is not value}
    if "status" in values and values["status"] not in STATUSES:
        found |= {"status": "failed", "reason": _UNKNOWN_STATUS}
    return found


def parsed(text: str) -> Any:
    """The value that a row's JSON stands for; None where it is not JSON, or too long or deep to read."""
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None


def check_when_loaded(table: type[SQLModel]) -> None:
    """From now on every row of `table` that is read as an object is checked; what is stored stays as it is."""

    def check(row: SQLModel, *_: object) -> None:
        for name, sound in corrections(table, row.__dict__).items():
            set_committed_value(row, name, sound)

    event.listen(table, "load", check)
    event.listen(table, "refresh", check)


@cache
def _checks(table: type[SQLModel]) -> Mapping[str, Check]:
    return {name: _check(name, field.annotation, field.get_default()) for name, field in table.model_fields.items()}


def _check(name: str, annotation: Any, default: Any) -> Check:
    """Of one column, told by its declared type: `int`, `float`, `str`, or one of them or None."""
    kinds = get_args(annotation) or (annotation,)
    optional = type(None) in kinds
    if str in kinds:
        return _text(None if optional else default if isinstance(default, str) else "")
    low, high = _range(name, whole=int in kinds)
    otherwise = None if optional else default if isinstance(default, int | float) else (0 if int in kinds else 0.0)
    return _number(int if int in kinds else float, low, high, otherwise)


def _range(name: str, *, whole: bool) -> tuple[float, float]:
    """Both ends included."""
    if name == "pid":
        return 1, _PIDS - 1
    if whole:
        return 0, _MOST
    if name.endswith("accuracy"):
        return 0, 1
    if name in ("created", "started", "ended", "heartbeat", "taken", "process_started", "seconds"):
        return 0, math.nextafter(_YEAR_10000, 0)
    if name == "images_per_second":
        return 0, _MOST_PER_SECOND
    if name in ("learning_rate", "rate_factor"):
        return 0, 1e30
    return -math.inf, math.inf


def _number(kind: type[int] | type[float], low: float, high: float, otherwise: float | None) -> Check:
    def check(value: Any) -> Any:
        if type(value) is kind and low <= value <= high:
            return value
        if kind is float and type(value) is int and low <= value <= high:
            return float(value)
        return otherwise

    return check


def _text(otherwise: str | None) -> Check:
    return lambda value: value if type(value) is str else value.decode(errors="replace") if type(value) is bytes else otherwise
