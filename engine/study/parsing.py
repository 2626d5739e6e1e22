"""A study as a person writes it: TOML in, a `Study` out, or one line that says what is wrong, where, and what is right."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from convtui.engine import metrics
from convtui.engine.data.catalog import describe
from convtui.engine.errors import DataError, SpecError
from convtui.engine.named_code import name_code
from convtui.engine.presets import Preset, preset
from convtui.engine.spec import RunSpec, changed, hyperparameters, nearest, quoted, written
from convtui.engine.study.model import Claim, Published, Range, Search, Setting, Study
from convtui.engine.study.toml_lines import Lines, lines_of
from convtui.engine.study.toml_lines import Path as Place
from convtui.engine.study.toml_schema import (
    AboutTable,
    ClaimTable,
    FileTable,
    GridTable,
    Measures,
    RangeTable,
    SearchTable,
    SettingTable,
    SpaceTable,
    place_of,
    told,
)
from convtui.engine.toml import read_toml

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
MOST_SETTINGS = 1000
"""Of one grid."""


def read(path: Path) -> Study:
    """The study in this file. Raises SpecError: the file, the line, what is wrong, and what is right or near."""
    text, values = read_toml(path, "study")
    return _Parser(path, lines_of(text)).study(values)


class _Parser:
    """Makes a Study of one file's values; knows where each stands, so that what is wrong can be pointed at."""

    def __init__(self, path: Path, lines: Lines) -> None:
        self._path = path
        self._lines = lines
        self._presets: dict[str, Preset] = {}
        """Those read already: hundreds of settings begin with the same one."""

    def study(self, values: dict[str, Any]) -> Study:
        try:
            file = FileTable.model_validate(values)
        except ValidationError as error:
            self._refuse(error)
        if not _NAME.fullmatch(self._path.stem):
            raise SpecError(f"study {self._path}: its name may have letters, digits, '.', '_' and '-' only: rename the file")
        settings: dict[str, Setting] = {}
        tables: list[tuple[Place, SettingTable | GridTable]] = [(("setting", index), one) for index, one in enumerate(file.setting)]
        tables += [(("grid", index), one) for index, one in enumerate(file.grid)]
        # In the file's order, whichever way they are written.
        for place, table in sorted(tables, key=lambda item: self._lines.of(item[0])):
            made = self._setting(file, place, table) if isinstance(table, SettingTable) else self._grid(file, place, table)
            for setting in made:
                if setting.name in settings:
                    self._fail((*place, "name"), f"there are two settings {setting.name!r}: each needs a name of its own")
                settings[setting.name] = setting
        search = self._search(file, file.search) if file.search is not None else None
        if search is not None and (settings or file.claim):
            self._fail(("search",), "a search chooses its settings itself: take out [[setting]], [[grid]] and [[claim]]")
        if not settings and search is None:
            raise SpecError(f"study {self._path}: it has no [[setting]], [[grid]] or [search]: there is nothing to run")
        claims = tuple(self._claim(("claim", index), claim, settings) for index, claim in enumerate(file.claim))
        notes = tuple(file.notes)
        return Study(self._path.stem, file.title, file.question, file.report, notes, settings, claims, self._path, search)

    # --------------------------------------------------------------------------------------------------- settings

    def _setting(self, file: FileTable, place: Place, table: SettingTable) -> Iterator[Setting]:
        if not _NAME.fullmatch(table.name):
            self._fail((*place, "name"), f"a setting cannot be called {table.name!r}: use letters, digits, '.', '_' and '-'")
        spec = self._spec(file, place, table.preset, {"set": table.set})
        yield self._made(file, place, table, table.name, spec, table.published, (*place, "published"))

    def _grid(self, file: FileTable, place: Place, table: GridTable) -> Iterator[Setting]:
        points = self._points(place, table)
        named = [_filled(table.name, point) for point in points]
        for name in named:
            if not _NAME.fullmatch(name):
                self._fail((*place, "name"), f"a setting cannot be called {name!r}: use letters, digits, '.', '_' and '-'")
            if named.count(name) > 1:
                self._fail((*place, "name"), f"there are two settings {name!r}: name every value that is in 'over'")
        specs = [self._spec(file, place, table.preset, {"set": table.set, "over": point}) for point in points]
        for name in table.published:
            if name not in named:
                near = nearest(name, named)
                self._fail((*place, "published", name), f"this grid has no setting {name!r}{near}: it has {', '.join(named)}")
        for name, spec in zip(named, specs, strict=True):
            published = table.published.get(name, {})
            yield self._made(file, place, table, name, spec, published, (*place, "published", name))

    def _points(self, place: Place, table: GridTable) -> list[dict[str, Any]]:
        """Every combination of a grid's values, by hyperparameter."""
        paths = list(table.over)
        for placeholder in _PLACEHOLDER.findall(table.name):
            if placeholder not in paths:
                self._fail((*place, "name"), f"{{{placeholder}}} is not in 'over'{nearest(placeholder, paths)}")
        if not paths or not all(table.over.values()):
            self._fail((*place, "over"), 'a grid needs a hyperparameter with values: over = { "model.hidden" = [32, 64] }')
        if (combinations := math.prod(map(len, table.over.values()))) > MOST_SETTINGS:
            self._fail((*place, "over"), f"{combinations:,} settings are too many: a grid may have {MOST_SETTINGS:,}")
        return [dict(zip(paths, values, strict=True)) for values in itertools.product(*table.over.values())]

    def _made(
        self,
        file: FileTable,
        place: Place,
        table: SettingTable | GridTable,
        name: str,
        spec: RunSpec,
        published: Measures,
        at: Place,
    ) -> Setting:
        if published and not table.source:
            self._fail(at, 'published figures need a source: source = "report 004, table 2"')
        statistics = tuple(self._statistic((*place, "statistics"), text) for text in table.statistics)
        figures = {}
        for measure, figure in published.items():
            self._check_measure((*at, measure), measure, {name: (spec, statistics)})
            if measure == "steps_to_loss":
                self._fail((*at, measure), "steps_to_loss needs another setting ('of'), so it belongs in a [[claim]]")
            if isinstance(figure, RangeTable):
                if figure.low > figure.high:
                    self._fail((*at, measure), f"{measure}: low = {figure.low:g} is above high = {figure.high:g}")
                figures[measure] = Published(figure.low, figure.high)
            else:
                value = figure.about if isinstance(figure, AboutTable) else figure
                figures[measure] = Published(value, value, about=isinstance(figure, AboutTable))
            self._check_fraction((*at, measure), measure, figures[measure].low, figures[measure].high)
        return Setting(name, table.preset, spec, table.seeds or file.seeds, table.source, figures, statistics)

    def _spec(self, file: FileTable, place: Place, name: str, own: Mapping[str, Mapping[str, Any]]) -> RunSpec:
        try:
            base = self._presets[name] = self._presets.get(name) or preset(name)
        except SpecError as error:
            self._fail((*place, "preset"), str(error))
        changes = file.set | {path: value for values in own.values() for path, value in values.items()}
        for path, value in changes.items():
            if isinstance(value, dict) and path != "model.arguments":
                inner = f"{path}.{next(iter(value), 'NAME')}"
                self._fail(
                    (*_of_path(place, own, path), *inner.split(".")[1:]),
                    f'the name of a hyperparameter needs quotation marks: "{inner}" = ...',
                )
        try:
            spec = changed(base.spec, changes)
        except SpecError as error:
            said = str(error)
            # The path that it speaks of first; of several there the longest, as one may begin another.
            path = min((path for path in changes if path in said), key=lambda path: (said.index(path), -len(path)), default="")
            self._fail(_of_path(place, own, path) if path else place, said)
        if spec.model.module:
            name_code(spec.model.module)  # the file is the person's own
        try:
            describe(spec.data.source)
        except DataError as error:
            self._fail(_of_path(place, own, "data.source"), str(error))
        own_budget = "training.images" if spec.training.images is not None else "training.steps"
        counts = spec.training.steps if spec.training.images is None else spec.training.images
        if "training.epochs" in changes and counts is not None and own_budget not in changes:
            self._fail(
                _of_path(place, own, "training.epochs"),
                f"training.epochs has no effect here: preset {name} has {own_budget} = {counts}, which takes precedence; "
                f'set "{own_budget}" too, to "none" for epochs',
            )
        return spec

    def _statistic(self, place: Place, text: str) -> tuple[str, str]:
        layer, colon, stage = text.partition(":")
        if not colon or not layer or stage not in metrics.STAGES:
            self._fail(place, f"{text!r} is not LAYER:STAGE: write a layer and before, after or output, as in 'conv1:after'", text)
        return layer, stage

    # ----------------------------------------------------------------------------------------------------- search

    def _search(self, file: FileTable, table: SearchTable) -> Search:
        place: Place = ("search",)
        spec = self._spec(file, place, table.preset, {"set": table.set})
        if not table.space:
            self._fail((*place, "space"), 'a search needs hyperparameters: space = { "model.hidden" = { low = 16, high = 256 } }')
        space = {path: self._values(spec, (*place, "space", path), path, values) for path, values in table.space.items()}
        self._check_measure((*place, "objective"), table.objective, {"search": (spec, ())})
        better = metrics.metric(table.objective).better
        if better is None or table.objective == "steps_to_loss":
            self._fail(
                (*place, "objective"), f"it is not known whether more {table.objective} is better: take an accuracy or a loss"
            )
        if metrics.metric(table.objective).split == "validation" and not spec.data.validation_fraction:
            self._fail(
                (*place, "objective"),
                f'{table.objective} is of images held out, and there are none: set "data.validation_fraction" = 0.1, '
                "or name another objective",
            )
        if table.pruner != "none" and metrics.metric(table.objective).cadence != "epoch":
            self._fail((*place, "pruner"), f'{table.objective} is not known during a run: write pruner = "none"')
        return Search(
            table.preset, spec, space, table.trials, table.objective, better == "more", table.sampler, table.pruner, table.seed
        )

    def _values(self, spec: RunSpec, place: Place, path: str, values: list[Any] | SpaceTable) -> Range | tuple[Any, ...]:
        """Each value, or both ends, are tried."""
        ends = values if isinstance(values, list) else [values.low, values.high]
        known = {field.path: field for field in hyperparameters()}
        if path not in known:
            self._fail(place, f"unknown hyperparameter {path!r}{nearest(path, known)}")
        is_whole = known[path].kind is int
        if isinstance(values, SpaceTable):
            if known[path].kind not in (int, float):
                self._fail(place, f"{path} is no number: list its values, as in [{quoted(known[path].default)}]")
            if not values.low < values.high or (values.log and values.low <= 0) or (values.log and values.step):
                self._fail(place, f"{path}: low must be below high, and with log above 0 and without step")
            ends = [int(end) if is_whole and end == int(end) else end for end in ends]
        elif not values:
            self._fail(place, f"{path} has no values")
        for value in ends:
            try:
                changed(spec, {path: value})
            except SpecError as error:
                self._fail(place, str(error))
        if isinstance(values, list):
            return tuple(values)
        return Range(values.low, values.high, values.log, values.step, is_whole)

    # ----------------------------------------------------------------------------------------------------- claims

    def _claim(self, place: Place, claim: ClaimTable, settings: Mapping[str, Setting]) -> Claim:
        orders = [key for key in ("order", "highest_first", "lowest_first") if getattr(claim, key)]
        bounds = claim.low is not None or claim.high is not None
        if len(orders) + bool(claim.settings) != 1 or bounds != bool(claim.settings):
            self._fail(
                place,
                "a claim has one order ('order', 'highest_first' or 'lowest_first'), or 'settings' with 'low', 'high' or both",
            )
        named = orders[0] if orders else "settings"
        groups = tuple((item,) if isinstance(item, str) else tuple(item) for item in getattr(claim, named))
        for name in itertools.chain(*groups):
            self._check_setting((*place, named), name, settings)
        if orders and (len(groups) < 2 or not all(groups)):
            self._fail((*place, named), "an order needs two or more settings, better ones first")
        for first, second in itertools.combinations(groups if orders else (), 2):
            for name in set(first) & set(second):
                self._fail((*place, named), f"{name} stands on both sides: a setting cannot be compared with itself", name)
        there = {name: (settings[name].spec, settings[name].statistics) for name in itertools.chain(*groups)}
        self._check_measure((*place, "measure"), claim.measure, there)
        better = metrics.metric(claim.measure).better
        if named == "order" and better is None:
            self._fail(
                (*place, named), f"it is not known whether more {claim.measure} is better: write highest_first or lowest_first"
            )
        self._check_target(place, claim, settings)
        self._check_bounds(place, claim)
        return Claim(
            says=claim.says,
            measure=claim.measure,
            highest_first=better == "more" if named in ("order", "settings") else named == "highest_first",
            groups=groups if orders else (),
            settings=() if orders else tuple(claim.settings),
            low=claim.low,
            high=claim.high,
            of=claim.of,
            source=claim.source,
            unequal_budgets=claim.unequal_budgets,
            note=claim.note,
        )

    # ----------------------------------------------------------------------------------------------------- checks

    def _check_target(self, place: Place, claim: ClaimTable, settings: Mapping[str, Setting]) -> None:
        if claim.of and claim.measure != "steps_to_loss":
            self._fail((*place, "of"), "'of' belongs to the measure steps_to_loss: the setting whose loss is to be reached")
        if claim.measure == "steps_to_loss" and not claim.of:
            self._fail((*place, "measure"), "steps_to_loss needs 'of': the setting whose final loss is to be reached")
        if claim.of:
            self._check_setting((*place, "of"), claim.of, settings)

    def _check_bounds(self, place: Place, claim: ClaimTable) -> None:
        for key, bound in (("low", claim.low), ("high", claim.high)):
            if bound is not None:
                self._check_fraction((*place, key), claim.measure, bound, bound)
        if claim.low is not None and claim.high is not None and claim.low > claim.high:
            self._fail((*place, "low"), f"low = {claim.low:g} is above high = {claim.high:g}")

    def _check_setting(self, place: Place, name: str, settings: Iterable[str]) -> None:
        if name not in settings:
            self._fail(place, f"unknown setting {name!r}{nearest(name, settings)}", name)

    def _check_measure(self, place: Place, measure: str, of: Mapping[str, tuple[RunSpec, tuple[tuple[str, str], ...]]]) -> None:
        for setting, (spec, statistics) in of.items():
            if (wrong := unknown(measure, spec, statistics)) is not None:
                self._fail(place, f"setting {setting}: {wrong}", measure)

    def _check_fraction(self, place: Place, measure: str, low: float, high: float) -> None:
        if metrics.metric(measure).form == "share" and (low < 0 or high > 1):
            wrong = f", and {low:g} is below" if low < 0 else f": write {high / 100:g} for {high:g} %"
            self._fail(place, f"{measure} is a fraction from 0 to 1{wrong}")

    def _refuse(self, error: ValidationError) -> NoReturn:
        """The first of what does not fit the tables, in the order of the file."""
        problems = [
            (self._lines.of(place), place, dict(problem))
            for problem in error.errors(include_url=False)
            for place in [place_of(problem)]
        ]
        _line, place, problem = min(problems, key=lambda item: (item[0], -len(item[1])))
        self._fail(place, told(place, problem))

    def _fail(self, place: Place, text: str, word: str = "") -> NoReturn:
        line = self._lines.naming(place, word) if word else self._lines.of(place)
        raise SpecError(f"study {self._path}, line {line}: {text}")


def _of_path(place: Place, own: Mapping[str, Mapping[str, Any]], path: str) -> Place:
    """Where a hyperparameter is set: by the setting at `place` itself, else for all of them."""
    return next(((*place, key, path) for key, values in own.items() if path in values), ("set", path))


def _filled(template: str, values: Mapping[str, Any]) -> str:
    """`relu-{optimiser.learning_rate}` with its values."""
    return _PLACEHOLDER.sub(lambda found: written(values[found[1]]), template)


def unknown(measure: str, spec: RunSpec, statistics: Sequence[tuple[str, str]]) -> str | None:
    """Why a run of `spec`, with these statistics kept, has no such measure; None where it has.

    Every series that a run records is a measure: its last value, and after `peak.` its peak.
    """
    series, known = measure.removeprefix(metrics.PEAK), metrics.metric(measure)
    if measure != series and series in metrics.METRICS and known.cadence in ("run", "end"):
        return f"{series} is one number and has no peak: write {series}"
    kept = [metrics.statistic(layer, stage, figure) for layer, stage in statistics for figure in metrics.FIGURES]
    chosen = metrics.chosen_by(series)
    if series in kept:
        return None
    if series.startswith(metrics.STATISTICS):
        return f"{series} is not kept{nearest(series, kept)}: name the layer in 'statistics', as in 'conv1:after'"
    if known.cadence == "end" and not spec.training.evaluate_train:
        return f'{series} is not measured: set "training.evaluate_train" = true'
    if chosen in metrics.MEASURES and chosen not in spec.training.measures:
        return f'{series} is not measured: put "{chosen}" into "training.measures"'
    if chosen not in metrics.MEASURES and series not in metrics.METRICS:
        return f"unknown measure {series!r}{nearest(series, [*metrics.METRICS, *metrics.MEASURES, *kept])}"
    return None
