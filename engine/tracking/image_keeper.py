"""Images that a loop logs, written by the thread that records its numbers."""

from __future__ import annotations

import reprlib
import sys
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from convtui.engine.store.images import file_of, images_in, surplus
from convtui.engine.tracking.handed import told_in_words

if TYPE_CHECKING:
    from torch import Tensor

MOST_WAITING = 16
"""Calls whose images are not written yet; what comes faster than the disk takes it is left out."""


class _Waiting(NamedTuple):
    name: str
    path: Path
    images: Tensor
    stream: Any
    """Of CUDA: the one in which the images come to be."""


class ImageKeeper:
    """Keeps what `log_image` is told in the run's folder."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        """`say` is told what people should know."""
        self._folder, self._say = folder, say
        self._waiting: deque[_Waiting] = deque()

    def take(self, name: str, images: Any, step: int) -> None:
        """Keep a copy, to be written later. For the loop's thread: it waits for nothing."""
        from convtui.engine.logged_images import taken

        if len(self._waiting) >= MOST_WAITING:
            self._say(f"log_image: {name!r} comes faster than it can be written: some are left out")
            return
        try:
            path = self._folder / file_of(name, step)
            copied = taken(images)
        except Exception as error:  # of what the loop hands over, which may be of any kind
            self._say(f"log_image: {reprlib.repr(name)} is left out: {told_in_words(error)}")
            return
        stream = sys.modules["torch"].cuda.current_stream(copied.device) if copied.is_cuda else None
        self._waiting.append(_Waiting(name, path, copied, stream))

    def write(self) -> None:
        """Write what waits. For the thread that records."""
        while self._waiting:
            self._write(self._waiting[0])
            self._waiting.popleft()

    def _write(self, waiting: _Waiting) -> None:
        import torch

        from convtui.engine.logged_images import reduced, save

        try:
            with torch.cuda.stream(waiting.stream) if waiting.stream is not None else nullcontext():
                images, told = reduced(waiting.images)
            if told:
                self._say(f"log_image: {waiting.name!r}: {told}")
            save(waiting.path, images)
            self._thin_out(waiting.name)
        except OSError as error:
            self._say(f"log_image: {waiting.name!r} cannot be written: {error.strerror}")
        except Exception as error:  # of a device that fails; numbers are recorded all the same
            self._say(f"log_image: {waiting.name!r} is left out: {told_in_words(error)}")

    def _thin_out(self, name: str) -> None:
        paths = {each.step: each.path for each in images_in(self._folder) if each.name == name}
        for step in surplus(list(paths)):
            paths[step].unlink(missing_ok=True)
