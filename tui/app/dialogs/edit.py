"""The name of a run and the note beside it, edited together."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.text import Text
from textual.screen import Screen

from convtui.engine.errors import UsageError
from convtui.engine.store import checked_name
from convtui.tui.app.dialogs.form import FormDialog, Question


def edit_dialog(run_id: int, name: str, note: str, save: Callable[[str | None, str | None], object]) -> Screen[None]:
    """Asks; `save` gets the name and the note once they can be saved, None for what was left as it is."""

    def answered(dialog: FormDialog, values: Mapping[str, str]) -> None:
        try:
            written = checked_name(values["name"])
        except UsageError as error:
            dialog.refuse(str(error))
            return
        dialog.dismiss(None)
        save(written if written != name else None, values["note"] if values["note"] != note else None)

    questions = [Question("name", "name", name), Question("note", "note", note, "words that begin with # are tags")]
    return FormDialog(Text(f"Edit run {run_id}"), questions, answered, "saves")
