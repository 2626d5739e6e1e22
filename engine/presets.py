"""Named RunSpecs: those that come with the program, then the person's own, which win."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import platformdirs

from convtui.engine.errors import SpecError
from convtui.engine.spec import RunSpec, make, nearest
from convtui.engine.toml import read_toml


@dataclass(frozen=True, slots=True)
class Preset:
    """A RunSpec with a name and where it comes from."""

    name: str
    summary: str
    report: str
    """The course report that it reproduces, as in `002`; empty where there is none."""
    spec: RunSpec
    file: Path


def presets() -> dict[str, Preset | SpecError]:
    """Every preset by name; for a file that cannot be read, what is wrong with it."""
    found: dict[str, Preset | SpecError] = {}
    for name, path in _files().items():
        try:
            found[name] = _load(path)
        except SpecError as error:
            found[name] = error
    return found


def preset(name: str) -> Preset:
    """The preset of this name. Raises SpecError, with the nearest name, where there is none."""
    files = _files()
    if name not in files:
        raise SpecError(f"there is no preset {name!r}{nearest(name, files)}: 'convtui presets' lists them")
    return _load(files[name])


def assets() -> Path:
    """The folder of shipped presets, studies and pictures."""
    return Path(__file__).parents[1] / "assets"


def own_presets() -> Path:
    """Where a person's own presets lie."""
    return platformdirs.user_config_path("convtui") / "presets"


def _files() -> dict[str, Path]:
    return {path.stem: path for folder in (assets() / "presets", own_presets()) for path in sorted(folder.glob("*.toml"))}


def _load(path: Path) -> Preset:
    _, values = read_toml(path, "preset")
    summary, report = str(values.pop("summary", "")), str(values.pop("report", ""))
    try:
        return Preset(path.stem, summary, report, make(values), path)
    except SpecError as error:
        raise SpecError(f"preset {path}: {error}") from None
