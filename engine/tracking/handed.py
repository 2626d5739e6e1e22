"""What a loop of a person's own hands over, read without ever failing: it may be of any kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convtui.engine.errors import ConvtuiError

_LONGEST = 500
"""Letters of an error's message."""


def length_of(batches: Any) -> int | None:
    """How many there are; None where that is not known."""
    try:
        return len(batches)
    except Exception:  # of another's code, as a sampler that raises NotImplementedError
        return None


def size_of(batch: Any) -> int:
    """How many images a batch has, by its first tensor; 0 where there is none."""
    try:
        if isinstance(batch, Mapping):
            batch = next(iter(batch.values()), None)
        elif isinstance(batch, Sequence) and batch:
            batch = batch[0]
        return int(next(iter(getattr(batch, "shape", ())), 0))
    except Exception:  # of another's code
        return 0


def several(optimizer: Any) -> list[Any]:
    """One optimizer, or several: a sequence, or named ones."""
    if isinstance(optimizer, Mapping):
        return list(optimizer.values())
    if optimizer is None:
        return []
    return list(optimizer) if isinstance(optimizer, Sequence) and not isinstance(optimizer, str) else [optimizer]


def told_in_words(error: BaseException) -> str:
    """`ValueError: shapes differ`, in one line; of convtui's own errors the text alone. Of an error that a worker passed on with
    its traceback, the first line and the last."""
    try:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    except Exception:  # its own code fails
        lines = []
    text = f"{lines[0]} {lines[-1]}" if any(line.startswith("Original Traceback") for line in lines) else " ".join(lines[:1])
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return text if isinstance(error, ConvtuiError) else ": ".join(filter(None, (type(error).__name__, text)))
