"""RunSpec -> events."""

from engine.training.training import Training

__all__ = ["Training"]
