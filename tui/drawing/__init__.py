"""Results of a lens in a terminal, as cells and text: printed by the command line, and shown by widgets."""

from convtui.tui.drawing.printing import draw, groups, result_rows
from convtui.tui.drawing.rows import Colours, Row, Words, colours_of, segments

__all__ = ["Colours", "Row", "Words", "colours_of", "draw", "groups", "result_rows", "segments"]
