"""RunSpec -> events."""

from convtui.engine.training.training import Training

__all__ = ["Training"]
