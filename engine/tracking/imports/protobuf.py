"""Messages of protocol buffers, as they stand in a file: their fields, without a library and without a schema."""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MALFORMED = (IndexError, OverflowError, ValueError, struct.error)
"""What reading a damaged message raises."""


def fields(content: bytes, place: int, end: int) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """Number, kind and place of each field of a message: of a varint its value, else where it begins and ends."""
    while place < end:
        key, place = _varint(content, place)
        kind = key & 7
        if kind == VARINT:
            value, place = _varint(content, place)
            yield key >> 3, kind, (value, 0)
            continue
        if kind == BYTES:
            size, place = _varint(content, place)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise ValueError("a kind of field that no message has")
        if place + size > end:
            raise ValueError("a field reaches beyond its message")
        yield key >> 3, kind, (place, place + size)
        place += size


def signed(value: int) -> int:
    """A varint of an int32 or int64."""
    return value - (1 << 64 if value >> 63 else 0)


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("a number that is too long")
