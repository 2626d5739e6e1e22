"""`convtui runs list`: runs, the newest first; those that a filter asks for, with columns of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convtui.engine.errors import UsageError
from convtui.engine.files import DEFAULT_STORE
from convtui.engine.metrics import best_known
from convtui.tui.cli.options import AsJson, StorePath, existing_store, is_there
from convtui.tui.render.json_lines import line, run_values
from convtui.tui.render.text import clean, duration, fitted_end, how_far, percent, setting_text, sparkline, when

if TYPE_CHECKING:
    from convtui.engine.store import Point, Run, Store

SORTED = ("id", "name", "preset", "data", "status", "epoch", "accuracy", "best", "loss", "seconds")
"""What runs have and are sorted by, under the names of filters."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """What is listed of runs."""

    runs: Sequence[Run]
    curves: Mapping[int, Sequence[Point]]
    measured: Mapping[str, Mapping[int, float]]
    """Series -> run -> its last value."""
    settings: Mapping[str, Mapping[int, Any]]
    """Path of a hyperparameter, or name of a script's setting -> run -> its value."""


def list_runs(
    limit: Annotated[int, typer.Option(help="show the newest N; 0: all", min=0)] = 50,
    wanted: Annotated[
        str, typer.Option("--filter", metavar="WORDS", help="only these: 'lenet lr>=1e-3 NOT status:failed', as on the page Runs")
    ] = "",
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="add a hyperparameter, or a measure's last value, as a column: lr, dead/act1, dead for all layers"
        ),
    ] = None,
    sort: Annotated[
        str, typer.Option(metavar="NAME", help=f"by {', '.join(SORTED)}, a hyperparameter or a measure; the best or largest first")
    ] = "id",
    reverse: Annotated[bool, typer.Option("--reverse", help="the other way round")] = False,
    as_json: AsJson = False,
    store_path: StorePath = DEFAULT_STORE,
) -> None:
    """List runs, the newest first."""
    if not is_there(store_path):
        _check(wanted)
        if not as_json:
            print(_none(store_path))
        return
    with existing_store(store_path) as store:
        is_plain = not wanted.strip() and sort == "id" and not reverse
        runs = store.runs(limit=limit or None) if is_plain else _sorted(store, _filtered(store, wanted), sort, reverse=reverse)
        runs = runs[: limit or None]
        listed = _read(store, runs, column or (), curves=not as_json)
        is_empty = not runs and not store.count_runs()
    if as_json:
        _print_json(listed, measures=bool(column))
    elif runs:
        _print_table(listed)
    else:
        print(_none(store_path) if is_empty else f"no run in {store_path} matches {clean(wanted)}")


def _none(store_path: object) -> str:
    return f"no runs yet in {store_path}: 'convtui run --preset demo' trains one in seconds"


# --------------------------------------------------------------------------------------------------------------- filter


@dataclass(frozen=True, slots=True)
class _Facts:
    """A run as filters know it."""

    id: int
    name: str
    preset: str
    data: str
    status: str
    note: str
    device: str
    searched: str
    epoch: int
    accuracy: float | None
    best: float | None
    loss: float | None
    seconds: float


def _facts(run: Run) -> _Facts:
    from convtui.engine.run_filter import searchable

    return _Facts(
        id=run.id,
        name=run.name,
        preset=run.preset,
        data=run.dataset,
        status=run.status,
        note=run.note,
        device=run.device,
        searched=searchable(run.name, run.preset, run.dataset, run.note),
        epoch=run.epoch,
        accuracy=best_known(run.test_accuracy, run.validation_accuracy),
        best=run.best_accuracy,
        loss=best_known(run.test_loss, run.validation_loss),
        seconds=run.seconds,
    )


def _check(wanted: str) -> None:
    """Raise UsageError for a filter that cannot be."""
    from convtui.engine.run_filter import BadFilter, parsed_filter

    try:
        parsed_filter(wanted)
    except BadFilter as error:
        raise UsageError(f"--filter {clean(wanted)}: {error}; docs/runs.md has the language") from None


def _filtered(store: Store, wanted: str) -> list[Run]:
    from convtui.engine.run_filter import KnownOfRuns, parsed_filter
    from convtui.engine.store import read_measures, read_settings

    _check(wanted)
    runs = store.runs()
    if not wanted.strip():
        return runs
    asked, ids = parsed_filter(wanted), [run.id for run in runs]
    known = KnownOfRuns()
    if asked.settings:
        known.settings = read_settings(store, ids)
    if asked.measures:
        known.measures = read_measures(store, ids, asked.measures)
    if unknown := asked.unknown(ids, known) if ids else []:
        raise UsageError(f"--filter {clean(wanted)}: no run has {clean(unknown[0])}{_near(store, unknown[0], ids, known)}")
    return [run for run in runs if asked(_facts(run), known)]


def _near(store: Store, name: str, run_ids: Sequence[int], known: Any) -> str:
    from convtui.engine.spec import hyperparameters, nearest

    settings = {path for of_run in known.settings.values() for path in of_run}
    return clean(nearest(name, [*store.metric_names(*run_ids), *settings, *(field.path for field in hyperparameters())]))


# -------------------------------------------------------------------------------------------------------------- columns


def _sorted(store: Store, runs: Sequence[Run], name: str, *, reverse: bool) -> list[Run]:
    """Those without a value last, either way round. Raises UsageError for what no run has."""
    from convtui.engine.metrics import metric
    from convtui.engine.spec import written

    if name in SORTED:
        values: Mapping[int, Any] = {run.id: getattr(_facts(run), name) for run in runs}
        falling = name not in ("loss", "name", "preset", "data", "status")
    else:
        read = _read(store, runs, [name], curves=False, option="--sort")
        (values,) = [*read.measured.values(), *read.settings.values()][:1] or [{}]
        falling = metric(name).better != "less"
    values = {run_id: value for run_id, value in values.items() if value is not None and value == value}  # NaN is not
    numbers = all(isinstance(value, int | float) for value in values.values())
    known = [run for run in runs if run.id in values]
    key = {run.id: values[run.id] if numbers else written(values[run.id]) for run in known}
    known.sort(key=lambda run: key[run.id], reverse=falling != reverse)
    return [*known, *(run for run in runs if run.id not in values)]


def _read(store: Store, runs: Sequence[Run], columns: Sequence[str], *, curves: bool, option: str = "--column") -> _Listed:
    ids = [run.id for run in runs]
    listed = _Listed(runs, store.accuracy_curves(ids) if curves else {}, {}, {})
    return _with_columns(listed, store, ids, columns, option) if columns and ids else listed


def _with_columns(listed: _Listed, store: Store, ids: Sequence[int], columns: Sequence[str], option: str) -> _Listed:
    from convtui.engine.metrics import STABILITY
    from convtui.engine.run_filter import path_meant
    from convtui.engine.spec import hyperparameters, nearest
    from convtui.engine.store import read_settings

    settings, recorded = read_settings(store, ids), [*store.metric_names(*ids), STABILITY]
    measured: dict[str, Mapping[int, float]] = {}
    of_settings: dict[str, Mapping[int, Any]] = {}
    for name in columns:
        series = [each for each in recorded if name == each] or [each for each in recorded if name == each.partition("/")[0]]
        path = path_meant(name) or name
        values = {run_id: of_run[path] for run_id, of_run in settings.items() if path in of_run}
        if series:
            measured |= {each: store.last_values(ids, each) for each in series}
        elif values:
            of_settings[path] = values
        else:
            names = list(dict.fromkeys(each.partition("/")[0] for each in recorded))
            paths = [field.path for field in hyperparameters()]
            use = f"; use {', '.join(map(clean, names))}"
            if path in paths:
                raise UsageError(f"{option} {clean(name)}: none of these runs has that hyperparameter{use}")
            near = clean(nearest(name, [*(SORTED if option == "--sort" else ()), *names, *paths])) or use
            raise UsageError(f"{option} {clean(name)}: no hyperparameter, and none of these runs has measured it{near}")
    return replace(listed, measured=measured, settings=of_settings)


# ------------------------------------------------------------------------------------------------------------- printing


def _print_json(listed: _Listed, *, measures: bool) -> None:
    for run in listed.runs:
        values = run_values(run)
        if measures:
            values["measures"] = {name: of_runs.get(run.id) for name, of_runs in listed.measured.items()}
        if listed.settings:
            values["settings"] = {path: of_runs.get(run.id) for path, of_runs in listed.settings.items()}
        print(line(values))


def _print_table(listed: _Listed) -> None:
    from convtui.tui.cli.tables import aligned, width
    from convtui.tui.render.metric_text import metric_text, score_text

    rows = [
        (
            str(run.id),
            clean(run.name)[:28],
            fitted_end(clean(run.dataset), 20),
            clean(run.status),
            how_far(run.epoch, run.step, run.total_steps, run.steps_per_epoch),
            score_text(run.test_accuracy, run.validation_accuracy, "share"),
            percent(run.best_accuracy),
            score_text(run.test_loss, run.validation_loss, "loss"),
            *(setting_text(of_runs.get(run.id)) for of_runs in listed.settings.values()),
            *(metric_text(name, of_runs.get(run.id)) for name, of_runs in listed.measured.items()),
            sparkline([value for _, value in listed.curves.get(run.id, [])]),
            duration(run.seconds),
            clean(run.device),
            when(run.started or run.created),
        )
        for run in listed.runs
    ]
    heads = [*(clean(path.rpartition(".")[2]) for path in listed.settings), *map(clean, listed.measured)]
    names = ("id", "name", "data", "status", "epoch", "test acc", "best", "loss", *heads, "curve", "time", "device", "when")
    right = {"id", "epoch", "test acc", "best", "loss", "time", *heads}
    drop = ("device", "when", "curve", "time", "loss", "best", "data", "epoch", *reversed(heads))
    print("\n".join(aligned(names, rows, right=right, drop=drop, columns=width())))
