"""`convtui run`: train a preset, changed as asked, into the store."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from convtui.engine.errors import UsageError
from convtui.engine.files import DEFAULT_STORE
from convtui.engine.named_code import class_of, name_code, require_named
from convtui.engine.store_address import StoreAddress
from convtui.tui.cli import completion, launch
from convtui.tui.cli.options import AsJson, DataDir, DeviceName, StorePath, check_store, existing_store, named_value, open_store
from convtui.tui.cli.own_net import Arguments, ModelName
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.spec import RunSpec
    from convtui.engine.store import Run
    from convtui.tui.cli.reporters import Reporter

PREFERRED = "lenet5"
"""The preset where none is named."""

Detach = Annotated[bool, typer.Option("--detach", help="train in the background, even after this terminal closes")]
Quiet = Annotated[bool, typer.Option("--quiet", help="print warnings and errors only")]
Notify = Annotated[
    bool, typer.Option("--notify", help="at the end ring the bell, notify the desktop, and post to CONVTUI_NOTIFY_URL")
]


def run(
    context: typer.Context,
    preset: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.presets,
            help=f"starting point: 'convtui presets' lists them; default: {PREFERRED}, or what --from names",
        ),
    ] = None,
    data: Annotated[str | None, typer.Option(help="a name from 'convtui data list', folder:PATH, csv:, wds: or hf:NAME")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PART.NAME=VALUE",
            autocompletion=completion.settings,
            help="any hyperparameter: 'convtui presets --fields' lists them",
        ),
    ] = None,
    model: ModelName = None,
    arg: Arguments = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="RUN|FILE", help="weights to begin with, of a run (and its settings) or a file"),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(metavar="RUN", autocompletion=completion.runs, help="with the settings of this run, from the beginning"),
    ] = None,
    trial: Annotated[
        Literal["net", "images", "speed", "overfit", "rates"] | None,
        typer.Option("--try", help="train nothing: show the net or its images, time steps, overfit one batch, or find the rate"),
    ] = None,
    save_preset: Annotated[
        str | None, typer.Option(metavar="NAME", help="train nothing: keep these settings as a preset of your own")
    ] = None,
    epochs: Annotated[str | None, typer.Option(metavar="N", help="passes over the training images")] = None,
    steps: Annotated[str | None, typer.Option(metavar="N", help="budget in updates, instead of epochs")] = None,
    images: Annotated[str | None, typer.Option(metavar="N", help="budget in images shown, instead of epochs")] = None,
    lr: Annotated[str | None, typer.Option(metavar="RATE", help="learning rate")] = None,
    batch_size: Annotated[str | None, typer.Option(metavar="N", help="images per step")] = None,
    seed: Annotated[str | None, typer.Option(metavar="N", help="seed for weights, order and dropout")] = None,
    name: Annotated[str | None, typer.Option(help="name of the run; default: the preset's name")] = None,
    device: DeviceName = "auto",
    processes: launch.ProcessCount = None,
    detach: Detach = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    notify: Notify = False,
    store_path: StorePath = DEFAULT_STORE,
    data_dir: DataDir = None,
) -> None:
    """Train a net and record the run.

    Exit code 0: finished, or stopped on request. 1: failed. 2: invalid command or setting, nothing was started.
    3: diverged. 129, 130, 143: ended by a hang-up, Ctrl+C or kill; saved, 'convtui resume' continues it.
    """
    if context.args:
        raise UsageError(_meant(context.args[0]))

    launch.refuse_with(processes, detach=detach, **{"try": trial, "save-preset": save_preset})
    launch.follow_if_told(data_dir)

    from convtui.engine.presets import preset as find_preset
    from convtui.engine.spec import changed

    if like is not None and (preset or start):
        raise UsageError("--like has a run's settings; --preset and --from have others: choose one of them")
    before = _run(start, store_path)
    pattern = _run(like, store_path) if like is not None else before
    chosen = find_preset(preset or PREFERRED)
    base, origin = chosen.spec, chosen.name
    if pattern is not None and (like is not None or pattern.is_training) and preset is None:
        base, origin = pattern.settings, pattern.preset
    shortcuts = {"data.source": data, "optimiser.learning_rate": lr, "data.batch_size": batch_size, "training.seed": seed}
    shortcuts |= {"model.module": model, "training.start_from": start if before is None else f"run:{before.id}"}
    shortcuts |= dict(named_value("--arg", f"model.arguments.{text}", "as in --arg classes=10") for text in arg or ())
    changes = changes_of(settings or [], shortcuts | budget(epochs, steps, images))
    spec, allow_stand_in = changed(base, changes), "data.source" not in changes
    if "model.module" in changes and spec.model.module:
        name_code(spec.model.module)
    require_named(spec.model.module)
    if save_preset is not None:
        _keep(spec, save_preset, origin)
        return

    if trial == "net" or trial == "images":
        from convtui.tui.cli.look import show
        from convtui.tui.cli.trial import before_training

        show(before_training(trial, spec, data_dir), as_json=as_json)
        return

    # torch, and all that needs it, once the settings are known to make sense.
    from convtui.engine.data.preview import Counts, count
    from convtui.engine.device import choose, keep_freed_memory
    from convtui.engine.store import checked_name
    from convtui.engine.training import check_fits, refuse_lone_images
    from convtui.tui.cli.signals import handled
    from convtui.tui.cli.train import load_dataset, reporter_for, teller, train
    from convtui.tui.cli.trial import tried
    from convtui.tui.session.detached import start_detached

    launch.start_if_several(processes, spec)
    told_by = teller() if notify else None
    keep_freed_memory()
    with handled() as signals, launch.joined() as together:
        run_name = checked_name(_default_name(spec, origin, pattern) if name is None else name)
        check_store(store_path)
        chosen_device = launch.own_device(choose(device), spec, together)
        check_fits(spec, chosen_device, count(spec.data, data_dir))
        if trial is not None:
            raise typer.Exit(tried(trial, spec, chosen_device, data_dir, store_path, as_json=as_json, quiet=quiet))
        dataset = load_dataset(spec, data_dir, reporter_for(0, as_json=as_json, quiet=quiet), allow_stand_in=allow_stand_in)
        spec = changed(spec, {"data.source": dataset.source} | dict(dataset.relaxed))
        counts = Counts(len(dataset.train.classes), len(dataset.train), len(dataset.test))
        summary = check_fits(spec, chosen_device, counts)
        refuse_lone_images(spec, lambda: summary, counts.train, launch.started())
        _say_start(spec, counts.classes, store_path, reporter_for(0, as_json=as_json, quiet=quiet))
        with open_store(store_path) as store:
            signals.hold()
            provenance = {"command": sys.argv}
            row = store.create_run(name=run_name, preset=origin, spec=spec, dataset=dataset.source, provenance=provenance)
            if detach:
                shown = {"as_json": as_json, "quiet": quiet, "notify": notify}
                start_detached(store, [row.id], device=str(chosen_device), data_dir=data_dir, **shown)
                return
            claimed = store.claim(row.id)
            reporter = reporter_for(row.id, as_json=as_json, quiet=quiet, name=run_name)
            code = train(store, claimed, spec, dataset, chosen_device, reporter, signals, together=together, teller=told_by)
    raise typer.Exit(code)


def _keep(spec: RunSpec, name: str, origin: str) -> None:
    """As a preset of a person's own. Raises UsageError where one of that name is there, SpecError where the net cannot be built."""
    from convtui.engine.models import check
    from convtui.engine.presets import own_preset_file, presets, save_preset

    file = own_preset_file(name)
    if name in presets():
        there = f"delete {file} first" if file.exists() else "it comes with convtui"
        raise UsageError(f"--save-preset {name}: there is such a preset: choose another name ({there})")
    check(spec)
    save_preset(file, spec, origin)
    print(f"saved {clean(file)}: convtui run --preset {name}")


def _run(start: str | None, store_path: StoreAddress) -> Run | None:
    """The run that `--from` means; None where it is a file."""
    from convtui.engine.spec.parts import RUN, WEIGHT_SUFFIXES

    if start is None or start.endswith(WEIGHT_SUFFIXES):
        return None
    with existing_store(store_path) as store:
        return store.find(start.removeprefix(RUN))


def _meant(word: str) -> str:
    """What to type instead of `convtui run WORD`."""
    from convtui.engine.presets import presets

    shown = clean(word)
    if word in presets():
        return f"run takes a preset behind its option: 'convtui run --preset {shown}'"
    if word.endswith(".py"):
        return (
            f"'convtui exec -- python {shown}' runs it as it is, 'convtui run --model {shown}:CLASS' trains a net that it defines"
        )
    return (
        f"run takes no name ({shown}): --preset takes one that 'convtui presets' lists, --like one that 'convtui runs list' lists"
    )


def _default_name(spec: RunSpec, preset: str, before: Run | None) -> str:
    if spec.model.module:
        return class_of(spec.model.module)
    return preset if before is None else before.name


def _say_start(spec: RunSpec, classes: int, store_path: StoreAddress, reporter: Reporter) -> None:
    """Say what the run begins with, where that is not as drawn. Raises UsageError, CheckpointError."""
    from convtui.engine.spec.parts import RUN
    from convtui.engine.training import check_start

    of_run = spec.training.start_from.startswith(RUN)
    with existing_store(store_path) if of_run else nullcontext() as store:
        if told := check_start(spec, classes, store):
            reporter.say(told)


def changes_of(settings: list[str], shortcuts: Mapping[str, str | None]) -> dict[str, Any]:
    """What `--set` and its shortcuts change, by path. They go the same way, so that there is one judge of what a value may be."""
    from convtui.engine.spec import parse_setting

    given = {path: value for path, value in shortcuts.items() if value is not None}
    return dict(parse_setting(text) for text in [*settings, *(f"{path}={value}" for path, value in given.items())])


def budget(epochs: str | None, steps: str | None, images: str | None) -> dict[str, str | None]:
    """The settings that `--epochs`, `--steps` and `--images` mean: what is asked for is not cut short by a preset's budget."""
    if epochs is steps is images is None:
        return {}
    return {"training.epochs": epochs, "training.steps": steps or "none", "training.images": images or "none"}
