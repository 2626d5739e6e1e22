"""A run as an event file of TensorBoard's, as `imports.tensorboard` reads them: an event for each step, with all that was measured
at it. Numbers become float32, as they are in every scalar that TensorBoard's own writers write."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from heapq import merge
from itertools import groupby, repeat
from pathlib import Path

from convtui.engine.errors import UsageError
from convtui.engine.files import check_target, written_whole
from convtui.engine.store import Run, Store
from convtui.engine.tracking.records import framed

_TIME = "seconds"
"""The series that becomes the time of the others' events."""
_NAMES = "*tfevents*"


def write_events(store: Store, run: Run, folder: Path) -> Path:
    """Write every series of the run into one event file in `folder`, which is made; one that was exported before is replaced. Gives
    the file.

    Raises UsageError where the folder cannot be made, or has other event files: TensorBoard would show them as one run.
    """
    file = folder / f"events.out.tfevents.{int(run.created):010}.convtui.run-{run.id}"
    try:
        if not file.exists():
            check_target(next(each for each in (folder, *folder.parents) if each.is_dir()) / file.name)
        folder.mkdir(parents=True, exist_ok=True)
        if others := [path.name for path in folder.glob(_NAMES) if path.name != file.name]:
            raise UsageError(f"{folder} has {others[0]}, and TensorBoard shows a folder as one run: choose a new folder")
        with written_whole(file) as temporary, temporary.open("wb") as out:
            out.writelines(_records(store, run))
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from None
    return file


def _records(store: Store, run: Run) -> Iterator[bytes]:
    began = run.started or run.created
    yield framed(struct.pack("<Bd", 0x09, began) + _bytes(3, b"brain.Event:2"))
    series = {name: store.series(run.id, name) for name in store.metric_names(run.id)}
    clock = series.pop(_TIME, None)
    times = zip(clock.steps, clock.values, strict=True) if clock is not None else iter(())
    since, following = 0.0, next(times, None)
    points = merge(*(zip(of.steps, repeat(name.encode()), of.values) for name, of in series.items()))
    for step, values in groupby(points, lambda point: point[0]):
        while following is not None and following[0] <= step:
            since, following = following[1] if math.isfinite(following[1]) else since, next(times, None)
        summary = b"".join(_bytes(1, _bytes(1, name) + b"\x15" + _float32(value)) for _, name, value in values)
        yield framed(struct.pack("<Bd", 0x09, began + since) + b"\x10" + _varint(step) + _bytes(5, summary))


def _bytes(field: int, content: bytes) -> bytes:
    """A field of a message of protocol buffers."""
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _float32(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", math.copysign(math.inf, value))
