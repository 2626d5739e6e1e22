"""The hyperparameters one by one, as faces list, write and compare them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from convtui.engine.spec.base import Part, written
from convtui.engine.spec.parts import RunSpec


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """One field of a group as faces see it."""

    path: str
    """`part.name`, as in `model.activation`; a name alone where there is one group only."""
    kind: type
    """bool, int, float, str or tuple (blocks, or names)."""
    default: Any
    help: str
    unit: str
    choices: tuple[str, ...]
    """The valid values where there is a closed list, else empty."""
    bounds: str
    """As in `0 < x <= 10`; empty where there are none."""
    zero: str
    """What 0 stands for where it is no amount, as in `all`; else empty."""


def hyperparameters() -> Iterator[Hyperparameter]:
    """Every hyperparameter in the order of the form."""
    for part_name, part in RunSpec.model_fields.items():
        part_type = part.annotation
        assert isinstance(part_type, type)
        assert issubclass(part_type, Part)
        yield from fields_of(part_type, f"{part_name}.")


def fields_of(part: type[Part], prefix: str = "") -> Iterator[Hyperparameter]:
    """The fields of one group, their paths beginning with `prefix`."""
    for name, info in part.model_fields.items():
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        yield Hyperparameter(
            path=f"{prefix}{name}",
            kind=_kind(info),
            default=info.default,
            help=info.description or "",
            unit=str(extra.get("unit", "")),
            choices=_choices(info.annotation),
            bounds=_bounds(info),
            zero=str(extra.get("zero", "")),
        )


def read(spec: RunSpec, path: str) -> Any:
    """The value at `part.name`."""
    part, _, name = path.partition(".")
    return getattr(getattr(spec, part), name)


def difference(before: RunSpec, after: RunSpec) -> dict[str, tuple[str, str]]:
    """Path -> (value before, value after), written as people read them, for every hyperparameter that differs."""
    pairs = ((field.path, read(before, field.path), read(after, field.path)) for field in hyperparameters())
    return {path: (written(old), written(new)) for path, old, new in pairs if old != new}


def _choices(annotation: Any) -> tuple[str, ...]:
    """The values of a Literal, also of one that may be None; not of one of which there may be several."""
    if get_origin(annotation) is Literal:
        return tuple(get_args(annotation))
    if get_origin(annotation) is tuple:
        return ()
    return next((_choices(part) for part in get_args(annotation) if get_origin(part) is Literal), ())


def _kind(info: FieldInfo) -> type:
    annotation = info.annotation
    if _choices(annotation):
        return str
    if get_origin(annotation) is not None:
        inner = [part for part in get_args(annotation) if isinstance(part, type) and part is not type(None)]
        return inner[0] if inner and get_origin(annotation) is not tuple and inner[0] in (int, float, str) else tuple
    assert isinstance(annotation, type)
    return annotation


def _bounds(info: FieldInfo) -> str:
    """Of a list, those of each of its parts."""
    rules = [*info.metadata]
    for part in get_args(info.annotation):
        rules += [rule for told in getattr(part, "__metadata__", ()) if isinstance(told, FieldInfo) for rule in told.metadata]
    limits = {name: getattr(rule, name) for rule in rules for name in ("gt", "ge", "lt", "le") if hasattr(rule, name)}
    low = f"{limits['gt']:g} < " if "gt" in limits else f"{limits['ge']:g} <= " if "ge" in limits else ""
    high = f" < {limits['lt']:g}" if "lt" in limits else f" <= {limits['le']:g}" if "le" in limits else ""
    return f"{low}x{high}" if low or high else ""
