"""`convtui runs merge`: runs of other stores into this one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from convtui.engine.errors import UsageError
from convtui.engine.files import DEFAULT_STORE
from convtui.engine.store_address import StoreAddress
from convtui.tui.cli.options import AsJson, StorePath, Stores, existing_store, is_there, open_store
from convtui.tui.render.json_lines import line
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.store.merging import Merged

_TOLD = {
    "added": "is run {here}",
    "updated": "has gone further: run {here} is up to date",
    "here": "is here as run {here}",
    "ahead": "is here as run {here}, which went on in this store: left as it is",
    "in training": "is {status} there: merge it when it has ended",
    "made": "is not needed: run {here} is the study's run of these settings",
}


def merge(
    others: Stores,
    as_json: AsJson = False,
    store_path: StorePath = DEFAULT_STORE,
) -> None:
    """Copy the runs of other stores into this one, with their numbers, messages and checkpoints.

    Other stores stay as they are. The same command again adds nothing twice, and brings up to date what has gone further since.
    """
    from convtui.engine.store.merging import merge as merge_stores

    if missing := [other for other in others if not is_there(other)]:
        raise UsageError(f"no store at {missing[0]}, and nothing was merged: name the file of a store, or one that bundle wrote")
    counts: Counter[str] = Counter()
    with open_store(store_path) as store:
        for path in others:
            with _unpacked(path) as there, existing_store(there) as other:
                for merged in merge_stores(store, other):
                    counts[merged.outcome] += 1
                    _say(path, merged, as_json=as_json)
    if not as_json:
        changed = counts["added"] + counts["updated"]
        print(f"{counts['added']} added, {counts['updated']} updated, {counts.total() - changed} left as they were")


@contextmanager
def _unpacked(other: StoreAddress) -> Iterator[StoreAddress]:
    """Where the store is; that of a bundle for the block only."""
    from convtui.engine.store.bundle import is_bundle, unpacked

    if isinstance(other, Path) and is_bundle(other):
        with unpacked(other) as inside:
            yield inside
    else:
        yield other


def _say(path: StoreAddress, merged: Merged, *, as_json: bool) -> None:
    run = merged.run
    if as_json:
        told = {
            "event": merged.outcome,
            "store": str(path),
            "there": run.id,
            "here": merged.id,
            "name": run.name,
            "status": run.status,
        }
        print(line(told))
    elif merged.outcome != "here":
        what = _TOLD[merged.outcome].format(here=merged.id, status=run.status)
        print(clean(f"{path}: run {run.id} ({run.name}) {what}"))
