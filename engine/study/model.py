"""What a study is, once its file is read: settings with their specs, published figures, claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from convtui.engine.spec import RunSpec


@dataclass(frozen=True, slots=True)
class Published:
    """A published figure: `low` to `high`, the same where it is one number."""

    low: float
    high: float
    about: bool = False
    """Whether it was only said roughly."""

    def difference(self, value: float) -> float:
        """How far `value` lies above it; of a range, beyond its nearer end, and 0 within."""
        return value - min(max(value, self.low), self.high)


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: what is trained, with how many seeds, and what was published of it."""

    name: str
    preset: str
    spec: RunSpec
    """With its first seed; the others are counted up from there."""
    seeds: int
    source: str
    """Where the published figures stand."""
    published: Mapping[str, Published]
    """Measure -> figure."""
    statistics: tuple[tuple[str, str], ...]
    """Layer and stage (`before` or `after` its activation) whose values over the test images are kept."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence that runs can bear out: an order of settings, or bounds for each."""

    says: str
    measure: str
    highest_first: bool
    """Whether more is better, or comes first: of `groups`, and of the measure."""
    groups: tuple[tuple[str, ...], ...]
    """Settings; each of a group is held against each of the next. Empty for bounds."""
    settings: tuple[str, ...]
    """Those that are to lie between `low` and `high`. Empty for an order."""
    low: float | None
    high: float | None
    of: str
    """`steps_to_loss` only: the setting whose final loss is to be reached."""
    source: str
    unequal_budgets: str = ""
    """Why settings are held against each other though they are trained for different times; empty where they are not to be."""
    note: str = ""
    """What to know about the figures, whatever they are."""


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float
    log: bool = False
    """Whether their logarithms are spread evenly."""
    step: float | None = None
    """Between two of them; None for any between."""
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """Trials that a sampler chooses, each after what became of those before."""

    preset: str
    spec: RunSpec
    """What all trials have in common."""
    space: Mapping[str, Range | tuple[Any, ...]]
    """Hyperparameter -> where its values are from."""
    trials: int
    objective: str
    """A measure, of which `most` is wanted, or the least."""
    most: bool
    sampler: Literal["tpe", "random"]
    pruner: Literal["median", "none"]
    seed: int


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that its file says, with presets looked up and grids written out."""

    name: str
    """The file's, without its ending."""
    title: str
    question: str
    report: str
    notes: tuple[str, ...]
    settings: Mapping[str, Setting]
    """By name, in the file's order."""
    claims: tuple[Claim, ...]
    file: Path
    search: Search | None = None
    """In place of settings in the file: those of its trials are in the store."""
