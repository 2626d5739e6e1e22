"""How all dialogs look: one box, one kind of button, with its key on it."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Button, Static


def boxed(name: str, width: int = 72) -> str:
    """The style sheet of a dialog of this class."""
    return f"""
    {name} {{ align: center middle; background: $background 50%; }}
    {name} > Vertical {{
        width: {width}; max-width: 95%; height: auto; max-height: 95%; padding: 1 2; background: $surface; border: round $primary;
    }}
    {name} .buttons {{ height: auto; margin-top: 1; }}
    {name} Button {{
        height: 1; min-width: 0; padding: 0 1; margin-right: 2; border: none !important; background: $panel !important;
        color: $foreground !important; text-style: none !important;
    }}
    {name} Button:hover {{ background: $primary 30% !important; }}
    {name} Button:focus {{ background: $primary !important; color: $background !important; }}
    {name} Input, {name} Input:focus {{ width: 1fr; border: none; height: 1; padding: 0; background: $panel; }}
    {name} #wrong {{ color: $text-error; height: auto; }}
    {name} #keys {{ color: $text-muted; margin-top: 1; link-color: $text-muted; link-style: none; }}
    """


def button(key: str, words: str, id: str) -> Button:
    """A button that says its key."""
    return Button(Content.assemble((key, "bold"), f" {words}"), id=id)


def key_line(enter: str, more: str = "") -> Static:
    """The last line of a dialog in which is written: what Enter does, `more` keys, and that Esc cancels; both can be clicked.

    The dialog's actions are `submit` and `leave`.
    """
    return Static(key_words(enter, more), id="keys")


def key_words(enter: str, more: str = "") -> Content:
    """What stands in it."""
    between = f" · {more}" if more else ""
    markup = "[@click=screen.submit]Enter $enter[/]$between · [@click=screen.leave]Esc cancels[/]"
    return Content.from_markup(markup, enter=enter, between=between)
