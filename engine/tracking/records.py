"""The frame that TensorBoard's event files put around each event (TensorFlow's `record_writer.cc`), for reading and for writing."""

from __future__ import annotations

import struct

HEADER, CHECKSUM = 12, 4
"""Bytes before an event and behind it."""
_MASK = 0xA282EAD8


def framed(event: bytes) -> bytes:
    """One record: length, its checksum, the event, its checksum."""
    length = struct.pack("<Q", len(event))
    return length + struct.pack("<I", masked_crc(length)) + event + struct.pack("<I", masked_crc(event))


def masked_crc(content: bytes) -> int:
    """The CRC-32C of `content`, turned and shifted so that a checksum of checksums is no trivial one."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


def _table() -> list[int]:
    """Of CRC-32C (Castagnoli), reflected: polynomial 0x82F63B78 (RFC 3720, B.4)."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ 0x82F63B78 if byte & 1 else byte >> 1
        table.append(byte)
    return table


_TABLE = _table()
