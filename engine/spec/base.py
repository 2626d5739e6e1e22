"""What every group of hyperparameters is made of."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from convtui.engine.text import STEERING

WANTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "tuple": "a comma-separated list",
    "model": "a group of hyperparameters",
}
"""What a value must be, by the first word of pydantic's name for the error."""
LONGEST_QUOTED = 60
"""Letters of a wrong value that errors show."""


class Part(BaseModel):
    """A frozen group of hyperparameters; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and kind in (int, float, int | None):
            raise ValueError(f"is not {WANTED['float' if kind is float else 'int']}")
        return value


def hyper(default: Any, help: str, unit: str = "", *, zero: str = "", **bounds: Any) -> Any:
    """A hyperparameter: its default, one line of help, its unit and its bounds (`ge`, `gt`, `le`, `lt`). `zero` is what 0 stands
    for where it is no amount, as in `all`; the help ends with it."""
    told = f"{help}; 0: {zero}" if zero else help
    return Field(default=default, description=told, json_schema_extra={"unit": unit, "zero": zero}, **bounds)


def several(value: Any) -> Any:
    """Accept what is written in one line, parted by commas, and a number alone; an empty line is none."""
    if isinstance(value, str):
        return tuple(part for part in value.split(",") if part.strip())
    return (value,) if isinstance(value, int | float) and not isinstance(value, bool) else value


def written(value: Any) -> str:
    """A hyperparameter's value as people read it and as `--set` takes it back."""
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value) or "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None else str(value)


def quoted(value: Any) -> str:
    """A value that is wrong, as errors show it: in one line, the middle of a long one left out."""
    try:
        text = value if isinstance(value, str) else written(value)
    except (ValueError, RecursionError):  # Python prints no integer of more than 4,300 digits
        return "a value that is too long to show"
    if len(text) > LONGEST_QUOTED:
        text = f"{text[:40]}…{text[-19:]}"
    return STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
