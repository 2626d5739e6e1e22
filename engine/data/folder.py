"""`folder:PATH`: your own images, from a directory or an archive, laid out as docs/data.md describes (`layout`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convtui.engine.data.container import fingerprint, opened
from convtui.engine.data.contents import Container
from convtui.engine.data.image_files import ImageFiles
from convtui.engine.data.layout import Layout, layout


def is_there(place: Path) -> bool:
    """Whether there is anything at `place`; a path that cannot be, as one that is too long, has nothing."""
    return os.path.exists(place)  # noqa: PTH110 - pathlib raises there


@contextmanager
def _arranged(place: Path) -> Iterator[tuple[Container, Layout]]:
    with opened(place) as container:
        yield container, layout(place, container)


FOLDER = ImageFiles(_arranged, is_there, fingerprint)
