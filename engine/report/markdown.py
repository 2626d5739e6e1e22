"""A report as one file of Markdown: its pictures stand at the end, as URLs that hold them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence

from convtui.engine.figures.figure import Result, Table
from convtui.engine.figures.markdown_text import ADDRESSES, escaped, in_one_line
from convtui.engine.figures.numbers import texts_of
from convtui.engine.figures.saving import png
from convtui.engine.report.content import (
    Block,
    Charts,
    Diagram,
    Facts,
    LeftOut,
    Methods,
    Paragraph,
    Report,
    Sheets,
    Tabulated,
    Words,
)
from convtui.engine.report.words import cleaned

ROWS = 300
_OF_OWN_WORDS = re.compile(rf"[<&\[\]]|{ADDRESSES}")
_AT_BEGINNING = re.compile(r"^(\s*)([#+\-=]|\d+[.)])")


def text(report: Report) -> str:
    """The whole file."""
    images: list[str] = []
    lines = [f"# {_plain(report.title)}", "", _plain(report.about), ""]
    for section in report.sections:
        lines += [f"## {section.title}", ""]
        for block in section.blocks:
            lines += [*_block(block, images), ""]
    lines += [f"[picture-{number}]: {url}" for number, url in enumerate(images, 1)]
    return "\n".join(lines) + "\n"


def _block(block: Block, images: list[str]) -> Iterator[str]:
    match block:
        case Paragraph(said):
            yield _begun(said)
        case LeftOut(why):
            yield f"*Left out: {_plain(why)}*"
        case Words(own):
            yield from (f"> {line}" for line in _own(own).split("\n"))
        case Facts(rows):
            yield from (f"- {_plain(name)}: {_plain(value)}" for name, value in rows)
        case Methods(sources):
            for what, source in sources:
                yield f"- {_plain(what)}: {f'[{source.text}]({source.link})' if source.link else source.text}"
        case _:
            yield from _figure(block, images)


def _figure(block: Tabulated | Diagram | Charts | Sheets, images: list[str]) -> Iterator[str]:
    match block:
        case Tabulated(table, _):
            yield from _table(table)
        case Diagram(table, alt):
            yield from _pictured([table], table.title, alt, images)
        case Charts(curves):
            for each in curves:
                yield from _pictured([each], each.title, each.title, images)
        case Sheets(group):
            yield from _pictured(group, group[0].title, group[0].title, images)


def _pictured(results: Sequence[Result], title: str, alt: str, images: list[str]) -> Iterator[str]:
    """The picture that `look` and `plot` save, by its number."""
    images.append(f"data:image/png;base64,{base64.b64encode(png(results, 'light')).decode()}")
    yield from (f"![{_plain(alt)}][picture-{len(images)}]", "", f"*{_plain(title)}*", "")


def _table(table: Table) -> Iterator[str]:
    rows = table.rows[:ROWS]
    columns = [[row[place] for row in rows] for place in range(len(table.columns))]
    right = [not any(isinstance(cell, str) for cell in column) for column in columns]
    texts = [texts_of(column, share=name in table.shares) for name, column in zip(table.columns, columns, strict=True)]
    yield from (f"*{_plain(table.title)}*", "")
    yield f"| {' | '.join(map(_plain, table.columns))} |"
    yield f"|{'|'.join('---:' if each else '---' for each in right)}|"
    yield from (f"| {' | '.join(_plain(column[place]) for column in texts)} |" for place in range(len(rows)))
    more = [f"{len(table.rows) - ROWS:,} more rows are left out"] if len(table.rows) > ROWS else []
    yield from (line for note in (*table.notes, *more) for line in ("", _plain(note)))


def _plain(told: str) -> str:
    """In one line, every character as itself."""
    return in_one_line(cleaned(told))


def _begun(told: str) -> str:
    """The same, where it begins a line: no heading and no list."""
    return _AT_BEGINNING.sub(r"\1\\\2", _plain(told))


def _own(markdown: str) -> str:
    """A person's own Markdown without HTML, links, images and addresses that readers make links of."""
    return _OF_OWN_WORDS.sub(escaped, cleaned(markdown))
