"""What may stand in a study's file, table by table, and what is said of that which does not fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from convtui.engine.spec import nearest
from convtui.engine.study.toml_lines import Path as Place

MOST_SEEDS = 1000
Seeds = Annotated[int, Field(ge=1, le=MOST_SEEDS)]
Trials = Annotated[int, Field(ge=1, le=MOST_SEEDS)]
Words = Annotated[str, Field(min_length=1)]


class Table(BaseModel):
    """One of them. Nothing else may stand there, and TOML's types are taken as they are."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class RangeTable(Table):
    """A published figure that is a range."""

    low: float
    high: float


class AboutTable(Table):
    """A published figure that was only said roughly."""

    about: float


Measures = dict[str, float | RangeTable | AboutTable]
"""Measure -> what was published of it."""


class SettingTable(Table):
    """`[[setting]]`: one row."""

    name: str
    preset: str
    set: dict[str, Any] = {}
    seeds: Seeds | None = None
    source: str = ""
    published: Measures = {}
    statistics: list[str] = []


class GridTable(Table):
    """`[[grid]]`: a row for every combination of values."""

    name: str
    preset: str
    over: dict[str, list[Any]]
    set: dict[str, Any] = {}
    seeds: Seeds | None = None
    source: str = ""
    published: dict[str, Measures] = {}
    statistics: list[str] = []


class ClaimTable(Table):
    """`[[claim]]`: an order of settings, or bounds for some."""

    says: Words
    measure: str
    order: list[str | list[str]] = []
    highest_first: list[str | list[str]] = []
    lowest_first: list[str | list[str]] = []
    settings: list[str] = []
    low: float | None = None
    high: float | None = None
    of: str = ""
    source: str = ""
    unequal_budgets: str = ""
    note: str = ""


class SpaceTable(Table):
    """Where the values of a hyperparameter are from, if it is a number."""

    low: float
    high: float
    log: bool = False
    step: float | None = None


class SearchTable(Table):
    """`[search]`: trials in place of settings."""

    preset: str
    space: dict[str, list[Any] | SpaceTable]
    trials: Trials
    set: dict[str, Any] = {}
    objective: str = "validation_accuracy"
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["median", "none"] = "median"
    seed: int = 0


class FileTable(Table):
    """The whole file."""

    title: Words
    question: Words
    report: str = ""
    seeds: Seeds = 1
    notes: list[str] = []
    set: dict[str, Any] = {}
    setting: list[SettingTable] = []
    grid: list[GridTable] = []
    claim: list[ClaimTable] = []
    search: SearchTable | None = None


_KINDS = re.compile(r"float|str|RangeTable|AboutTable|SpaceTable|list\[.*|dict\[.*")
_OF_MANY: Mapping[str, type[Table]] = {"setting": SettingTable, "grid": GridTable, "claim": ClaimTable}
_OF_ONE: Mapping[str, type[Table]] = {"search": SearchTable}
_TYPES = {
    "string_type": "must be text, in quotation marks",
    "string_too_short": "must not be empty",
    "greater_than_equal": f"must be from 1 to {MOST_SEEDS:,}",
    "less_than_equal": f"must be from 1 to {MOST_SEEDS:,}",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "list_type": "must be a list, in [ ]",
    "dict_type": "must be a table, in { }",
}
_MOST_SHOWN = 40
"""Letters of a wrong value."""


def place_of(problem: Mapping[str, Any]) -> Place:
    """Where one of pydantic's complaints is about: it names the member of a union that it tried; the file has no such key."""
    return tuple(part for part in problem["loc"] if isinstance(part, int) or not _KINDS.fullmatch(part))


def _named(table: str | int) -> str:
    return f"[{table}]" if table in _OF_ONE else f"[[{table}]]"


def told(place: Place, problem: Mapping[str, Any]) -> str:
    """One of pydantic's complaints for people."""
    key = next((part for part in reversed(place) if isinstance(part, str)), "")
    known = list(({**_OF_MANY, **_OF_ONE}.get(str(place[0]), FileTable) if len(place) > 1 else FileTable).model_fields)
    named = ".".join(str(part) for part in place if isinstance(part, str))
    match problem["type"]:
        case "extra_forbidden" if len(place) in (1, 2 if place[0] in _OF_ONE else 3) and key not in known:
            return f"unknown key {key!r}{nearest(key, known)}: use {', '.join(known)}"
        case "missing" if key in known:
            return f'{key!r} is missing: write {key} = "..."' if len(place) == 1 else f"this {_named(place[0])} has no {key!r}"
        case "list_type" if len(place) == 1 and key in _OF_MANY and isinstance(problem["input"], dict):
            return f"[{key}] may occur several times: write [[{key}]]"
        case _ if place[0] == "grid" and place[2:3] == ("published",) and len(place) == 4:
            return f'published figures of a grid are given by setting: "NAME" = {{ {key} = ... }}'
        case _ if "published" in place:
            measure = next(iter(place[4 if place[0] == "grid" else 3 :]), "what was published")
            return f"{measure} must be a number, {{ low = , high = }} or {{ about = }}"
        case kind:
            value = repr(problem["input"])
            shown = value if len(value) <= _MOST_SHOWN else f"{value[:_MOST_SHOWN]}..."
            return f"{named} = {shown}: {_TYPES.get(kind, problem['msg'])}"
