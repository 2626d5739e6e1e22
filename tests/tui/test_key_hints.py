"""Every key that a text of the program or of its documentation names is bound there, and means that."""

from __future__ import annotations

import ast
import functools
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from textual.binding import Binding
from textual.dom import DOMNode

import convtui.tui.app
from convtui.tui.app.app import ConvtuiApp
from convtui.tui.app.keys import TABLE, displayed

ROOT = Path(__file__).parents[2]
PAGES = ("runs", "new", "live", "look", "compare", "studies")
NAMED = {"Esc": "escape", "Enter": "enter", "Space": "space", "PgUp": "pageup", "PgDn": "pagedown", "⌫": "backspace"}
KEY = rf"(?:{'|'.join(NAMED)}|[a-zA-Z0-9/?*<>{{}}\[\].,+-])"
HINT = re.compile(
    rf"(?:^|[\s·(,.])(?:[Pp]ress )?(?!(?:a|Enter)\b)({KEY})(?=:? (?:then )?([a-z]+s\b(?: the| its| a|)(?: \w+)?|to \w+|undo))"
)
DOCUMENTED = re.compile(rf"`({KEY})`|\b(Esc|Enter|PgUp|PgDn)\b")

NO_HINTS = ("runs", "loss", "trains a tenth", "to 1000", "as in", "as fast")
"""What stands behind question marks, commas and numbers that are no keys."""
MEANS = {
    "resets": "reset", "undo": "undo", "restores": "undo", "finds": "find", "ends": "back", "clears": "back", "closes": "back",
    "cancels": "back", "gives": "back", "reloads": "reload", "refreshes": "reload", "names": "reload", "stops": "toggle",
    "plays": "toggle", "queues": "start", "starts": "start", "marks": "toggle", "compares": "compare", "to time": "try",
    "to choose": "page_2", "trains": "demo", "shows why": "view", "shows the": "reload", "shows": "reload",
    "shows its filters": "look",
}  # fmt: skip
"""What stands behind a key in a text -> the action that is meant; the longest that fits counts."""
ELSEWHERE = {("runs", "look"): "live", ("runs", "start"): "new", ("live", "demo"): "runs"}
"""Hints about another page."""
_DOCUMENTED = """\
README.md 6 runs.page_6
README.md ? runs.keys
README.md d studies.delete
README.md s studies.start
own-nets.md Esc look.back
own-nets.md R look.reload
runs.md , live.previous
runs.md . live.next
runs.md / runs.find live.find
runs.md 3 live.page_3
runs.md > runs.right_pane
runs.md C runs.columns
runs.md Enter live.open
runs.md Esc live.back runs.back
runs.md L live.log
runs.md PgDn live.page_down
runs.md PgUp live.page_up
runs.md X live.crosshair
runs.md [ live.earlier
runs.md ] live.later
runs.md m live.smoothing
runs.md v compare.view studies.view live.view
runs.md w studies.write live.write
runs.md x live.axis
runs.md { live.previous_run
runs.md } live.next_run
studies.md d studies.delete
studies.md s studies.start
studies.md v studies.view
training.md / runs.find
training.md C runs.columns
training.md v compare.view
views.md + look.larger
views.md - look.smaller
views.md 4 look.page_4
views.md Enter look.open
views.md I look.own_images
views.md T look.two
views.md [ look.earlier
views.md ] look.later
views.md o runs.look
views.md { look.previous_run
views.md } look.next_run
"""
IN_DOCS = {(file, key): meant for file, key, *meant in map(str.split, _DOCUMENTED.splitlines())}
"""File and key -> the pages on which it is, with the action that is described."""
NO_KEYS = {("runs.md", "-"), ("own-nets.md", "Enter")}
"""A dash in a table; what a dialog asks for."""


class Hint(NamedTuple):
    """A key in a text."""

    where: str
    page: str
    """Empty where the text is not of one page."""
    key: str
    words: str


@functools.cache
def bound(page: str) -> frozenset[str]:
    """The actions that have keys on a page, in its dialogs, or everywhere."""
    found = {binding.id for binding in ConvtuiApp.BINDINGS if isinstance(binding, Binding)} | {f"page_{n}" for n in range(1, 7)}
    names = [name for _, name, _ in pkgutil.walk_packages(convtui.tui.app.__path__, "convtui.tui.app.")]
    shared = [name for name in names if name.split(".")[3] not in PAGES]
    for name in [name for name in names if name.split(".")[3] == page] + shared:
        for owner in vars(importlib.import_module(name)).values():
            if isinstance(owner, type) and issubclass(owner, DOMNode):
                found |= {binding.id for binding in owner.__dict__.get("BINDINGS", ()) if isinstance(binding, Binding)}
    return frozenset(id for id in found if id)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module that are not documentation."""
    tree = ast.parse(path.read_text())
    told = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in told:
            yield node.lineno, node.value


def hints() -> Iterator[Hint]:
    """Those of the application's texts."""
    for path in sorted([*(ROOT / "tui/app").rglob("*.py"), *(ROOT / "tui/session").rglob("*.py")]):
        parts = path.relative_to(ROOT / "tui").parts
        page = parts[1] if parts[1] in PAGES else ""
        for line, text in texts(path):
            for found in HINT.finditer(text) if " " in text else ():
                if found[2] not in NO_HINTS:
                    yield Hint(f"{path.relative_to(ROOT)}:{line}", page, found[1], found[2])


def key_of(name: str) -> set[str]:
    """As the table has it."""
    return {NAMED.get(name, name), {",": "comma"}.get(name, name)}


def test_keys_in_texts_of_the_program_do_there_what_is_said() -> None:
    found = list(hints())
    assert len(found) >= 20, "texts are read"
    for hint in found:
        says = max((words for words in MEANS if hint.words.startswith(words)), key=len, default="")
        assert says, f"{hint.where}: what is {hint.key} for, in {hint.words!r}? Add it to MEANS"
        action = MEANS[says]
        assert key_of(hint.key) & set(TABLE[action].keys.split(",")), (
            f"{hint.where}: {hint.key} {hint.words}: {action} has another key"
        )
        page = ELSEWHERE.get((hint.page, action), hint.page)
        assert not page or action in bound(page), f"{hint.where}: {hint.key} {hint.words}: there is no {action} on {page}"


@pytest.mark.parametrize(
    "file", ["README.md", "docs/runs.md", "docs/own-nets.md", "docs/studies.md", "docs/training.md", "docs/views.md"]
)
def test_keys_in_the_documentation_are_those_of_the_pages(file: str) -> None:
    path = ROOT / file
    prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    named = {(path.name, first or second) for first, second in DOCUMENTED.findall(prose)}
    assert named - NO_KEYS <= IN_DOCS.keys(), "what are these for? Add them to IN_DOCS"
    assert {each for each in IN_DOCS if each[0] == path.name} <= named, "no longer documented"
    for of_file, key in named - NO_KEYS:
        for meant in IN_DOCS[of_file, key]:
            page, _, action = meant.partition(".")
            assert action in bound(page), f"{file}: there is no {action} on {page}"
            assert key_of(key) & set(TABLE[action].keys.split(",")), (
                f"{file}: {action} is {displayed(TABLE[action].keys)}, not {key}"
            )
