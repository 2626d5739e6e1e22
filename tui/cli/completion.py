"""What a shell offers when Tab is pressed: names of runs, presets, studies, views and settings. As quick as --help."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import typer

from convtui.engine.errors import ConvtuiError
from convtui.engine.files import DEFAULT_STORE, STORE_VARIABLE
from convtui.engine.store_address import store_address
from convtui.tui.render.text import clean

MOST = 200
"""Runs that are offered, the newest."""
WORDS = ("last", "best")
_REGISTERED = re.compile(r'register\(\s*"([a-z-]+)",\s*"([^"]*)"')


def runs(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """(what to type, what it is) for runs of the store that the line names, or of the usual one; a server is not asked,
    for Tab is quick."""
    given = context.params.get("store_path") or os.environ.get(STORE_VARIABLE) or DEFAULT_STORE
    found: list[tuple[str, str]] = []
    for run_id, name, status in _in_store(str(given)):
        begins = next(iter(name.split()), "")  # what shells take for one word; the beginning of a name will do
        found.append((begins or str(run_id), f"run {run_id}, {status}"))
    words = [(word, "") for word in WORDS]
    return _beginning([*dict(found).items(), *words], incomplete)


def presets(incomplete: str) -> list[tuple[str, str]]:
    """Shipped ones, and one's own."""
    from convtui.engine.presets import Preset
    from convtui.engine.presets import presets as all_presets

    found = all_presets()
    return _beginning(((name, one.summary if isinstance(one, Preset) else "") for name, one in found.items()), incomplete)


def studies(incomplete: str) -> list[tuple[str, str]]:
    """Likewise; none where a file is meant."""
    from convtui.engine.study import Study
    from convtui.engine.study import studies as all_studies

    found = all_studies()
    return _beginning(((name, one.title if isinstance(one, Study) else "") for name, one in found.items()), incomplete)


def views(incomplete: str) -> list[tuple[str, str]]:
    """Those of the lens, read from their files: importing them takes seconds."""
    folder = Path(__file__).parents[2] / "engine" / "lens" / "views"
    files = sorted(folder.glob("*.py"))
    found = [match for file in files for match in _REGISTERED.findall(file.read_text(encoding="utf-8"))]
    return _beginning(found, incomplete)


def settings(incomplete: str) -> list[tuple[str, str]]:
    """`PART.NAME=`, and behind it the values of a closed list."""
    from convtui.engine.spec import hyperparameters

    path, equals, _ = incomplete.partition("=")
    known = {field.path: field for field in hyperparameters()}
    if equals:
        choices = known[path].choices if path in known else ()
        return _beginning(((f"{path}={choice}", "") for choice in choices), incomplete)
    return _beginning(((f"{name}=", field.help) for name, field in known.items()), incomplete)


def _in_store(given: str) -> Iterator[tuple[int, str, str]]:
    try:
        path = store_address(given)
        if not isinstance(path, Path):
            return
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2)) as connection:
            for run_id, name, status in connection.execute("SELECT id, name, status FROM run ORDER BY id DESC LIMIT ?", (MOST,)):
                yield int(run_id), clean(str(name)), clean(str(status))
    except (sqlite3.Error, ValueError, TypeError, ConvtuiError):
        return  # there is no store, or none that can be read: nothing to offer


def _beginning(items: Iterable[tuple[str, str]], incomplete: str) -> list[tuple[str, str]]:
    return [(name, " ".join(clean(what).split())) for name, what in items if name.startswith(incomplete)]
