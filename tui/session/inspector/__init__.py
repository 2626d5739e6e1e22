"""Looking at nets off the screen's thread: what is asked, how it is answered, and where it leads."""

from convtui.tui.session.inspector.links import follow, in_words
from convtui.tui.session.inspector.messages import (
    About,
    Asked,
    Images,
    Layer,
    NoImages,
    Opened,
    Progress,
    Refused,
    Seen,
    Told,
    Wanted,
)
from convtui.tui.session.inspector.shell_line import command, file_name
from convtui.tui.session.inspector.thread import Looking

__all__ = [
    "About",
    "Asked",
    "Images",
    "Layer",
    "Looking",
    "NoImages",
    "Opened",
    "Progress",
    "Refused",
    "Seen",
    "Told",
    "Wanted",
    "command",
    "file_name",
    "follow",
    "in_words",
]
