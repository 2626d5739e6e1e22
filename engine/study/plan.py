"""Which runs a study wants: settings times seeds, at some scale, on some images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from convtui.engine.data.catalog import as_recorded, describe
from convtui.engine.data.names import listed
from convtui.engine.errors import UsageError
from convtui.engine.spec import DataSpec, RunSpec, changed, nearest
from convtui.engine.study.model import Setting, Study

MOST_NAMED = 20
"""Settings that a message lists."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One run that a study wants. It is there already where a run of the same study, setting and spec is."""

    study: str
    setting: str
    seed: int
    spec: RunSpec
    preset: str
    name: str
    """What the run is called where it has to be made."""
    statistics: tuple[tuple[str, str], ...]
    """Layer and stage whose values over the test images are to be kept with the run."""


def plan(
    study: Study,
    *,
    only: Sequence[str] = (),
    scale: float = 1.0,
    seeds: int | None = None,
    sources: Mapping[str, str] | None = None,
    images: Callable[[DataSpec], int],
) -> list[Wanted]:
    """The runs wanted, in the order in which they are best made: every setting with its first seed, then with its second.

    `only` are names or patterns (`gru-*`) of settings, `scale` is a factor on the budget (`scaled`), `seeds` overrides the file's,
    and `sources` says where a source that settings name is to be had, as in `cifar10` -> `folder:/data/cifar10.zip`. `images` tells
    how many training images there are, for a budget of less than an epoch. Raises UsageError for a name that there is not.
    """
    if not 0 < scale <= 100:
        raise UsageError(f"--scale {scale:g} must be above 0 and at most 100: 0.1 trains a tenth as long")
    if study.search is not None:
        raise UsageError(f"study {study.name} chooses its trials one after another: 'convtui study run {study.name}' makes them")
    chosen = _chosen(study, only)
    given = _recorded(study, sources or {})
    rows = [(setting, _spec(setting, given, scale, images), seeds or setting.seeds) for setting in chosen]
    return [
        _wanted(study, setting, spec, number, of)
        for number in range(max(of for _, _, of in rows))
        for setting, spec, of in rows
        if number < of
    ]


def on_sources(study: Study, sources: Mapping[str, str]) -> Study:
    """A study that searches, its images from where `sources` says, see `plan`; their place is that which runs record."""
    search = study.search
    assert search is not None
    return replace(study, search=replace(search, spec=_on(search.spec, _recorded(study, sources))))


def scaled(spec: RunSpec, scale: float, images: Callable[[DataSpec], int]) -> RunSpec:
    """`spec` with its budget times `scale`: of epochs whole ones, rounded, where that is one or more, else steps; one at least."""
    if scale == 1:
        return spec
    for unit, budget in (("steps", spec.training.steps), ("images", spec.training.images)):
        if budget is not None:
            return changed(spec, {f"training.{unit}": max(1, round(budget * scale))})
    epochs = spec.training.epochs * scale
    if epochs >= 1:
        return changed(spec, {"training.epochs": round(epochs)})
    steps = spec.steps_per_epoch(images(spec.data))
    return changed(spec, {"training.epochs": 1, "training.steps": max(1, round(epochs * steps))})


def _chosen(study: Study, only: Sequence[str]) -> list[Setting]:
    for pattern in only:
        if not any(fnmatchcase(name, pattern) for name in study.settings):
            near = nearest(pattern, study.settings)
            raise UsageError(
                f"study {study.name} has no setting {pattern!r}{near}: it has {listed(list(study.settings), MOST_NAMED)}"
            )
    return [one for name, one in study.settings.items() if not only or any(fnmatchcase(name, pattern) for pattern in only)]


def _recorded(study: Study, sources: Mapping[str, str]) -> dict[str, str]:
    """As runs record them. Raises DataError for a source that there is not."""
    specs = [study.search.spec] if study.search is not None else [setting.spec for setting in study.settings.values()]
    named = list(dict.fromkeys(spec.data.source for spec in specs))
    for name, source in sources.items():
        if name not in named:
            raise UsageError(
                f"--data {name}=...: study {study.name} does not use {name!r}{nearest(name, named)}: it uses {', '.join(named)}"
            )
        describe(source)
    return {name: as_recorded(source) for name, source in sources.items()}


def _spec(setting: Setting, sources: Mapping[str, str], scale: float, images: Callable[[DataSpec], int]) -> RunSpec:
    return scaled(_on(setting.spec, sources), scale, images)


def _on(spec: RunSpec, sources: Mapping[str, str]) -> RunSpec:
    source = spec.data.source
    return changed(spec, {"data.source": sources.get(source, as_recorded(source))})


def _wanted(study: Study, setting: Setting, spec: RunSpec, number: int, of: int) -> Wanted:
    seed = spec.training.seed + number
    name = f"{study.name}/{setting.name}" + (f"#{seed}" if of > 1 else "")
    seeded = changed(spec, {"training.seed": seed})
    return Wanted(study.name, setting.name, seed, seeded, setting.preset, name, setting.statistics)
