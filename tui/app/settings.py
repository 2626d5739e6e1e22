"""What a person chose for the application itself, kept between two starts."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convtui.engine.errors import SpecError
from convtui.engine.files import deliver
from convtui.engine.toml import read_toml

_THEME = re.compile(r"^[ \t]*theme[ \t]*=.*$\n?", re.MULTILINE)
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
    """Read from `settings.toml` in the person's settings folder; all but the theme is written there by hand."""

    theme: str = ""
    """Name of the theme; empty for the program's own."""
    graphics: str = ""
    """How pictures are drawn, as `--graphics` says it; empty: asked of the terminal."""
    title: bool = True
    """Whether the terminal's title tells what trains, and how far it is."""
    notify: Notify = Notify()


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
    )


def _switch(values: Mapping[str, Any], name: str) -> bool:
    return bool(_found(values, name, True, bool, "true or false"))


def _found(values: Mapping[str, Any], name: str, default: Any, kind: type, what: str) -> Any:
    found = values.get(name, default)
    if not isinstance(found, kind):
        raise SpecError(f"settings {file()}: {name} is not {what}: write it so, or delete the line")
    return found


def save_theme(theme: str) -> None:
    """Keep the theme; what else is in the file stays as it was written. Raises OSError, SpecError, UsageError."""
    path = file()
    text = read_toml(path, "settings")[0] if path.exists() else ""
    table = _TABLE.search(text)
    of_program, tables = (text[: table.start()], text[table.start() :]) if table else (text, "")
    path.parent.mkdir(parents=True, exist_ok=True)
    # A JSON string is a TOML string.
    deliver(f"theme = {json.dumps(theme)}\n{_THEME.sub('', of_program)}{tables}".encode(), path)
