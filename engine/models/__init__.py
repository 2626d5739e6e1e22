"""RunSpec -> nn.Module with named layers."""

from convtui.engine.models.activations import Array, Nonlinearity, nonlinearity, rule
from convtui.engine.models.building import GENERATORS, build, build_to_fill, check, layout, placed
from convtui.engine.models.eval_mode import eval_mode
from convtui.engine.models.freezing import Frozen
from convtui.engine.models.importing import channels_of, fill, imported_net, load_weights, read_weights
from convtui.engine.models.initialisation import seed_filters, whiten_filters, whitening
from convtui.engine.models.outputs import answer, logits, tensors
from convtui.engine.models.pooling_first import pooling_first
from convtui.engine.models.recurrent import Last, Recurrent, Rows
from convtui.engine.models.summary import Layer, Summary, summarise

__all__ = [
    "GENERATORS",
    "Array",
    "Frozen",
    "Last",
    "Layer",
    "Nonlinearity",
    "Recurrent",
    "Rows",
    "Summary",
    "answer",
    "build",
    "build_to_fill",
    "channels_of",
    "check",
    "eval_mode",
    "fill",
    "imported_net",
    "layout",
    "load_weights",
    "logits",
    "nonlinearity",
    "placed",
    "pooling_first",
    "read_weights",
    "rule",
    "seed_filters",
    "summarise",
    "tensors",
    "whiten_filters",
    "whitening",
]
