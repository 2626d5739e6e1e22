"""A script's configuration as a run keeps it: names with values that JSON has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convtui.engine.errors import UsageError

_DEEPEST = 20
"""Of what holds itself, no more."""


def settings(config: Any) -> dict[str, Any]:
    """Of a mapping, or of an object with attributes, as an `argparse.Namespace` or a dataclass is: numbers as numbers, also
    numpy's, and what JSON does not know as text. Raises UsageError for anything else."""
    named = _named({} if config is None else config)
    if named is None:
        raise UsageError(f"config is {type(config).__name__}: give names with values, as vars(args) or {{'lr': 0.1}}")
    return {_text(name): _plain(value, _DEEPEST) for name, value in named.items()}


def _named(value: Any) -> Mapping[Any, Any] | None:
    if isinstance(value, Mapping):
        return value
    return vars(value) if hasattr(value, "__dict__") and not callable(value) else None


def _plain(value: Any, deeper: int) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping) and deeper:
        return {_text(name): _plain(each, deeper - 1) for name, each in value.items()}
    if isinstance(value, list | tuple) and deeper:
        return [_plain(each, deeper - 1) for each in value]
    if isinstance(number := _item(value), bool | int | float):
        return number
    return _text(value)


def _item(value: Any) -> Any:
    """Of a numpy number, or a tensor of one element, the number."""
    try:
        return value.item()
    except Exception:  # whatever it is, it has none
        return None


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # its own code fails
        return f"<{type(value).__name__}>"
