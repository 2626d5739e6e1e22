"""Trainings pulled to their end, or stopped on the way, and what they said."""

from __future__ import annotations

from torch import Tensor

from convtui.engine import events
from convtui.engine.events import Event
from convtui.engine.training import Training


def pull(training: Training, stop_at: int | None = None) -> list[Event]:
    """Everything that it says; from the step `stop_at` on it is asked to stop."""
    said = []
    with training:
        for event in training:
            said.append(event)
            if stop_at is not None and training.step >= stop_at:
                training.stop()
    return said


def losses(said: list[Event]) -> list[float]:
    """The loss of every step."""
    return [loss for event in said if isinstance(event, events.Progress) for loss in event.values["batch_loss"]]


def weights(training: Training) -> dict[str, Tensor]:
    """A copy of the net's weights and running means."""
    return {name: tensor.clone() for name, tensor in training.net.state_dict().items()}
