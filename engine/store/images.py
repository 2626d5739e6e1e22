"""Which images a script logged: files in the run's folder, named by the images' name and step."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from convtui.engine.errors import UsageError

MOST_STEPS = 100
"""Of each name so many are kept: the first, the newest, and others between them as evenly as can be."""
_FILE = re.compile(r"image-(.{1,200})-([0-9]{9,19})\.safetensors")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class LoggedImages:
    """Images that were logged together. `engine.logged_images.load` reads them."""

    name: str
    step: int
    path: Path


def file_of(name: str, step: int) -> str:
    """What the file of these is called. Raises UsageError for a name that is too long."""
    quoted = quote(name, safe="")
    if not 0 < len(quoted) <= _LONGEST:
        raise UsageError(f"the name of images has at most {_LONGEST} letters")
    return f"image-{quoted}-{step:09}.safetensors"


def is_of_images(file: str) -> bool:
    """Whether a file of this name has them."""
    return _FILE.fullmatch(file) is not None


def images_in(folder: Path) -> list[LoggedImages]:
    """Those in a run's folder, by name, then by step."""
    try:
        files = [(match, path) for path in folder.iterdir() if (match := _FILE.fullmatch(path.name))]
    except OSError:
        return []
    found = [LoggedImages(unquote(match[1], errors="replace"), int(match[2]), path) for match, path in files]
    return sorted(found, key=lambda each: (each.name, each.step))


def surplus(steps: Sequence[int]) -> Iterable[int]:
    """Of these steps, in order, those to be given up so that MOST_STEPS are left: always the one with the nearest neighbours."""
    kept = list(steps)
    while len(kept) > MOST_STEPS:
        gone = min(range(1, len(kept) - 1), key=lambda place: kept[place + 1] - kept[place - 1])
        yield kept.pop(gone)
