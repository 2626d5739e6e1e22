"""Which studies there are: those that are shipped, and one's own."""

from __future__ import annotations

from pathlib import Path

import platformdirs

from convtui.engine.errors import SpecError, UsageError
from convtui.engine.presets import assets
from convtui.engine.spec import nearest
from convtui.engine.study.model import Study
from convtui.engine.study.parsing import read


def studies() -> dict[str, Study | SpecError]:
    """Every study by name, one's own winning over a shipped one; for a file that cannot be read, what is wrong with it."""
    found: dict[str, Study | SpecError] = {}
    for name, path in _files().items():
        try:
            found[name] = read(path)
        except SpecError as error:
            found[name] = error
    return found


def study(reference: str) -> Study:
    """The study of this name, or of this file (`.toml`, or a path). Raises SpecError, UsageError with the nearest name."""
    if reference.endswith(".toml") or "/" in reference:
        return read(Path(reference))
    files = _files()
    if reference not in files:
        if Path(f"{reference}.toml").is_file():
            raise UsageError(f"unknown study {reference!r}, but there is a file of that name: write {reference}.toml")
        raise UsageError(f"unknown study {reference!r}{nearest(reference, files)}: 'convtui study list' lists them")
    return read(files[reference])


def own_studies() -> Path:
    """The folder of a person's own studies."""
    return platformdirs.user_config_path("convtui") / "studies"


def _files() -> dict[str, Path]:
    return {path.stem: path for folder in (assets() / "studies", own_studies()) for path in sorted(folder.glob("*.toml"))}
