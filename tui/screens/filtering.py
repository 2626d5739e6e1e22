"""Which runs a person asks for: words, `status:diverged`, `acc>0.9`, all of which must hold."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any

from tui.screens.run_lines import Line

Wanted = Callable[[Line], bool]

STATUSES = ("queued", "running", "paused", "finished", "stopped", "diverged", "failed", "crashed")
_TEXTS: dict[str, Callable[[Line], str]] = {
    "name": lambda line: line.name,
    "preset": lambda line: line.preset,
    "data": lambda line: line.data,
    "status": lambda line: line.status,
    "note": lambda line: line.note,
    "device": lambda line: line.device,
}
_NUMBERS: dict[str, Callable[[Line], float | None]] = {
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
_COMPARED = re.compile(r"([a-z]+)(>=|<=|>|<|=)(.*)", re.IGNORECASE)


class BadFilter(ValueError):
    """What is wrong with a filter, in words."""


def wanted(text: str) -> Wanted:
    """What `text` asks for. Raises BadFilter."""
    conditions = [_condition(part) for part in _PART.findall(text)]
    return lambda line: all(condition(line) for condition in conditions)


def _condition(part: str) -> Wanted:
    compared = _COMPARED.fullmatch(part)
    if compared and not part.startswith('"'):
        return _number(compared[1].lower(), compared[2], compared[3])
    key, colon, rest = part.partition(":")
    rest = rest.replace('"', "").lower()
    if colon and key.isalpha():
        return _text(key.lower(), rest)
    sought = part.replace('"', "").lower()
    return lambda line: sought in line.searched


def _text(key: str, sought: str) -> Wanted:
    if key not in _TEXTS:
        raise BadFilter(f"there is no {key}: to filter by; {', '.join(_TEXTS)} there are")
    if key == "status" and not any(status.startswith(sought) for status in STATUSES):
        raise BadFilter(f"no status begins with {sought}: {' '.join(STATUSES)}")
    of = _TEXTS[key]
    if key == "status":
        return lambda line: of(line).startswith(sought)
    return lambda line: sought in of(line).lower()


def _number(key: str, sign: str, text: str) -> Wanted:
    if key not in _NUMBERS:
        raise BadFilter(f"{key} is no number of a run; {', '.join(_NUMBERS)} are")
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        raise BadFilter(f"{key}{sign} needs a number, as in {key}{sign}{'0.9' if key in ('acc', 'best') else '1'}") from None
    # On the screen accuracies are percents, in the store fractions: a person may write either.
    if text.endswith("%") or (key in ("acc", "best") and value > 1):
        value /= 100
    of, compare = _NUMBERS[key], _COMPARISONS[sign]

    def holds(line: Line) -> bool:
        number = of(line)
        return number is not None and not math.isnan(number) and compare(number, value)

    return holds
