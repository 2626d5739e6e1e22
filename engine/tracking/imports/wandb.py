"""The files that wandb writes (`run-ID.wandb`, offline or not), read without wandb.

A file is a head of seven bytes, and then a log as LevelDB's (`doc/log_format.md`): blocks of 32 KiB hold chunks of records, each
with a CRC-32 (zlib's, where LevelDB takes CRC-32C). A record is a message of protocol buffers (`wandb_internal.proto`), of which
history, configuration, name, note and exit code are read.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convtui.engine.tracking.imports.log import About, Scalar, numbers, parsed
from convtui.engine.tracking.imports.protobuf import BYTES, FIXED64, MALFORMED, VARINT, fields, signed

NAMES = "*.wandb"
"""What the files are called."""
_HEAD = b":W&B\xe1\xbe\x00"
_BLOCK, _CHUNK_HEAD = 32768, 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_HISTORY, _CONFIG, _RUN, _EXIT = 2, 5, 17, 18
_LARGEST = 256 << 20
"""Bytes of a record; more is damage."""


class WandbFile:
    """The log of one run."""

    def __init__(self, path: Path) -> None:
        self.about = About()
        self.trouble = ""
        self.is_cut = False
        self._path = path
        self._place = 0
        """Up to which records have been read."""

    def files(self) -> list[Path]:
        return [self._path]

    def new(self) -> Iterator[Scalar]:
        """Up to the last record that is complete. Of a damaged block what is left is passed over, as LevelDB's readers do."""
        for record in self._records():
            try:
                yield from self._of_record(record)
            except MALFORMED:
                self._is_damaged(self._place)

    def _is_damaged(self, place: int) -> None:
        self.trouble = self.trouble or f"{self._path} is damaged at byte {place:,}: what could be read of the rest was"

    # ------------------------------------------------------------------------------------------- LevelDB's log

    def _records(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            if self._place == 0:
                head = file.read(len(_HEAD))
                if head != _HEAD:
                    self.trouble = "" if _HEAD.startswith(head) else f"{self._path} is not a log of wandb's, or of another version"
                    return
                self._place = len(_HEAD)
            parts: list[bytes] = []
            block = self._place // _BLOCK * _BLOCK
            file.seek(block)
            while content := file.read(_BLOCK):
                for kind, data, end in self._chunks(content, block, max(self._place - block, 0)):
                    parts = [*parts, data] if kind in (_MIDDLE, _LAST) and parts else [data] if kind in (_FULL, _FIRST) else []
                    if sum(map(len, parts)) > _LARGEST:
                        self._is_damaged(block)
                        parts = []
                    if kind in (_FULL, _LAST) and parts:
                        yield b"".join(parts)
                        parts, self._place = [], block + end
                self.is_cut = bool(parts or content[max(self._place - block, 0) :].strip(b"\0"))
                if len(content) < _BLOCK:
                    return  # the end of the file, for now
                block += _BLOCK

    def _chunks(self, content: bytes, block: int, place: int) -> Iterator[tuple[int, bytes, int]]:
        """Kind, data and end of each chunk of a block, from `place` in it."""
        while place + _CHUNK_HEAD <= len(content):
            checksum, length, kind = struct.unpack_from("<IHB", content, place)
            data = content[place + _CHUNK_HEAD : place + _CHUNK_HEAD + length]
            if not (checksum or length or kind):
                return  # room that is not written yet
            if place + _CHUNK_HEAD + length > len(content) and len(content) < _BLOCK:
                return  # not complete yet
            if not _FULL <= kind <= _LAST or checksum != zlib.crc32(data, zlib.crc32(bytes([kind]))):
                self._is_damaged(block + place)
                if len(content) == _BLOCK:
                    self._place = block + _BLOCK
                return
            place += _CHUNK_HEAD + length
            yield kind, data, place

    # ------------------------------------------------------------------------------------------------ messages

    def _of_record(self, record: bytes) -> Iterator[Scalar]:
        for field, kind, value in fields(record, 0, len(record)):
            if kind == BYTES and field == _HISTORY:
                yield from _of_history(record, *value)
            elif kind == BYTES and field == _CONFIG:
                self._configure(record, *value)
            elif kind == BYTES and field == _RUN:
                self._describe(record, *value)
            elif kind == BYTES and field == _EXIT:
                codes = [signed(number[0]) for of, how, number in fields(record, *value) if (of, how) == (1, VARINT)]
                self.about.exit_code = codes[-1] if codes else 0

    def _describe(self, record: bytes, place: int, end: int) -> None:
        for field, kind, value in fields(record, place, end):
            if kind == BYTES and field == 4:
                self._configure(record, *value)
            elif kind == BYTES and field == 8:
                self.about.name = record[value[0] : value[1]].decode()
            elif kind == BYTES and field == 9:
                self.about.note = record[value[0] : value[1]].decode()

    def _configure(self, record: bytes, place: int, end: int) -> None:
        for keys, value in _items(record, place, end):
            if keys[0] != "_wandb":
                inner = self.about.settings
                for key in keys[:-1]:
                    below = inner.get(key)
                    inner[key] = inner = below if isinstance(below, dict) else {}
                inner[keys[-1]] = value


def _of_history(record: bytes, place: int, end: int) -> Iterator[Scalar]:
    """The numbers of one step. Keys of one underscore are wandb's own."""
    row: dict[tuple[str, ...], Any] = dict(_items(record, place, end))
    step = row.get(("_step",))
    if not isinstance(step, int):
        steps = [number for field, kind, value in fields(record, place, end) if (field, kind) == (2, BYTES)
                 for of, how, (number, _) in fields(record, *value) if (of, how) == (1, VARINT)]  # fmt: skip
        step = signed(steps[-1]) if steps else 0
    when = row.get(("_timestamp",))
    typed = {keys[:-1] for keys in row if keys[-1] == "_type"}
    for keys, value in row.items():
        if not keys[0].startswith("_") and not any(keys[:depth] in typed for depth in range(1, len(keys))):
            for name, number in numbers({".".join(keys): value}):
                yield Scalar(name, step, number, float(when) if isinstance(when, int | float) else 0.0)


def _items(record: bytes, place: int, end: int) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Keys, the outer one first, and value of each item (field 1) of a message; None for what is not JSON."""
    for field, kind, item in fields(record, place, end):
        if (field, kind) == (1, BYTES):
            keys: list[str] = []
            value: Any = None
            for of, how, (low, high) in fields(record, *item):
                if how == BYTES and of in (1, 2):
                    keys.append(record[low:high].decode())
                elif how == BYTES and of in (8, 16):
                    value = parsed(record[low:high])
                elif how == VARINT and of in (4, 5):  # boolean; integer, zigzag
                    value = bool(low) if of == 4 else low >> 1 ^ -(low & 1)
                elif how == FIXED64 and of == 6:
                    (value,) = struct.unpack_from("<d", record, low)
            if keys:
                yield tuple(keys), value
