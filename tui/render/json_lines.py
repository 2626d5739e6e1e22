"""JSON lines, the output of commands for programs."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

from convtui.engine.text import STEERING
from convtui.tui.terminal import takes_unicode

if TYPE_CHECKING:
    from convtui.engine.store import Run

_LAST_LINE = (
    "epoch", "step", "seconds", "images_per_second", "train_loss", "test_loss", "train_accuracy", "test_accuracy", "dataset",
)  # fmt: skip
_RUN = (
    "id", "name", "preset", "dataset", "status", "epoch", "step", "total_steps", "train_loss", "test_loss", "validation_loss",
    "train_accuracy", "test_accuracy", "validation_accuracy", "best_accuracy", "best_epoch", "end_step", "seconds",
    "images_per_second", "learning_rate", "parameters", "device", "host", "created", "started", "ended", "note", "reason",
    "study", "setting",
)  # fmt: skip


def run_values(run: Run) -> dict[str, Any]:
    """A run as JSON has it."""
    return {name: getattr(run, name) for name in _RUN}


def line(values: dict[str, Any]) -> str:
    """One line of JSON; numbers that are not finite are null, as JSON has no word for them.

    Texts are true to the last byte: what could steer a terminal, bytes of names that are not UTF-8, and what the output takes no
    letters for, are escapes.
    """
    ascii_only = not takes_unicode(sys.stdout)
    try:
        text = json.dumps(values, ensure_ascii=ascii_only, allow_nan=False)
    except ValueError:  # seldom: going through millions of pixels for it would take longer than all else
        text = json.dumps(_finite(values), ensure_ascii=ascii_only)
    return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def last_line(run: Run, status: str) -> dict[str, Any]:
    """How a run ended, as the last JSON line of what trained or followed it."""
    values = {"event": status, "run": run.id, "status": status} | {name: getattr(run, name) for name in _LAST_LINE}
    return values | ({"reason": run.reason} if run.reason else {})


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
