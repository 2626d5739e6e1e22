"""TensorBoard's event files: the scalars in them, read without TensorBoard.

A file is a series of records (length, checksum of the length, data, checksum of the data; TensorFlow's `record_writer.cc`), each
an `Event` of protocol buffers (`event.proto`), of which step, time and scalars are read (`summary.proto`, `tensor.proto`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from convtui.engine.tracking.imports.log import PIECE, About, Scalar
from convtui.engine.tracking.imports.protobuf import BYTES, FIXED32, FIXED64, MALFORMED, VARINT, fields, signed
from convtui.engine.tracking.records import CHECKSUM, HEADER, masked_crc

NAMES = "*tfevents*"
"""What event files are called."""
_FLOAT, _DOUBLE = 1, 2


class EventFolder:
    """The event files of one folder, in the order in which they were written: a restart goes on in a file of its own."""

    def __init__(self, folder: Path, only: Path | None = None) -> None:
        self.about = About()
        self._folder, self._only = folder, only
        self._known: dict[Path, _EventFile] = {}

    @property
    def trouble(self) -> str:
        return next((each.trouble for each in self._known.values() if each.trouble), "")

    @property
    def is_cut(self) -> bool:
        return any(each.is_cut for each in self._known.values())

    def files(self) -> list[Path]:
        return [self._only] if self._only is not None else sorted(self._folder.glob(NAMES))

    def new(self) -> Iterator[Scalar]:
        for path in self.files():
            yield from self._known.setdefault(path, _EventFile(path)).new()


class _EventFile:
    def __init__(self, path: Path) -> None:
        self.trouble = ""
        self.is_cut = False
        self._path = path
        self._place = 0
        """Up to which records have been read."""

    def new(self) -> Iterator[Scalar]:
        """Up to the last record that is complete."""
        if self.trouble:
            return
        with self._path.open("rb") as file:
            file.seek(self._place)
            content = b""
            while piece := file.read(PIECE):
                content += piece
                began = self._place
                yield from self._of_records(content)
                content = content[self._place - began :]
            self.is_cut = bool(content)

    def _of_records(self, content: bytes) -> Iterator[Scalar]:
        """Of the complete records at the beginning of `content`."""
        place = 0
        while not self.trouble and place + HEADER <= len(content):
            length, checksum = struct.unpack_from("<QI", content, place)
            if checksum != masked_crc(content[place : place + 8]):
                self.trouble = f"{self._path} is damaged at byte {self._place:,}, or is not TensorBoard's: it was read up to there"
                return
            end = place + HEADER + length
            if end + CHECKSUM > len(content):
                return
            try:
                yield from _of_event(content, place + HEADER, end)
            except MALFORMED:
                self.trouble = f"{self._path} is damaged at byte {self._place:,}: it was read up to there"
                return
            self._place += end + CHECKSUM - place
            place = end + CHECKSUM


def _of_event(content: bytes, place: int, end: int) -> Iterator[Scalar]:
    when, step, summaries = 0.0, 0, []
    for field, kind, value in fields(content, place, end):
        if field == 1 and kind == FIXED64:
            (when,) = struct.unpack_from("<d", content, value[0])
        elif field == 2 and kind == VARINT:
            step = signed(value[0])
        elif field == 5 and kind == BYTES:
            summaries.append(value)
    for summary in summaries:
        for field, kind, value in fields(content, *summary):
            if field == 1 and kind == BYTES:
                name, number = _of_value(content, *value)
                if number is not None and name:
                    yield Scalar(name, step, number, when)


def _of_value(content: bytes, place: int, end: int) -> tuple[str, float | None]:
    """The tag of a summary's value, and its number where it is a scalar."""
    name, number = "", None
    for field, kind, value in fields(content, place, end):
        if field == 1 and kind == BYTES:
            name = content[value[0] : value[1]].decode()
        elif field == 2 and kind == FIXED32:
            (number,) = struct.unpack_from("<f", content, value[0])
        elif field == 8 and kind == BYTES:
            number = _of_tensor(content, *value)
    return name, number


def _of_tensor(content: bytes, place: int, end: int) -> float | None:
    """The number of a tensor of one float32 or float64; None for all others."""
    dtype, raw = 0, b""
    for field, kind, value in fields(content, place, end):
        if field == 1 and kind == VARINT:
            dtype = value[0]
        elif kind == BYTES and field in (4, 5, 6):  # tensor_content, float_val, double_val
            raw = content[value[0] : value[1]]
        elif kind == FIXED32 and field == 5:
            raw = content[value[0] : value[0] + 4]
        elif kind == FIXED64 and field == 6:
            raw = content[value[0] : value[0] + 8]
    if dtype == _FLOAT and len(raw) == 4:
        return float(struct.unpack("<f", raw)[0])
    return float(struct.unpack("<d", raw)[0]) if dtype == _DOUBLE and len(raw) == 8 else None
