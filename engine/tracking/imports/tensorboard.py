"""TensorBoard's event files: the scalars in them, read without TensorBoard.

A file is a series of records (length, checksum of the length, data, checksum of the data; TensorFlow's `record_writer.cc`), each
an `Event` of protocol buffers (`event.proto`), of which step, time and scalars are read (`summary.proto`, `tensor.proto`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from convtui.engine.errors import UsageError

NAMES = "*tfevents*"
"""What event files are called."""
Scalar = tuple[str, int, float, float]
"""Name, step, value, and when it was written, in seconds since 1970."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_HEADER, _CHECKSUM = 12, 4
_MASK = 0xA282EAD8
_FLOAT, _DOUBLE = 1, 2


def scalars(path: Path) -> Iterator[Scalar]:
    """The scalars of one file in the order in which they were written; a last record that is not complete yet is left out.

    Raises UsageError for a file that is damaged, or not TensorBoard's.
    """
    content = path.read_bytes()
    place = 0
    while place + _HEADER <= len(content):
        length, checksum = struct.unpack_from("<QI", content, place)
        if checksum != _masked(_crc(content[place : place + 8])):
            raise UsageError(f"{path} is damaged at byte {place:,}, or is not TensorBoard's: leave it out")
        end = place + _HEADER + length
        if end + _CHECKSUM > len(content):
            return
        try:
            yield from _of_event(content, place + _HEADER, end)
        except (IndexError, OverflowError, struct.error, UnicodeDecodeError, ValueError):
            raise UsageError(f"{path} is damaged at byte {place:,}: its record cannot be read") from None
        place = end + _CHECKSUM


def _of_event(content: bytes, place: int, end: int) -> Iterator[Scalar]:
    when, step, summaries = 0.0, 0, []
    for field, kind, value in _fields(content, place, end):
        if field == 1 and kind == _FIXED64:
            (when,) = struct.unpack_from("<d", content, value[0])
        elif field == 2 and kind == _VARINT:
            step = value[0] - (1 << 64 if value[0] >> 63 else 0)
        elif field == 5 and kind == _BYTES:
            summaries.append(value)
    for summary in summaries:
        for field, kind, value in _fields(content, *summary):
            if field == 1 and kind == _BYTES:
                name, number = _of_value(content, *value)
                if number is not None and name:
                    yield name, step, number, when


def _of_value(content: bytes, place: int, end: int) -> tuple[str, float | None]:
    """The tag of a summary's value, and its number where it is a scalar."""
    name, number = "", None
    for field, kind, value in _fields(content, place, end):
        if field == 1 and kind == _BYTES:
            name = content[value[0] : value[1]].decode()
        elif field == 2 and kind == _FIXED32:
            (number,) = struct.unpack_from("<f", content, value[0])
        elif field == 8 and kind == _BYTES:
            number = _of_tensor(content, *value)
    return name, number


def _of_tensor(content: bytes, place: int, end: int) -> float | None:
    """The number of a tensor of one float32 or float64; None for all others."""
    dtype, raw = 0, b""
    for field, kind, value in _fields(content, place, end):
        if field == 1 and kind == _VARINT:
            dtype = value[0]
        elif kind == _BYTES and field in (4, 5, 6):  # tensor_content, float_val, double_val
            raw = content[value[0] : value[1]]
        elif kind == _FIXED32 and field == 5:
            raw = content[value[0] : value[0] + 4]
        elif kind == _FIXED64 and field == 6:
            raw = content[value[0] : value[0] + 8]
    if dtype == _FLOAT and len(raw) == 4:
        return float(struct.unpack("<f", raw)[0])
    return float(struct.unpack("<d", raw)[0]) if dtype == _DOUBLE and len(raw) == 8 else None


def _fields(content: bytes, place: int, end: int) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """Number, kind and place of each field of a message: of a varint its value, else where it begins and ends."""
    while place < end:
        key, place = _varint(content, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(content, place)
            yield key >> 3, kind, (value, 0)
            continue
        if kind == _BYTES:
            size, place = _varint(content, place)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError("a kind of field that no message has")
        if place + size > end:
            raise ValueError("a field reaches beyond its message")
        yield key >> 3, kind, (place, place + size)
        place += size


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


def _table() -> list[int]:
    """Of CRC-32C (Castagnoli), reflected: polynomial 0x82F63B78 (RFC 3720, B.4)."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ 0x82F63B78 if byte & 1 else byte >> 1
        table.append(byte)
    return table


_TABLE = _table()


def _crc(content: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _masked(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF
