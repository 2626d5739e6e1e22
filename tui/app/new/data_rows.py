"""A dataset before training as rows of a terminal: how many images of each class, and as many of them as are legible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convtui.tui.app.keys import DEFAULT, Keymap
from convtui.tui.render.layout import plan
from convtui.tui.render.rows import BOLD, DIM, Colours, Row, Words, shortened, wrapped
from convtui.tui.render.sheets import sheet_rows
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.data.preview import Preview
    from convtui.engine.figures.figure import Sheet

EACH = 8
"""Images of one class at most."""
BAR = 16
"""Columns of the longest bar at most."""
NAME = 14
"""Columns of a class's name beside its bar at most."""
BETWEEN = 3
"""Columns between bars beside each other."""


@dataclass(frozen=True, eq=False, slots=True)
class DataPage:
    """What there is room for, and which classes it shows."""

    rows: Sequence[Row]
    first: int
    """The first class on it."""
    count: int
    """Classes on it."""


def data_page(
    known: Preview, title: str, size: tuple[int, int], first: int, colours: Colours, advice: str = "", keymap: Keymap = DEFAULT
) -> DataPage:
    """As much of a dataset as `size` (columns, rows) holds, the images of its classes from the `first` on, and some `advice`."""
    width, height = size
    train, test = sum(known.train), sum(known.test)
    held_out = f" + {sum(known.validation):,} validation" if known.validation else ""
    counted = f"{train:,} training{held_out} + {test:,} test images in {len(known.classes)} classes"
    head = [Row([Words(0, shortened(title, width), BOLD)]), *wrapped(counted, width)]
    notes = [Row([Words(0, shortened(clean(note), width), DIM)]) for note in (*known.notes[:2], advice) if note]
    there = known.looked_at
    balances = _balances(known, width, height)
    # Notes go before images do.
    for balance, said in [*((balance, notes) for balance in balances), (balances[-1], [])]:
        room = height - len(head) - len(balance) - len(said) - 1
        each = _each(known, there, width, room, colours)
        across, down = _fitting(_sheet(known, range(there), each), width, room, colours)
        if down:
            break
    count = min(there, max(1, across * down))
    # The last page is a full one, too.
    first = max(0, min(first, there - count))
    tiles = sheet_rows([_sheet(known, range(first, first + count), each)], width, rows=max(3, room), colours=colours, scale=False)
    told = [f"{keymap.named('reload')} other examples"]
    if count < len(known.classes):
        keys = f"{keymap.named('previous')} {keymap.named('next')}"
        told = [f"{_which(first, count)} of {len(known.classes)}", f"{keys} other classes", *told]
    foot = Row([Words(0, shortened(" · ".join(told), width), DIM)])
    return DataPage([*head, *balance, *said, *tiles[:room], foot], first, count)


def _which(first: int, count: int) -> str:
    return f"class {first + 1}" if count == 1 else f"classes {first + 1} to {first + count}"


def balance_line(known: Preview) -> str:
    """How evenly the classes are filled: `5,000 + 1,000 per class`, or from the least to the most."""
    parts = [counts for counts in (known.train, known.validation, known.test) if counts]
    if all(len(set(counts)) == 1 for counts in parts):
        return f"{' + '.join(f'{counts[0]:,}' for counts in parts)} per class"
    least, most = (pick(range(len(known.train)), key=known.train.__getitem__) for pick in (min, max))
    return (
        "training images per class: "
        f"{known.train[least]:,} ({clean(known.classes[least])}) to {known.train[most]:,} ({clean(known.classes[most])})"
    )


def _balances(known: Preview, width: int, height: int) -> list[list[Row]]:
    """Ways of telling it, the fullest first."""
    line = wrapped(balance_line(known), width)
    uneven = len(set(known.train)) > 1 or len(set(known.test)) > 1
    bars = _bars(known, width) if uneven else line
    return [bars, line] if len(bars) <= height // 3 else [line]


def _bars(known: Preview, width: int) -> list[Row]:
    """A bar a class, as long as it has training images, with how many these and its others are; in columns beside each other."""
    name = min(NAME, max(len(clean(each)) for each in known.classes))
    parts = [counts for counts in (known.train, known.validation, known.test) if counts]
    texts = [" + ".join(f"{count:,}" for count in counts) for counts in zip(*parts, strict=True)]
    numbers, most = max(map(len, texts)), max(known.train)
    least = name + 1 + BAR // 2 + 1 + numbers
    across = max(1, min(len(texts), (width + BETWEEN) // (least + BETWEEN)))
    column = (width - BETWEEN * (across - 1)) // across
    bar = max(1, min(BAR, column - name - numbers - 2))
    down = math.ceil(len(texts) / across)
    rows = []
    for line in range(down):
        words = []
        for place, label in enumerate(range(line, len(texts), down)):
            left = place * (name + bar + numbers + 2 + BETWEEN)
            filled = max(1, round(bar * known.train[label] / most))
            words.append(Words(left, shortened(clean(known.classes[label]), name)))
            words.append(Words(left + name + 1, "━" * filled, DIM))
            words.append(Words(left + name + bar + 2, f"{texts[label]:>{numbers}}"))
        rows.append(Row(words))
    return rows


def _sheet(known: Preview, labels: range, each: int) -> Sheet:
    from convtui.engine.lens.tiles import class_sheet

    return class_sheet(known.examples, labels, each)


def _each(known: Preview, there: int, width: int, room: int, colours: Colours) -> int:
    """How many images of each class there is room for; one where not even that fits."""
    for each in range(min(EACH, math.ceil(len(known.examples) / there)), 1, -1):
        across, down = _fitting(_sheet(known, range(there), each), width, room, colours)
        if across * down >= there:
            return each
    return 1


def _fitting(sheet: Sheet, width: int, room: int, colours: Colours) -> tuple[int, int]:
    """Blocks beside and above each other that fit whole, every pixel of them shown."""
    layout = plan([sheet], width, max(1, room - 1), limited=True, shades=colours == "none")
    if layout.reduction > 1 or not layout.whole:
        return layout.across, 0
    return layout.across, min(layout.down, room // layout.rows)
