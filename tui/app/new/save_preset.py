"""Saves settings as a preset of one's own: asks for its name, and again before anything is replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.screen import Screen

from convtui.engine.errors import UsageError
from convtui.tui.app.advice import on_page
from convtui.tui.app.dialogs.questions import PromptDialog

if TYPE_CHECKING:
    from convtui.tui.app.new.draft import Draft


def ask_and_save(screen: Screen[Any], draft: Draft, saved: Callable[[], None]) -> None:
    """`saved` is called once it is, with `draft` a draft of the new preset."""
    from convtui.engine.presets import own_preset_file, presets, save_preset
    from convtui.tui.app.dialogs.menu import Menu

    def write(name: str) -> None:
        try:
            save_preset(own_preset_file(name), draft.spec, draft.preset)
        except UsageError as error:
            screen.notify(on_page(screen, error), severity="error", markup=False)
            return
        before = draft.now()
        draft.choose(name, draft.spec)
        draft.remember(before)
        screen.notify(f"saved preset {name}: {own_preset_file(name)}", markup=False)
        saved()

    def answered(text: str | None) -> None:
        if text is None:
            return
        answer = text.strip()
        there = own_preset_file(answer).exists()
        if not there and answer not in presets():
            write(answer)
            return
        what = f"your preset {answer} already exists" if there else f"{answer} is a built-in preset"
        words = "Replace it" if there else "Override it with yours"
        screen.app.push_screen(
            Menu([("no", "Cancel"), ("yes", words)], "no", what), lambda sure: write(answer) if sure == "yes" else None
        )

    name = f"{draft.preset}-own" if draft.preset else "own"
    dialog = PromptDialog(Text("Preset name"), name, lambda text: own_preset_file(text.strip()))
    screen.app.push_screen(dialog, answered)
