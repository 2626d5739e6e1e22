"""How series of single steps are smoothed, on screens and in pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence


def smooth(values: Sequence[float], window: float, counts: Sequence[int] | None = None) -> list[float]:
    """The exponential moving average, corrected for its beginning (Kingma and Ba 2015, "Adam", section 3), that forgets over
    about `window` points. A value that stands for several points has their number in `counts`. What is not finite stays."""
    decay = math.exp(-1 / window)
    mean = weight = 0.0
    smoothed = []
    for place, value in enumerate(values):
        if math.isfinite(value):
            kept = decay ** (counts[place] if counts is not None else 1)
            mean = kept * mean + (1 - kept) * value
            weight = kept * weight + (1 - kept)
            value = mean / weight
        smoothed.append(value)
    return smoothed
