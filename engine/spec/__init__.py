"""RunSpec: every hyperparameter of a run, with its bounds, unit and one line of help.

The one source of truth. The command line's options, the form on screen, validation, presets in TOML and the comparison
of two runs are all read off these classes; nothing about a hyperparameter is written down a second time.
"""

from convtui.engine.spec.base import Part, hyper, quoted, written
from convtui.engine.spec.blocks import ConvBlock, DenseBlock
from convtui.engine.spec.fields import Hyperparameter, difference, fields_of, hyperparameters, read
from convtui.engine.spec.flat import flat
from convtui.engine.spec.in_force import WITHOUT_RESULT, is_in_force
from convtui.engine.spec.making import changed, explained, make, parse_setting
from convtui.engine.spec.parts import DataSpec, ModelSpec, OptimiserSpec, RunSpec, TrainingSpec
from convtui.engine.spec.spelling import alike, nearest

__all__ = [
    "WITHOUT_RESULT",
    "ConvBlock",
    "DataSpec",
    "DenseBlock",
    "Hyperparameter",
    "ModelSpec",
    "OptimiserSpec",
    "Part",
    "RunSpec",
    "TrainingSpec",
    "alike",
    "changed",
    "difference",
    "explained",
    "fields_of",
    "flat",
    "hyper",
    "hyperparameters",
    "is_in_force",
    "make",
    "nearest",
    "parse_setting",
    "quoted",
    "read",
    "written",
]
