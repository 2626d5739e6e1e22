"""What all logs of other programs have in common, whatever their form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

PIECE = 8 << 20
"""Bytes that are read of a file at once."""
_DEEPEST = 20
"""Objects within one another."""


class Scalar(NamedTuple):
    """One number of a log."""

    name: str
    step: int
    value: float
    when: float
    """In seconds since 1970; 0 where that is not known."""


class About:
    """What a log says of its run, as far as it has been read."""

    def __init__(self) -> None:
        self.name = ""
        self.note = ""
        self.settings: dict[str, Any] = {}
        self.exit_code: int | None = None
        """Once the log says that its program has ended."""


class Log(Protocol):
    """The log of one run, read from where the last reading of it ended."""

    @property
    def about(self) -> About: ...

    @property
    def trouble(self) -> str:
        """Why a part of it could not be read, in one line; empty where all could."""
        ...

    @property
    def is_cut(self) -> bool:
        """Whether it ended, when it was last read, within a record: it is being written, or was cut off."""
        ...

    def files(self) -> list[Path]:
        """Those that grow, as they are now."""
        ...

    def new(self) -> Iterator[Scalar]:
        """The scalars that have been written since. Raises OSError."""
        ...


def numbers(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    """The numbers in a JSON object, those of objects in it as `outer.inner`; what is a picture or a histogram, and says so by
    `_type`, is left out."""
    for key, value in values.items():
        if isinstance(value, int | float) or value in ("NaN", "Infinity", "-Infinity"):
            with suppress(OverflowError):  # a whole number of some hundred digits
                yield before + key, float(value)
        elif isinstance(value, dict) and "_type" not in value and before.count(".") < _DEEPEST:
            yield from numbers(value, f"{before}{key}.")


def parsed(text: str | bytes) -> Any:
    """JSON as a program wrote it; None where it is not."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
