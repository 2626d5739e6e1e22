"""A net looked into while it trains: filters, the activations of one image, a projection."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.containers import Container, Vertical
from textual.widget import Widget
from textual.widgets import Static
from textual.worker import get_current_worker

from convtui.engine.errors import ConvtuiError
from convtui.engine.statuses import LIVE
from convtui.tui.app.advice import on_page
from convtui.tui.app.latest import Latest, Overtaken
from convtui.tui.app.live.status_line import clock
from convtui.tui.app.widgets.picture_pane import PicturePane
from convtui.tui.render.text import clean
from convtui.tui.session.live_lens import SHOWN, Glance, LiveLens, Pace
from convtui.tui.session.session import Session

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Result
    from convtui.engine.store import Run

NARROW = 100
"""Columns below which the views stand below each other."""


@dataclass(frozen=True, slots=True)
class _Asked:
    run: int
    image: int


class LensPane(Vertical):
    """Looks again by itself as long as the run trains, as often as that costs the training little."""

    DEFAULT_CSS = """
    LensPane > Static { height: 1; padding: 0 1; color: $text-muted; }
    LensPane > #views { layout: horizontal; height: 1fr; }
    LensPane.narrow > #views { layout: vertical; }
    LensPane PicturePane { width: 1fr; height: 1fr; }
    """

    def __init__(self, session: Session, *, id: str) -> None:
        super().__init__(id=id)
        self._session = session
        self._lens = LiveLens(session)
        self.glance: Glance | None = None
        """The newest."""
        self.image = 0
        """Which of the test images is pinned."""
        self._seen: tuple[_Asked, str] | None = None
        self._wanted: _Asked | None = None
        self._follows = False
        """Whether there will be other weights to look at."""
        self._pace = Pace()
        self._latest: Latest[_Asked, Glance | str] = Latest(self, self._read, self._show)

    def compose(self) -> Iterable[Widget]:
        yield Static("opening the net …", markup=False)
        with Container(id="views"):
            for _ in range(SHOWN):
                yield PicturePane()

    def on_resize(self) -> None:
        """Beside or below each other."""
        self.set_class(self.size.width < NARROW, "narrow")

    def look(self, run: Run) -> None:
        """At the net, if it is time for that; of a run that has ended once."""
        if self._seen is not None and self._seen[0].run != run.id and self.glance is not None:
            self.glance = None
            for pane in self.query(PicturePane):
                pane.display = False
            self.query_one(Static).update("opening the net …")
        asked = self._wanted = _Asked(run.id, self.image)
        self._follows = run.status in LIVE
        is_new = self._seen is None or self._seen[0] != asked
        changed = self._seen is not None and self._seen[1] != run.status
        if not self._latest.is_busy and (is_new or changed or (self._follows and self._pace.is_due)):
            self._seen = (asked, run.status)
            self._latest.ask(asked)

    def step_image(self, by: int) -> None:
        """Pin the next image, or the one before."""
        self.image = max(0, self.image + by)

    def _read(self, asked: _Asked) -> Glance | str:
        from convtui.engine.lens.subject import Cancelled

        worker = get_current_worker()
        try:
            # Asked by the thread that trains, too.
            return self._lens.look(asked.run, asked.image, lambda: worker.is_cancelled or asked != self._wanted)
        except Cancelled:
            raise Overtaken from None
        except ConvtuiError as error:
            return str(error)

    def _show(self, glance: Glance | str) -> None:
        panes = list(self.query(PicturePane))
        if isinstance(glance, str):
            self._pace.took(1.0)
            self.query_one(Static).update(on_page(self, glance))
            return
        self.glance = glance
        began = time.monotonic()
        for pane, (_, results) in zip(panes, glance.views, strict=False):
            pane.show([results])
        for place, pane in enumerate(panes):
            pane.display = place < len(glance.views)
        # What draws here keeps the training beside it waiting, too.
        wait = self._pace.took(glance.seconds + time.monotonic() - began)
        again = f" · again at {clock(time.time() + wait)}" if self._follows else ""
        self.query_one(Static).update(clean(f"{glance.of} · test image {glance.image}{again}"))

    def kept(self) -> Sequence[Result]:
        """What is on the screen."""
        return [result for _, results in self.glance.views for result in results] if self.glance is not None else ()

    def move(self, across: int, down: int) -> None:
        """Scroll; to the side from image to image."""
        if across:
            self.step_image(across)
        for pane in self.query(PicturePane):
            pane.scroll_relative(y=down, animate=False)

    def turn(self, pages: int) -> None:
        """Scroll by pages."""
        for pane in self.query(PicturePane):
            pane.scroll_relative(y=pages * pane.size.height, animate=False)

    def end(self, place: int) -> None:
        """To the top (0) or the end (-1)."""
        for pane in self.query(PicturePane):
            (pane.scroll_end if place else pane.scroll_home)(animate=False)
