"""The views there are. Each file in `engine/lens/views` registers one function; every face is made from this list."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Result
from convtui.engine.lens.subject import Subject
from convtui.engine.spec import Hyperparameter, Part, explained, fields_of, nearest

Need = Callable[[Subject], str | None]
"""Why a view has no meaning for this subject, and what would serve; None where it has."""


class Options(Part):
    """What a view can be asked: typed, with bounds and help, as hyperparameters are."""


@dataclass(frozen=True)
class View:
    """One way of looking at a net."""

    name: str
    title: str
    """One line for people."""
    options: type[Options]
    needs: Sequence[Need]
    function: Callable[[Subject, Any], Result | list[Result]]

    def why_not(self, subject: Subject) -> str | None:
        """Why it does not apply to this subject; None where it does. Computes no view."""
        try:
            return next((reason for need in self.needs if (reason := need(subject)) is not None), None)
        except NotApplicable as error:
            return str(error)

    def __call__(self, subject: Subject, options: Options) -> list[Result]:
        """Look. Raises NotApplicable where it has no meaning, UsageError for what there is not, Cancelled on request."""
        reason = self.why_not(subject)
        if reason is not None:
            raise NotApplicable(f"{self.name} is not applicable: {reason}")
        found = self.function(subject, options)
        return found if isinstance(found, list) else [found]

    def fields(self) -> Iterator[Hyperparameter]:
        """Its options one by one, for a form or a help page."""
        return fields_of(self.options)

    def make(self, values: Mapping[str, Any]) -> Options:
        """Options with these values; numbers may be given as text. Raises UsageError naming every bad one."""
        names = [field.path for field in self.fields()]
        unknown = [name for name in values if name not in names]
        if unknown:
            has = f"it has {', '.join(names)}" if names else "it has none"
            raise UsageError(f"view {self.name} has no option {unknown[0]!r}{nearest(unknown[0], names)}: {has}")
        try:
            return self.options.model_validate(dict(values))
        except ValidationError as error:
            raise UsageError(f"view {self.name}: {explained(error)}") from None


_views: dict[str, View] = {}


def register(
    name: str, title: str, options: type[Options], *needs: Need
) -> Callable[[Callable[[Subject, Any], Result | list[Result]]], View]:
    """Put a function into the list of views: `@register("filters", "the weights as pictures", FiltersOptions, has_conv)`."""

    def put(function: Callable[[Subject, Any], Result | list[Result]]) -> View:
        assert name not in _views, f"two views are called {name}"
        _views[name] = View(name, title, options, needs, function)
        return _views[name]

    return put


@cache
def views() -> Mapping[str, View]:
    """Every view by name, in alphabetical order of their files."""
    from convtui.engine.lens import views as folder

    for module in pkgutil.iter_modules(folder.__path__):
        import_module(f"{folder.__name__}.{module.name}")
    # A module that was imported earlier has put its view first.
    return dict(sorted(_views.items(), key=lambda item: item[1].function.__module__))


def view(name: str) -> View:
    """The view of this name. Raises UsageError, with the nearest, where there is none."""
    found = views()
    if name not in found:
        raise UsageError(f"unknown view {name!r}{nearest(name, found)}: 'convtui views' lists them")
    return found[name]
