"""What a run's program prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from convtui.tui.app.latest import Latest
from convtui.tui.app.widgets.repaint import Lines
from convtui.tui.render.program_output import ProgramOutput
from convtui.tui.session.session import Session

if TYPE_CHECKING:
    from convtui.engine.store import Run


class ConsolePane(ScrollView, can_focus=False):
    """The lines of a run, followed while their end is in sight."""

    DEFAULT_CSS = """
    ConsolePane { scrollbar-size-vertical: 1; overflow-x: hidden; overflow-y: auto; padding: 0 1; }
    """

    def __init__(self, session: Session, *, id: str) -> None:
        super().__init__(id=id)
        self._session = session
        self.lines: Sequence[str] = ()
        self._run: int | None = None
        self._output = ProgramOutput()
        self._across = 0
        self._follows = True
        self._painted = Lines(self, self._at)
        self._latest: Latest[int, Sequence[str] | None] = Latest(self, self._read, self._show)

    def look(self, run: Run) -> None:
        """At what this run has printed since the last look."""
        self._latest.ask(run.id)

    def _read(self, run_id: int) -> Sequence[str] | None:
        is_new = run_id != self._run
        if is_new:
            self._run, self._output = run_id, ProgramOutput()
        more = self._output.add(self._session.store.files.output(run_id, self._output.end))
        if not (is_new or more):
            return None
        return self._output.lines or [f"Nothing is kept of what run {run_id} printed: 'convtui exec -- PROGRAM' keeps it."]

    def _show(self, lines: Sequence[str] | None) -> None:
        if lines is None:
            return
        self.lines = lines
        self.virtual_size = Size(self.size.width, len(lines))
        self._follow()
        self._painted.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Who scrolls decides whether the end is followed; lines that come and rows that go do not."""
        super().watch_scroll_y(old_value, new_value)
        self._follows = new_value >= self.max_scroll_y

    def on_resize(self) -> None:
        """In fewer rows, the end would be out of sight."""
        self._follow()

    def _follow(self) -> None:
        if self._follows:
            self.scroll_end(animate=False)

    def kept(self) -> str:
        """All lines."""
        return "".join(f"{line}\n" for line in self.lines)

    def move(self, across: int, down: int) -> None:
        """Scroll by a line, or by some columns."""
        self._across = max(0, self._across + 8 * across)
        self.scroll_relative(y=down, animate=False)
        self._painted.refresh()

    def turn(self, pages: int) -> None:
        """Scroll by pages."""
        self.scroll_relative(y=pages * self.size.height, animate=False)

    def end(self, place: int) -> None:
        """To the first line (0) or the last (-1)."""
        (self.scroll_end if place else self.scroll_home)(animate=False)

    def render_line(self, y: int) -> Strip:
        """One line."""
        return self._painted.paint(y)

    def _at(self, y: int) -> Strip:
        number = y + self.scroll_offset.y
        text = self.lines[number][self._across :] if number < len(self.lines) else ""
        return Strip([Segment(text)]).crop_extend(0, self.size.width, self.rich_style).apply_style(self.rich_style)
