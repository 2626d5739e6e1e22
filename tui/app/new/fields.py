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
    blocks: bool = False
    """Whether each part of its value, as commas have it, has a line of its own."""

    def matches(self, words: str) -> bool:
        """Whether every word is in its name, help or choices, or is what others call it, as `lr`."""
        text = f"{self.key} {self.label} {self.help} {' '.join(self.choices)}".lower()
        return all(word in text or alike(word, [self.key]) for word in words.lower().split())


def fields() -> Iterator[Field]:
    """A row for every hyperparameter."""
    for parameter in hyperparameters():
        yield _field(parameter)


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
        blocks=parameter.kind is tuple,
    )
