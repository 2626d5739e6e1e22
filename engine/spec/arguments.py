"""The arguments of a person's own net: JSON text of an object, so that specs stay plain values that can be compared and hashed."""

from __future__ import annotations

import json
import tomllib
from typing import Annotated, Any

from pydantic import BeforeValidator

_HOW = "is not a list of arguments: write NAME=VALUE, ..., as in width=32, norm=true"


def written_arguments(value: Any) -> Any:
    """JSON text, names in alphabetic order, of an object, its JSON or TOML text, or `a=1, b=2`; empty where there are none."""
    if isinstance(value, str):
        value = _parsed(value.strip())
    if not isinstance(value, dict):
        raise ValueError(_HOW)
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False) if value else ""
    except (TypeError, ValueError, RecursionError):  # a date, infinity, a circle
        raise ValueError("has an argument that is no number, text, truth value or list of such") from None


def values_of(text: str) -> dict[str, Any]:
    """The arguments by name."""
    values: dict[str, Any] = json.loads(text or "{}")
    return values


def _parsed(text: str) -> Any:
    if text in ("", "none"):
        return {}
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass  # it may be TOML
    try:
        return tomllib.loads(f"all = {text if text.startswith('{') else f'{{{text}}}'}")["all"]
    except (ValueError, RecursionError, KeyError):
        raise ValueError(_HOW) from None


Arguments = Annotated[str, BeforeValidator(written_arguments)]
