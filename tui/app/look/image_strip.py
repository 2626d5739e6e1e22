"""The images of a split in a row, each with its true class and what a net takes it for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from convtui.engine.figures.colour import coloured
from convtui.tui.app.keys import bind
from convtui.tui.app.widgets.picture_colours import cell_for, colours_for
from convtui.tui.graphics import HALVES
from convtui.tui.render.rows import Row, segments, shortened
from convtui.tui.render.text import clean
from convtui.tui.render.thumbnails import LINES, WORDS, Thumbnail, fitting, room_of, slot, thumbnail_rows
from convtui.tui.session.inspector import Thumbnails

if TYPE_CHECKING:
    from convtui.engine.lens.subject import Prediction

CHUNK = 32
"""Images that are asked for at once."""
MARGIN = 1
MOST_WORDS = 22
"""Columns of the words below an image at most: longer names of classes are shortened."""
PROBABILITY, OUTPUT = len("100 %"), len("-1.23e+03")
"""Columns of what a net says of a class."""
SMALL, LARGE = 14, 20
"""Columns of an image of half cells, where the terminal is lower than `HIGH` rows and where it is not; and ..."""
SMALL_IN_PIXELS, LARGE_IN_PIXELS = 10, 16
"""... of one in pixels, which is recognised when it is smaller."""
HIGH = 50


class ImageStrip(Widget, can_focus=True):
    """Shows the images around the one that the cursor is on, as far as they are known, and asks for those that are not."""

    DEFAULT_CSS = """
    ImageStrip > .image-strip--heading { text-style: dim; }
    ImageStrip > .image-strip--right { color: $text-success; }
    ImageStrip > .image-strip--wrong { color: $text-error; }
    ImageStrip > .image-strip--cursor { text-style: dim; }
    ImageStrip:focus > .image-strip--cursor { color: $accent; text-style: bold; }
    ImageStrip > .image-strip--chosen { text-style: bold underline; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"image-strip--{name}" for name in ("heading", "right", "wrong", "cursor", "chosen")}
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("left", "move(-1)", "Previous image", show=False),
        bind("right", "move(1)", "Next image", show=False),
        bind("page_up", "page(-1)", "Previous images", show=False),
        bind("page_down", "page(1)", "Next images", show=False),
        bind("first", "go(0)", "First image", show=False),
        bind("last", "end", "Last image", show=False),
        bind("open", "choose"),
        bind("up", "screen.to_picture", "To picture", show=False),
    ]

    class Lacking(Message):
        """These images are not known yet."""

        def __init__(self, first: int, count: int) -> None:
            super().__init__()
            self.first, self.count = first, count

    class Chosen(Message):
        """This image shall be looked at."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor = 0
        """The number of the image that it is on."""
        self.chosen: int | None = None
        """The image that the picture is about."""
        self.side = SMALL
        self._what = ""
        self._weights = ""
        self._reason = ""
        self._total: int | None = None
        self._asked: int | None = None
        self._outdated = False
        self.files: Sequence[str] = ()
        """The paths of the pictures, where they are a person's own."""
        self._trouble = ""
        self._known: dict[int, tuple[NDArray[np.uint8], Prediction]] = {}
        self._named: tuple[str, ...] = ()
        self._has_outputs = False
        """Whether what the net says are no probabilities."""
        self._rows: list[Strip] | None = None
        self._held: Sequence[Row] = ()
        """What is drawn: its pictures last as long as it is held."""

    # ----------------------------------------------------------------------------------------------- what is shown

    def begin(self, what: str) -> None:
        """Show images of `what` from now on, of which nothing is known yet."""
        self._what, self._weights, self._reason, self._trouble = what, "", "", ""
        self.files = ()
        self._total, self._asked = None, None
        self._known.clear()
        self._redraw()

    def renew(self) -> None:
        """Ask once more about all of them; what is known, and of which weights, is shown until then."""
        self._outdated, self._asked = True, None
        self._redraw()

    def show(self, images: Thumbnails, weights: str) -> None:
        """Know these too; `weights` says whose word it is."""
        if self._outdated:
            self._known.clear()
        self._reason, self._asked, self._weights, self._outdated = "", None, weights, False
        self._total, self._named = images.total, tuple(images.classes)
        self.files, self._trouble = images.files, images.trouble
        self._has_outputs = any(told.kind == "output" for told in images.predictions if told.scores)
        for place, (picture, told) in enumerate(zip(coloured(images.sheet), images.predictions, strict=True)):
            self._known[images.request.first + place] = (picture, told)
        self.cursor = max(0, min(self.cursor, images.total - 1))
        self._redraw()

    def refuse(self, reason: str) -> None:
        """Say why there are none."""
        self._reason = reason
        self._redraw()

    def ask_again(self) -> None:
        """What was asked for may have been let go of."""
        self._asked = None
        self._redraw()

    def put(self, cursor: int, chosen: int | None) -> None:
        """Move the cursor, and mark the image that the picture is about."""
        last = cursor if self._total is None else self._total - 1
        cursor = max(0, min(cursor, last))
        if (cursor, chosen) != (self.cursor, self.chosen):
            self.cursor, self.chosen = cursor, chosen
            self._redraw()

    @property
    def shown(self) -> range:
        """The numbers of the images that there is room for."""
        count = fitting(self.size.width - 2 * MARGIN, self.side, self._room)
        first = self.cursor // count * count
        return range(first, first + count if self._total is None else min(first + count, self._total))

    @property
    def _room(self) -> int:
        """Columns for the words below an image: as many as the longest name of a class takes there."""
        if not self._named or self._total is None:
            return WORDS
        longest = max(cell_len(clean(name)) for name in self._named)
        share = OUTPUT if self._has_outputs else PROBABILITY
        names = [cell_len(clean(Path(file).name)) for file in self.files] or [len(f"#{self._total - 1} ") + longest]
        return min(MOST_WORDS, max(*names, len("✗ ") + longest + 1 + share))

    def fit_to(self, rows: int) -> None:
        """Be as high as a terminal of so many rows allows."""
        small, large = (SMALL, LARGE) if cell_for(self) == HALVES else (SMALL_IN_PIXELS, LARGE_IN_PIXELS)
        self.side = large if rows >= HIGH else small
        self.styles.height = 1 + self.side // 2 + LINES
        self._redraw()

    def _redraw(self) -> None:
        self._rows = None
        if self.display and self._what and not self._reason and self._asked is None and self.size.width > 2 * MARGIN:
            lacking = next((number for number in self.shown if self._outdated or number not in self._known), None)
            if lacking is not None:
                self._asked = lacking // CHUNK * CHUNK
                self.post_message(self.Lacking(self._asked, CHUNK))
        self.refresh()

    def on_resize(self, _: events.Resize) -> None:
        self._redraw()

    def on_show(self) -> None:
        """What was folded away has asked for nothing."""
        self._redraw()

    # ------------------------------------------------------------------------------------------------------- lines

    def render_line(self, y: int) -> Strip:
        """The heading, a row of the pictures, or of the words below."""
        if self._rows is None:
            self._rows = self._drawn()
        strip = self._rows[y] if y < len(self._rows) else Strip.blank(self.size.width)
        return strip.crop_extend(0, self.size.width, self.rich_style).apply_style(self.rich_style)

    def _drawn(self) -> list[Strip]:
        width = self.size.width - 2 * MARGIN
        if width <= 0 or not (self._what or self._reason):
            return []
        shown = self.shown
        of = "" if self._total is None else f" {shown.start:,} to {shown.stop - 1:,} of {self._total:,}"
        doing = self._reason or ("" if all(number in self._known for number in shown) else "loading …")
        numbers = "outputs, not probabilities" if self._has_outputs else ""
        told = (
            self._reason
            if not self._what
            else " · ".join(filter(None, (f"{self._what}{of}", clean(self._weights), numbers, clean(doing), clean(self._trouble))))
        )
        heading = Strip([Segment(" " * MARGIN), Segment(told, self._styled("heading"))])
        if self._reason:
            return [heading]
        colours = colours_for(self)
        thumbnails = [self._thumbnail(number) for number in shown]
        cell = cell_for(self)
        self._held = thumbnail_rows(thumbnails, width, self.side, colours, cell, self._room)
        strips = [Strip([Segment(" " * MARGIN), *segments(row, colours)]) for row in self._held]
        lines = [strip.crop_extend(0, self.size.width, None) for strip in strips]
        left = (self.cursor - shown.start) * slot(self.side, self._room) + MARGIN - 1
        style = self._styled("cursor")
        image = self._known[self.cursor][0] if self.cursor in self._known else None
        high, wide = (self.side // 2, self.side) if image is None else room_of(image, self.side, cell)
        return [
            heading,
            *(_marked(line, left, left + 1 + wide, style) for line in lines[:high]),
            *lines[high:],
        ]

    def _thumbnail(self, number: int) -> Thumbnail:
        if number not in self._known:
            return Thumbnail(None, [(f"#{number}", Style()), ("…", Style())])
        picture, told = self._known[number]
        true = "" if told.label is None else clean(self._named[told.label])
        style = self._styled("chosen") if number == self.chosen else Style()
        name = Path(self.files[number]).name if number < len(self.files) else f"#{number} {true}"
        first = (clean(name), style)
        if told.predicted is None:
            return Thumbnail(picture, [first, ("no prediction", self._styled("wrong"))])
        share = told.score(told.predicted)
        if told.label == told.predicted:
            return Thumbnail(picture, [first, (f"✓ {share}", self._styled("right"))])
        mark, kind = ("✗", "wrong") if told.is_wrong else ("?", "heading")
        name = shortened(clean(self._named[told.predicted]), max(self.side, self._room) - len(share) - 3)
        return Thumbnail(picture, [first, (f"{mark} {name} {share}", self._styled(kind))])

    def _styled(self, name: str) -> Style:
        return self.get_component_rich_style(f"image-strip--{name}", partial=True)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._rows = None

    def on_focus(self) -> None:
        """The cursor shows who has the keys."""
        self._redraw()

    on_blur = on_focus

    # ----------------------------------------------------------------------------------------------------- cursor

    def action_move(self, by: int) -> None:
        self.put(self.cursor + by, self.chosen)

    def action_page(self, by: int) -> None:
        self.put(self.cursor + by * max(1, len(self.shown)), self.chosen)

    def action_go(self, number: int) -> None:
        self.put(number, self.chosen)

    def action_end(self) -> None:
        if self._total is not None:
            self.put(self._total - 1, self.chosen)

    def action_choose(self) -> None:
        if self.cursor in self._known:
            self.post_message(self.Chosen(self.cursor))

    def wheel(self, by: int) -> None:
        """More images."""
        self.action_page(by)

    def on_click(self, event: events.Click) -> None:
        """The image that is clicked on."""
        number = self.shown.start + (event.x - MARGIN) // slot(self.side, self._room)
        if event.x >= MARGIN and event.y > 0 and number in self.shown and number in self._known:
            self.put(number, self.chosen)
            self.action_choose()


def _marked(line: Strip, left: int, right: int, style: Style) -> Strip:
    """A line with the cursor's ends in these two columns."""
    width = line.cell_length
    ends = [line.crop(0, left), Strip([Segment("▐", style)]), line.crop(left + 1, right), Strip([Segment("▌", style)])]
    return Strip.join([*ends, line.crop(right + 1, width)])
