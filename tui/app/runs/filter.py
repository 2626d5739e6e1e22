"""Which runs a person asks for: words, `status:diverged`, `acc>0.9`, all of which must hold."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from convtui.engine.metrics import metric
from convtui.engine.statuses import STATUSES
from convtui.tui.app.runs.metric_column import MetricColumn
from convtui.tui.app.runs.rows import RunRow

Condition = Callable[[RunRow], bool]

_TEXTS: dict[str, Callable[[RunRow], str]] = {
    "name": lambda line: line.name,
    "preset": lambda line: line.preset,
    "data": lambda line: line.data,
    "status": lambda line: line.status,
    "note": lambda line: line.note,
    "device": lambda line: line.device,
}
_NUMBERS: dict[str, Callable[[RunRow], float | None]] = {
    "acc": lambda line: line.accuracy,
    "best": lambda line: line.best,
    "loss": lambda line: line.loss,
    "epoch": lambda line: line.epoch,
    "time": lambda line: line.seconds,
    "id": lambda line: line.id,
}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq,
}  # fmt: skip
_PART = re.compile(r'(?:[^\s"]|"[^"]*(?:"|$))+')
_COMPARED = re.compile(r"(.+?)(>=|<=|>|<|=)(.*)")
_NAMED = re.compile(r"[a-zA-Z][\w/]*")
"""What is meant to name a number, whether there is one or not."""


class BadFilter(ValueError):
    """What is wrong with a filter, in words."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a filter asks for; says of a run whether it is like that."""

    conditions: tuple[Condition, ...]
    columns: tuple[MetricColumn, ...]
    """Those whose values it asks for, of every run."""

    def __call__(self, line: RunRow) -> bool:
        return all(condition(line) for condition in self.conditions)


def parsed_filter(text: str, measures: Iterable[MetricColumn] = ()) -> Filter:
    """What `text` asks for; of measures, by those that are columns. Raises BadFilter."""
    conditions, asked = [], []
    for part in _PART.findall(text):
        compared = None if part.startswith('"') else _COMPARED.fullmatch(part)
        measured = _measured(compared[1].replace('"', ""), measures) if compared else None
        if compared and measured is not None:
            asked.append(measured)
            conditions.append(
                _number(measured.name, measured.value, compared[2], compared[3], share=metric(measured.name).form == "share")
            )
        elif compared and _NAMED.fullmatch(compared[1]):
            key = compared[1].lower()
            if key not in _NUMBERS:
                raise BadFilter(f"{key} cannot be compared; use {', '.join(_NUMBERS)}, or a measure shown as a column (m)")
            conditions.append(_number(key, _NUMBERS[key], compared[2], compared[3], share=key in ("acc", "best")))
        else:
            conditions.append(_words(part))
    return Filter(tuple(conditions), tuple(asked))


def _measured(key: str, measures: Iterable[MetricColumn]) -> MetricColumn | None:
    """The measure of that name; where it is of layers or classes and one of them is a column, without that part too."""
    found = [each for each in measures if key in (each.name, each.name.partition("/")[0])]
    exact = [each for each in found if each.name == key]
    if not exact and len(found) > 1:
        raise BadFilter(f"{key} matches several columns: {', '.join(each.name for each in found)}")
    return next(iter(exact or found), None)


def _words(part: str) -> Condition:
    key, colon, rest = part.partition(":")
    rest = rest.replace('"', "").lower()
    if colon and key.isalpha():
        return _text(key.lower(), rest)
    sought = part.replace('"', "").lower()
    return lambda line: sought in line.searched


def _text(key: str, sought: str) -> Condition:
    if key not in _TEXTS:
        raise BadFilter(f"unknown field {key}; use {', '.join(_TEXTS)}")
    if key == "status" and not any(status.startswith(sought) for status in STATUSES):
        raise BadFilter(f"no status starts with {sought}; use {', '.join(STATUSES)}")
    of = _TEXTS[key]
    if key == "status":
        return lambda line: of(line).startswith(sought)
    return lambda line: sought in of(line).lower()


def _number(key: str, of: Callable[[RunRow], float | None], sign: str, text: str, *, share: bool) -> Condition:
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        raise BadFilter(f"{key}{sign} needs a number, e.g. {key}{sign}{'0.9' if share else '1'}") from None
    # On the screen shares are percents, in the store fractions: a person may write either.
    if text.endswith("%") or (share and value > 1):
        value /= 100
    compare = _COMPARISONS[sign]

    def holds(line: RunRow) -> bool:
        number = of(line)
        return number is not None and not math.isnan(number) and compare(number, value)

    return holds
