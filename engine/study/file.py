"""A study as a person writes it: TOML in, a `Study` out, or one line that says what is wrong, where, and what is right."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import SpecError, UsageError
from engine.presets import assets, preset
from engine.spec import RunSpec, changed, nearest, written
from engine.study import names
from engine.study.definition import Claim, Published, Setting, Study
from engine.study.lines import Lines, lines_of
from engine.study.lines import Path as Place

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


# --------------------------------------------------------------------------------------------------- which there are


def studies() -> dict[str, Study | SpecError]:
    """Every study by name, one's own winning over a shipped one; for a file that cannot be read, what is wrong with it."""
    found: dict[str, Study | SpecError] = {}
    for name, path in _files().items():
        try:
            found[name] = read(path)
        except SpecError as error:
            found[name] = error
    return found


def study(reference: str) -> Study:
    """The study of this name, or of this file (`.toml`, or a path). Raises SpecError, UsageError with the nearest name."""
    if reference.endswith(".toml") or "/" in reference:
        return read(Path(reference))
    files = _files()
    if reference not in files:
        raise UsageError(f"there is no study {reference!r}{nearest(reference, files)}: 'convtui study list' shows them")
    return read(files[reference])


def own_studies() -> Path:
    """Where a person's own studies lie."""
    return platformdirs.user_config_path("convtui") / "studies"


def _files() -> dict[str, Path]:
    return {path.stem: path for folder in (assets() / "studies", own_studies()) for path in sorted(folder.glob("*.toml"))}


# ------------------------------------------------------------------------------------------------ as it stands in a file


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class _Range(_Table):
    low: float
    high: float


class _About(_Table):
    about: float


_Measures = dict[str, float | _Range | _About]


class _Setting(_Table):
    name: str
    preset: str
    set: dict[str, Any] = {}
    seeds: int | None = Field(None, ge=1, le=1000)
    source: str = ""
    published: _Measures = {}
    statistics: list[str] = []


class _Grid(_Table):
    name: str
    preset: str
    over: dict[str, list[Any]]
    set: dict[str, Any] = {}
    seeds: int | None = Field(None, ge=1, le=1000)
    source: str = ""
    published: dict[str, _Measures] = {}
    statistics: list[str] = []


class _Claim(_Table):
    says: str
    measure: str
    order: list[str | list[str]] = []
    highest_first: list[str | list[str]] = []
    lowest_first: list[str | list[str]] = []
    settings: list[str] = []
    low: float | None = None
    high: float | None = None
    of: str = ""
    source: str = ""


class _File(_Table):
    title: str
    question: str
    report: str = ""
    seeds: int = Field(1, ge=1, le=1000)
    notes: list[str] = []
    set: dict[str, Any] = {}
    setting: list[_Setting] = []
    grid: list[_Grid] = []
    claim: list[_Claim] = []


def read(path: Path) -> Study:
    """The study in this file. Raises SpecError: the file, the line, what is wrong, and what is right or near."""
    try:
        text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
        values = tomllib.loads(text)
    except OSError as error:
        raise SpecError(f"study {path} cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"study {path}: {error}") from None
    return _Reader(path, lines_of(text)).study(values)


class _Reader:
    """Makes a Study of one file's values; knows where each stands, so that what is wrong can be pointed at."""

    def __init__(self, path: Path, lines: Lines) -> None:
        self._path = path
        self._lines = lines

    def study(self, values: dict[str, Any]) -> Study:
        try:
            file = _File.model_validate(values)
        except ValidationError as error:
            self._refuse(error)
        if not _NAME.fullmatch(self._path.stem):
            raise SpecError(f"study {self._path}: its name may have letters, digits, '.', '_' and '-' only: rename the file")
        settings: dict[str, Setting] = {}
        tables: list[tuple[Place, _Setting | _Grid]] = [(("setting", index), one) for index, one in enumerate(file.setting)]
        tables += [(("grid", index), one) for index, one in enumerate(file.grid)]
        # In the file's order, whichever way they are written.
        for place, table in sorted(tables, key=lambda item: self._lines.of(item[0])):
            for setting in [self._setting(file, place, table)] if isinstance(table, _Setting) else self._grid(file, place, table):
                if setting.name in settings:
                    self._fail((*place, "name"), f"there are two settings {setting.name!r}: each needs a name of its own")
                settings[setting.name] = setting
        if not settings:
            raise SpecError(f"study {self._path}: it has no [[setting]] and no [[grid]]: there is nothing to run")
        claims = tuple(self._claim(("claim", index), claim, settings) for index, claim in enumerate(file.claim))
        return Study(self._path.stem, file.title, file.question, file.report, tuple(file.notes), settings, claims, self._path)

    # --------------------------------------------------------------------------------------------------- settings

    def _setting(self, file: _File, place: Place, table: _Setting) -> Setting:
        if not _NAME.fullmatch(table.name):
            self._fail((*place, "name"), f"a setting cannot be called {table.name!r}: use letters, digits, '.', '_' and '-'")
        spec = self._spec(file, place, table.preset, {"set": table.set})
        return self._made(file, place, table, table.name, spec, table.published, (*place, "published"))

    def _grid(self, file: _File, place: Place, table: _Grid) -> Iterator[Setting]:
        paths = list(table.over)
        for placeholder in _PLACEHOLDER.findall(table.name):
            if placeholder not in paths:
                self._fail((*place, "name"), f"{{{placeholder}}} is not in 'over'{nearest(placeholder, paths)}")
        if not paths or not all(table.over.values()):
            self._fail((*place, "over"), 'a grid needs a hyperparameter with values: over = { "model.hidden" = [32, 64] }')
        points = [dict(zip(paths, values, strict=True)) for values in itertools.product(*table.over.values())]
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

    def _made(
        self, file: _File, place: Place, table: _Setting | _Grid, name: str, spec: RunSpec, published: _Measures, at: Place
    ) -> Setting:
        statistics = tuple(self._statistic((*place, "statistics"), text) for text in table.statistics)
        figures = {}
        for measure, figure in published.items():
            self._check_measure((*at, measure), measure, {name: (spec, statistics)})
            if measure == "steps_to_loss":
                self._fail((*at, measure), "steps_to_loss needs another setting ('of') and so belongs into a [[claim]]")
            if isinstance(figure, _Range):
                if figure.low > figure.high:
                    self._fail((*at, measure), f"{measure}: low = {figure.low:g} is above high = {figure.high:g}")
                figures[measure] = Published(figure.low, figure.high)
            else:
                value = figure.about if isinstance(figure, _About) else figure
                figures[measure] = Published(value, value, about=isinstance(figure, _About))
            self._check_fraction((*at, measure), measure, figures[measure].low, figures[measure].high)
        return Setting(name, table.preset, spec, table.seeds or file.seeds, table.source, figures, statistics)

    def _spec(self, file: _File, place: Place, name: str, own: Mapping[str, Mapping[str, Any]]) -> RunSpec:
        try:
            base = preset(name)
        except SpecError as error:
            self._fail((*place, "preset"), str(error))
        changes = file.set | {path: value for values in own.values() for path, value in values.items()}
        try:
            spec = changed(base.spec, changes)
        except SpecError as error:
            told = str(error)
            # The path that it speaks of first; of several there the longest, as one may begin another.
            path = min((path for path in changes if path in told), key=lambda path: (told.index(path), -len(path)), default="")
            where = next(((*place, key, path) for key, values in own.items() if path in values), ("set", path))
            self._fail(where if path else place, told)
        own_budget = "training.images" if spec.training.images is not None else "training.steps"
        counts = spec.training.steps if spec.training.images is None else spec.training.images
        if "training.epochs" in changes and counts is not None and own_budget not in changes:
            where = next(((*place, key, "training.epochs") for key, values in own.items() if "training.epochs" in values), place)
            self._fail(
                where,
                f"training.epochs says nothing here: preset {name} has {own_budget} = {counts}, which counts; "
                f'set "{own_budget}" too, to "none" for epochs',
            )
        return spec

    def _statistic(self, place: Place, text: str) -> tuple[str, str]:
        layer, colon, stage = text.partition(":")
        if not colon or not layer or stage not in names.STAGES:
            self._fail(place, f"{text!r} is no LAYER:STAGE: write a layer and before, after or output, as in 'conv1:after'", text)
        return layer, stage

    # ----------------------------------------------------------------------------------------------------- claims

    def _claim(self, place: Place, claim: _Claim, settings: Mapping[str, Setting]) -> Claim:
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
            self._fail((*place, named), "an order needs two settings or more: better ones first")
        there = {name: (settings[name].spec, settings[name].statistics) for name in itertools.chain(*groups)}
        self._check_measure((*place, "measure"), claim.measure, there)
        better = names.more_is_better(claim.measure)
        if named == "order" and better is None:
            self._fail(
                (*place, named), f"nobody can say whether more {claim.measure} is better: write highest_first or lowest_first"
            )
        self._check_target(place, claim, settings)
        self._check_bounds(place, claim)
        return Claim(
            says=claim.says,
            measure=claim.measure,
            highest_first=bool(better) if named in ("order", "settings") else named == "highest_first",
            groups=groups if orders else (),
            settings=() if orders else tuple(claim.settings),
            low=claim.low,
            high=claim.high,
            of=claim.of,
            source=claim.source,
        )

    # ----------------------------------------------------------------------------------------------------- checks

    def _check_target(self, place: Place, claim: _Claim, settings: Mapping[str, Setting]) -> None:
        if claim.of and claim.measure != "steps_to_loss":
            self._fail((*place, "of"), "'of' belongs to the measure steps_to_loss: the setting whose loss is to be reached")
        if claim.measure == "steps_to_loss" and not claim.of:
            self._fail((*place, "measure"), "steps_to_loss needs 'of': the setting whose final loss is to be reached")
        if claim.of:
            self._check_setting((*place, "of"), claim.of, settings)

    def _check_bounds(self, place: Place, claim: _Claim) -> None:
        if claim.low is not None and claim.high is not None and claim.low > claim.high:
            self._fail((*place, "low"), f"low = {claim.low:g} is above high = {claim.high:g}")
        for key, bound in (("low", claim.low), ("high", claim.high)):
            if bound is not None:
                self._check_fraction((*place, key), claim.measure, bound, bound)

    def _check_setting(self, place: Place, name: str, settings: Iterable[str]) -> None:
        if name not in settings:
            self._fail(place, f"there is no setting {name!r}{nearest(name, settings)}", name)

    def _check_measure(self, place: Place, measure: str, of: Mapping[str, tuple[RunSpec, tuple[tuple[str, str], ...]]]) -> None:
        for setting, (spec, statistics) in of.items():
            if (wrong := names.unknown(measure, spec, statistics)) is not None:
                self._fail(place, f"setting {setting}: {wrong}", measure)

    def _check_fraction(self, place: Place, measure: str, low: float, high: float) -> None:
        if names.form(measure) == "fraction" and (low < 0 or high > 1):
            self._fail(place, f"{measure} is a fraction from 0 to 1: write {high / 100:g} for {high:g} %")

    def _refuse(self, error: ValidationError) -> NoReturn:
        """The first of what does not fit the tables, in the order of the file."""
        problems = [
            (self._lines.of(place), place, dict(problem))
            for problem in error.errors(include_url=False)
            for place in [_without_kinds(problem["loc"])]
        ]
        _line, place, problem = min(problems, key=lambda item: (item[0], -len(item[1])))
        self._fail(place, _told(place, problem))

    def _fail(self, place: Place, text: str, word: str = "") -> NoReturn:
        line = self._lines.naming(place, word) if word else self._lines.of(place)
        raise SpecError(f"study {self._path}, line {line}: {text}")


def _filled(template: str, values: Mapping[str, Any]) -> str:
    """`relu-{optimiser.learning_rate}` with its values."""
    return _PLACEHOLDER.sub(lambda found: written(values[found[1]]), template)


_KINDS = re.compile(r"float|str|_Range|_About|list\[.*|dict\[.*")


def _without_kinds(loc: tuple[int | str, ...]) -> Place:
    """pydantic names the member of a union that it tried; in the file there is no such key."""
    return tuple(part for part in loc if isinstance(part, int) or not _KINDS.fullmatch(part))


_TABLES: Mapping[str, type[_Table]] = {"setting": _Setting, "grid": _Grid, "claim": _Claim}


def _told(place: Place, problem: Mapping[str, Any]) -> str:
    """One of pydantic's complaints for people."""
    key = next((part for part in reversed(place) if isinstance(part, str)), "")
    table = _TABLES.get(str(place[0]), _File) if len(place) > 1 else _File
    known = list(table.model_fields)
    named = ".".join(str(part) for part in place if isinstance(part, str))
    match problem["type"]:
        case "extra_forbidden" if len(place) in (1, 3) and key not in known:
            return f"there is no key {key!r}{nearest(key, known)}: there are {', '.join(known)}"
        case "missing" if key in known:
            return f"{key!r} is missing" if len(place) == 1 else f"this [[{place[0]}]] has no {key!r}"
        case _ if "published" in place:
            measure = next(iter(place[4 if place[0] == "grid" else 3 :]), "what was published")
            return f"{measure} must be a number, {{ low = , high = }} or {{ about = }}"
        case _:
            return f"{named} = {problem['input']!r}: {str(problem['msg'])[:1].lower()}{str(problem['msg'])[1:]}"
