"""A place among the steps at which something was logged; what has other steps is shown as it was then."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convtui.engine.store.images import LoggedImages


class StepSlider:
    """Stands on a step, or at the end and goes on with it."""

    def __init__(self) -> None:
        self.steps: Sequence[int] = ()
        self._at: int | None = None

    def hold(self, steps: Iterable[int]) -> None:
        """These steps, in order."""
        self.steps = sorted(set(steps))

    @property
    def step(self) -> int | None:
        """Where it stands: on the step that was chosen, or the one before it if that is gone; None where there is none."""
        return self.steps[self.place] if self.steps else None

    @property
    def place(self) -> int:
        """Which of the steps that is."""
        if self._at is None:
            return len(self.steps) - 1
        return max(0, bisect_right(self.steps, self._at) - 1)

    def move(self, by: int) -> None:
        """So many steps later; at the last one it goes on with what comes."""
        if self.steps:
            place = max(0, min(self.place + by, len(self.steps) - 1))
            self._at = None if place == len(self.steps) - 1 else self.steps[place]

    def end(self, place: int) -> None:
        """To the first step (0) or the last (-1)."""
        self._at = None if place or not self.steps else self.steps[0]

    def words(self, width: int, keys: str) -> str:
        """`step 1,200 ━━━━●───── 4/12  [ ]`, where `[ ]` are the `keys` that move it."""
        if not self.steps:
            return ""
        before, room, after = self._parts(width, keys)
        knob = round(self.place / max(1, len(self.steps) - 1) * (room - 1))
        return f"{before}{'━' * knob}●{'─' * (room - 1 - knob)}{after}"

    def nearest(self, column: int, width: int, keys: str) -> int:
        """The place of the step that is nearest to a column of `words`."""
        before, room, _ = self._parts(width, keys)
        share = (column - len(before)) / max(1, room - 1)
        return round(max(0.0, min(1.0, share)) * max(0, len(self.steps) - 1))

    def _parts(self, width: int, keys: str) -> tuple[str, int, str]:
        """What stands before the line, its columns, what stands behind it."""
        before, after = f"step {self.step or 0:,} ", f" {self.place + 1}/{len(self.steps)}  {keys}"
        return before, max(1, min(width - len(before) - len(after), 3 * len(self.steps))), after


def at_step(images: Sequence[LoggedImages], step: int) -> list[LoggedImages]:
    """Of each name what was logged last up to that step; `images` are by name, then by step."""
    found = []
    for name in dict.fromkeys(each.name for each in images):
        of_name = [each for each in images if each.name == name]
        place = bisect_left([each.step for each in of_name], step + 1)
        found += of_name[place - 1 : place] if place else []
    return found
