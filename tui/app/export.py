"""What a page has to say, taken away: as Markdown to the clipboard or in a file, or as a picture."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from convtui.engine.files import deliver, unused
from convtui.tui.app.keys import TABLE, displayed
from convtui.tui.app.page import Page
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Curves


def copy(page: Page, text: str, what: str, command: Sequence[str]) -> None:
    """Put `text` on the clipboard, and show the line that prints the same in a shell: not every terminal lets it arrive."""
    page.app.copy_to_clipboard(text)
    line = shlex.join([*command, "--store", str(page.session.path)])
    write = displayed(TABLE["write"].keys)
    told = f"If nothing pastes, your terminal lacks OSC 52: {write} saves a file, and this prints the same: {line}"
    page.notify(clean(told), title=f"copied as Markdown: {what}", markup=False, timeout=8)


def save(page: Page, text: str, stem: str) -> None:
    """Write `text` into a new file of the working directory."""

    def write() -> Path:
        path = unused(stem, ".md")
        deliver(text.encode(), path)
        return path

    page.in_thread(write, lambda path: page.notify(f"saved ./{path}", markup=False))


def save_picture(page: Page, curves: Callable[[], Curves], stem: str) -> None:
    """Draw them into a new file of the working directory, on the ground that the screen has."""
    ground: Literal["dark", "light"] = "dark" if page.app.current_theme.dark else "light"

    def write() -> Path:
        from convtui.engine.figures.saving import save

        path = unused("".join(c if c.isalnum() or c in "-_" else "_" for c in stem), ".png")
        save([curves()], path, ground)
        return path

    page.in_thread(write, lambda path: page.notify(f"saved ./{path}", markup=False))
