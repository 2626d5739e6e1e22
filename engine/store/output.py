"""What a run's program printed, in files of a megabyte beside the run's other files: the first one and the newest are kept.

A file is named for how many bytes had been printed before it, so that a reader who knows how far it has read needs nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PART_BYTES = 1 << 20
KEPT_PARTS = 8
"""The newest; with the first one, nine megabytes in all."""
_PART = re.compile(r"output-(\d{15})\.log")
_OF_BACKGROUND = "output.log"
"""What a shell writes for trainings that the application handed on."""


@dataclass(frozen=True, slots=True)
class Printed:
    """Bytes that were printed one after another."""

    start: int
    """How many had been printed before; more than where the bytes before these ended, where some were not kept."""
    content: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.content)


def is_output(file: str) -> bool:
    """Whether a file of this name has what a program printed."""
    return file == _OF_BACKGROUND or _PART.fullmatch(file) is not None


class OutputWriter:
    """Keeps what a program prints, from its beginning."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the run's; it is made. Raises OSError, as `write` does."""
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._place = self._room = 0

    def write(self, content: bytes) -> None:
        """Keep more."""
        while content:
            if not self._room:
                self._begin_part()
            piece, content = content[: self._room], content[self._room :]
            with self._part.open("ab") as file:
                file.write(piece)
            self._place, self._room = self._place + len(piece), self._room - len(piece)

    def _begin_part(self) -> None:
        self._part, self._room = self._folder / f"output-{self._place:015}.log", PART_BYTES
        for _, old in _parts(self._folder)[1 : 1 - KEPT_PARTS]:
            old.unlink(missing_ok=True)


def read_output(folder: Path, after: int = 0) -> list[Printed]:
    """What was printed from byte `after` on, as far as it is kept: nine megabytes at most. Raises OSError."""
    parts = _parts(folder)
    background = folder / _OF_BACKGROUND
    if not parts and background.exists():
        size = background.stat().st_size
        parts = [(max(0, size - KEPT_PARTS * PART_BYTES), background)] if after < size else []
    found: list[Printed] = []
    for place, (start, path) in enumerate(parts):
        if place + 1 < len(parts) and parts[place + 1][0] <= after:
            continue
        start = max(start, after)
        try:
            with path.open("rb") as file:
                file.seek(start - (0 if path == background else parts[place][0]))
                content = file.read()
        except FileNotFoundError:
            continue  # its program has just printed too much
        if content and found and found[-1].end == start:
            found[-1] = Printed(found[-1].start, found[-1].content + content)
        elif content:
            found.append(Printed(start, content))
    return found


def _parts(folder: Path) -> list[tuple[int, Path]]:
    """Where each begins, and its file, in order."""
    names = [(match, path) for path in folder.glob("output-*.log") if (match := _PART.fullmatch(path.name))]
    return sorted((int(match[1]), path) for match, path in names)
