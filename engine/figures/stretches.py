"""What is drawn of a line of many points, on screens and in pictures: its stretches without a gap, and of each what can be seen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def stretches(there: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and end of each stretch without a gap."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def thinned(line: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """A line [n, 2] of x, which rises, and y, in what it is drawn with.

    Where it has more than `most` points: of those that fall into one column (one of x) the first, the lowest, the highest and the
    last, which look the same.
    """
    if len(line) <= most:
        return line
    starts = np.flatnonzero(np.diff(np.floor(line[:, 0]), prepend=np.nan) != 0)
    ends = np.append(starts[1:], len(line))
    kept: set[int] = set()
    for first, end in zip(starts.tolist(), ends.tolist(), strict=True):
        heights = line[first:end, 1]
        kept |= {first, first + int(heights.argmin()), first + int(heights.argmax()), end - 1}
    return line[sorted(kept)]
