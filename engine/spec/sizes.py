"""Sizes of images."""

from __future__ import annotations

Sides = tuple[int, int]
"""Rows and columns."""
Size = int | Sides
"""A number is both."""


def sides_of(size: Size) -> Sides:
    """Rows and columns."""
    return (size, size) if isinstance(size, int) else size


def sides_written(size: Size) -> str:
    """As in `5` of what is square, and `3x5`."""
    rows, columns = sides_of(size)
    return str(rows) if rows == columns else f"{rows}x{columns}"
