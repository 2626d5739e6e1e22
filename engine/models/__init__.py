"""RunSpec -> nn.Module with named layers."""

from engine.models.building import build, check
from engine.models.initialisation import seed_filters
from engine.models.rest import at_rest
from engine.models.summary import Layer, Summary, summarise

__all__ = ["Layer", "Summary", "at_rest", "build", "check", "seed_filters", "summarise"]
