"""What a page has to say, taken away as Markdown: to the clipboard, or in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual import work

from convtui.tui.app.page import Page
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence


class TakingAway(Page):
    """A page that can be read elsewhere."""

    def copy(self, text: str, what: str, command: Sequence[str]) -> None:
        """Put `text` on the clipboard, and show the line that prints the same in a shell: not every terminal lets it arrive."""
        import shlex

        self.app.copy_to_clipboard(text)
        line = shlex.join([*command, "--store", str(self.session.path)])
        told = f"if it does not arrive, the terminal takes none (OSC 52): p saves a file, and this prints it: {line}"
        self.notify(clean(told), title=f"copied as Markdown: {what}", markup=False, timeout=8)

    @work(thread=True, group="saving")
    def save(self, text: str, stem: str) -> None:
        """Write `text` into a new file of the working directory."""
        from convtui.engine.errors import UsageError
        from convtui.engine.files import deliver

        numbered = (Path(f"{stem}{f'-{number}' if number else ''}.md") for number in range(10_000))
        path = next(path for path in numbered if not path.exists())
        try:
            deliver(text.encode(), path)
        except UsageError as error:
            said = str(error)
            self.app.call_later(lambda: self.notify(said, severity="error", markup=False))
        else:
            self.app.call_later(lambda: self.notify(f"saved ./{path}", markup=False))
