"""Runs in SQLite: what was trained, how it went, where its checkpoints are, and what somebody wants of it."""

from engine.store.drive import Pullable, drive
from engine.store.leftovers import Leftover
from engine.store.matching import Match, Standing, match
from engine.store.recorder import Recorder
from engine.store.series import Bucket, Cursor, Point, Series
from engine.store.sound import Status
from engine.store.stability import STABILITY
from engine.store.store import Store, checked_name, require_trained
from engine.store.tables import Attempt, Checkpoint, Message, Metric, Request, RequestKind, Run

__all__ = [
    "STABILITY",
    "Attempt",
    "Bucket",
    "Checkpoint",
    "Cursor",
    "Leftover",
    "Match",
    "Message",
    "Metric",
    "Point",
    "Pullable",
    "Recorder",
    "Request",
    "RequestKind",
    "Run",
    "Series",
    "Standing",
    "Status",
    "Store",
    "checked_name",
    "drive",
    "match",
    "require_trained",
]
