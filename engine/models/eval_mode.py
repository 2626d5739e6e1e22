"""A net as it is used, not as it is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def eval_mode(net: nn.Module) -> Iterator[None]:
    """Within the block `net` is in inference mode; after it each of its modules has the training flag that it had.

    Flags are all that is set: what a net's own `train` does besides, merging weights say, would outlast the block.
    """
    flags = {module: module.training for module in net.modules()}
    try:
        for module in flags:
            module.training = False
        yield
    finally:
        for module, flag in flags.items():
            module.training = flag
