"""Fewer bytes for the same cells: a terminal is told of a colour only where it changes, which counts over a slow line."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SGR = re.compile("\x1b\\[([0-9;:]*)m")
_PLAIN = frozenset(map(str, range(1, 10)))
"""Bold, dim, italic and the like, which stay until all is taken back."""
_FRONTS = {*map(str, range(30, 38)), *map(str, range(90, 98))}
_BACKS = {*map(str, range(40, 48)), *map(str, range(100, 108))}


class _Unknown(Exception):
    """A code that is not understood here."""


@dataclass(frozen=True, slots=True)
class _State:
    """How letters are written; empty where nothing was said."""

    front: str = ""
    back: str = ""
    others: frozenset[str] = frozenset()

    def after(self, codes: str) -> _State:
        """With these codes behind it. Raises _Unknown."""
        front, back, others = self.front, self.back, self.others
        each = iter(codes.split(";"))
        for code in each:
            if code in ("", "0"):
                front, back, others = "", "", frozenset()
            elif code in _PLAIN:
                others = others | {code}
            elif code in _FRONTS or code == "39":
                front = "" if code == "39" else code
            elif code in _BACKS or code == "49":
                back = "" if code == "49" else code
            elif code in ("38", "48"):
                kind = next(each, "")
                rest = [next(each, "") for _ in range({"2": 3, "5": 1}.get(kind, 0))]
                if not rest or "" in rest:
                    raise _Unknown
                colour = ";".join((code, kind, *rest))
                front, back = (colour, back) if code == "38" else (front, colour)
            else:
                raise _Unknown
        return _State(front, back, others)

    def codes_from(self, before: _State) -> str:
        """What leads here from there."""
        if self == before:
            return ""
        takes_back = before.others - self.others or (before.front and not self.front) or (before.back and not self.back)
        since = _State() if takes_back else before
        said = ["0"] if takes_back else []
        said += sorted(self.others - since.others)
        said += [colour for colour, there in ((self.front, since.front), (self.back, since.back)) if colour != there]
        return f"\x1b[{';'.join(said)}m"


def squeezed(text: str) -> str:
    """`text` that begins and ends without colours, as what Textual writes does, with the same look in fewer bytes."""
    told = wanted = _State()
    found: list[str] = []
    try:
        for number, piece in enumerate(_SGR.split(text)):
            if number % 2:
                wanted = wanted.after(piece)
            elif piece:
                found += (wanted.codes_from(told), piece)
                told = wanted
    except _Unknown:
        return text
    return "".join((*found, wanted.codes_from(told)))
