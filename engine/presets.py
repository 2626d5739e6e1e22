"""Named RunSpecs: those that come with the program, then the person's own, which win."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from convtui.engine.errors import SpecError, UsageError
from convtui.engine.files import deliver
from convtui.engine.named_code import name_code, require_named
from convtui.engine.spec import RunSpec, make, nearest
from convtui.engine.toml import read_toml

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")


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
        raise SpecError(f"unknown preset {name!r}{nearest(name, files)}: 'convtui presets' lists them")
    return _load(files[name])


def assets() -> Path:
    """The folder of shipped presets, studies and pictures."""
    return Path(__file__).parents[1] / "assets"


def own_presets() -> Path:
    """The folder of a person's own presets."""
    return platformdirs.user_config_path("convtui") / "presets"


def own_preset_file(name: str) -> Path:
    """The file of a person's own preset of this name, whether it exists or not. Raises UsageError for a name that cannot be."""
    if not _NAME.fullmatch(name):
        raise UsageError("a preset's name has letters, digits and - _ . + only, and begins with a letter or digit")
    return own_presets() / f"{name}.toml"


def save_preset(path: Path, spec: RunSpec, parent: str) -> None:
    """Write the preset, in place of an older one; its summary tells of the preset `parent` that it was made from, empty where there
    is none. Raises UsageError where it cannot be written, or is of code that the person has not named: what a preset names is
    imported."""
    require_named(spec.model.module)
    before = presets().get(parent)
    is_same = isinstance(before, Preset) and before.spec == spec
    text = _toml(spec, f"{'same as' if is_same else 'modified from'} {parent or 'a run'}")
    values = tomllib.loads(text)
    values.pop("summary")
    assert make(values) == spec, "a preset must read back as it was written"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"the folder {path.parent} cannot be made: {error.strerror or error}") from None
    deliver(text.encode(), path)


def _files() -> dict[str, Path]:
    folders = (assets() / "presets", own_presets())
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"), key=lambda path: path.stem)}


def _load(path: Path) -> Preset:
    _, values = read_toml(path, "preset")
    summary, report = str(values.pop("summary", "")), str(values.pop("report", ""))
    try:
        spec = make(values)
    except SpecError as error:
        raise SpecError(f"preset {path}: {error}") from None
    if spec.model.module:
        name_code(spec.model.module)  # presets are the program's own, or the person's
    return Preset(path.stem, summary, report, spec, path)


def _toml(spec: RunSpec, summary: str) -> str:
    """Every setting, in the notation of shipped presets; `none` is left out, as TOML has no word for it."""
    lines = [f"summary = {_value(summary)}"]
    for group, part in spec:
        lines += ["", f"[{group}]"]
        lines += [f"{name} = {_value(value)}" for name, value in part if value is not None]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_value(str(item)) for item in value)}]"
    # JSON's strings are TOML's, but for DEL.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
