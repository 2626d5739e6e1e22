"""Events as values that JSON takes, and back: how they travel between processes. Numbers keep every bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from convtui.engine.events import Event

_KINDS: Mapping[str, TypeAdapter[Event]] = {kind.__name__: TypeAdapter(kind) for kind in get_args(Event)}


def as_json(event: Event) -> dict[str, Any]:
    """Its kind, as `event`, and its fields."""
    return {"event": type(event).__name__} | {field.name: getattr(event, field.name) for field in fields(event)}


def from_json(told: Mapping[str, Any]) -> Event:
    """The event that `as_json` told of. Raises ValueError for what cannot be one."""
    values = dict(told)
    kind = values.pop("event", None)
    if kind not in _KINDS:
        raise ValueError(f"{kind!r} is no event")
    try:
        return _KINDS[kind].validate_python(values)
    except ValidationError as error:
        raise ValueError(f"this is no {kind}: {error.error_count()} of its fields are not what they can be") from None
