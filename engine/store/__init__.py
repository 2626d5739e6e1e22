"""Runs in SQLite: what was trained, how it went, where its checkpoints are, and what is requested of it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from convtui.engine.store.images import LoggedImages
from convtui.engine.store.known import read_measures, read_settings
from convtui.engine.store.leftovers import Leftover
from convtui.engine.store.matching import Match, Standing, match
from convtui.engine.store.series import Bucket, Cursor, Point, Series
from convtui.engine.store.store import Store, checked_name, require_trained
from convtui.engine.store.tables import Attempt, Checkpoint, Message, Metric, Request, RequestKind, Run
from convtui.engine.store.weights_now import WeightsNow

if TYPE_CHECKING:
    from convtui.engine.store.control import Pullable, Recording, drive, obey
    from convtui.engine.store.recorder import Recorder

__all__ = [
    "Attempt",
    "Bucket",
    "Checkpoint",
    "Cursor",
    "Leftover",
    "LoggedImages",
    "Match",
    "Message",
    "Metric",
    "Point",
    "Pullable",
    "Recorder",
    "Recording",
    "Request",
    "RequestKind",
    "Run",
    "Series",
    "Standing",
    "Store",
    "WeightsNow",
    "checked_name",
    "drive",
    "match",
    "obey",
    "read_measures",
    "read_settings",
    "require_trained",
]
_OF_TRAINING = {"Pullable": "control", "Recorder": "recorder", "Recording": "control", "drive": "control", "obey": "control"}


def __getattr__(name: str) -> Any:
    """Import what a training needs when it is asked for: to list runs needs no event."""
    if name not in _OF_TRAINING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_OF_TRAINING[name]}"), name)
