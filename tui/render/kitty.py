"""Kitty's graphics protocol, as far as pictures within text need it: https://sw.kovidgoyal.net/kitty/graphics-protocol/"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_RANGES = (
    "0305 030D 030E 0310 0312 033D-033F 0346 034A-034C 0350-0352 0357 035B 0363-036F 0483-0487 0592-0595 0597-0599 059C-05A1 "
    "05A8-05A9 05AB-05AC 05AF 05C4 0610-0617 0657-065B 065D-065E 06D6-06DC 06DF-06E2 06E4 06E7-06E8 06EB-06EC 0730 0732-0733 "
    "0735-0736 073A 073D 073F-0741 0743 0745 0747 0749-074A 07EB-07F1 07F3 0816-0819 081B-0823 0825-0827 0829-082D 0951 0953-0954 "
    "0F82-0F83 0F86-0F87 135D-135F 17DD 193A 1A17 1A75-1A7C 1B6B 1B6D-1B73 1CD0-1CD2 1CDA-1CDB 1CE0 1DC0-1DC1 1DC3-1DC9 1DCB-1DCC "
    "1DD1-1DE6 1DFE 20D0-20D1 20D4-20D7 20DB-20DC 20E1 20E7 20E9 20F0 2CEF-2CF1 2DE0-2DFF A66F A67C-A67D A6F0-A6F1 A8E0-A8F1 AAB0 "
    "AAB2-AAB3 AAB7-AAB8 AABE-AABF AAC1 FE20-FE26 10A0F 10A38 1D185-1D189 1D1AA-1D1AD 1D242-1D244"
)
ACCENTS: str = "".join(
    chr(code)
    for first, _, last in (each.partition("-") for each in _RANGES.split())
    for code in range(int(first, 16), int(last or first, 16) + 1)
)
"""The accents that count rows and columns of a picture, in their order: combining characters that take no room."""
COLUMNS = {accent: number for number, accent in enumerate(ACCENTS)}
CHUNK = 4096
"""Characters of a message's content at most."""


def transmitted(number: int, pixels: NDArray[np.int32], cell: tuple[int, int]) -> Iterator[str]:
    """The picture of this number, colours 0xRRGGBB [height, width], nothing where negative, to be shown where text says so."""
    import numpy as np  # is there: it made the picture

    height, width = pixels.shape
    parts = [pixels >> 16 & 255, pixels >> 8 & 255, pixels & 255, np.where(pixels < 0, 0, 255)]
    content = base64.b64encode(zlib.compress(np.stack(parts, -1).astype(np.uint8).tobytes())).decode()
    head = f"a=T,U=1,q=2,f=32,o=z,s={width},v={height},i={number},c={width // cell[1]},r={height // cell[0]},"
    for first in range(0, len(content), CHUNK):
        more = int(first + CHUNK < len(content))
        yield f"\x1b_G{head if first == 0 else 'q=2,'}m={more};{content[first : first + CHUNK]}\x1b\\"


def forget(number: int) -> str:
    """Have the terminal forget a picture."""
    return f"\x1b_Ga=d,d=I,i={number},q=2\x1b\\"
