"""`convtui runs export`: metrics of runs as a table, as JSON or for TensorBoard, or a run's net as ONNX."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from convtui.engine.errors import UsageError
from convtui.engine.files import DEFAULT_STORE
from convtui.engine.metrics import SYSTEM
from convtui.tui.cli.look import Epoch, opened
from convtui.tui.cli.options import RunNames, StorePath, existing_store
from convtui.tui.cli.own_net import Arguments, ModelName, own_net
from convtui.tui.cli.signals import handled
from convtui.tui.cli.waiting import waiting
from convtui.tui.render.json_lines import line, run_values
from convtui.tui.render.text import clean, file_stem

if TYPE_CHECKING:
    from convtui.engine.lens.subject import Subject
    from convtui.engine.store import Run, Series, Store

Form = Literal["csv", "json", "tensorboard", "onnx"]
_SUFFIXES: dict[str, Form] = {".csv": "csv", ".json": "json", ".onnx": "onnx"}


def export(
    references: RunNames,
    form: Annotated[
        Form | None,
        typer.Option(
            "--format",
            help="csv: one row per step; json: one line per run, with its series; tensorboard: an event file in the folder --out; "
            "onnx: the net; default: as --out ends",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="the same as --format json")] = False,
    out: Annotated[Path | None, typer.Option(help="the file or folder to write; default: stdout (-)")] = None,
    system: Annotated[bool, typer.Option(help="also what was measured of the machine")] = False,
    epoch: Epoch = "last",
    model: ModelName = None,
    arg: Arguments = None,
    store_path: StorePath = DEFAULT_STORE,
) -> None:
    """Export every metric of runs, also to TensorBoard, or a run's net as ONNX.

    Of several runs each row of a CSV begins with the run's id and name; TensorBoard gets a folder for each, in --out.
    """
    chosen = _form("json" if as_json else form, out)
    if chosen != "onnx" and (model is not None or arg or epoch != "last"):
        raise UsageError("--epoch, --model and --arg choose a net: use them with --format onnx")
    with existing_store(store_path) as store:
        runs = list({run.id: run for run in map(store.find, references)}.values())
        if chosen == "tensorboard":
            assert out is not None
            _export_events(store, runs, out)
            return
        content = _onnx(store, runs, epoch, model, arg) if chosen == "onnx" else _metrics(store, runs, chosen, system)
    if out is None:
        sys.stdout.write(content.decode())
        return
    from convtui.engine.files import deliver

    deliver(content, out)


def _export_events(store: Store, runs: list[Run], folder: Path) -> None:
    from convtui.engine.tracking.exports.tensorboard import write_events

    folders = [folder] if len(runs) == 1 else [folder / file_stem(run.id, run.name) for run in runs]
    for run, its in zip(runs, folders, strict=True):
        print(f"saved {clean(write_events(store, run, its))}")
    print(f"'tensorboard --logdir {clean(folder)}' shows {'it' if len(runs) == 1 else 'them'}")


def _onnx(store: Store, runs: list[Run], epoch: str, model: str | None, arg: list[str] | None) -> bytes:
    from convtui.engine.tracking.exports.onnx import check_can_export, onnx_of

    if len(runs) > 1:
        raise UsageError(
            f"an ONNX file holds one net, and {len(runs)} runs were named: export them one at a time, each with its own --out"
        )
    check_can_export()
    return onnx_of(_opened(store, runs[0], epoch, model, arg))


def _opened(store: Store, run: Run, epoch: str, model: str | None, arg: list[str] | None) -> Subject:
    with handled(), waiting() as told:
        return opened(store, run, own_net(model, arguments=arg), epoch=epoch, device="cpu", data_dir=None, told=told)


def _metrics(store: Store, runs: list[Run], form: Form, system: bool) -> bytes:
    series = [_series(store, run, system) for run in runs]
    if form == "csv":
        from convtui.tui.render.metrics_csv import metrics_csv, runs_csv

        table = (
            metrics_csv(series[0])
            if len(runs) == 1
            else runs_csv([(run.id, run.name, its) for run, its in zip(runs, series, strict=True)])
        )
        return table.encode("utf-8", "backslashreplace")
    lines = (_json(run, its, store.confusions(run.id)) for run, its in zip(runs, series, strict=True))
    return "".join(lines).encode("utf-8", "backslashreplace")


def _series(store: Store, run: Run, system: bool) -> dict[str, Series]:
    names = [name for name in store.metric_names(run.id) if system or not name.startswith(SYSTEM)]
    return {name: store.series(run.id, name) for name in names}


def _form(asked: Form | None, out: Path | None) -> Form:
    """What was asked for, or else as the file's name ends. Raises UsageError, before anything is read."""
    if out is None:
        if asked in ("tensorboard", "onnx"):
            raise UsageError(f"--format {asked} needs a place: add --out {'FOLDER' if asked == 'tensorboard' else 'net.onnx'}")
        return asked or "csv"
    if asked == "tensorboard":
        return asked
    from convtui.engine.files import check_target, is_stream

    check_target(out)
    suffix = out.suffix.lower()
    named = _SUFFIXES.get(suffix)
    if asked and named and asked != named:
        raise UsageError(f"--out {out} and --format {asked} contradict each other: leave one out, or rename the file")
    if not asked and not named and suffix and not is_stream(out):
        raise UsageError(f"--out {out}: metrics are written as .csv or .json, a net as .onnx: use such a name, or add --format csv")
    return asked or named or "csv"


def _json(run: Run, series: dict[str, Series], confusions: dict[int, list[list[int]]]) -> str:
    metrics = {name: {"steps": list(s.steps), "values": list(s.values)} for name, s in series.items()}
    classes = run.repeatable.get("classes")  # of rows and columns; a run of before they were kept has none
    matrices = {"classes": classes, "steps": list(confusions), "counts": list(confusions.values())}
    return line(run_values(run) | {"spec": run.spec_values, "metrics": metrics, "confusion": matrices}) + "\n"
