"""Of a line, only what was asked for is written to the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate


class Cropped(ChopsUpdate):
    """Textual's update of some places on the screen, but without what stands to their left in the same widget."""

    def render_segments(self, console: Console) -> str:
        """As the terminal is to have it."""
        written: list[str] = []
        for y, left, right in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                first, last = max(x, left), min(end, right)
                if strip is not None and first < last:
                    written.append(Control.move_to(first, y).segment.text)
                    written.append(strip.crop(first - x, last - x).render(console))
        return "".join(written)
