"""What a page has to say, taken away as Markdown: to the clipboard, or in a file."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from convtui.engine.files import deliver, unused
from convtui.tui.app.page import Page
from convtui.tui.render.text import clean


def copy(page: Page, text: str, what: str, command: Sequence[str]) -> None:
    """Put `text` on the clipboard, and show the line that prints the same in a shell: not every terminal lets it arrive."""
    page.app.copy_to_clipboard(text)
    line = shlex.join([*command, "--store", str(page.session.path)])
    told = f"If nothing pastes, your terminal lacks OSC 52: p saves a file, and this prints the same: {line}"
    page.notify(clean(told), title=f"copied as Markdown: {what}", markup=False, timeout=8)


def save(page: Page, text: str, stem: str) -> None:
    """Write `text` into a new file of the working directory."""

    def write() -> Path:
        path = unused(stem, ".md")
        deliver(text.encode(), path)
        return path

    page.in_thread(write, lambda path: page.notify(f"saved ./{path}", markup=False))
