"""What is taken away from the page Look: a picture in a file, a line for a shell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual import work

from convtui.engine.errors import ConvtuiError
from convtui.tui.app.look.panes import Panes
from convtui.tui.render.text import clean
from convtui.tui.session.inspector import Answer, Query, command, file_name

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Result


class Keeping(Panes):
    """The keys that keep what is seen."""

    @property
    def asked(self) -> Query | None:
        """What is looked at."""
        raise NotImplementedError

    @property
    def seen(self) -> Answer | None:
        """The newest answer."""
        raise NotImplementedError

    def action_copy(self) -> None:
        """Put the line that shows the same in a shell on the clipboard, and show it."""
        if self.asked is None or self.asked.run is None or not self.asked.view:
            return
        session = self.session
        line = command(self.asked, store=session.path, device=session.device, data_dir=session.data_dir)
        self.app.copy_to_clipboard(line)
        later = self.seen is not None and self.seen.step is not None
        title = "copied; it shows the newest weights on disk, not those in training" if later else "copied"
        self.notify(clean(line), title=title, markup=False, timeout=8)

    def action_save(self) -> None:
        """Save what is seen as a picture in the working directory."""
        if self.seen is not None and self.picture.results:
            self._save(list(self.picture.results), file_name(self.seen.query, self.seen.step))

    @work(thread=True, group="saving")
    def _save(self, results: list[Result], path: Path) -> None:
        from convtui.engine.figures.saving import save

        try:
            save(results, path)
        except ConvtuiError as error:
            self.app.call_from_thread(self.notify, str(error), severity="error", markup=False)
        else:
            self.app.call_from_thread(self.notify, f"saved {path}", markup=False)
