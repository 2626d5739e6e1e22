"""A writer of wandb's files, for tests of the reader, as their format is published (log_format.md, wandb_internal.proto)."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any


def varint(number: int) -> bytes:
    out = b""
    while True:
        number, low = number >> 7, number & 0x7F
        out += bytes([low | 0x80 if number else low])
        if not number:
            return out


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def items(values: dict[str, Any], *, nested: bool = False) -> bytes:
    """`a.b` is the key b within a, where they are `nested`."""
    found = b""
    for key, value in values.items():
        keys = b"".join(field(2, each.encode()) for each in key.split(".")) if nested else field(1, key.encode())
        found += field(1, keys + field(16, json.dumps(value).encode()))
    return found


def run(name: str, note: str, config: dict[str, Any]) -> bytes:
    return field(17, field(1, b"abc") + field(4, items(config)) + field(8, name.encode()) + field(9, note.encode()))


def history(step: int, values: dict[str, Any]) -> bytes:
    return field(2, items({"_step": step, "_timestamp": 1000.0 + step} | values, nested=True) + field(2, field(1, step)))


def ended(code: int) -> bytes:
    return field(18, field(1, code) if code else b"")


def log(*records: bytes) -> bytes:
    """The file that has these records."""
    block, head = 32768, 7
    out = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
    for record in records:
        first = True
        while True:
            room = block - len(out) % block
            if room < head:
                out += bytes(room)
                room = block
            data, record = record[: room - head], record[room - head :]
            kind = (1 if first else 4) if not record else (2 if first else 3)
            out += struct.pack("<IHB", zlib.crc32(bytes([kind]) + data), len(data), kind) + data
            first = False
            if not record:
                break
    return out
