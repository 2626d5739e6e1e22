"""`convtui store`: is the store sound, and what is left over in its folder?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convtui.engine.files import DEFAULT_STORE
from convtui.engine.store_address import store_address
from convtui.tui.cli.options import AsJson, Place, StorePath, existing_store, open_store
from convtui.tui.render.json_lines import line
from convtui.tui.render.text import clean, counted, size

if TYPE_CHECKING:
    from convtui.engine.store import Store


def check(
    clean_up: Annotated[bool, typer.Option("--clean", help="delete the leftovers that are found")] = False,
    as_json: AsJson = False,
    store_path: StorePath = DEFAULT_STORE,
) -> None:
    """Look for damage, missing weights, and leftovers of killed processes and deleted runs. Exit code 1: damaged."""
    with existing_store(store_path) as opened:
        damage = opened.damage()
        found = list(_damage(opened, damage)) + list(_missing(opened)) + list(_leftovers(opened, clean_up=clean_up))
    for values, text in found:
        print(line(values) if as_json else clean(text))
    if not found and not as_json:
        is_file = isinstance(store_path, Path)
        sound = "is sound" if is_file else "answers (pg_amcheck looks for damage of its database)"
        print(f"store {clean(store_path)} {sound}, and its folder has no leftovers")
    raise typer.Exit(1 if damage else 0)


def copy(
    source: Annotated[Place, typer.Argument(metavar="FROM", help="the store that is copied", parser=store_address)],
    target: Annotated[Place, typer.Argument(metavar="TO", help="a new store, or one without runs", parser=store_address)],
) -> None:
    """Copy a whole store: every run under its number, with its files. From a file to a server, or the other way."""
    from convtui.engine.store.copying import copy_store

    with existing_store(source) as opened, open_store(target) as store:
        count = sum(1 for _ in copy_store(store, opened))
    print(clean(f"{counted(count)} copied from {source} to {target}"))


def _damage(store: Store, damage: list[str]) -> Iterator[tuple[dict[str, object], str]]:
    for text in damage:
        yield {"finding": "damage", "detail": text}, f"damaged: {text}: restore a backup of {store.address}"


def _missing(store: Store) -> Iterator[tuple[dict[str, object], str]]:
    why = store.files.lacks()
    for path in store.files.missing():
        yield {"finding": "missing", "path": str(path), "detail": why}, f"missing: {path}{f' ({why})' if why else ''}"


def _leftovers(store: Store, *, clean_up: bool) -> Iterator[tuple[dict[str, object], str]]:
    removed = store.files.clear_leftovers() if clean_up else []
    for leftover in removed:
        yield (
            {"finding": "deleted", "path": str(leftover.path), "bytes": leftover.bytes, "detail": leftover.why},
            f"deleted: {leftover.path} ({size(leftover.bytes)}), {leftover.why}",
        )
    for leftover in store.files.leftovers():
        advice = "it has other files too: move yours away" if clean_up else "'convtui store check --clean' deletes it"
        yield (
            {"finding": "leftover", "path": str(leftover.path), "bytes": leftover.bytes, "detail": leftover.why},
            f"leftover: {leftover.path} ({size(leftover.bytes)}), {leftover.why}: {advice}",
        )
