"""What every screen of the application has in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Protocol, TypeVar, runtime_checkable

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from convtui.engine.errors import ConvtuiError
from convtui.tui.app.keys import bind
from convtui.tui.app.messages import Asked, Asking, Failed
from convtui.tui.app.widgets.key_bar import KeyBar
from convtui.tui.app.widgets.top_bar import TopBar
from convtui.tui.app.widgets.tour_panel import TourPanel
from convtui.tui.session.session import Session

Found = TypeVar("Found")

ROOMY = 110
"""Columns from which the keys at the bottom have room between them."""
LEAST = (60, 18)
"""Columns and rows that a page needs."""


@runtime_checkable
class Wheeled(Protocol):
    """A widget for which the mouse's wheel does something else than scroll."""

    def wheel(self, by: int) -> None:
        """One notch down (1) or up (-1)."""


class Page(Screen[None]):
    """A screen with the bar at the top, its body, and the keys at the bottom."""

    NAME: ClassVar[str]
    """The mode that shows it, as in `runs`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("next_pane", "app.focus_next", show=False),
        bind("previous_pane", "app.focus_previous", show=False),
    ]
    DEFAULT_CSS = """
    Page { overflow: hidden; }
    Page #too-small { display: none; width: 100%; height: 100%; content-align: center middle; }
    Page.too-small > * { display: none !important; }
    Page.too-small > #too-small { display: block !important; }
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._question: object | None = None
        """The newest that is, or was, being got ready."""
        self._is_styled = False
        """Whether its styles have been applied since it was last away."""

    @on(events.ScreenResume)
    def _resumed(self, event: events.ScreenResume) -> None:
        """Textual says this twice of a page that is new, and would apply every style twice."""
        event.refresh_styles = event.refresh_styles and not self._is_styled
        self._is_styled = True

    @on(events.ScreenSuspend)
    def _suspended(self) -> None:
        """What changes meanwhile is applied when it is back."""
        self._is_styled = False

    def compose(self) -> ComposeResult:
        yield TopBar(self.NAME)
        yield TourPanel()
        yield from self.body()
        yield KeyBar()
        yield Static(id="too-small")

    def on_mount(self) -> None:
        """Show what is in the store as soon as there is something to show it in."""
        self.call_after_refresh(self._look_first)

    def _look_first(self) -> None:
        if self.session.is_open and self.is_current:
            self.store_changed()

    def on_resize(self, event: events.Resize) -> None:
        """Below a certain size nothing can be read: say that instead."""
        width, height = event.size
        self.query_one(KeyBar).compact = width < ROOMY
        self.set_class(width < LEAST[0] or height < LEAST[1], "too-small")
        self.query_one("#too-small", Static).update(f"{width}x{height} is too small: convtui needs {LEAST[0]}x{LEAST[1]}")

    def body(self) -> Iterable[Widget]:
        """What is between the bars."""
        raise NotImplementedError

    @property
    def selected_run(self) -> int | None:
        """The run that the page Look shall open; None: whichever it was."""
        return None

    @property
    def view_shown(self) -> str:
        """The name of the view that fills it; empty where there is none, or it is not known yet."""
        return ""

    @property
    def bytes_written(self) -> int:
        """To the terminal so far; 0 where there is none."""
        return getattr(getattr(self.app._driver, "_file", None), "written", 0)

    def action_held(self, part: str, what: str, *arguments: object) -> None:
        """What a key asks of a part that the page holds, as in `held('crosshair', 'move', -1)`."""
        getattr(getattr(self, part), what)(*arguments)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """What scrolls by itself has done so; what stands beneath the mouse may have a use of its own for the wheel."""
        self._wheel(event, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Back."""
        self._wheel(event, -1)

    def _wheel(self, event: events.MouseEvent, by: int) -> None:
        event.stop()
        beneath, _ = self.get_widget_at(event.screen_x, event.screen_y)
        turned = next((node for node in beneath.ancestors_with_self if isinstance(node, Wheeled)), None)
        if turned is not None:
            turned.wheel(by)

    def in_thread(self, work: Callable[[], Found], then: Callable[[Found], object], *, asks: bool = False) -> None:
        """Do `work` away from the screen, then `then` on its thread, with what came of it; a ConvtuiError is told instead. What
        `asks` is waited for by the keys behind it, and comes only where the person is still as they were and has asked for
        nothing else: it would take keys that are meant for what they do now."""
        focused, question = self.focused, object()
        if asks:
            self._question = question
            self.post_message(Asking())

        def answered(found: Found) -> None:
            if not asks or (self._question is question and self.is_current and self.focused is focused):
                then(found)

        def worker() -> None:
            try:
                found = work()
            except ConvtuiError as error:
                self.warn(str(error))
            else:
                self.app.call_later(answered, found)
            finally:
                if self._question is question:
                    self.post_message(Asked())

        self.run_worker(worker, name=getattr(work, "__qualname__", ""), thread=True)

    def warn(self, why: str) -> None:
        """Tell why something cannot be; from any thread."""
        self.post_message(Failed(why))

    def look_ahead(self) -> None:
        """Look at the store before the page is first shown, while nothing else happens; for a page that is worth it."""

    def store_changed(self) -> None:
        """Something in the store has changed, or the page is shown again: called on the screen's thread, at most twice a
        second, only while the store is open and this page is shown. What takes time belongs in a thread worker."""
