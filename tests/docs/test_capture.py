"""The README's moving picture: it moves, is small enough to load, and is read from a screen as it was."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageSequence

from docs.capture import MOST_BYTES, Window
from tests.docs.blocks import ROOT

FILE = ROOT / "assets/pictures/capture.webp"


def test_it_moves_for_half_a_minute_and_fits_a_readme() -> None:
    assert f"](assets/pictures/{FILE.name})" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert FILE.stat().st_size < MOST_BYTES
    with Image.open(FILE) as picture:
        assert picture.width <= 830  # pixels that a forge gives a README: wider ones are blurred
        frames = [frame.convert("RGB").tobytes() for frame in ImageSequence.Iterator(picture)]
        assert picture.info["loop"] == 0
    assert len(frames) > 20
    assert all(frame != following for frame, following in pairwise(frames))


def test_a_window_is_read_from_the_memory_of_its_screen(tmp_path: Path) -> None:
    """A screen of 3 x 2 pixels, two of whose three columns are the window."""
    header = [0] * 25
    header[0], header[12], header[19] = 104, 12, 1  # bytes of the header, bytes of a row, colours, of 12 bytes each
    rows = [b"\x01\x02\x03\0\x04\x05\x06\0\xff\xff\xff\0", b"\x07\x08\x09\0\x0a\x0b\x0c\0\xff\xff\xff\0"]
    (tmp_path / "Xvfb_screen0").write_bytes(struct.pack(">25I", *header) + bytes(4) + bytes(12) + b"".join(rows))
    picture = Window(tmp_path, (2, 2)).finished(quiet=0)
    assert picture.tobytes() == bytes([3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10])
