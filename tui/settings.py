"""What a person chose for the application itself, kept between two starts."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

from engine.files import deliver


@dataclass(frozen=True, slots=True)
class Settings:
    """Read from and written to `settings.toml` in the person's settings folder."""

    theme: str = ""
    """Name of the theme; empty for the program's own."""


def file() -> Path:
    """Where they are."""
    import platformdirs

    return platformdirs.user_config_path("convtui") / "settings.toml"


def load() -> Settings:
    """What was kept; the defaults where there is nothing, or nothing that can be read: a theme is not worth an error."""
    try:
        values = tomllib.loads(file().read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return Settings()
    return Settings(theme=str(values.get("theme", "")))


def save(settings: Settings) -> None:
    """Keep them. Raises OSError, UsageError."""
    path = file()
    path.parent.mkdir(parents=True, exist_ok=True)
    # A JSON string is a TOML string.
    deliver(f"theme = {json.dumps(settings.theme)}\n".encode(), path)
