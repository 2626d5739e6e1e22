"""A terminal driver that outlives its terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import IO, Any

from textual.driver import Driver
from textual.events import AppFocus

from convtui.tui import graphics
from convtui.tui.render.pictures import Painter
from convtui.tui.render.sgr import squeezed
from convtui.tui.window import Window

_ENTERING, _LEAVING = "\x1b[?1049h", "\x1b[?1049l"
"""The screen that the application draws on, switched on and off: also around Ctrl+Z."""


class LastingFile:
    """Writes to a terminal, with the pictures that are in the text and the window's title, and to nowhere once the terminal has
    vanished.

    Textual writes in a thread. One that died of the vanished terminal, or of a picture, would leave the application waiting for it
    for ever.
    """

    def __init__(self, file: IO[str], window: Window, failed: Callable[[Exception], None]) -> None:
        """`failed` hears, in Textual's thread, of what went wrong with a text, which is then written as it is."""
        self._file = file
        self._window = window
        self._failed = failed
        self._painter = Painter(graphics.current())
        self.written = 0
        """Bytes so far."""

    def write(self, text: str) -> None:
        """Write what can be written."""
        try:
            shown = self._shown(text)
        except Exception as error:  # whatever it is, there is a next text
            self._failed(error)
            shown = text
        try:
            self._file.write(shown)
            self.written += len(shown.encode(errors="replace"))
        except OSError:
            self._to_nowhere()

    def _shown(self, text: str) -> str:
        # With the screen that it leaves, the terminal is to forget the pictures of it.
        gone = self._painter.cleared() + self._window.closed() if _LEAVING in text else ""
        come = self._window.opened() if _ENTERING in text else ""
        return gone + come + squeezed(self._painter.painted(text))

    def flush(self) -> None:
        """Write what is still to be written."""
        try:
            self._file.flush()
        except OSError:
            self._to_nowhere()

    def fileno(self) -> int:
        """The terminal's."""
        return self._file.fileno()

    def _to_nowhere(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in {self._file.fileno(), 1}:  # what is left in buffers goes there too, when Python ends
            os.dup2(nowhere, number)
        os.close(nowhere)


def lasting(driver: type[Driver], window: Window, hang_up: Callable[[], None], failed: Callable[[Exception], None]) -> type[Driver]:
    """`driver`, writing through a LastingFile to whichever of standard error and standard output is the terminal.

    `hang_up` is called where a browser's page is closed, `failed` in another thread where something could not be drawn.
    """

    class Lasting(driver):  # type: ignore[misc, valid-type]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._page_has_focus = False
            if self.is_web:
                return
            # Textual draws on standard error: under `convtui 2>log` the terminal is standard output.
            drawn_on: Any = self._file if self._file.isatty() else sys.__stdout__
            self._file: Any = LastingFile(drawn_on, window, failed)

        def start_application_mode(self) -> None:
            """Textual takes a page to be without focus at first, also where it has said by then that it has it."""
            super().start_application_mode()
            if self.is_web:
                self._app.call_later(self._tell_focus)

        def _tell_focus(self) -> None:
            if self._page_has_focus:
                self._app.post_message(AppFocus())

        def on_meta(self, packet_type: str, payload: dict[str, object]) -> None:
            """What a browser's page says. One that is closed is a terminal that is hung up: trainings go on."""
            if packet_type in ("focus", "blur"):
                self._page_has_focus = packet_type == "focus"
            if packet_type == "quit":
                self._app.call_later(hang_up)
            else:
                super().on_meta(packet_type, payload)

    return Lasting
