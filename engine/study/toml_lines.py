"""On which line of a TOML text a table or key stands: `tomllib` says what is in a text, not where."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]
"""Keys and places in arrays from the top, as pydantic names a value."""

_STATEMENT = re.compile(
    r"""[ \t]*(?:(?P<many>\[\[)|(?P<one>\[))?[ \t]*(?P<key>(?:"(?:\\.|[^"\\])*"|'[^']*'|[\w.\- \t])+?)[ \t]*(?:\]\]?|=)"""
)
_TOKEN = re.compile(r'''"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\])*"|'[^']*'|#[^\n]*|[\[\]{}]|\n''', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Lines:
    """Of a text that is valid TOML."""

    text: tuple[str, ...]
    begins: dict[Path, int]
    """Table or key -> its line, from 1."""
    ends: dict[Path, int]
    """Key -> the last line of its value."""

    def of(self, path: Path) -> int:
        """The line of what is at `path`; of the nearest thing around it that has a line of its own."""
        for length in range(len(path), 0, -1):
            if (begin := self.begins.get(path[:length])) is not None:
                inner = [part for part in path[length:] if isinstance(part, str)]
                return self.naming(path[:length], inner[-1]) if inner else begin
        return 1

    def naming(self, path: Path, word: str) -> int:
        """The line on which the value at `path` has `word` in it; where it begins, if none has."""
        if path not in self.begins:
            return self.of(path)
        begin = self.begins[path]
        whole = re.compile(rf"(?<![\w.-]){re.escape(word)}(?![\w.-])")
        there = (line for line in range(begin, self.ends.get(path, begin) + 1) if whole.search(self.text[line - 1]))
        return next(there, begin)


def lines_of(text: str) -> Lines:
    """Where everything is. `text` must be valid TOML."""
    begins: dict[Path, int] = {}
    ends: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    place, line = 0, 1
    while place < len(text):
        statement = _STATEMENT.match(text, place)
        end = _end(text, place)
        last = line + text.count("\n", place, end)
        if statement and not text[place:end].lstrip().startswith("#"):
            keys = _keys(statement["key"])
            if statement["many"] or statement["one"]:
                table = _placed(keys, counts, new=bool(statement["many"]))
                begins[table] = line
            else:
                begins[(*table, *keys)], ends[(*table, *keys)] = line, last
        place, line = end + 1, last + 1
    return Lines(tuple(text.split("\n")), begins, ends)


def _end(text: str, place: int) -> int:
    """Where the statement that begins at `place` ends: at the first line break outside of strings and brackets."""
    depth = 0
    for token in _TOKEN.finditer(text, place):
        match token[0]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
            case "\n" if depth == 0:
                return token.start()
    return len(text)


def _keys(written: str) -> list[str]:
    """`a."b.c"` -> a, b.c."""
    value: Any = tomllib.loads(f"{written} = 0")
    keys = []
    while isinstance(value, dict):
        key, value = next(iter(value.items()))
        keys.append(key)
    return keys


def _placed(keys: list[str], counts: dict[Path, int], *, new: bool) -> Path:
    """A header's keys with places in the arrays of tables that they lead through; `new` opens the next place of the last."""
    path: Path = ()
    for index, key in enumerate(keys):
        path = (*path, key)
        if new and index == len(keys) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
