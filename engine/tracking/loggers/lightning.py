"""Lightning's logger: `logger = convtui.LightningLogger("mine"); Trainer(logger=logger, callbacks=[logger.steering])`."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from convtui.engine.tracking.loggers.late_run import LateRun
from convtui.engine.tracking.run import TrackedRun

# Lightning comes under two names, whose classes are not each other's: the one that the script has imported is meant.
_NAME = "pytorch_lightning" if "pytorch_lightning" in sys.modules and "lightning" not in sys.modules else "lightning.pytorch"
_Logger: Any = import_module(f"{_NAME}.loggers").Logger
_Callback: Any = import_module(f"{_NAME}.callbacks").Callback
_rank_zero_only: Any = import_module(f"{_NAME}.utilities").rank_zero_only


class Steering(_Callback):  # type: ignore[misc]
    """Counts steps, and obeys requests between two of them."""

    def __init__(self, logger: LightningLogger) -> None:
        self._logger = logger

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Called by Lightning before the first batch."""
        self._logger.place(trainer.global_step)
        self._logger.run.follow(trainer.optimizers)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Called by Lightning after each batch."""
        done = self._logger.place(trainer.global_step - 1) + 1 - self._logger.run.step
        if done > 0 and not self._logger.run.advance(batch, trainer.optimizers):
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Called by Lightning after each epoch."""
        self._logger.run.end_epoch()


class LightningLogger(_Logger):  # type: ignore[misc]
    """Keeps what the module logs; with `steering` among the callbacks the run can be paused, stopped and slowed, too.

    Takes what `convtui.init` takes, but for `config`: that is what the module saves by `save_hyperparameters`. The run ends with
    the script, after however many calls of the trainer, or by `logger.run.finish()`; the steps of another trainer follow those of
    the one before. Of several processes the first one records.
    """

    def __init__(self, name: str | None = None, *, store: str | Path | None = None, data: str = "", note: str = "") -> None:
        super().__init__()
        self._late = LateRun(name, store, data, note)
        self._before = self._last = 0
        """Steps of the trainers before this one, and the last of its own that was told."""
        self._may_be_another = False
        self.steering = Steering(self)

    @property
    def run(self) -> TrackedRun:
        """The run, which begins when it is first asked for."""
        return self._begun({})

    def _begun(self, config: Mapping[str, Any]) -> TrackedRun:
        return self._late.begin(config, first=getattr(_rank_zero_only, "rank", 0) == 0)

    def place(self, step: int) -> int:
        """Where a step of the trainer is in the run: another trainer begins at 0 again."""
        if self._may_be_another and step < self._last:
            self._before, self._last = max(self._before + self._last + 1, self.run.step), step
        self._may_be_another, self._last = False, max(self._last, step)
        return self._before + step

    @property
    def name(self) -> str:
        """The run's."""
        return self.run.name

    @property
    def version(self) -> int:
        """The run's number in the store."""
        return self.run.id

    def log_hyperparams(self, params: Mapping[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Called by Lightning before the first step."""
        self._begun(params if isinstance(params, Mapping) else vars(params))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Called by Lightning; the epoch's number is left out, since Lightning adds it to whatever is logged."""
        told = {name: value for name, value in metrics.items() if name != "epoch"}
        self.run.log(told, step=None if step is None else self.place(step))

    def finalize(self, status: str) -> None:
        """Called by Lightning at the end of each `fit`, `validate` and `test`: `success`, and others may follow, or `failed`."""
        self._may_be_another = True
        if status != "success":
            self.run.finish(f"Lightning says that it {status}")
