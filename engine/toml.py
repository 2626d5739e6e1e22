"""Settings, presets and studies as people write them: small TOML files, read with one line for whatever is wrong with them."""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from convtui.engine.errors import SpecError
from convtui.engine.files import reading

LARGEST_BYTES = 1_000_000
_AT = re.compile(r"line (\d+), column (\d+)\)")
_HINTS = {
    "Cannot overwrite": ": each key may appear once",
    "Cannot declare": ": tables that repeat have two brackets, as in [[setting]]",
    "Cannot mutate": ": a table in { } cannot be extended",
    "Invalid value": ": text needs quotation marks",
}


def read_toml(path: Path, what: str) -> tuple[str, dict[str, Any]]:
    """The text of a file, with line breaks as `\\n`, and its values. Errors begin with `what` the file is, as in `study`.

    Raises SpecError for what is not there, not a regular file (a device may be endless, a pipe waits for ever), above
    LARGEST_BYTES, not UTF-8 or not TOML: one line that names the file and, where it is known, the line.
    """
    data = _data(path, what)
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpecError(
            f"{what} {path}, line {line}: byte {data[error.start]:#04x} is not valid UTF-8: save the file as UTF-8"
        ) from None
    try:
        values = tomllib.loads(text)
        if _has_wide_number(values):
            raise ValueError
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{what} {path}, {_not_toml(str(error), text)}") from None
    except ValueError:
        raise SpecError(f"{what} {path}: a number in it is too long: shorten it") from None
    except RecursionError:
        raise SpecError(f"{what} {path}: it is nested too deeply: write it with fewer brackets") from None
    return text, values


def _has_wide_number(value: Any) -> bool:
    """Whether there is an integer that 64 bits do not hold, which TOML does not have: Python cannot even print the longest."""
    if isinstance(value, dict | list):
        return any(_has_wide_number(item) for item in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, int) and abs(value) >= 1 << 63


def _data(path: Path, what: str) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise SpecError(f"{what} {path} is a directory: name a .toml file in it")
        if not stat.S_ISREG(mode):
            raise SpecError(f"{what} {path} is a pipe or a device: put a regular file in its place")
        with reading(path) as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise SpecError(f"{what} {path} {_unreadable(error)}") from None
    if len(data) > LARGEST_BYTES:
        raise SpecError(f"{what} {path} is larger than {LARGEST_BYTES:,} bytes: shorten it")
    return data


def _unreadable(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "is not there: check the name"
        case PermissionError():
            return f"cannot be read: {error.strerror}: check its permissions"
        case _:
            return f"cannot be read: {error.strerror or error}"


def _not_toml(told: str, text: str) -> str:
    """What tomllib says, its place in front: it ends in `(at line 3, column 7)` or `(at end of document)`."""
    what, _, at = told.rpartition(" (at ")
    found = _AT.match(at)
    if found is None:
        return f"line {text.rstrip().count(chr(10)) + 1}: not valid TOML: a bracket or a text is not closed"
    hint = next((hint for begin, hint in _HINTS.items() if what.startswith(begin)), "")
    return f"line {found[1]}, column {found[2]}: not valid TOML: {what[:1].lower()}{what[1:]}{hint}"
