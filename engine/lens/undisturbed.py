"""A net that is looked at and left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn, no_grad

from convtui.engine.lens.tracer import version
from convtui.engine.models import eval_mode


@contextmanager
def undisturbed(net: nn.Module) -> Iterator[None]:
    """Within the block `net` is in inference mode; after it flags and buffers are what they were.

    Some nets count their passes, or average over what they see, whatever their mode.
    """
    buffers = [(module, name, buffer) for module in net.modules() for name, buffer in module._buffers.items() if buffer is not None]
    kept = [(version(buffer), buffer.detach().clone()) for _, _, buffer in buffers]
    try:
        with eval_mode(net):
            yield
    finally:
        for (module, name, buffer), (before, value) in zip(buffers, kept, strict=True):
            if version(buffer) != before:
                with no_grad():
                    buffer.copy_(value)
            module._buffers[name] = buffer
