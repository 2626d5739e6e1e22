"""What a report is made of: sections of blocks, plain values that a page is written from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Generic, TypeVar

from convtui.engine.errors import UsageError
from convtui.engine.figures.figure import Curves, Result, Sheet, Table
from convtui.engine.spec import nearest

Of = TypeVar("Of")
LEFT_OUT = "left-out"
"""The section that says what is missing."""
MOST_BLOCKS = 64
"""Blocks of a sheet that are shown."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True, eq=False, slots=True)
class Facts:
    """What is said of several things, in a few words each."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True, eq=False, slots=True)
class Sheets:
    """Contact sheets whose blocks stand beside each other."""

    group: Sequence[Sheet]


@dataclass(frozen=True, eq=False, slots=True)
class Charts:
    """Curves, in rows of as many as there is room for."""

    curves: Sequence[Curves]


@dataclass(frozen=True, eq=False, slots=True)
class Tabulated:
    """A table; `folded`, where it is not empty, says what is behind it that most readers do not need."""

    table: Table
    folded: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Diagram:
    """A table that is drawn, for the lines in it; `alt` says the same in words."""

    table: Table
    alt: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why something is not there."""

    why: str


@dataclass(frozen=True, slots=True)
class Words:
    """A person's own, in Markdown."""

    markdown: str


@dataclass(frozen=True, slots=True)
class Source:
    """A paper or book, and where it is to be found; the link is this program's own, never one from a store."""

    text: str
    link: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Methods:
    """What was used, and who described it."""

    rows: Sequence[tuple[str, Source]]


Block = Paragraph | Facts | Sheets | Charts | Tabulated | Diagram | LeftOut | Words | Methods


@dataclass(frozen=True, eq=False, slots=True)
class Section:
    """A part of the report under a heading."""

    name: str
    """As `--sections` has it."""
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, eq=False, slots=True)
class Report:
    """All of it."""

    title: str
    about: str
    """One line below the title."""
    sections: Sequence[Section]


@dataclass(frozen=True, slots=True)
class Part(Generic[Of]):
    """A row of a table of sections: how a section is called, and what makes its blocks."""

    name: str
    title: str
    what: str
    """What it has, in one line."""
    blocks: Callable[[Of], Iterable[Block]]


def chosen(parts: Sequence[Part[Of]], names: Sequence[str], of: str) -> list[Part[Of]]:
    """Those that are named, in the table's order; all, where none is. Raises UsageError, with the nearest, for one that there is
    not."""
    known = [part.name for part in parts]
    if unknown := [name for name in names if name not in known]:
        wrong = unknown[0]
        raise UsageError(f"unknown section {wrong!r}{nearest(wrong, known)}: the report of a {of} has {', '.join(known)}")
    return [part for part in parts if not names or part.name in names]


def made(parts: Sequence[Part[Of]], of: Of, telling: Callable[[str], None] = lambda title: None) -> list[Section]:
    """Sections with what there is to show, and one at the end that says why others are missing; `telling` hears each title before
    its section is made."""
    sections: list[Section] = []
    missing: dict[str, list[str]] = {}
    for part in parts:
        telling(part.title)
        blocks = tuple(dict.fromkeys(part.blocks(of)))
        if all(isinstance(block, LeftOut) for block in blocks):
            for block in blocks:
                if isinstance(block, LeftOut):
                    missing.setdefault(block.why, []).append(part.title)
        else:
            sections.append(Section(part.name, part.title, blocks))
    if missing:
        sections.append(Section(LEFT_OUT, "Left out", [Facts([(", ".join(titles), why) for why, titles in missing.items()])]))
    return sections


def shown(results: Sequence[Result], title: str = "") -> Iterator[Block]:
    """Results of a view as blocks, what belongs together in one. `title`, which is the page's own, is taken out of theirs."""
    own = [replace(result, title=result.title.removesuffix(f" · {title}"), notes=_of_page(result.notes)) for result in results]
    for kind, found in groupby(own, type):
        alike = list(found)
        if kind is Sheet:
            yield from (Sheets(group) for group in _beside([_few(each) for each in alike if isinstance(each, Sheet)]))
        elif kind is Curves:
            yield Charts([each for each in alike if isinstance(each, Curves)])
        else:
            yield from (Tabulated(each) for each in alike if isinstance(each, Table))


def _of_page(notes: Sequence[str]) -> list[str]:
    """Notes without what to type for more: a page's reader types nothing."""
    return [note.removesuffix("; raise count for more") for note in notes]


def _beside(sheets: Sequence[Sheet]) -> Iterator[list[Sheet]]:
    """Each with those behind it that belong beside it."""
    first = 0
    for place in range(1, len(sheets) + 1):
        if place == len(sheets) or not sheets[place].beside:
            yield list(sheets[first:place])
            first = place


def _few(sheet: Sheet) -> Sheet:
    """As many blocks as a page has room for."""
    blocks = sheet.blocks
    if len(blocks) <= MOST_BLOCKS:
        return sheet
    tiles = [tile for block in blocks[:MOST_BLOCKS] for tile in block]
    told = f"the first {MOST_BLOCKS} of {len(blocks):,} are shown"
    return replace(sheet, tiles=tiles, captions=sheet.captions[:MOST_BLOCKS], notes=[*sheet.notes, told])
