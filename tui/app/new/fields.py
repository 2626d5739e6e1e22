"""What the rows of a form are for: one for every hyperparameter, and those of a page's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from convtui.engine.spec import Hyperparameter, alike, hyperparameters


@dataclass(frozen=True, slots=True)
class Field:
    """What a row is for."""

    key: str
    """The hyperparameter's path, or a name of the page's own."""
    label: str
    group: str
    kind: Literal["choice", "text", "menu"]
    """How it is changed: one of `choices`, written, or in a way that the page knows."""
    choices: tuple[str, ...] = ()
    help: str = ""
    bounds: str = ""
    unit: str = ""
    zero: str = ""
    """What 0 stands for where it is no amount."""
    blocks: bool = False
    """Whether each part of its value, as commas have it, has a line of its own."""

    def meaning(self, text: str) -> str:
        """What stands behind a value: of a 0 that is no amount what it stands for, as in `0: all`."""
        return f": {self.zero}" if self.zero and _is_zero(text) else ""

    def unit_of(self, text: str) -> str:
        """The unit behind a value; not where the label says it already, or there is no number."""
        return f" {self.unit}" if self.unit not in ("", self.label) and text != "none" else ""

    def matches(self, words: str) -> bool:
        """Whether every word is in its name, help or choices, or is what others call it, as `lr`."""
        text = f"{self.key} {self.label} {self.help} {' '.join(self.choices)}".lower()
        return all(word in text or alike(word, [self.key]) for word in words.lower().split())


def fields() -> Iterator[Field]:
    """A row for every hyperparameter."""
    for parameter in hyperparameters():
        yield _field(parameter)


def _is_zero(text: str) -> bool:
    try:
        return float(text) == 0
    except ValueError:
        return False


def _field(parameter: Hyperparameter) -> Field:
    group, _, name = parameter.path.rpartition(".")
    choices = parameter.choices or (("false", "true") if parameter.kind is bool else ())
    return Field(
        key=parameter.path,
        label=name.replace("_", " "),
        group=group,
        kind="choice" if choices else "text",
        choices=choices,
        help=parameter.help,
        bounds=parameter.bounds,
        unit=parameter.unit,
        zero=parameter.zero,
        blocks=parameter.kind is tuple,
    )
