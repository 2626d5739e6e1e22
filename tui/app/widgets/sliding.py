"""A line of places of which one is chosen: by a click, by dragging along it, by the wheel."""

from __future__ import annotations

from abc import abstractmethod

from textual import events
from textual.message import Message
from textual.widget import Widget


class Sliding(Widget):
    """What the mouse does on such a line; where its places are is told by those made from it."""

    class Chosen(Message):
        """This place is wanted."""

        def __init__(self, sliding: Sliding, place: int) -> None:
            super().__init__()
            self.sliding, self.place = sliding, place

        @property
        def control(self) -> Sliding:
            """The line."""
            return self.sliding

        def can_replace(self, message: Message) -> bool:
            """Only the last of several matters: who drags passes many."""
            return type(message) is type(self)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._held: int | None = None
        """The place that is dragged to, while a button is down."""

    @abstractmethod
    def nearest(self, column: int) -> int | None:
        """The place nearest to a column of the line, which may be beyond its ends; None where there is none."""

    @abstractmethod
    def beside(self, by: int) -> int | None:
        """The place so many after the one that is shown; None where there is none."""

    def wheel(self, by: int) -> None:
        """A later place, or an earlier one."""
        self._choose(self.beside(by))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Choose what is there, and all that is dragged over until the button is up."""
        if event.button == 1:
            self.capture_mouse()
            self._drag_to(event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Dragged along."""
        if self._held is not None:
            self._drag_to(event)

    def on_mouse_up(self) -> None:
        """Let go."""
        self.release_mouse()
        self._held = None

    def _drag_to(self, event: events.MouseEvent) -> None:
        place = self.nearest(event.x - self.gutter.left)
        if place != self._held:
            self._held = place
            self._choose(place)

    def _choose(self, place: int | None) -> None:
        if place is not None:
            self.post_message(self.Chosen(self, place))
