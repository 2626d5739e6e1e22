"""Looking at nets off the screen's thread: what is asked, how it is answered, and where it leads."""

from convtui.tui.session.inspector.links import follow, in_words
from convtui.tui.session.inspector.messages import (
    Answer,
    CodeWanted,
    Found,
    Layer,
    NetInfo,
    NoThumbnails,
    Opened,
    Options,
    Query,
    QueryProgress,
    Refusal,
    Reply,
    ThumbnailRequest,
    Thumbnails,
)
from convtui.tui.session.inspector.thread import Inspector

__all__ = [
    "Answer",
    "CodeWanted",
    "Found",
    "Inspector",
    "Layer",
    "NetInfo",
    "NoThumbnails",
    "Opened",
    "Options",
    "Query",
    "QueryProgress",
    "Refusal",
    "Reply",
    "ThumbnailRequest",
    "Thumbnails",
    "follow",
    "in_words",
]
