"""All keys of a page, under headings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.events import Click, Resize
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from convtui.tui.app.keys import HEADINGS, TABLE, Key, Keymap, bind
from convtui.tui.app.widgets.scrolling import Scrolling

COLUMN, GAP, KEYS = 36, 2, 9
"""Cells of a column of keys, between two of them, and of the keys before their words."""
WORDS = COLUMN - KEYS - 3
"""Cells of the words."""
Block = tuple[str, Sequence[tuple[str, str]]]
"""A heading, and the keys under it with what they do."""


class KeyList(ModalScreen[None]):
    """Shows them in as many columns as there is room for; scrolls."""

    DEFAULT_CSS = """
    KeyList { align: center middle; background: $background 50%; }
    KeyList > Scrolling {
        width: auto; max-width: 100%; height: auto; max-height: 95%; padding: 0 2; background: $surface; border: round $primary;
        overflow-x: hidden; scrollbar-size-vertical: 1;
    }
    KeyList Static { width: auto; height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [bind("back", "dismiss"), bind("keys", "dismiss", show=False)]

    def __init__(self, blocks: Sequence[Block], title: str) -> None:
        super().__init__()
        self._blocks = blocks
        self._title = title

    def compose(self) -> ComposeResult:
        with Scrolling() as pane:
            pane.border_title = self._title
            pane.border_subtitle = "↑ ↓ scroll · Esc closes"
            yield Static(markup=False)

    def on_click(self, event: Click) -> None:
        """Beside the list: it goes."""
        if event.widget is self and self.is_current:
            self.dismiss()

    def on_resize(self, event: Resize) -> None:
        """There is room for other columns."""
        room = max(1, (event.size.width - 6 + GAP) // (COLUMN + GAP))
        self.query_one(Static).update(_columns(self._blocks, min(3, room)))


def key_blocks(page: Screen[None], app: DOMNode, keymap: Keymap) -> list[Block]:
    """The keys of a page and of all that is on it, then those of the application, as they are in force."""
    words: dict[str, str] = {}
    for binding in _bindings([page, *page.query("*"), app]):
        if binding.id in TABLE:
            words.setdefault(binding.id, binding.description)
    found: dict[str, list[Key]] = {}
    for key in sorted((key for key in TABLE.values() if key.id in words), key=lambda key: HEADINGS.index(key.heading)):
        found.setdefault(key.heading, []).append(key)
    return [(heading, [(keymap.shown(key.id), words[key.id]) for key in of]) for heading, of in found.items() if of]


def _bindings(nodes: Iterable[DOMNode]) -> Iterable[Binding]:
    for node in nodes:
        for owner in type(node).__mro__:
            yield from Binding.make_bindings(owner.__dict__.get("BINDINGS", ()))


def _columns(blocks: Sequence[Block], count: int) -> Text:
    """Blocks beneath each other, in columns of about one height; none is torn."""
    lines = [[Text(heading, style="bold"), *(_line(*each) for each in keys), Text()] for heading, keys in blocks]
    height = max(-(-sum(map(len, lines)) // count), max(map(len, lines)))
    columns: list[list[Text]] = [[]]
    for block in lines:
        if columns[-1] and len(columns[-1]) + len(block) > height + 1 and len(columns) < count:
            columns.append([])
        columns[-1] += block
    rows = []
    for row in range(max(map(len, columns))):
        parts = [column[row].copy() if row < len(column) else Text() for column in columns]
        for part in parts:
            part.truncate(COLUMN, overflow="ellipsis", pad=True)
        rows.append(Text(" " * GAP).join(parts))
    return Text("\n").join(rows[:-1])


def _line(keys: str, words: str) -> Text:
    return Text.assemble(f"  {keys:<{KEYS}} ", (words, "dim"))
