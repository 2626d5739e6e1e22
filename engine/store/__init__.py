"""Runs in SQLite: what was trained, how it went, where its checkpoints are, and what is requested of it."""

from convtui.engine.store.control import Pullable, Recording, drive, obey
from convtui.engine.store.images import LoggedImages
from convtui.engine.store.known import read_measures, read_settings
from convtui.engine.store.leftovers import Leftover
from convtui.engine.store.matching import Match, Standing, match
from convtui.engine.store.recorder import Recorder
from convtui.engine.store.series import Bucket, Cursor, Point, Series
from convtui.engine.store.store import Store, checked_name, require_trained
from convtui.engine.store.tables import Attempt, Checkpoint, Message, Metric, Request, RequestKind, Run
from convtui.engine.store.weights_now import WeightsNow

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
