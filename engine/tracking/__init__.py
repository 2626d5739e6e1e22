"""A person's own training loop as a run: told of numbers, watched and steered from other terminals."""

from convtui.engine.tracking.run import TrackedRun, init

__all__ = ["TrackedRun", "init"]
