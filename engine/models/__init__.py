"""RunSpec -> nn.Module with named layers."""

from engine.models.convnet import build, check
from engine.models.summary import Layer, Summary, summarise

__all__ = ["Layer", "Summary", "build", "check", "summarise"]
