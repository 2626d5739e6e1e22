"""`convtui runs`: list, show, watch, compare, export, merge, rename, note, delete."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convtui.engine.errors import SpecError
from convtui.engine.files import DEFAULT_STORE
from convtui.engine.metrics import metric
from convtui.tui.cli.options import AsJson, RunName, RunNames, StorePath, existing_store
from convtui.tui.cli.watch import standing
from convtui.tui.render.json_lines import line, run_values
from convtui.tui.render.text import clean, compact, counted, duration, number, percent, size, sparkline, when

if TYPE_CHECKING:
    from convtui.engine.store import Run, Store


def show_run(reference: RunName, as_json: AsJson = False, store_path: StorePath = DEFAULT_STORE) -> None:
    """Show a run: results, settings, checkpoints, messages, and what its numbers depend on."""
    with existing_store(store_path) as store:
        run = store.find(reference)
        checkpoints, messages = store.files.checkpoints(run.id), store.messages(run.id)
        curves = {
            name: [value for _, value in store.epoch_series([run.id], name).get(run.id, [])]
            for name in ("test_accuracy", "test_loss")
        }
        measured = {name: point.value for name, point in store.last_metrics(run.id).items() if _is_chosen(name)}
        stability = store.stability(run.id)
        shown = {c.file: str(store.files.shown(run.id, c.file)) for c in checkpoints}
    from convtui.tui.cli.tables import labelled

    if as_json:
        values = run_values(run) | {"spec": run.spec_values, "provenance": run.repeatable}
        values |= {"measures": measured, "stability": stability}
        values["checkpoints"] = [
            {"kind": c.kind, "step": c.step, "epoch": c.epoch, "file": shown[c.file], "bytes": c.bytes} for c in checkpoints
        ]
        values["messages"] = [{"step": m.step, "severity": m.severity, "text": m.text} for m in messages]
        print(line(values))
        return
    final = {name: measured.pop(name) for name in list(measured) if name.startswith("final_")}
    for name, text in _outline(run, final):
        if text:
            print(labelled(name, text))
    if curves["test_loss"]:
        accuracy, loss = (sparkline(curves[name], 30) for name in ("test_accuracy", "test_loss"))
        print(labelled("curves", f"test accuracy {accuracy}  test loss {loss}"))
    if stability is not None:
        print(labelled("stability", f"the loss changes by {number(stability)} from step to step, over the second half"))
    for index, text in enumerate(_grouped(measured)):
        print(labelled("" if index else "measured", text))
    _print_settings(run)
    for checkpoint in checkpoints:
        where = f"epoch {checkpoint.epoch}, step {checkpoint.step:,}"
        print(labelled(checkpoint.kind, f"{where}: {clean(shown[checkpoint.file])} ({size(checkpoint.bytes)})"))
    for message in messages:
        print(labelled(message.severity, f"step {message.step:,}: {message.text}"))


def rename(
    reference: RunName,
    name: Annotated[str, typer.Argument(help="the new name")],
    as_json: AsJson = False,
    store_path: StorePath = DEFAULT_STORE,
) -> None:
    """Rename a run."""
    with existing_store(store_path) as store:
        run = store.find(reference)
        store.rename(run.id, name)
        _say(as_json, store.run(run.id), f"run {run.id}: {clean(run.name)} is now {clean(name)}")


def note(
    reference: RunName,
    text: Annotated[str, typer.Argument(help="the note; empty removes it")],
    as_json: AsJson = False,
    store_path: StorePath = DEFAULT_STORE,
) -> None:
    """Add a note to a run."""
    with existing_store(store_path) as store:
        run = store.find(reference)
        store.set_note(run.id, text)
        _say(as_json, store.run(run.id), f"run {run.id}: {'note saved' if text else 'note removed'}")


def delete(
    references: RunNames,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    as_json: AsJson = False,
    store_path: StorePath = DEFAULT_STORE,
) -> None:
    """Delete runs with their metrics and checkpoints; asks before each."""
    with existing_store(store_path) as store:
        for run in {run.id: run for run in map(store.find, references)}.values():
            _delete(store, run, yes=yes, as_json=as_json)


def _delete(store: Store, run: Run, *, yes: bool, as_json: bool) -> None:
    kept = store.files.checkpoints(run.id)
    files = f"{counted(len(kept), 'file')} ({size(sum(checkpoint.bytes for checkpoint in kept))})"
    files += f" and {counted(logged, 'image file')}" if (logged := len(store.files.images(run.id))) else ""
    what = f"run {run.id} {clean(run.name)}, {counted(run.step, 'step')} of metrics, {files}"
    if not yes and not typer.confirm(f"delete {what}?", err=as_json):
        print(f"kept run {run.id}", file=sys.stderr)
        return
    store.delete(run.id)
    _say(as_json, run, f"deleted {what}")


def _say(as_json: bool, run: Run, text: str) -> None:
    """What was done to `run`, for people or as the run's JSON line."""
    print(line(run_values(run)) if as_json else text)


OVER_STEPS = ": means over the epoch's steps, while the weights changed"


def _outline(run: Run, final: dict[str, float]) -> list[tuple[str, str | None]]:
    """What there is to say of a run before its settings; lines without a text are left out. `final` are its `final_...` series."""
    held_out = (run.validation_accuracy, run.validation_loss) != (None, None)
    tested = run.is_training or (run.test_accuracy, run.test_loss) != (None, None)
    has_images = run.is_training or run.images > 0
    trained = run.is_training or (run.train_accuracy, run.train_loss) != (None, None)
    return [
        ("run", f"{run.id} {run.name}"),
        ("status", f"{run.status}, {standing(run)}" + (f", {run.images:,} images shown" if has_images else "")),
        ("why", run.reason),
        ("study", f"{run.study}, setting {run.setting}" if run.study else None),
        ("data", run.dataset),
        ("test", _score(run.test_accuracy, run.test_loss) if tested else None),
        ("validation", _score(run.validation_accuracy, run.validation_loss) if held_out else None),
        ("train", _score(run.train_accuracy, run.train_loss) + (OVER_STEPS if run.is_training else "") if trained else None),
        ("train, end", _score(final.get("final_train_accuracy"), final.get("final_train_loss")) if final else None),
        ("best", None if run.best_epoch is None else f"test accuracy {percent(run.best_accuracy)}, epoch {run.best_epoch}"),
        (
            "weights",
            None if run.end_step is None else f"these figures are of epoch {run.best_epoch}, whose weights it restored at the end",
        ),
        (
            "time",
            duration(run.seconds) + (f", {run.images_per_second or 0:,.0f} images/s" if has_images else ""),
        ),
        ("where", f"{_device(run)}on {run.node or run.host}, since {when(run.started)}" if run.started else None),
        ("rate", _rate(run)),
        ("net", f"{run.parameters:,} parameters" if run.parameters else None),
        ("note", run.note),
    ]


def _rate(run: Run) -> str | None:
    if run.rate_factor == 1 or run.learning_rate is None:
        return None
    return f"{compact(run.learning_rate)}, {compact(run.rate_factor)} times the schedule's, by hand"


def _score(accuracy: float | None, loss: float | None) -> str:
    return f"accuracy {percent(accuracy)}, loss {number(loss)}"


def _is_chosen(name: str) -> bool:
    """Whether a series is there because the run was told to measure it, or is a script's own."""
    return metric(name).cadence == "" or "/" in name or name.endswith("mean_squared_error") or name.startswith("final_")


def _grouped(values: dict[str, float]) -> list[str]:
    """What was measured last, a line a measure, with its values by layer, class or split."""
    found: dict[str, list[str]] = {}
    for name, value in values.items():
        found.setdefault(metric(name).chart, []).append(f"{clean(metric(name).label)} {compact(value, 3)}".strip())
    return [f"{clean(measure)}: {', '.join(texts)}" for measure, texts in found.items()]


def _settings(run: Run) -> dict[str, Any]:
    """What was set otherwise than by default, by path; of a script, all that it said. Raises SpecError."""
    from convtui.engine.spec import RunSpec, difference

    if not run.is_training:
        return run.spec_values
    return {path: value for path, (_, value) in difference(RunSpec(), run.settings).items()}


def _print_settings(run: Run) -> None:
    from convtui.tui.cli.tables import labelled

    try:
        settings = _settings(run)
    except SpecError as error:
        print(labelled("settings", f"{run.spec} (not convtui's: {error})"))
        return
    for index, (path, value) in enumerate(settings.items()):
        print(labelled("" if index else "settings", f"{path} = {value}"))
    provenance = run.repeatable
    if provenance:
        earlier = provenance.pop("earlier", [])
        newest = provenance.pop("command", [])
        if classes := provenance.pop("classes", []):
            print(labelled("classes", ", ".join(map(str, classes))))
        if images := provenance.pop("images", {}):
            print(labelled("images", ", ".join(f"{split} {digest}" for split, digest in images.items())))
        command = shlex.join(map(str, earlier[0].get("command", newest) if earlier else newest))
        if provenance:  # of a run that never began only the command is known
            print(labelled("made with", ", ".join(f"{name} {value}" for name, value in provenance.items())))
        if command:
            print(labelled("command", command))


def _device(run: Run) -> str:
    """What trains it, and how many of them, where it is not one; a script may not have told its device."""
    count = run.repeatable.get("processes", 1)
    told = ", ".join(filter(None, [run.device, f"{count} processes," if count != 1 else ""]))
    return f"{told} " if told else ""
