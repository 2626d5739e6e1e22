"""Which hyperparameters a run depends on: `model.hidden` is nothing to a net without a recurrent cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from convtui.engine.spec.choices import takes_momentum
from convtui.engine.spec.parts import OWN, RunSpec

WITHOUT_RESULT = (
    "training.measures", "training.evaluate_train", "training.snapshot_every", "training.checkpoint_seconds", "training.step_path",
    "training.threads",
)  # fmt: skip
"""Those that change what is recorded and how quickly, and no weight but by rounding."""

_NEEDS: Mapping[str, Callable[[RunSpec], bool]] = {
    "model.hidden": lambda spec: spec.model.cell != "none",
    "model.layers": lambda spec: spec.model.cell != "none",
    "model.slope": lambda spec: bool({"tanh", "sigmoid"} & set(spec.model.activations)),
    "model.leak": lambda spec: "leaky_relu" in spec.model.activations,
    "model.activation": lambda spec: bool(spec.model.conv_blocks or spec.model.dense_blocks),
    "model.output_activation": lambda spec: spec.training.loss == "sum_squares",
    "model.init_std": lambda spec: spec.model.init == "gaussian",
    "model.first_filters": lambda spec: bool(spec.model.conv_blocks),
    "model.arguments": lambda spec: bool(spec.model.module),
    "optimiser.momentum": lambda spec: takes_momentum(spec.optimiser.name),
    "optimiser.decay": lambda spec: spec.optimiser.schedule in ("exponential", "step"),
    "optimiser.step_epochs": lambda spec: spec.optimiser.schedule == "step",
    "optimiser.warmup_epochs": lambda spec: spec.optimiser.schedule == "cosine",
    "training.epochs": lambda spec: spec.training.steps is None and spec.training.images is None,
    "training.steps": lambda spec: spec.training.images is None,
    "training.patience": lambda spec: bool(spec.data.validation_fraction),
}


def is_in_force(spec: RunSpec, path: str) -> bool:
    """Whether the hyperparameter says anything about a run of this spec."""
    if spec.model.module and path.startswith("model."):
        return path.removeprefix("model.") in OWN
    needs = _NEEDS.get(path)
    return needs is None or needs(spec)
