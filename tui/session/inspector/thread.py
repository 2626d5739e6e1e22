"""One thread that looks: what was asked last is answered, what was asked before it is let go; else it looks ahead.

It holds the open nets and their images, so nothing of them is used twice at a time. It says what it has found through `tell`,
which must take calls from any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from convtui.engine.errors import ConvtuiError, UsageError
from convtui.tui.session.between_pulls import BetweenPulls
from convtui.tui.session.inspector.messages import (
    Answer,
    CodeWanted,
    Found,
    NetInfo,
    NoThumbnails,
    Opened,
    Query,
    QueryProgress,
    Refusal,
    Reply,
    ThumbnailRequest,
    Thumbnails,
)
from convtui.tui.session.inspector.nets import CodeUnknown, Net, Nets, TrainingEnded, Waiting
from convtui.tui.session.naming import NamedNets

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Sheet
    from convtui.engine.lens.subject import Prediction, Subject
    from convtui.engine.store import Store

PROGRESS_SECONDS = 0.1
"""Between two words of how far a look is."""
FIRST = "filters"
"""The view of a query that names none, where it applies."""


class Inspector:
    """Answers the newest question, and shows the images that are wanted beside it; see the module."""

    def __init__(
        self,
        store: Callable[[], Store],
        tell: Callable[[Reply], object],
        *,
        device: str = "auto",
        data_dir: Path | None = None,
        between_pulls: BetweenPulls | None = None,
        named: NamedNets | None = None,
    ) -> None:
        """`between_pulls` is where nets that this process trains are looked at, `named` what there is of scripts' nets."""
        self._tell = tell
        waiting = Waiting(
            progress=lambda done, total: self._word(f"looking: {done:,} of {total:,}"),
            loading=self._loading,
            overtaken=self._overtaken,
            saying=lambda text: self._word(text, now=True),
        )
        self._nets = Nets(store, waiting, device=device, data_dir=data_dir, between_pulls=between_pulls, named=named)
        self._changed = threading.Condition()
        self._next: tuple[Query, bool] | None = None
        self._wanted: ThumbnailRequest | None = None
        self._ahead: list[Query] = []
        """What to look at while there is nothing else to do, in this order."""
        self._is_ahead = False
        """Whether what is looked at now is of these."""
        self._closing = False
        self._dropped = False
        self._current: Query | ThumbnailRequest | None = None
        self._last_word = 0.0
        self.thread = threading.Thread(target=self._work, name="inspector", daemon=True)

    # ----------------------------------------------------------------------------------------------- the screen's thread

    def ask(self, query: Query, *, fresh: bool = False) -> None:
        """Look at this instead of whatever was asked before; `fresh`: forget what was seen of this run."""
        with self._changed:
            self._next = (query, fresh)
            self._begin()

    def want(self, request: ThumbnailRequest) -> None:
        """Show these images instead of those that were wanted before."""
        with self._changed:
            self._wanted = request
            self._begin()

    def prepare(self, queries: Sequence[Query]) -> None:
        """Look at these while there is nothing else to do, in place of those that were to be looked at ahead before."""
        with self._changed:
            self._ahead = list(queries)
            self._begin()

    def drop(self) -> None:
        """Let go of what was asked and is not answered yet."""
        with self._changed:
            self._next = self._wanted = None
            self._ahead = []
            self._dropped = self._current is not None

    def close(self) -> None:
        """Let go of everything. What is being computed is cancelled, and not waited for."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _begin(self) -> None:
        if self._closing:
            return
        if not self.thread.is_alive():
            self.thread.start()
        self._changed.notify_all()

    # ------------------------------------------------------------------------------------------------- the thread itself

    def _work(self) -> None:
        while True:
            with self._changed:
                self._current, self._is_ahead = None, False
                self._changed.wait_for(lambda: self._next or self._wanted or self._ahead or self._closing)
                if self._closing:
                    break
                self._dropped = False
                fresh = False
                # A look before the images beside it: these may first have to be loaded, and then nothing is seen for long.
                if self._next is not None:
                    (self._current, fresh), self._next = self._next, None
                elif self._wanted is not None:
                    self._current, self._wanted = self._wanted, None
                else:
                    self._current, self._is_ahead = self._ahead[0], True
                current = self._current
            if self._is_ahead and isinstance(current, Query):
                self._look_ahead(current)
            elif current is not None:
                self._answer(current, fresh)
        self._nets.close()

    def _overtaken(self) -> bool:
        if self._is_ahead and self._current not in self._ahead[:1]:
            return True
        is_first = isinstance(self._current, Query) and not self._is_ahead
        newer = self._next if is_first else self._next or self._wanted
        return self._closing or self._dropped or newer is not None

    def _answer(self, current: Query | ThumbnailRequest, fresh: bool) -> None:
        from convtui.engine.lens.subject import Cancelled

        try:
            if isinstance(current, Query):
                self._look(current, fresh)
            else:
                self._with_net(current.run, current.epoch, lambda net: self._show(net, current))
        except Cancelled:
            with self._changed:
                if isinstance(current, ThumbnailRequest) and self._wanted is None and not self._dropped:
                    self._wanted = current  # a look came first; the images are wanted still
        except CodeUnknown as unknown:
            self._ask_for_code(unknown)
        except ConvtuiError as error:
            self._refuse(str(error))
        except Exception as error:
            self._refuse(_unforeseen(error))

    def _look_ahead(self, query: Query) -> None:
        from convtui.engine.lens.subject import Cancelled

        assert query.run is not None
        was_open = self._nets.is_open(query.run, query.epoch)
        try:
            self._with_net(query.run, query.epoch, lambda net: self._found(query, self._answer_of(net, query), net.info))
        except Cancelled:
            return  # it stays the first of those to be looked at, unless there are others now
        except CodeUnknown:
            self._refuse("its code is not named: look at it by itself first")
        except ConvtuiError as error:
            self._refuse(str(error))
        except Exception as error:
            self._refuse(_unforeseen(error))
        if not was_open:
            self._nets.is_first_to_go(query.run, query.epoch)
        with self._changed:
            if self._ahead[:1] == [query]:
                del self._ahead[0]

    def _refuse(self, reason: str) -> None:
        current = self._current
        assert current is not None
        if self._is_ahead and isinstance(current, Query):
            self._found(current, Refusal(current, reason), None)
            return
        self._say(Refusal(current, reason) if isinstance(current, Query) else NoThumbnails(current, reason))

    def _found(self, query: Query, answer: Answer | Refusal, info: NetInfo | None) -> None:
        """Tell what was looked at ahead, whatever else is wanted by now."""
        if not self._closing:
            self._tell(Found(query, answer, info))

    def _ask_for_code(self, unknown: CodeUnknown) -> None:
        if isinstance(self._current, Query):
            self._say(CodeWanted(self._current, unknown.run, unknown.code, unknown.why))

    def _look(self, query: Query, fresh: bool) -> None:
        if query.run is None:
            query = replace(query, run=self._nets.newest())
        assert query.run is not None
        self._current = query
        if fresh:
            if query.epoch == "last":
                self._nets.bring(query.run)
            self._nets.forget(query.run)
        self._with_net(query.run, query.epoch, lambda net: self._look_through(net, query))

    def _with_net(self, run_id: int, epoch: str, work: Callable[[Net], None]) -> None:
        """Work with the net in training; with the one on disk where the training has ended."""
        if not self._nets.is_open(run_id, epoch):
            self._word(f"opening run {run_id}", now=True)
        try:
            work(self._nets.open(run_id, epoch))
        except TrainingEnded:
            self._nets.forget(run_id)
            work(self._nets.open(run_id, epoch))

    def _look_through(self, net: Net, query: Query) -> None:
        if not query.view:
            fit = [name for name in (FIRST, *net.info.views) if net.info.why_not[name] is None]
            query = replace(query, view=fit[0] if fit else FIRST)
        self._current = query
        self._say(Opened(query, net.info))
        self._say(self._answer_of(net, query))

    def _answer_of(self, net: Net, query: Query) -> Answer:
        from convtui.engine.lens.registry import view

        chosen = view(query.view)
        options = chosen.make(dict(query.options))
        (results, of), step = net.answer((query.view, query.options), lambda subject: (chosen(subject, options), subject.title))
        self._nets.trim(net)
        return Answer(query, results, step, of)

    def _show(self, net: Net, request: ThumbnailRequest) -> None:
        if request.files:
            (sheet, predictions, files, trouble), step = net.answer(request, lambda subject: _own_pictures(subject, request.files))
            self._say(Thumbnails(request, len(files), sheet, predictions, net.info.classes, step, files, trouble))
        else:
            (total, sheet, predictions), step = net.answer(request, lambda subject: _images(subject, request))
            self._say(Thumbnails(request, total, sheet, predictions, net.info.classes, step))
        self._nets.trim(net)

    def _loading(self, what: str, done: int, total: int) -> None:
        from convtui.engine.lens.subject import Cancelled

        if (self._is_ahead or isinstance(self._current, ThumbnailRequest)) and self._overtaken():
            raise Cancelled  # the look may do without images
        self._word(f"{what}: {done:,} of {total:,}")

    def _word(self, text: str, *, now: bool = False) -> None:
        """Say how far a look is; may be called in the thread that trains, too."""
        current = self._current
        if isinstance(current, Query) and not self._is_ahead and (now or time.monotonic() - self._last_word >= PROGRESS_SECONDS):
            self._last_word = time.monotonic()
            self._say(QueryProgress(current, text))

    def _say(self, told: Reply) -> None:
        if not self._overtaken():
            self._tell(told)


def _unforeseen(error: Exception) -> str:
    from convtui.tui.log import log

    story = f"{type(error).__name__}: {error}".splitlines()[0]
    return f"{story}; the full story is in {log(error)}"


def _own_pictures(subject: Subject, files: Sequence[str]) -> tuple[Sheet, list[Prediction], list[str], str]:
    """Those that can be read, and a line about the others. Raises UsageError where none can."""
    from convtui.engine.lens.selection import from_files
    from convtui.engine.lens.tiles import image_sheet

    chosen, read, troubles = [], [], []
    for file in files:
        try:
            chosen.append(from_files(subject, [Path(file)]))
        except UsageError as error:
            troubles.append(str(error))
        else:
            read.append(file)
    if not chosen:
        raise UsageError(troubles[0])
    sheets = [image_sheet(subject, "own images", each) for each in chosen]
    sheet = replace(sheets[0], tiles=[tile for each in sheets for tile in each.tiles])
    more = f" ({len(troubles) - 1} more cannot be read)" if len(troubles) > 1 else ""
    return sheet, [told for each in chosen for told in each.predictions], read, f"{troubles[0]}{more}" if troubles else ""


def _images(subject: Subject, request: ThumbnailRequest) -> tuple[int, Sheet, list[Prediction]]:
    from convtui.engine.lens.selection import numbered
    from convtui.engine.lens.tiles import image_sheet

    split = subject.split(request.split)  # type: ignore[arg-type]
    numbers = list(range(min(request.first, len(split)), min(request.first + request.count, len(split))))
    chosen = numbered(subject, split, numbers)
    return len(split), image_sheet(subject, f"{request.split} images · {subject.title}", chosen), chosen.predictions
