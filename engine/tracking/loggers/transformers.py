"""Hugging Face's Trainer: `Trainer(..., callbacks=[convtui.TransformersCallback("mine")])`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from convtui.engine.tracking.run import TrackedRun, init

_TRAIN = ("loss", "grad_norm")
"""What the trainer names without a split, of its training batches."""
_MEAN = "mean_train_loss"
"""What the trainer's summary at the end calls `train_loss`: of all steps, and not the last."""
_LEFT_OUT = ("epoch", "learning_rate")
"""Told with whatever is logged, and known: of each step, not of every few hundred."""


class TransformersCallback(TrainerCallback):  # type: ignore[misc]
    """Keeps what the trainer logs, and obeys requests between two steps. Takes what `convtui.init` takes, but for `config`: that is
    the trainer's arguments."""

    def __init__(self, name: str | None = None, *, store: str | Path | None = None, data: str = "", note: str = "") -> None:
        self._given: dict[str, Any] = {"name": name, "store": store, "data": data, "note": note}
        self.run: TrackedRun | None = None
        """From the beginning of the training to its end."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called by the trainer."""
        if state.is_world_process_zero:
            self.run = init(config=args.to_sanitized_dict(), **self._given)
            self.run.follow([kwargs["optimizer"]] if kwargs.get("optimizer") is not None else [])
            self.run.plan(state.max_steps, round(state.max_steps / state.num_train_epochs) if state.num_train_epochs else 0)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called by the trainer after each update."""
        images = args.train_batch_size * args.gradient_accumulation_steps
        optimizer = kwargs.get("optimizer")
        if self.run is not None and not self.run.advance(images, [] if optimizer is None else [optimizer]):
            control.should_training_stop = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called by the trainer."""
        if self.run is not None:
            self.run.end_epoch()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Called by the trainer every so many steps, and after each evaluation."""
        if self.run is not None:
            own = {name: f"train/{name}" for name in _TRAIN} | ({"train_loss": _MEAN} if "train_runtime" in (logs or {}) else {})
            named = {own.get(name, name): value for name, value in (logs or {}).items()}
            self.run.log({name: value for name, value in named.items() if name not in _LEFT_OUT}, step=state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called by the trainer."""
        if self.run is not None:
            self.run.finish()
            self.run = None
