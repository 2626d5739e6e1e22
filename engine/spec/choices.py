"""The closed lists of a run's settings, each named once. What acts on one goes through all of it and ends in `assert_never`: when a
name is added here, mypy names every place that has to know it."""

from __future__ import annotations

from typing import Literal, assert_never

Activation = Literal["relu", "leaky_relu", "tanh", "sigmoid", "gelu", "silu", "elu"]
OutputActivation = Literal["none", Activation]
Cell = Literal["rnn", "lstm", "gru"]
CellOrNone = Literal["none", Cell]
Init = Literal["default", "xavier", "he", "lecun", "gaussian"]
PoolKind = Literal["max", "average"]
FirstFilters = Literal["random", "class_means", "whitening"]

Colour = Literal["grey", "rgb", "rgba"]
Fit = Literal["resize", "crop"]
Order = Literal["shuffle", "fixed", "by_class"]
TestViews = Literal["plain", "mirrored", "mirrored_shifted"]

UpdateRule = Literal["sgd", "nesterov", "rmsprop", "adam", "adamw", "lion"]
"""`takes_momentum` and engine/training/optimisers.py know each."""
Schedule = Literal["constant", "exponential", "step", "cosine", "one_cycle"]

Loss = Literal["cross_entropy", "sum_squares"]
Precision = Literal["float32", "bfloat16"]

StepPath = Literal["eager", "by hand", "CUDA graph", "compiled"]
"""How steps are computed: recorded with a run and used again."""
StepPaths = Literal["auto", "eager", "compiled"]
"""Which of them a run may take."""


def channels_of(colour: Colour) -> int:
    """How many channels images of this colour have."""
    match colour:
        case "grey":
            return 1
        case "rgb":
            return 3
        case "rgba":
            return 4
        case other:
            assert_never(other)


def takes_momentum(rule: UpdateRule) -> bool:
    """Whether the setting `optimiser.momentum` means something to this rule."""
    match rule:
        case "sgd" | "nesterov" | "rmsprop":
            return True
        case "adam" | "adamw" | "lion":
            return False
        case other:
            assert_never(other)
