"""The snapshots of a run on a line below the picture."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import RenderResult

from convtui.tui.app.keys import key_for
from convtui.tui.app.widgets.sliding import Sliding
from convtui.tui.render.rows import DIM
from convtui.tui.render.slider import Slider


class SnapshotSlider(Sliding):
    """A tick for each snapshot; hidden where there is no choice."""

    DEFAULT_CSS = """
    SnapshotSlider { height: 1; padding: 0 1; display: none; }
    SnapshotSlider > .snapshot-slider--seen { color: $accent; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"snapshot-slider--seen"}

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._numbers: Sequence[int] = ()
        self._unit = "epoch"
        self._here: int | None = None
        self._seen: Collection[int] = ()
        self._is_playing = False

    def show(self, numbers: Sequence[int], unit: str, here: int | None, seen: Collection[int], *, is_playing: bool) -> None:
        """Draw these, with the point at one of them."""
        told = (list(numbers), unit, here, set(seen), is_playing)
        if told != (self._numbers, self._unit, self._here, self._seen, self._is_playing):
            self._numbers, self._unit, self._here, self._seen, self._is_playing = told
            self.display = len(numbers) > 1
            self.refresh()

    @property
    def _slider(self) -> Slider:
        return Slider(self._numbers, self._unit, self.content_size.width)

    def render(self) -> RenderResult:
        if len(self._numbers) < 2:
            return Text("")
        bright = self.get_component_rich_style("snapshot-slider--seen", partial=True)
        play = key_for(self, "toggle")
        ways = f"{key_for(self, 'earlier')} {key_for(self, 'later')} · {play} plays"
        hint = f"{play} stops" if self._is_playing else ways
        return self._slider.drawn(self._here, self._seen, hint, bright=bright, dim=DIM)

    def nearest(self, column: int) -> int | None:
        """The snapshot whose tick is nearest, by its number."""
        return self._slider.nearest(column) if len(self._numbers) > 1 else None

    def beside(self, by: int) -> int | None:
        """The next snapshot, or the one before."""
        place = (self._numbers.index(self._here) if self._here in self._numbers else len(self._numbers) - 1) + by
        return self._numbers[place] if 0 <= place < len(self._numbers) else None
