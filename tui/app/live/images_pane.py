"""The images that a run's script logged, as they were at one step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on
from textual.app import RenderResult
from textual.containers import Vertical
from textual.widget import Widget

from convtui.tui.app.keys import key_for
from convtui.tui.app.latest import Latest
from convtui.tui.app.widgets.picture_pane import PicturePane
from convtui.tui.app.widgets.sliding import Sliding
from convtui.tui.render.step_slider import StepSlider, at_step
from convtui.tui.render.text import clean
from convtui.tui.session.session import Session

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Sheet
    from convtui.engine.store import Run
    from convtui.engine.store.images import LoggedImages


@dataclass(frozen=True, slots=True)
class _Found:
    run: int
    kept: Sequence[LoggedImages]
    shown: Sequence[LoggedImages]
    sheets: Sequence[Sheet]


class StepLine(Sliding):
    """The slider; its places are those of the steps."""

    DEFAULT_CSS = "StepLine { height: 1; padding: 0 1; color: $text-muted; }"

    def __init__(self, slider: Callable[[], StepSlider]) -> None:
        super().__init__()
        self._slider = slider

    def render(self) -> RenderResult:
        """Where it stands."""
        return Text(clean(self._slider().words(self.content_size.width, self._keys)), no_wrap=True)

    def nearest(self, column: int) -> int | None:
        """The step that is nearest."""
        slider = self._slider()
        return slider.nearest(column, self.content_size.width, self._keys) if slider.steps else None

    def beside(self, by: int) -> int | None:
        """A later step, or an earlier one."""
        return self._slider().place + by

    @property
    def _keys(self) -> str:
        return f"{key_for(self, 'earlier')} {key_for(self, 'later')}"


class ImagesPane(Vertical):
    """All names below each other, with one slider over the steps of all of them."""

    DEFAULT_CSS = """
    ImagesPane > PicturePane { height: 1fr; }
    """

    def __init__(self, session: Session, *, id: str) -> None:
        super().__init__(id=id)
        self._session = session
        self.slider = StepSlider()
        self._run: int | None = None
        self._found: _Found | None = None
        self._latest: Latest[int, _Found] = Latest(self, self._read, self._show)

    def compose(self) -> Iterable[Widget]:
        yield StepLine(lambda: self.slider)
        yield PicturePane()

    def look(self, run: Run) -> None:
        """At what this run has logged by now."""
        if run.id != self._run:
            self._run, self.slider, self._found = run.id, StepSlider(), None
            self.query_one(PicturePane).say("reading the images …")
        self._latest.ask(run.id)

    def _read(self, run_id: int) -> _Found:
        from convtui.engine.logged_images import load, sheet

        kept = self._session.store.files.images(run_id)
        self.slider.hold(each.step for each in kept)
        shown = at_step(kept, self.slider.step) if self.slider.step is not None else []
        known = self._found  # `look` may forget it meanwhile
        if known is not None and (known.run, known.shown) == (run_id, shown):
            return _Found(run_id, kept, shown, known.sheets)
        return _Found(run_id, kept, shown, [sheet(f"{each.name}, step {each.step:,}", load(each.path)) for each in shown])

    def _show(self, found: _Found) -> None:
        if found.run != self._run:
            return  # another one is looked at meanwhile
        before, self._found = self._found, found
        self.query_one(StepLine).refresh()
        picture = self.query_one(PicturePane)
        if not found.kept:
            picture.say(f"run {found.run} has no images: its script logs some by run.log_image(NAME, tensor)")
        elif before is None or before.sheets is not found.sheets:
            picture.show([[sheet] for sheet in found.sheets])

    @property
    def shown(self) -> Sequence[LoggedImages]:
        """What is on the screen."""
        return self._found.shown if self._found is not None else ()

    def kept(self) -> Sequence[Sheet]:
        """Those."""
        return self._found.sheets if self._found is not None else ()

    @on(StepLine.Chosen)
    def _step_chosen(self, event: StepLine.Chosen) -> None:
        event.stop()
        self.step(event.place - self.slider.place)

    def step(self, by: int) -> None:
        """To an earlier or later step."""
        self.slider.move(by)
        if self._run is not None:
            self._latest.ask(self._run)

    def move(self, across: int, down: int) -> None:
        """Scroll; to the side from step to step."""
        if across:
            self.step(across)
        self.query_one(PicturePane).scroll_relative(y=down, animate=False)

    def turn(self, pages: int) -> None:
        """Scroll by pages."""
        picture = self.query_one(PicturePane)
        picture.scroll_relative(y=pages * picture.size.height, animate=False)

    def end(self, place: int) -> None:
        """To the first step (0) or the last (-1)."""
        self.slider.end(place)
        if self._run is not None:
            self._latest.ask(self._run)
