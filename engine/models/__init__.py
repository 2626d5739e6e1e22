"""RunSpec -> nn.Module with named layers."""

from convtui.engine.models.building import build, check
from convtui.engine.models.eval_mode import eval_mode
from convtui.engine.models.initialisation import seed_filters
from convtui.engine.models.summary import Layer, Summary, summarise

__all__ = ["Layer", "Summary", "build", "check", "eval_mode", "seed_filters", "summarise"]
