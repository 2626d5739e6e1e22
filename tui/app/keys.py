"""The keys: one table for all pages, in which a letter means one thing.

Pages and widgets bind keys by the ids of this table. A person changes them under `[keys]` in settings.toml, by the same ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from textual.binding import Binding
from textual.keys import Keys, format_key, key_to_character
from textual.message_pump import MessagePump

MOVE, CHOOSE, RUNS, TRAIN, SHOW, WRITE, GENERAL = "Move", "Choose", "Runs", "Training", "Show", "Write", "Everywhere"
HEADINGS = (CHOOSE, RUNS, TRAIN, SHOW, WRITE, MOVE, GENERAL)
"""In the order in which `?` shows them."""


@dataclass(frozen=True, slots=True)
class Key:
    """One row of the table."""

    id: str
    keys: str
    """As Textual names them, with commas between."""
    meaning: str
    """The same on every page; a page may say it in a word that fits."""
    heading: str


_TABLE = (
    Key("open", "enter", "Open", CHOOSE),
    Key("back", "escape", "Back", CHOOSE),
    Key("previous_look", "backspace", "Back along the path", CHOOSE),
    Key("reset", "backspace,delete", "Reset the value", CHOOSE),
    Key("toggle", "space", "Switch on or off", CHOOSE),
    Key("mark_all", "*", "Mark all shown", CHOOSE),
    Key("find", "/", "Find", CHOOSE),
    Key("order", "O", "Order", CHOOSE),
    Key("columns", "C", "Columns", CHOOSE),
    Key("preset", "p", "Preset", CHOOSE),
    Key("device", "D", "Device", CHOOSE),
    Key("new", "n", "New run", RUNS),
    Key("new_like", "N", "New run like this one", RUNS),
    Key("look", "o", "Look inside the net", RUNS),
    Key("compare", "c", "Compare", RUNS),
    Key("baseline", "b", "Baseline", RUNS),
    Key("previous_run", "{", "Previous run", RUNS),
    Key("next_run", "}", "Next run", RUNS),
    Key("edit", "e", "Rename, edit the note", RUNS),
    Key("delete", "d", "Delete", RUNS),
    Key("undo", "u", "Undo", RUNS),
    Key("start", "s,ctrl+s", "Start", TRAIN),
    Key("demo", "d", "Train the demo", TRAIN),
    Key("try", "t", "Try the settings", TRAIN),
    Key("stop", "S", "Stop", TRAIN),
    Key("resume", "r", "Resume", TRAIN),
    Key("checkpoint", "K", "Save a checkpoint now", TRAIN),
    Key("view", "v", "View", SHOW),
    Key("next_view", "V", "Next view", SHOW),
    Key("larger", "+,=", "Larger", SHOW),
    Key("smaller", "-", "Smaller", SHOW),
    Key("zoom_in", "z", "Zoom in", SHOW),
    Key("zoom_out", "Z", "Zoom out", SHOW),
    Key("earlier", "[", "Earlier", SHOW),
    Key("later", "]", "Later", SHOW),
    Key("previous", "comma", "Previous", SHOW),
    Key("next", ".", "Next", SHOW),
    Key("all", "a", "All", SHOW),
    Key("log", "L", "Logarithmic axis", SHOW),
    Key("axis", "x", "X-axis", SHOW),
    Key("crosshair", "X", "Crosshair", SHOW),
    Key("smoothing", "m", "Smoothing", SHOW),
    Key("images", "i", "Images", SHOW),
    Key("own_images", "I", "Own images", SHOW),
    Key("two", "T", "Two side by side", SHOW),
    Key("left_pane", "<", "Left pane", SHOW),
    Key("right_pane", ">", "Right pane", SHOW),
    Key("reload", "R", "Reload", SHOW),
    Key("write", "w", "Write to a file", WRITE),
    Key("write_as", "W", "Write as …", WRITE),
    Key("copy", "y", "Copy", WRITE),
    Key("up", "up,k", "Up", MOVE),
    Key("down", "down,j", "Down", MOVE),
    Key("left", "left,h", "Left", MOVE),
    Key("right", "right,l", "Right", MOVE),
    Key("far_left", "shift+left", "Far left", MOVE),
    Key("far_right", "shift+right", "Far right", MOVE),
    Key("next_pane", "tab", "Next pane or field", MOVE),
    Key("previous_pane", "shift+tab", "Previous pane or field", MOVE),
    Key("page_up", "pageup,ctrl+b", "Page up", MOVE),
    Key("page_down", "pagedown,ctrl+f", "Page down", MOVE),
    Key("first", "home,g", "First", MOVE),
    Key("last", "end,G", "Last", MOVE),
    *(Key(f"page_{digit}", str(digit), "Page", GENERAL) for digit in range(1, 7)),
    Key("tour", "f", "Tour: begin, go on", GENERAL),
    Key("palette", "ctrl+p", "Palette", GENERAL),
    Key("keys", "?", "Keys", GENERAL),
    Key("quit", "q", "Quit", GENERAL),
    Key("quit_writing", "ctrl+q", "Quit, also while typing", GENERAL),
    Key("suspend", "ctrl+z", "To the shell; fg returns", GENERAL),
)
_SHORT = {"space": "␣", "shift+left": "⇧←", "shift+right": "⇧→", "shift+tab": "⇧tab"}
_IN_WORDS = {"space": "Space", "escape": "Esc", "enter": "Enter", "tab": "Tab", "comma": ","}
_NAMES = {key.value for key in Keys}
TABLE = {key.id: key for key in _TABLE}
"""By id."""


def shown(key: str) -> str:
    """A key in few letters, as the bar at the bottom and `?` have it."""
    return _SHORT.get(key) or (f"^{key[5:]}" if key.startswith("ctrl+") else format_key(key))


def displayed(keys: str) -> str:
    """Several keys, with commas between as Textual has them, in few letters."""
    return " ".join(shown(key) for key in keys.split(","))


@dataclass(frozen=True, slots=True)
class Keymap:
    """The keys in force: those of the table, and those that a person has given instead of them."""

    own: Mapping[str, str] = field(default_factory=dict)
    """Id -> keys, as `checked` lets them through."""

    def shown(self, id: str) -> str:
        """All keys of an action, in few letters."""
        return displayed(self._keys(id))

    def named(self, id: str) -> str:
        """The first of them, as a sentence has it."""
        first = self.first(id)
        return _IN_WORDS.get(first) or shown(first)

    def first(self, id: str) -> str:
        """The first of them, as Textual names it."""
        return self._keys(id).split(",")[0].strip()

    def _keys(self, id: str) -> str:
        return self.own.get(id, TABLE[id].keys)


DEFAULT = Keymap()
"""Where a person has given none."""


def keymap_of(node: MessagePump) -> Keymap:
    """That of the application which a page, or anything on it, belongs to."""
    found = getattr(node.app, "keymap_in_force", DEFAULT)
    return found if isinstance(found, Keymap) else DEFAULT


def key_for(node: MessagePump, id: str) -> str:
    """The key that a text on the screen names for an action. Esc may be named as it is: `back` always has it."""
    return keymap_of(node).named(id)


def checked(wanted: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The keys that a person gives to ids of the table, as far as that can be; and what is wrong with the others."""
    keymap, wrong = dict(wanted), []
    for id, keys in wanted.items():
        unknown = [key for key in keys.split(",") if not _is_key(key.strip())]
        if id not in TABLE or unknown:
            del keymap[id]
            wrong.append(f"{id} is not one of the actions" if id not in TABLE else f"{id}: {unknown[0]!r} is not a key")
    if "escape" not in keymap.get("back", "escape").split(","):
        keymap["back"] += ",escape"  # where letters are written, no other key goes back
    while clash := next(((id, other) for id in keymap if (other := _clashing(id, keymap))), None):
        id, other = clash
        wrong.append(f"{id}: {keymap.pop(id)} is the key of {other}")
    return keymap, wrong


def _clashing(id: str, keymap: Mapping[str, str]) -> str | None:
    """Another action with one of its keys; not where the table itself gives both the same."""
    default, keys = _letters(TABLE[id].keys), _letters(keymap[id])
    others = (other for other in TABLE.values() if other.id != id and not default & _letters(other.keys))
    return next((other.id for other in others if keys & _letters(keymap.get(other.id, other.keys))), None)


def _letters(keys: str) -> set[str]:
    return {_letter(key.strip()) for key in keys.split(",")}


def _letter(key: str) -> str:
    return key if len(key) == 1 else key_to_character(key) or key


def _is_key(key: str) -> bool:
    return len(_letter(key)) == 1 or key in _NAMES


def bind(id: str, action: str, words: str = "", *, show: bool = True, group: Binding.Group | None = None) -> Binding:
    """A key of the table, for what it does on a page; `words` say that better there than the key's meaning does."""
    key = TABLE[id]
    return Binding(key.keys, action, words or key.meaning, show=show, group=group, id=id)
