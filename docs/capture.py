"""The README's moving picture: the application in an xterm with sixels, driven by keys: python -m docs.capture STORE FILE.webp.

STORE has the runs of the study demo and one of the preset demo, the newest; a copy of it is worked in. The charts of the training
move as fast as they did. Of every other page its finished picture is shown, for a time that is set here; waiting is left out.
Needs Debian's xvfb xterm xdotool fonts-dejavu-core.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from docs.shots import CONVTUI, PATIENCE_SECONDS, PLAIN, press, program_of, screen, terminal

NEEDS = ("Xvfb", "xterm", "xdotool")
KIND = replace(PLAIN, size=(100, 32), sixel=True)
"""As wide as a forge shows a README: 100 columns of 8 pixels."""
LOOKS_A_SECOND = 20
MOST_BYTES = 1_000_000

Frames = list[tuple[Image.Image, float]]
"""Pictures, each with its seconds."""


@dataclass(frozen=True)
class Step:
    """Keys, and for how many seconds is shown what they lead to."""

    keys: Sequence[str]
    seconds: float
    quiet: float = 3.0
    """Seconds; a page that has not changed for that long is finished. 0: it moves, and all of it is shown."""


STEPS = (
    Step((), 1.5),  # Runs
    Step("N", 2, quiet=6),  # a new run like the newest; nothing moves while torch is imported
    Step("s", 9, quiet=0),  # Live
    Step("4", 2.5),  # Look: filters
    Step("v", 0.8),
    Step("deconvnet", 0.8),
    Step(("Return",), 2.5),
    Step("i", 3),  # without the strip of images: more maps
    Step("6", 1),
    Step(("Return",), 3),
    Step("V", 4),  # its curves
)


class Window:
    """What is in the upper left corner of a virtual screen, whose picture is in a folder as an XWD file."""

    def __init__(self, memory: Path, size: tuple[int, int]) -> None:
        """`size` is width and height in pixels."""
        self._size = width, height = size
        with (memory / "Xvfb_screen0").open("rb") as file:
            self._memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        header = struct.unpack(">25I", self._memory[:100])  # X11/XWDFile.h
        header_size, bytes_per_line, colours = header[0], header[12], header[19]
        starts = [header_size + 12 * colours + row * bytes_per_line for row in range(height)]
        self._lines = [slice(start, start + 4 * width) for start in starts]

    def _looks(self) -> Iterator[bytes]:
        while True:
            yield b"".join(self._memory[line] for line in self._lines)
            time.sleep(1 / LOOKS_A_SECOND)

    def _picture(self, look: bytes) -> Image.Image:
        return Image.frombytes("RGB", self._size, look, "raw", "BGRX")

    def finished(self, quiet: float) -> Image.Image:
        """The picture, once it has not changed for so many seconds."""
        newest, since, began = b"", 0.0, time.monotonic()
        for look in self._looks():
            now = time.monotonic()
            if look != newest:
                newest, since = look, now
            elif now - since > quiet:
                break
            if now - began > PATIENCE_SECONDS:
                raise SystemExit(f"docs/capture.py: the screen did not come to rest within {PATIENCE_SECONDS:.0f} s")
        return self._picture(newest)

    def film(self, seconds: float) -> Frames:
        """All that is shown meanwhile. What two looks find alike counts; what one found was being drawn."""
        frames: Frames = []
        began = time.monotonic()
        shown, since, newest = b"", began, b""
        for look in self._looks():
            now = time.monotonic()
            ends = now - began > seconds
            if shown and (ends or (look == newest != shown)):
                frames.append((self._picture(shown), now - since))
            if ends:
                break
            if look == newest != shown:
                shown, since = look, now
            newest = look
        return frames


@contextmanager
def application(store: Path) -> Iterator[tuple[Window, str, dict[str, str]]]:
    """Its window on a screen of its own, the window's number and the screen's environment."""
    with tempfile.TemporaryDirectory() as scratch:
        memory, settings = Path(scratch, "memory"), Path(scratch, "settings")
        memory.mkdir()
        settings.mkdir()
        command = ["env", "-C", str(store.parent), str(CONVTUI), "--store", store.name, "--device", "cpu"]
        with screen(memory) as display, terminal(KIND, command, settings, display) as window:
            asked = ["xdotool", "getwindowgeometry", "--shell", window]
            told = subprocess.run(asked, env=display, capture_output=True, text=True, check=True).stdout
            geometry = dict(line.split("=") for line in told.split())
            yield Window(memory, (int(geometry["WIDTH"]), int(geometry["HEIGHT"]))), window, display
            program = program_of(settings)
            program.terminate()  # and its training, which would survive its terminal
            program.wait(PATIENCE_SECONDS)


def record(store: Path) -> Frames:
    """What the steps show."""
    frames: Frames = []
    with application(store) as (window, number, display):
        for step in STEPS:
            if step.keys:
                press(number, display, *step.keys)
            frames += [(window.finished(step.quiet), step.seconds)] if step.quiet else window.film(step.seconds)
    return frames


def write(frames: Frames, file: Path) -> None:
    """As an animated WebP without loss, which begins again for ever."""
    pictures = [picture for picture, _ in frames]
    milliseconds = [round(1000 * seconds) for _, seconds in frames]
    pictures[0].save(
        file, save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0, lossless=True, quality=100, method=6
    )


def main(store: Path, file: Path) -> None:
    """Record in a copy of the store, and write."""
    missing = [name for name in NEEDS if shutil.which(name) is None]
    if missing:
        raise SystemExit(f"docs/capture.py: no {', '.join(missing)}: apt-get install xvfb xterm xdotool fonts-dejavu-core")
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, "store.db")
        copy.write_bytes(store.read_bytes())
        frames = record(copy)
    write(frames, file)
    print(f"{file}: {len(frames)} pictures, {sum(seconds for _, seconds in frames):.0f} s, {file.stat().st_size:,} bytes")
    if file.stat().st_size > MOST_BYTES:
        raise SystemExit(f"docs/capture.py: more than {MOST_BYTES:,} bytes: too large for a README")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
