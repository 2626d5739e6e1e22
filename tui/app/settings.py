"""What a person chose for the application itself, kept between two starts."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from pathlib import Path

from convtui.engine.files import deliver
from convtui.engine.toml import read_toml


@dataclass(frozen=True, slots=True)
class Settings:
    """Read from and written to `settings.toml` in the person's settings folder."""

    theme: str = ""
    """Name of the theme; empty for the program's own."""
    graphics: str = ""
    """How pictures are drawn, as `--graphics` says it; empty: asked of the terminal. Written by hand."""


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
    return Settings(str(values.get("theme", "")), str(values.get("graphics", "")))


def save(settings: Settings) -> None:
    """Keep them. Raises OSError, UsageError."""
    path = file()
    path.parent.mkdir(parents=True, exist_ok=True)
    # A JSON string is a TOML string.
    lines = [f"{field.name} = {json.dumps(value)}\n" for field in fields(settings) if (value := getattr(settings, field.name))]
    deliver("".join(lines).encode(), path)
