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
from convtui.tui.app import settings
from convtui.tui.app.app import ConvtuiApp
from convtui.tui.app.keys import TABLE, displayed
from convtui.tui.app.new.page import NewPage
from convtui.tui.app.runs.page import RunsPage
from convtui.tui.session.session import Session
from tests.harness.screen import piloted, screen_text, until

ROOT = Path(__file__).parents[2]
PAGES = ("runs", "new", "live", "look", "compare", "studies")
NAMED = {"Esc": "escape", "Enter": "enter", "Space": "space", "PgUp": "pageup", "PgDn": "pagedown", "⌫": "backspace"}
KEY = rf"(?:{'|'.join(NAMED)}|[a-zA-Z0-9/?*<>{{}}\[\].,+-])"
HINT = re.compile(
    rf"(?:^|[\s·(,.])(?:[Pp]ress )?(?!(?:a|Enter)\b)({KEY})(?=:? (?:then )?([a-z]+s\b(?: the| its| a|)(?: \w+)?|to \w+|undo|other))"
)
DOCUMENTED = re.compile(rf"`({KEY})`|\b(Esc|Enter|PgUp|PgDn)\b")

ALWAYS = {"Esc", "Enter", "Tab"}
"""Keys that texts name as they are: Esc is always one of `back`, Enter and Tab are those of lines in which one writes."""
NO_HINTS = ("runs", "loss", "trains a tenth", "to 1000", "as in", "as fast")
"""What stands behind question marks, commas and numbers that are no keys."""
ELSEWHERE = {("runs", "look"): "live", ("runs", "start"): "new", ("live", "demo"): "runs", ("compare", "toggle"): "runs"}
"""Hints about another page."""
_DOCUMENTED = """\
README.md ? runs.keys
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
runs.md Z live.zoom_out
runs.md [ live.earlier
runs.md ] live.later
runs.md m live.smoothing
runs.md v compare.view studies.view live.view
runs.md w studies.write live.write
runs.md x live.axis
runs.md z live.zoom_in
runs.md { live.previous_run
runs.md } live.next_run
start.md 1 runs.page_1
start.md 6 runs.page_6
start.md ? runs.keys
start.md Esc live.back
start.md f runs.tour
start.md q runs.quit
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
views.md z look.zoom_in
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
    action: str
    """By its id in the table; or the key, where it is written as it is."""


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


def modules() -> Iterator[tuple[str, str, ast.Module]]:
    """Those of the application: the file, the page that it is of, and what is in it."""
    for path in sorted(
        [*(ROOT / "tui/app").rglob("*.py"), *(ROOT / "tui/session").rglob("*.py"), *(ROOT / "tui/render").rglob("*.py")]
    ):
        part = path.relative_to(ROOT / "tui").parts[1]
        yield str(path.relative_to(ROOT)), part if part in PAGES else "", ast.parse(path.read_text())


def written() -> Iterator[Hint]:
    """Keys that stand in texts as they are."""
    for file, page, tree in modules():
        if file.startswith("tui/render"):
            continue  # tables and legends
        documentation = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in documentation and " " in node.value:
                for found in HINT.finditer(node.value):
                    if found[2] not in NO_HINTS and found[1] not in ALWAYS:
                        yield Hint(f"{file}:{node.lineno}", page, found[1])


def named() -> Iterator[Hint]:
    """Actions whose key is asked for: `key_for(self, ID)`, or `keymap.named(ID)`."""
    for file, page, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("key_for", "named"):
                for argument in node.args:
                    if isinstance(argument, ast.Constant) and argument.value in TABLE:
                        yield Hint(f"{file}:{node.lineno}", page, str(argument.value))


def key_of(name: str) -> set[str]:
    """As the table has it."""
    return {NAMED.get(name, name), {",": "comma"}.get(name, name)}


def test_texts_of_the_program_name_the_keys_in_force() -> None:
    assert not list(written()), "ask `key_for`: a person may have given the action another key"


def test_what_a_text_of_the_program_names_can_be_done_there() -> None:
    found = list(named())
    assert len(found) >= 25, "texts are read"
    for hint in found:
        page = ELSEWHERE.get((hint.page, hint.action), hint.page)
        assert not page or hint.action in bound(page), f"{hint.where}: there is no {hint.action} on {page}"


@pytest.mark.parametrize(
    "file", ["README.md", *(f"docs/{name}.md" for name in ("start", "runs", "own-nets", "studies", "training", "views"))]
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


OWN = {
    "page_1": "f1", "page_2": "f2", "demo": "Q", "new": "f7", "look": "f8", "start": "f9", "toggle": "f6", "compare": "E",
    "back": "ctrl+x", "reload": "f5", "find": "f3",
}  # fmt: skip


def test_hints_are_of_the_keys_that_a_person_has_given(tmp_path: Path) -> None:
    settings.file().parent.mkdir(parents=True, exist_ok=True)
    settings.file().write_text("[keys]\n" + "".join(f'{id} = "{key}"\n' for id, key in OWN.items()))
    app = ConvtuiApp(Session(tmp_path / "store.db", device="cpu"))

    @piloted
    async def steps() -> None:
        async with app.run_test(size=(120, 36)) as pilot:
            for key, texts in {
                "": (" Q   train the demo", "f8 then shows its filters", " f7   train your own", "f9 starts", " f2 New"),
                "3": ("Press f2 to choose a net and train it; on the page Runs (f1), Q trains the demo.",),
                "5": ("On the Runs page (f1), f6 marks a run and E compares the marked ones.",),
                "f2": ("more not in force, f3 finds them",),
            }.items():
                await pilot.press(*([key] if key else []))
                for text in texts:
                    await until(pilot, lambda text=text: text in screen_text(pilot))
            assert not app._notifications, "all of them can be"
            for back in ("escape", "ctrl+x"):  # a person's own key beside the one that always goes back
                await pilot.press("f2")
                await until(pilot, lambda: isinstance(app.screen, NewPage))
                await pilot.press(back)
                await until(pilot, lambda: isinstance(app.screen, RunsPage))

    steps()
