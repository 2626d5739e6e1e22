"""A letter means one thing on every page."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from textual.binding import Binding
from textual.dom import DOMNode

import convtui.tui.app
from convtui.tui.app.dialogs.key_list import WORDS
from convtui.tui.app.dialogs.leave import Leaving
from convtui.tui.app.dialogs.questions import ConfirmDialog
from convtui.tui.app.keys import TABLE, displayed

ANSWERS = {(ConfirmDialog, "y"), (ConfirmDialog, "n"), (Leaving, "y"), (Leaving, "n")}
"""Yes and no of the questions: there is nothing else on the screen meanwhile."""
SHARED = {"d": {"delete", "demo"}}
"""On the first page, while there is nothing to delete, d trains the demo."""


def bindings() -> Iterator[tuple[type[DOMNode], Binding]]:
    """Those of every page and widget of the application."""
    for module in pkgutil.walk_packages(convtui.tui.app.__path__, "convtui.tui.app."):
        for owner in vars(importlib.import_module(module.name)).values():
            if isinstance(owner, type) and issubclass(owner, DOMNode) and owner.__module__ == module.name:
                for binding in owner.__dict__.get("BINDINGS", ()):
                    assert isinstance(binding, Binding), owner
                    yield owner, binding


def test_every_key_is_one_of_the_table() -> None:
    found = [(owner, binding) for owner, binding in bindings() if (owner, binding.key) not in ANSWERS]
    assert len(found) > 100
    for owner, binding in found:
        assert binding.id in TABLE, f"{owner.__name__}: {binding.key} ({binding.description}) is not in tui/app/keys.py"
        assert binding.key == TABLE[binding.id].keys, f"{owner.__name__}: {binding.key}"


def test_the_words_of_a_key_fit_where_keys_are_listed() -> None:
    for owner, binding in bindings():
        assert len(binding.description) <= WORDS, f"{owner.__name__}: {binding.description}"
    assert all(len(key.meaning) <= WORDS for key in TABLE.values())


def test_a_letter_has_one_row_of_the_table() -> None:
    rows: dict[str, set[str]] = {}
    for key in TABLE.values():
        for letter in key.keys.split(","):
            rows.setdefault(letter, set()).add(key.id)
    several = {letter: ids for letter, ids in rows.items() if len(ids) > 1}
    assert several == SHARED | {"backspace": {"previous_look", "reset"}}


def test_the_documentation_has_the_table() -> None:
    told = (Path(__file__).parents[2] / "docs/keys.md").read_text()
    for key in TABLE.values():
        keys = " ".join(f"`{each}`" for each in displayed(key.keys).split())
        assert f"| {keys} | `{key.id}` | {key.meaning} |" in told


OF_THE_SCREEN = {"back", "previous_look", "left_pane", "right_pane", "reload"}


def test_what_keys_do_commands_do_too() -> None:
    """docs/keys.md names them; that there are such commands is held by tests/docs."""
    told = (Path(__file__).parents[2] / "docs/keys.md").read_text()
    rows = {cells[2].strip("` "): cells[4].strip() for line in told.splitlines() if len(cells := line.split("|")) == 6}
    moving = {key.id for key in TABLE.values() if key.heading in ("Move", "Everywhere")}
    assert {name for name in rows if name not in ("name", "---")} == {key.id for key in TABLE.values()} - moving
    assert {name for name, command in rows.items() if command == "-"} == OF_THE_SCREEN
