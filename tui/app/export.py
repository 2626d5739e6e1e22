"""What a page shows, taken away: as text to the clipboard or in a file, or as figures in a file."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual.worker import get_current_worker

from convtui.engine.files import deliver, unused
from convtui.tui.app.dialogs.menu import Menu
from convtui.tui.app.keys import key_for
from convtui.tui.app.page import Page
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Result

FORMS = {
    ".png": "picture (.png)",
    "light.png": "picture on white (.png)",
    "light.svg": "drawing on white (.svg)",
    ".svg": "drawing (.svg)",
    "light.pdf": "page on white (.pdf)",
    ".pdf": "page (.pdf)",
    ".csv": "all numbers, for spreadsheets (.csv)",
    ".md": "tables, for a write-up (.md)",
    ".json": "everything, for programs (.json)",
    ".npz": "arrays, for NumPy (.npz)",
}
"""What figures can be written as, and that in words."""
REPORTS = {
    "report.html": "report, a page for the browser (.html)",
    "report.md": "report in Markdown (.md)",
    "report.pdf": "report on paper (.pdf)",
}
"""The same of a whole run or study."""


def copy(page: Page, text: str, what: str, command: Sequence[str]) -> None:
    """Put `text` on the clipboard, and show the line that prints the same in a shell: not every terminal lets it arrive."""
    page.app.copy_to_clipboard(text)
    line = shlex.join([*command, "--store", str(page.session.address)])
    write = key_for(page, "write")
    told = f"If nothing pastes, your terminal lacks OSC 52: {write} saves a file, and this prints the same: {line}"
    page.notify(clean(told), title=f"copied as Markdown: {what}", markup=False, timeout=8)


def save(page: Page, text: str, stem: str, ending: str = ".md") -> None:
    """Write `text` into a new file of the working directory."""

    def write() -> Path:
        path = unused(stem, ending)
        deliver(text.encode("utf-8", "backslashreplace"), path)
        return path

    page.in_thread(write, lambda path: page.notify(f"saved ./{path}", markup=False))


def save_figures(page: Page, results: Callable[[], Sequence[Result]], stem: str, form: str = "") -> None:
    """Write them into a new file of the working directory, in one of `FORMS`; without one as a picture on the screen's ground."""
    ground, _, ending = (form or (".png" if page.app.current_theme.dark else "light.png")).rpartition(".")

    def write() -> Path:
        from convtui.engine.figures.saving import save

        path = unused("".join(c if c.isalnum() or c in "-_" else "_" for c in stem), f".{ending}")
        save(list(results()), path, "light" if ground == "light" else "dark")
        return path

    page.in_thread(write, lambda path: page.notify(f"saved ./{path}", markup=False))


def save_report(page: Page, of: int | str, stem: str, form: str) -> None:
    """Write a report of a run (by its id) or a study into a new file of the working directory, in one of `REPORTS`; given up at the
    exit. A net of a person's own is in it where they have named its code in this session."""

    def write() -> Path | None:
        from convtui.tui.session.reporting import write_report

        session, worker = page.session, get_current_worker()
        path = unused(stem, form.removeprefix("report"))
        done = write_report(
            session.address,
            str(of),
            path,
            device=session.device,
            data_dir=session.data_dir,
            own_net=session.named_nets.words(session.store.run(of)) if isinstance(of, int) else (),
            is_wanted=lambda: not worker.is_cancelled,
        )
        return path if done else None

    page.notify("writing the report: some seconds", markup=False)

    def told(path: Path | None) -> None:
        if path is not None:
            page.notify(f"saved ./{path}", markup=False)

    page.in_thread(write, told)


def choose_form(page: Page, then: Callable[[str], None], forms: Mapping[str, str] = FORMS) -> None:
    """Ask in which of `forms` to write."""
    menu = Menu(list(forms.items()), next(iter(forms)), "write as")
    page.app.push_screen(menu, lambda form: then(form) if form is not None else None)
