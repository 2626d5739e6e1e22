"""Tables on stdout: as wide as the terminal, unbroken in a pipe."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Collection, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from convtui.tui.render.text import clean

PIPE_WIDTH = 240
"""Columns where there is no terminal: what goes into a pipe is not cut to 80."""
LABEL_WIDTH = 12


def width() -> int:
    """Columns to write in."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH


def show(table: Table) -> None:
    """Print a table whose last column may wrap."""
    Console(width=width(), highlight=False, markup=False, emoji=False).print(table)


def aligned(
    names: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[str], drop: Sequence[str], columns: int
) -> list[str]:
    """Header and rows as lines of text under each other, those of `right` flush right.

    Where they do not fit into `columns`, whole columns are left out, in the order of `drop`: a cut number misleads.
    """
    widths = {
        name: max(cell_len(text) for text in (name, *column)) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }
    left_out: set[str] = set()
    for name in drop:
        if sum(widths[kept] + 2 for kept in names if kept not in left_out) - 2 <= columns:
            break
        left_out.add(name)
    lines = []
    for row in (names, *rows):
        cells = []
        for name, text in zip(names, row, strict=True):
            if name not in left_out:
                gap = " " * (widths[name] - cell_len(text))
                cells.append(gap + text if name in right else text + gap)
        lines.append("  ".join(cells).rstrip())
    return lines


def wrapped(text: str, indent: str = "") -> str:
    """`text` behind `indent`, in a terminal wrapped between words and indented further; in a pipe it stays one line."""
    if not sys.stdout.isatty():
        return indent + text
    return textwrap.fill(
        text,
        max(40, width()),
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def labelled(label: str, text: str) -> str:
    """`text` behind its label, wrapped between words under itself; both without what could steer a terminal."""
    label = clean(label)
    lines = textwrap.wrap(
        clean(text), max(40, width() - LABEL_WIDTH), break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    )
    return f"\n{'':<{LABEL_WIDTH}}".join([f"{label:<{LABEL_WIDTH}}{lines[0]}", *lines[1:]]) if lines else label
