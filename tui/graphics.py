"""What a terminal can draw, asked of it before anything is drawn: pixels, by which protocol, and how many colours."""

from __future__ import annotations

import os
import re
import select
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

from convtui.engine.errors import UsageError
from convtui.tui.terminal import is_dumb

Protocol = Literal["kitty", "sixel", "halfcell", "ascii", "none"]
"""Pixels by the protocol of kitty or as sixels; half blocks in colour; characters of different weight; or no pictures."""
Choice = Literal["auto", "kitty", "sixel", "halfcell", "ascii", "none"]
CHOICES: tuple[str, ...] = get_args(Choice)
VARIABLE = "CONVTUI_GRAPHICS"
Cell = tuple[int, int]
"""Height and width of a cell of the terminal, in what pictures are made of."""
HALVES: Cell = (2, 1)
"""Half cells: a cell is two high and one wide."""

SIXEL_COLOURS, LEAST_COLOURS = 64, 16
"""Colours of a picture in sixels at most, and fewer than which are worse than half cells."""
FIRST_SECONDS, REST_SECONDS = 1.0, 0.5
"""How long a terminal may take until its first answer (it may be far away), and from then on."""
_KITTY, _TRUE_COLOUR, _SETTING, _NAME, _CELL, _REGISTERS, _DEVICE = (
    "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\",
    "\x1bP+q524742\x1b\\",
    "\x1b[48:2:1:2:3m\x1bP$qm\x1b\\\x1b[m",
    "\x1b[>0q",
    "\x1b[16t",
    "\x1b[?1;1;0S",
    "\x1b[c",
)
_PLACING = ("kitty", "ghostty")
"""Terminals that put kitty's pictures where text says so; others know its pictures, but not that."""
_COLOURS = b"\x1bP1+r524742"


@dataclass(frozen=True, slots=True)
class Graphics:
    """How pictures are drawn in this process's terminal."""

    protocol: Protocol = "halfcell"
    true_colour: bool = False
    """Whether the terminal said so."""
    told_cell: Cell | None = None
    """Pixels of a cell when it was asked."""
    sixel_colours: int = SIXEL_COLOURS
    """How many a sixel picture may have: each costs its own line, and more cannot be told apart in a small tile."""
    passthrough: bool = False
    """Whether tmux stands between, and hands on what is wrapped."""

    @property
    def cell(self) -> Cell:
        """Pixels of a cell now (a person may have changed the font); HALVES where there are no pixels."""
        if self.protocol not in ("kitty", "sixel"):
            return HALVES
        return _measured() or self.told_cell or (20, 10)


_current = Graphics()


def current() -> Graphics:
    """What this process draws with: half cells, unless `use` said otherwise."""
    return _current


def use(graphics: Graphics) -> None:
    """Draw with these from now on; true colour is told to all that look for it in the environment."""
    global _current
    _current = graphics
    if graphics.true_colour:
        os.environ.setdefault("COLORTERM", "truecolor")


def chosen(option: str | None, setting: str = "") -> Choice:
    """What a person chose: by the option, the variable, or the setting. Raises UsageError for what there is not."""
    said = option or os.environ.get(VARIABLE) or setting or "auto"
    if said not in CHOICES:
        where = "--graphics" if option else VARIABLE if os.environ.get(VARIABLE) else "graphics in settings.toml"
        raise UsageError(f"{where} is {said!r}: use one of {', '.join(CHOICES)}")
    return said  # type: ignore[return-value]


# ------------------------------------------------------------------------------------------------------------ asking


@dataclass(frozen=True, slots=True)
class Question:
    """A terminal that was asked and may still have to answer."""

    choice: Choice
    keyboard: int | None
    """Where it answers; None where it cannot be asked."""

    def answered(self) -> Graphics:
        """Wait for the answers, if they are not there yet, and say what they come to."""
        if self.keyboard is None:
            return understood(b"", self.choice)
        return understood(_read(self.keyboard), self.choice)


@contextmanager
def asked(choice: Choice) -> Iterator[Question]:
    """Ask the terminal, so that it can answer while other things are done; meanwhile it echoes nothing.

    Not asked: what is no terminal on both sides, one that takes no escape sequences, one that is another job's, and where no answer
    would change anything.
    """
    pointless = choice in ("halfcell", "ascii", "none") and "COLORTERM" in os.environ
    if pointless or is_dumb() or os.environ.get("TERM") == "linux" or not _is_ours():
        yield Question(choice, None)
        return
    import termios
    import tty

    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    tty.setcbreak(keyboard, termios.TCSANOW)
    try:
        # tmux 3.3 shows kitty's question in its status line; and what lies behind tmux is seldom reached.
        kitty = _KITTY if "TMUX" not in os.environ else ""
        sys.stdout.write(f"{kitty}{_TRUE_COLOUR}{_SETTING}{_NAME}{_CELL}{_REGISTERS}{_DEVICE}")
        sys.stdout.flush()
        yield Question(choice, keyboard)
    finally:
        termios.tcsetattr(keyboard, termios.TCSANOW, before)


def _is_ours() -> bool:
    """Whether what is typed comes here: a job in the background that changed the terminal would be stopped."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # it controls no jobs of this session
        return True


def understood(answers: bytes, choice: Choice) -> Graphics:
    """What a terminal's answers come to, where a person chose `choice`."""
    name = re.search(rb"\x1bP>\|([^\x1b]*)\x1b\\", answers)
    device = re.search(rb"\x1b\[\?([\d;]*)c", answers)
    cell = re.search(rb"\x1b\[6;(\d+);(\d+)t", answers)
    registers = re.search(rb"\x1b\[\?1;0;(\d+)S", answers)
    colours = min(SIXEL_COLOURS, int(registers[1])) if registers else SIXEL_COLOURS
    told = (int(cell[1]), int(cell[2])) if cell and int(cell[1]) and int(cell[2]) else None
    sixel = device is not None and b"4" in device[1].split(b";")[1:]
    kitty = b"\x1b_Gi=31;OK" in answers and name is not None and name[1].decode("latin-1").lower().startswith(_PLACING)
    found: Protocol
    if choice != "auto":
        found = choice
    else:
        found = "kitty" if kitty else "sixel" if sixel and colours >= LEAST_COLOURS and (told or _measured()) else "halfcell"
    true_colour = _COLOURS in answers or re.search(rb"\x1bP1\$r[\d;:]*48[:;]2[:;]+1[:;]2[:;]3", answers) is not None
    return Graphics(found, true_colour or found == "kitty", told, colours, passthrough=found == "kitty" and "TMUX" in os.environ)


def _read(keyboard: int) -> bytes:
    """All up to the answer to the last question, which every terminal answers."""
    found, deadline = b"", time.monotonic() + FIRST_SECONDS
    while (left := deadline - time.monotonic()) > 0 and select.select([keyboard], [], [], left)[0]:
        part = os.read(keyboard, 4096)
        if not part:
            break
        if not found:
            deadline = time.monotonic() + REST_SECONDS
        found += part
        if re.search(rb"\x1b\[\?[\d;]*c", found):
            break
    return found


def _measured() -> Cell | None:
    """Pixels of a cell, from what the terminal says of itself; None where it does not."""
    import fcntl
    import termios

    try:
        rows, columns, width, height = struct.unpack("4H", fcntl.ioctl(sys.__stdout__.fileno(), termios.TIOCGWINSZ, b"\0" * 8))  # type: ignore[union-attr]
    except (OSError, AttributeError, ValueError):
        return None
    return (height // rows, width // columns) if rows and columns and height >= rows and width >= columns else None
