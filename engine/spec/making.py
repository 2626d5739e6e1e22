"""From values to a RunSpec, and from what is wrong with them to one line for people."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from convtui.engine.errors import SpecError
from convtui.engine.named_code import short
from convtui.engine.spec.arguments import values_of, written_arguments
from convtui.engine.spec.base import WANTED, quoted, written
from convtui.engine.spec.fields import hyperparameters
from convtui.engine.spec.in_force import is_in_force
from convtui.engine.spec.parts import ModelSpec, RunSpec
from convtui.engine.spec.spelling import nearest

_ARGUMENT = "model.arguments."
"""Before the name of one of them."""


def make(values: Mapping[str, Any]) -> RunSpec:
    """The spec with these nested values, as read from TOML or JSON. Raises SpecError naming every bad field."""
    try:
        return RunSpec.model_validate(values)
    except ValidationError as error:
        raise SpecError(explained(error)) from None


def changed(spec: RunSpec, changes: Mapping[str, Any]) -> RunSpec:
    """`spec` with values set by path: `{"model.activation": "tanh", "model.conv_blocks.0.filters": 16}`.

    Raises SpecError for unknown paths and bad values.
    """
    values: dict[str, Any] = spec.model_dump()
    for path, value in changes.items():
        _put(values, path, value)
    made = make(values)
    _refuse_without_effect(made, changes)
    return made


def _refuse_without_effect(spec: RunSpec, changes: Mapping[str, Any]) -> None:
    """Raise SpecError for a change of a net that is built from settings, where the net is a person's own."""
    for path in changes if spec.model.module else ():
        part, name, *_ = f"{path}.".split(".")
        default = ModelSpec.model_fields[name].default if part == "model" else None
        if part == "model" and not is_in_force(spec, f"model.{name}") and changes[path] not in (default, written(default)):
            raise SpecError(
                f"{path} = {quoted(changes[path])} has no effect on {short(spec.model.module)}: what that net can be told are "
                "model.arguments; set model.module = none for a net that is built from settings"
            )


def parse_setting(text: str) -> tuple[str, Any]:
    """`model.leak=0.1` as its path and value. Values are TOML; what is not TOML is taken as text. Raises SpecError."""
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise SpecError(f"--set {quoted(text)}: write PART.NAME=VALUE, as in model.activation=tanh")
    try:
        values = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):  # also a number of thousands of digits, thousands of brackets
        values = {}
    # A line break may have begun another key: that is text too.
    return path.strip(), values["value"] if list(values) == ["value"] else value.strip()


def _put(values: dict[str, Any], path: str, value: Any) -> None:
    if path.startswith(_ARGUMENT):
        model = values["model"]
        before = _arguments(model["arguments"])
        model["arguments"] = before | {path.removeprefix(_ARGUMENT): None if value == "none" else value}
        return
    *parents, name = path.split(".")
    place: Any = values
    for parent in parents:
        if isinstance(place, list | tuple) and parent.isdigit() and int(parent) < len(place):
            place = place[int(parent)]
        elif isinstance(place, dict) and isinstance(place.get(parent), dict | list | tuple):
            if isinstance(place[parent], tuple):
                place[parent] = list(place[parent])
            place = place[parent]
        else:
            raise SpecError(_unknown(path))
    if isinstance(place, list) and name.isdigit() and int(name) < len(place):
        place[int(name)] = value
    elif isinstance(place, dict) and name in place and not isinstance(place[name], dict):
        place[name] = _nothing(path, place[name]) if value == "none" else value
    else:
        raise SpecError(_unknown(path))


def _arguments(value: Any) -> dict[str, Any]:
    """Those so far; `make` judges them where they are not right."""
    try:
        return values_of(written_arguments(value))
    except ValueError as error:
        raise SpecError(f"{_ARGUMENT[:-1]} = {quoted(value)} {error}") from None


def _nothing(path: str, before: Any) -> Any:
    """What `none` means in place of `before`: a list without anything, no budget, or else a choice of that name."""
    return None if path in ("training.steps", "training.images") else () if isinstance(before, list | tuple) else "none"


def _unknown(path: str) -> str:
    near = nearest(path, [field.path for field in hyperparameters()])
    return f"unknown hyperparameter {quoted(path)!r}{near}: 'convtui presets --fields' lists them"


def explained(error: ValidationError) -> str:
    """All of pydantic's complaints in one line: field, value, bound, nearest valid choice."""
    return "; ".join(dict.fromkeys(_explain_one(dict(problem)) for problem in error.errors(include_url=False)))


def _explain_one(problem: dict[str, Any]) -> str:
    path = ".".join(str(place) for place in problem["loc"])
    limits = problem.get("ctx", {})
    value = problem["input"]
    shown = f"{path} = {quoted(value)}"
    match problem["type"]:
        case "extra_forbidden":
            return _unknown(path)
        case "literal_error":
            choices = re.findall(r"'([^']*)'", str(limits["expected"]))
            return f"{shown} is not one of {', '.join(choices)}{nearest(quoted(value), choices)}"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal" as rule:
            sign = {"greater_than": ">", "greater_than_equal": ">=", "less_than": "<", "less_than_equal": "<="}[rule]
            (limit,) = limits.values()
            hint = f"; the nearest valid value is {limit:g}" if sign in (">=", "<=") else ""
            return f"{shown} is out of bounds: it must be {sign} {limit:g}{hint}"
        case "value_error":
            text = str(limits["error"])
            if isinstance(value, dict):  # what a group says of its fields together names them itself; a block says not which it is
                return f"{path}: {text}" if "." in path else text
            return f"{shown} {text}" if path else text
        case "string_unicode":
            return f"{shown} is not valid UTF-8: rename it"
        case "int_parsing_size":
            return f"{shown} has too many digits"
        case "finite_number":
            return f"{shown} is not a finite number"
        case kind if kind.endswith(("_type", "_parsing", "_from_float")):
            return f"{shown} is not {WANTED.get(kind.split('_')[0], kind)}"
        case _:
            return f"{shown}: {problem['msg']}"
