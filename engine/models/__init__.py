"""RunSpec -> nn.Module with named layers."""

from convtui.engine.models.building import GENERATORS, build, build_to_fill, check, layout, placed
from convtui.engine.models.eval_mode import eval_mode
from convtui.engine.models.freezing import Frozen
from convtui.engine.models.initialisation import seed_filters, whiten_filters
from convtui.engine.models.summary import Layer, Summary, summarise

__all__ = [
    "GENERATORS",
    "Frozen",
    "Layer",
    "Summary",
    "build",
    "build_to_fill",
    "check",
    "eval_mode",
    "layout",
    "placed",
    "seed_filters",
    "summarise",
    "whiten_filters",
]
