"""Box-drawing characters, as lines between nodes are written in text and drawn in pictures."""

from __future__ import annotations

NODE = "●"
SIDES = {
    "│": (True, True, False, False), "─": (False, False, True, True), "╯": (True, False, True, False),
    "╰": (True, False, False, True), "╮": (False, True, True, False), "╭": (False, True, False, True),
    "┤": (True, True, True, False), "├": (True, True, False, True), "┴": (True, False, True, True),
    "┬": (False, True, True, True), "┼": (True, True, True, True),
}  # fmt: skip
"""To which sides of its cell each character leads: up, down, left, right."""
