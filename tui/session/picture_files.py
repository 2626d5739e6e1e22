"""Pictures of a person's own, found by a path that is being written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
MOST = 500
"""Names that are listed of a folder."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What there is in the folder of a path, of what begins as the path ends."""

    folder: str
    """As it was written, with a slash at its end; empty for the working directory."""
    names: list[str]
    """Folders first, with a slash at their end, then pictures; each in alphabetical order."""
    trouble: str = ""
    """Why there is nothing, in one line."""

    @property
    def pictures(self) -> list[str]:
        """Their paths."""
        return [self.folder + name for name in self.names if not name.endswith("/")]


def listed(text: str) -> Listing:
    """Look into the folder that `text` leads to; slow where that is far away, for a thread.

    What is hidden is listed where `text` says so.
    """
    folder, beginning = text[: text.rfind("/") + 1], text[text.rfind("/") + 1 :]
    try:
        with os.scandir(Path(folder or ".").expanduser()) as found:
            there = [(entry.is_dir(), entry.name) for entry in found if entry.name.lower().startswith(beginning.lower())]
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Listing(folder, [], f"{folder or '.'}: {reason}")
    shown = [(is_folder, name) for is_folder, name in there if beginning.startswith(".") or not name.startswith(".")]
    folders = sorted(f"{name}/" for is_folder, name in shown if is_folder)
    pictures = sorted(name for is_folder, name in shown if not is_folder and name.lower().endswith(ENDINGS))
    names = [*folders, *pictures][:MOST]
    return Listing(folder, names, "" if names else "no picture and no folder begins so")
