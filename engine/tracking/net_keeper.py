"""The net of a script's run: measured as it is trained, its weights and images kept in the run's folder."""

from __future__ import annotations

import reprlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from convtui.engine.errors import ConvtuiError
from convtui.engine.events import CheckpointKind, CheckpointSaved, Event
from convtui.engine.store.weights_now import NOTHING_SAVED

if TYPE_CHECKING:
    from torch import Tensor, nn

    from convtui.engine.tracking.watching import Watch

Every = Literal["epoch"] | int
MOST_IMAGES = 1000
"""Of those that a net is watched over, so many are kept to be looked at."""
_COST = 100
"""Measuring and writing takes at most one in so many seconds."""


class NetKeeper:
    """Writes the files of one run's nets, and measures the one that is watched. For the thread that trains."""

    def __init__(
        self,
        folder: Path,
        place: Callable[[], tuple[int, int]],
        record: Callable[[Event], None],
        tell: Callable[[str, Any], None],
        say: Callable[[str], None],
    ) -> None:
        """`folder` is the run's, `place` gives its step and its epochs. `tell` takes a number of the step that the run is at, `say`
        what people should know."""
        self._folder, self._place = folder, place
        self._record, self._tell, self._say = record, tell, say
        self._watch: Watch | None = None
        self._arguments: Mapping[str, Any] | None = None
        self._every: Every = "epoch"
        self._kept_step, self._kept_until = 0, 0.0

    def watch(
        self,
        model: nn.Module,
        images: Tensor | None,
        about: tuple[Any, ...],
        every: Every,
        arguments: Mapping[str, Any] | None = None,
    ) -> nn.Module:
        """Watch this net, and none before it, over `images`, which are kept with what is said `about` them. Gives what is within
        whatever wraps it. `arguments` are those of its class."""
        from convtui.engine.tracking.watching import Watch

        self._release()
        self._watch = Watch(model, images, self._tell, self._say)
        self._every, self._arguments = self._checked(every), arguments
        if images is not None:
            self._keep_images(images, about)
        return self._watch.net

    def _checked(self, every: Any) -> Every:
        if every == "epoch" or (isinstance(every, int) and every > 0):
            return cast("Every", every)
        self._say(f"watch: every={reprlib.repr(every)} is neither 'epoch' nor a number of steps from 1: 'epoch' is used instead")
        return "epoch"

    def _release(self) -> None:
        if self._watch is not None:
            self._watch.release()

    def save(self, model: nn.Module, kind: CheckpointKind, arguments: Mapping[str, Any] | None = None) -> Path | None:
        """Write its weights; None where that cannot be, which is said."""
        from convtui.engine import net_file

        step, epoch = self._place()
        path = self._folder / f"{kind}-{step:09}.safetensors"
        began = time.monotonic()
        try:
            size = net_file.save(path, model, step=step, epoch=epoch, arguments=arguments)
        except ConvtuiError as error:
            self._say(str(error))
            return None
        self._record(CheckpointSaved(step, epoch, kind, path.name, size, time.monotonic() - began))
        return path

    def save_watched(self) -> None:
        """Write the weights of the net that is watched."""
        if self._watch is None:
            self._say(f"{NOTHING_SAVED}: tell which net it is by run.watch(model)")
        else:
            self.save(self._watch.net, "checkpoint", self._arguments)

    def epoch_ended(self) -> None:
        """Measure and keep the net that is watched, if it is time for that."""
        if self._every == "epoch":
            self._look_back(is_due=self._is_time())

    def step_done(self, step: int) -> None:
        """As `epoch_ended`, where it is watched by steps."""
        if isinstance(self._every, int) and step % self._every == 0:
            self._look_back(is_due=self._is_time())

    def close(self, *, measure: bool) -> None:
        """Watch no more; before that `measure` and keep the net that is watched, unless this is what was kept last."""
        try:
            if self._watch is not None and self._place()[0] > self._kept_step:
                if measure:
                    self._watch.measure()
                self.save_watched()
        finally:
            self._release()

    def _is_time(self) -> bool:
        return time.monotonic() >= self._kept_until

    def _look_back(self, *, is_due: bool) -> None:
        if self._watch is not None and is_due:
            began = time.monotonic()
            try:
                self._watch.measure()
                self.save_watched()
            finally:
                now = time.monotonic()
                self._kept_step, self._kept_until = self._place()[0], now + _COST * (now - began)

    def _keep_images(self, images: Tensor, about: tuple[Any, ...]) -> None:
        from convtui.engine.data import own_images

        try:
            own_images.save(self._folder / own_images.NAME, own_images.own_images(images, *about), MOST_IMAGES)
        except (ConvtuiError, OSError) as error:
            self._say(f"watch: the images are not kept: {error}")
