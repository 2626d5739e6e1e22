"""Style sheets are about widgets that there are: a selector of a class that was renamed styles nothing, without a word."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import textual.widgets
from textual.dom import DOMNode

import convtui.tui.app

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_SELECTORS = re.compile(r"([^{};]+)\{")
_CLASS = re.compile(r"(?<![\w.#$-])[A-Z]\w*")


def _all(of: type[DOMNode]) -> Iterator[type[DOMNode]]:
    for found in of.__subclasses__():
        yield found
        yield from _all(found)


def test_every_selector_names_a_widget() -> None:
    for module in pkgutil.walk_packages(convtui.tui.app.__path__, f"{convtui.tui.app.__name__}."):
        importlib.import_module(module.name)
    for name in textual.widgets.__all__:
        getattr(textual.widgets, name)
    widgets = set(_all(DOMNode))
    sheets = {str(path): path.read_text() for path in Path(convtui.tui.app.__path__[0]).rglob("*.tcss")}
    sheets |= {str(widget): str(widget.__dict__.get("DEFAULT_CSS", "")) for widget in widgets if "convtui" in widget.__module__}
    names = {widget.__name__ for widget in widgets}
    unknown = [
        (sheet, name)
        for sheet, text in sheets.items()
        for selectors in _SELECTORS.findall(_COMMENT.sub("", text))
        for name in _CLASS.findall(selectors)
        if name not in names
    ]
    assert len(sheets) > 20
    assert unknown == []
