"""How far two ways of computing the same numbers may lie apart by rounding alone, on any processor.

The rule: a result is the end of so many operations, one after the other or added up; each may round by half an epsilon of its
type, relative to the numbers it handles, in either way of computing. Together that is

    operations x epsilon x magnitude

where the operations are those on the longest way from input to result (the terms of its sums, over all layers and steps), rounded
up generously, and the magnitude is that of the largest number on the way. In single precision a thousand operations come to a
ten-thousandth: far less than a wrong factor, sign or index makes.

What is promised to the last bit (a resumed run, a run that was looked at, the same run again) is compared with == or torch.equal
and has no business here. What is decided by a comparison of computed numbers (a ReLU, a pool, an order) is tested where the
decision is not closer than rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def rounding(operations: int, dtype: torch.dtype = torch.float32) -> float:
    """The relative difference that so many operations in `dtype` may make."""
    return operations * torch.finfo(dtype).eps


def assert_close(found: Any, expected: Any, operations: int, *, dtype: type = np.float64, magnitude: float | None = None) -> None:
    """Fails where an entry of `found` is further from that of `expected` than `operations` roundings are.

    Both are tensors, arrays or (nested lists of) numbers of one shape; NaN equals NaN. The epsilon is that of the coarsest type
    of both and of `dtype`, which says it for numbers. `magnitude` is the largest finite number expected, unless said: say it
    where larger numbers cancel on the way.
    """
    one, other = _array(found), _array(expected)
    assert one.shape == other.shape, f"{one.shape} is not {other.shape}"
    epsilon = max(np.finfo(each).eps for each in (one.dtype, other.dtype, dtype))
    if magnitude is None:
        magnitude = float(np.abs(other[np.isfinite(other)]).max(initial=0))
    np.testing.assert_allclose(one, other, rtol=0, atol=float(operations * epsilon * magnitude))


def _array(values: Any) -> np.ndarray:
    array = np.asarray(values.detach() if isinstance(values, torch.Tensor) else values)
    return array if array.dtype.kind == "f" else array.astype(np.float64)
