"""Nets of a person's own code, by reference; and which of them the person has named in this process.

A reference is `FILE.py:NAME` (a class, a function that makes a net, or a net), `torchvision:NAME` or `timm:NAME`. Only code that
was typed here, or that a preset or study of the person's own names, is imported: what a store or a checkpoint says names nothing.
"""

from __future__ import annotations

from pathlib import Path

from convtui.engine.errors import CodeError, UsageError
from convtui.engine.files import absolute

LIBRARIES = ("torchvision", "timm")
HOW = "write FILE.py:CLASS, torchvision:NAME or timm:NAME"

_named: dict[str, str] = {}
"""What settings say -> what is imported for it."""


def whole(reference: str) -> str:
    """The reference with its file's whole path: from any working directory it names the same code. Raises ValueError."""
    source, _, name = reference.rpartition(":")
    if not source or not name.isprintable() or not name.strip():
        raise ValueError(f"names no net: {HOW}")
    if source in LIBRARIES:
        return reference
    if Path(source).suffix != ".py":
        raise ValueError(f"names no net: {HOW}")
    return f"{absolute(source)}:{name.strip()}"


def file_of(reference: str) -> Path | None:
    """The file of a whole reference; None for a library's net."""
    source = reference.rpartition(":")[0]
    return None if source in LIBRARIES else Path(source)


def short(reference: str) -> str:
    """For people: `mynet.py:Net`."""
    file = file_of(reference)
    return reference if file is None else f"{file.name}:{class_of(reference)}"


def class_of(reference: str) -> str:
    """What its net is called: `Net`."""
    return reference.rpartition(":")[2]


def name_code(reference: str, *, instead_of: str = "") -> None:
    """The person has named this code; it may be imported from now on, also where settings say `instead_of`, as those of a run do
    whose file has moved since. Raises UsageError where it can be no net's."""
    try:
        named = whole(reference)
    except ValueError as error:
        raise UsageError(f"{reference}: this {error}") from None
    _named[named] = named
    if instead_of:
        _named[instead_of] = named


def is_named(reference: str) -> bool:
    """Whether the person has named the code of a whole reference, or there is none to name."""
    return not reference or reference in _named


def require_named(reference: str) -> str:
    """What is to be imported for a whole reference; empty for none. Raises CodeError where it was not named."""
    if not is_named(reference):
        raise CodeError(f"the net is of {short(reference)}, and code is only imported where you name it: add --model {reference}")
    return _named[reference] if reference else ""
