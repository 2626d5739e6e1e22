"""Settings written as a preset of a person's own."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from convtui.engine.errors import UsageError

if TYPE_CHECKING:
    from convtui.engine.spec import RunSpec

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")


def file_of(name: str) -> Path:
    """Where the preset of this name lies or would lie. Raises UsageError for a name that cannot be."""
    from convtui.engine.presets import own_presets

    if not _NAME.fullmatch(name):
        raise UsageError("a preset's name is made of letters, digits and - _ . +, beginning with a letter or digit")
    return own_presets() / f"{name}.toml"


def toml(spec: RunSpec, summary: str) -> str:
    """Every setting, in the notation of shipped presets; `none` is left out, as TOML has no word for it."""
    lines = [f"summary = {_value(summary)}"]
    for group, part in spec:
        lines += ["", f"[{group}]"]
        lines += [f"{name} = {_value(value)}" for name, value in part if value is not None]
    return "\n".join(lines) + "\n"


def save(path: Path, spec: RunSpec, summary: str) -> None:
    """Write the preset, in place of an older one. Raises UsageError where it cannot be written."""
    from convtui.engine.files import deliver
    from convtui.engine.spec import make

    text = toml(spec, summary)
    values = tomllib.loads(text)
    values.pop("summary")
    assert make(values) == spec, "a preset must read back as it was written"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"the folder {path.parent} cannot be made: {error.strerror or error}") from None
    deliver(text.encode(), path)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_value(str(item)) for item in value)}]"
    # JSON's strings are TOML's, but for DEL.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
