"""Options that several commands share, and opening what they name."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convtui.engine.errors import RunNotFound, StoreError, UsageError
from convtui.engine.text import STEERING
from convtui.tui.terminal import takes_unicode

if TYPE_CHECKING:
    from convtui.engine.store import Run, Store


def place(path: Path | None) -> Path | None:
    """A path that a person gave, if it can be one. Raises UsageError."""
    try:
        if path is not None:
            path.exists()
    except OSError as error:  # a name that is too long, a loop of links
        raise UsageError(f"{str(path)[:80]}: this cannot be a file ({error.strerror}): give another path") from None
    return path


StorePath = Annotated[
    Path, typer.Option("--store", envvar="CONVTUI_STORE", help="where runs are kept", dir_okay=False, callback=place)
]
DataDir = Annotated[Path | None, typer.Option("--data-dir", envvar="CONVTUI_DATA", help="where datasets lie and are downloaded to")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object a line on stdout; all else on stderr")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="an id, a name, a unique prefix of one, 'last' or 'best'")]

DEFAULT_STORE = Path("store.db")
ENDED = ("stopped", "finished", "diverged", "failed", "crashed")
"""The statuses of a run that nobody has in hand and that does not wait for anybody."""
_LAST_LINE = (
    "epoch", "step", "seconds", "images_per_second", "train_loss", "test_loss", "train_accuracy", "test_accuracy", "dataset",
)  # fmt: skip


def existing_store(path: Path) -> Store:
    """The store at `path`, which must be there already: a look makes none. Raises RunNotFound, UsageError."""
    if not path.exists():
        raise RunNotFound(f"there is no store at {path} yet: 'convtui run' makes one, --store names another")
    return open_store(path, create=False)


def check_store(path: Path) -> None:
    """Raise UsageError where runs could not be kept at `path`, before anything is started. Makes nothing."""
    if not path.exists():
        return
    with open_store(path, create=False) as store:
        try:
            store.make_folder()
        except StoreError as error:
            raise UsageError(str(error)) from None


def open_store(path: Path, *, create: bool = True) -> Store:
    """The store at `path`. Raises UsageError where it cannot be one: whoever named it can name another."""
    from convtui.engine.store import Store

    try:
        return Store.open(path, create=create)
    except StoreError as error:
        raise UsageError(str(error)) from None


def line(values: dict[str, Any]) -> str:
    """One line of JSON; numbers that are not finite are null, as JSON has no word for them.

    Texts are true to the last byte: what could steer a terminal, bytes of names that are not UTF-8, and what the output takes no
    letters for, are escapes.
    """
    text = json.dumps(_finite(values), ensure_ascii=not takes_unicode(sys.stdout))
    return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def last_line(run: Run, status: str) -> dict[str, Any]:
    """How a run ended, as the last JSON line of whoever trained or followed it."""
    values = {"event": status, "run": run.id, "status": status} | {name: getattr(run, name) for name in _LAST_LINE}
    return values | ({"reason": run.reason} if run.reason else {})


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
