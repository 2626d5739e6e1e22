"""What a person chose for the application itself, kept between two starts."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convtui.engine.errors import SpecError, UsageError
from convtui.engine.files import deliver
from convtui.engine.toml import read_toml

_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Notify:
    """The table `[notify]`: how a person is told that a run is over."""

    url: str = ""
    """Where one line of text is posted, as ntfy takes it; empty for nowhere."""
    bell: bool = True
    desktop: bool = True
    """Whether the terminal is asked to show a notification."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Read from `settings.toml` in the person's settings folder; all but the theme and the columns is written there by hand."""

    theme: str = ""
    """Name of the theme; empty for the program's own."""
    graphics: str = ""
    """How pictures are drawn, as `--graphics` says it; empty: asked of the terminal."""
    title: bool = True
    """Whether the terminal's title tells what trains, and how far it is."""
    notify: Notify = Notify()
    columns: tuple[str, ...] = ()
    """Hyperparameters and measures that are columns of the page Runs; kept, as the theme is."""
    without_columns: tuple[str, ...] = ()
    """Columns that the page Runs leaves out."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """The table `[keys]`: an action of the application -> its keys, as the person wants them."""


def file() -> Path:
    """Where they are."""
    import platformdirs

    return platformdirs.user_config_path("convtui") / "settings.toml"


def load() -> Settings:
    """What was kept; the defaults where there is nothing. Raises SpecError where it cannot be read: saving would overwrite it."""
    path = file()
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises for a name that is too long
        return Settings()
    _, values = read_toml(path, "settings")
    notify = _found(values, "notify", {}, dict, "a table")
    return Settings(
        str(values.get("theme", "")),
        str(values.get("graphics", "")),
        _switch(values, "title"),
        Notify(str(notify.get("url", "")), _switch(notify, "bell"), _switch(notify, "desktop")),
        _names(values, "columns"),
        _names(values, "without_columns"),
        {id: str(keys) for id, keys in _found(values, "keys", {}, dict, "a table").items()},
    )


def _switch(values: Mapping[str, Any], name: str) -> bool:
    return bool(_found(values, name, True, bool, "true or false"))


def _names(values: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(map(str, _found(values, name, [], list, "a list of names")))


def _found(values: Mapping[str, Any], name: str, default: Any, kind: type, what: str) -> Any:
    found = values.get(name, default)
    if not isinstance(found, kind):
        raise SpecError(f"settings {file()}: {name} is not {what}: write it so, or delete the line")
    return found


def save_theme(theme: str) -> None:
    """Keep the theme; what else is in the file stays as it was written. Raises OSError, SpecError, UsageError."""
    _save({"theme": theme})


def save_columns(added: Sequence[str], without: Sequence[str]) -> None:
    """Keep which columns the page Runs has; what else is in the file stays. Raises OSError, SpecError, UsageError."""
    _save({"columns": list(added), "without_columns": list(without)})


def _save(values: Mapping[str, str | list[str]]) -> None:
    path = file()
    text = read_toml(path, "settings")[0] if path.exists() else ""
    table = _TABLE.search(text)
    of_program, tables = (text[: table.start()], text[table.start() :]) if table else (text, "")
    for name in values:
        of_program = re.sub(rf"^[ \t]*{name}[ \t]*=.*$\n?", "", of_program, flags=re.MULTILINE)
    # A JSON string, and a list of them, is one of TOML.
    lines = "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items() if value)
    written = f"{lines}{of_program}{tables}"
    try:
        tomllib.loads(written)
    except tomllib.TOMLDecodeError:
        raise UsageError(f"settings {path}: write {' and '.join(values)} in one line each, then they can be kept") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    deliver(written.encode(), path)
