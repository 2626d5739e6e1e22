"""One thread that looks: what was asked last is answered, what was asked before it is let go.

It holds the open nets and their images, so nothing of them is used twice at a time. It says what it has found through `tell`,
which must take calls from any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from convtui.engine.errors import ConvtuiError
from convtui.tui.session.between_pulls import BetweenPulls
from convtui.tui.session.inspector.messages import Asked, Images, NoImages, Opened, Progress, Refused, Seen, Told, Wanted
from convtui.tui.session.inspector.nets import Net, Nets, TrainingEnded, Waiting

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Sheet
    from convtui.engine.lens.subject import Prediction, Subject
    from convtui.engine.store import Store

PROGRESS_SECONDS = 0.1
"""Between two words of how far a look is."""
FIRST = "filters"
"""The view that is looked through first."""


class Looking:
    """Answers the newest question, and shows the images that are wanted beside it; see the module."""

    def __init__(
        self,
        store: Callable[[], Store],
        tell: Callable[[Told], object],
        *,
        device: str = "auto",
        data_dir: Path | None = None,
        between_pulls: BetweenPulls | None = None,
    ) -> None:
        """`between_pulls` is where nets that this process trains are looked at."""
        self._tell = tell
        waiting = Waiting(
            progress=lambda done, total: self._word(f"images {done:,} of {total:,}"),
            loading=self._loading,
            overtaken=self._overtaken,
        )
        self._nets = Nets(store, waiting, device=device, data_dir=data_dir, between_pulls=between_pulls)
        self._changed = threading.Condition()
        self._next: tuple[Asked, bool] | None = None
        self._wanted: Wanted | None = None
        self._closing = False
        self._dropped = False
        self._in_hand: Asked | Wanted | None = None
        self._last_word = 0.0
        self._thread: threading.Thread | None = None

    # ----------------------------------------------------------------------------------------------- the screen's thread

    def ask(self, asked: Asked, *, fresh: bool = False) -> None:
        """Look at this instead of whatever was asked before; `fresh`: forget what was seen of this run."""
        with self._changed:
            self._next = (asked, fresh)
            self._begin()

    def want(self, wanted: Wanted) -> None:
        """Show these images instead of those that were wanted before."""
        with self._changed:
            self._wanted = wanted
            self._begin()

    def drop(self) -> None:
        """Let go of what was asked and is not answered yet."""
        with self._changed:
            self._next = self._wanted = None
            self._dropped = self._in_hand is not None

    def close(self) -> None:
        """Let go of everything. What is being computed is cancelled, and not waited for."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _begin(self) -> None:
        if self._closing:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="looking", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    # ------------------------------------------------------------------------------------------------- the thread itself

    def _work(self) -> None:
        while True:
            with self._changed:
                self._in_hand = None
                self._changed.wait_for(lambda: self._next is not None or self._wanted is not None or self._closing)
                if self._closing:
                    break
                self._dropped = False
                fresh = False
                # A look before the images beside it: these may first have to be loaded, and then nothing is seen for long.
                if self._next is not None:
                    (self._in_hand, fresh), self._next = self._next, None
                else:
                    self._in_hand, self._wanted = self._wanted, None
            self._answer(fresh)
        self._nets.close()

    def _overtaken(self) -> bool:
        newer = self._next if isinstance(self._in_hand, Asked) else self._next or self._wanted
        return self._closing or self._dropped or newer is not None

    def _answer(self, fresh: bool) -> None:
        from convtui.engine.lens.subject import Cancelled

        in_hand = self._in_hand
        assert in_hand is not None
        try:
            if isinstance(in_hand, Asked):
                self._look(in_hand, fresh)
            else:
                self._show(in_hand)
        except Cancelled:
            with self._changed:
                if isinstance(in_hand, Wanted) and self._wanted is None and not self._dropped:
                    self._wanted = in_hand  # a look came first; the images are wanted still
        except ConvtuiError as error:
            self._refuse(str(error))
        except Exception as error:
            from convtui.tui.log import log

            story = f"{type(error).__name__}: {error}".splitlines()[0]
            self._refuse(f"{story}; the full story is in {log(error)}")

    def _refuse(self, reason: str) -> None:
        in_hand = self._in_hand
        assert in_hand is not None
        self._say(Refused(in_hand, reason) if isinstance(in_hand, Asked) else NoImages(in_hand, reason))

    def _look(self, asked: Asked, fresh: bool) -> None:
        if asked.run is None:
            asked = replace(asked, run=self._nets.newest())
        assert asked.run is not None
        self._in_hand = asked
        if fresh:
            self._nets.forget(asked.run)
        try:
            self._look_through(self._open(asked), asked)
        except TrainingEnded:
            self._nets.forget(asked.run)
            self._look_through(self._open(asked), asked)

    def _open(self, asked: Asked) -> Net:
        assert asked.run is not None
        if not self._nets.is_open(asked.run, asked.epoch):
            self._word(f"opening run {asked.run}", now=True)
        return self._nets.open(asked.run, asked.epoch)

    def _look_through(self, net: Net, asked: Asked) -> None:
        from convtui.engine.lens.registry import view

        if not asked.view:
            fit = [name for name in (FIRST, *net.about.views) if net.about.unfit[name] is None]
            asked = replace(asked, view=fit[0] if fit else FIRST)
        self._in_hand = asked
        self._say(Opened(asked, net.about))
        chosen = view(asked.view)
        options = chosen.make(dict(asked.options))
        (results, of), step = net.answer((asked.view, asked.options), lambda subject: (chosen(subject, options), subject.title))
        self._nets.trim(net)
        self._say(Seen(asked, results, step, of))

    def _show(self, wanted: Wanted) -> None:
        try:
            self._show_of(self._nets.open(wanted.run, wanted.epoch), wanted)
        except TrainingEnded:
            self._nets.forget(wanted.run)
            self._show_of(self._nets.open(wanted.run, wanted.epoch), wanted)

    def _show_of(self, net: Net, wanted: Wanted) -> None:
        (total, sheet, predictions), step = net.answer(wanted, lambda subject: _images(subject, wanted))
        self._nets.trim(net)
        self._say(Images(wanted, total, sheet, predictions, net.about.classes, step))

    def _loading(self, what: str, done: int, total: int) -> None:
        from convtui.engine.lens.subject import Cancelled

        if isinstance(self._in_hand, Wanted) and self._overtaken():
            raise Cancelled  # the look may do without images
        self._word(f"{what}: {done:,} of {total:,}")

    def _word(self, text: str, *, now: bool = False) -> None:
        """Say how far a look is; may be called in the thread that trains, too."""
        in_hand = self._in_hand
        if isinstance(in_hand, Asked) and (now or time.monotonic() - self._last_word >= PROGRESS_SECONDS):
            self._last_word = time.monotonic()
            self._say(Progress(in_hand, text))

    def _say(self, told: Told) -> None:
        if not self._overtaken():
            self._tell(told)


def _images(subject: Subject, wanted: Wanted) -> tuple[int, Sheet, list[Prediction]]:
    from convtui.engine.lens.selection import numbered
    from convtui.engine.lens.tiles import image_sheet

    split = subject.split(wanted.split)  # type: ignore[arg-type]
    numbers = list(range(min(wanted.first, len(split)), min(wanted.first + wanted.count, len(split))))
    chosen = numbered(subject, split, numbers)
    return len(split), image_sheet(subject, f"{wanted.split} images · {subject.title}", chosen), chosen.predictions
