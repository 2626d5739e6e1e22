"""`convtui resume`: continue a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from convtui.engine.errors import ConvtuiError, RunBusy
from convtui.engine.files import DEFAULT_STORE
from convtui.engine.named_code import name_code, require_named
from convtui.tui.cli import launch
from convtui.tui.cli.options import AsJson, DataDir, RunName, StorePath, existing_store
from convtui.tui.cli.own_net import ModelName, own_net
from convtui.tui.cli.run import Detach, Notify, Quiet, budget, changes_of
from convtui.tui.render.text import counted

if TYPE_CHECKING:
    from convtui.engine.spec import RunSpec
    from convtui.engine.store import Run


def resume(
    reference: RunName,
    epochs: Annotated[str | None, typer.Option(metavar="N", help="new total number of epochs")] = None,
    steps: Annotated[str | None, typer.Option(metavar="N", help="new total number of steps")] = None,
    images: Annotated[str | None, typer.Option(metavar="N", help="new total number of images shown")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, ...; default: the device it was trained on")] = None,
    processes: launch.ProcessCount = None,
    model: ModelName = None,
    detach: Detach = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    notify: Notify = False,
    queued: Annotated[bool, typer.Option("--queued", hidden=True, help="only if it is still waiting in the queue")] = False,
    named: Annotated[list[str] | None, typer.Option("--named", hidden=True, help="code named where the run was queued")] = None,
    store_path: StorePath = DEFAULT_STORE,
    data_dir: DataDir = None,
) -> None:
    """Resume a run: a paused one in place, any other from its last checkpoint."""
    launch.refuse_with(processes, detach=detach)
    launch.follow_if_told(data_dir)

    from convtui.engine.spec import changed
    from convtui.engine.store import require_trained

    with existing_store(store_path) as store:
        row = store.find(reference)
        if row.status == "paused":
            if epochs or steps or images:
                raise RunBusy(f"run {row.id} is paused: stop it to change its budget ('convtui stop {row.id}')")
            from convtui.tui.cli.control import ask

            ask(store, row.id, "continue", until={"running"})
            return
        if row.status == "running":
            raise RunBusy(f"run {row.id} is running (process {row.pid} on {row.host}): there is nothing to resume")
        require_trained(row)
        store.files.make_folder()
        spec = _spec(row, budget(epochs, steps, images))
        if (own := own_net(model)) is not None:
            spec = changed(spec, {"model.module": own.name_for(row)})
        for reference in named or ():
            name_code(reference)

        from convtui.engine.device import choose, keep_freed_memory
        from convtui.tui.cli.signals import handled
        from convtui.tui.cli.train import load_dataset, reporter_for, teller, train
        from convtui.tui.session.detached import start_detached

        launch.start_if_several(processes, spec)
        told_by = teller() if notify else None
        keep_freed_memory()
        with handled() as signals, launch.joined() as together:
            try:
                require_named(spec.model.module)
                chosen_device = launch.own_device(choose(device or row.device or "auto"), spec, together)
                if detach:
                    store.queue(row.id)
                    store.set_spec(row.id, spec)
                    shown = {"as_json": as_json, "quiet": quiet, "notify": notify}
                    start_detached(store, [row.id], device=str(chosen_device), data_dir=data_dir, **shown)
                    return
                loading = reporter_for(row.id, as_json=as_json, quiet=quiet)
                dataset = load_dataset(spec, data_dir, loading, allow_stand_in=row.may_stand_in)
                signals.hold()
                claimed = store.claim(row.id, queued=queued)
            except ConvtuiError as error:
                if queued:
                    # This process has no visible terminal: the run itself must say why.
                    store.dequeue(row.id, "failed", str(error))
                raise
            store.set_spec(row.id, spec)
            same = int(row.repeatable.get("processes", 1)) == launch.started()
            threads = int(row.repeatable.get("threads", 0)) if same else 0
            reporter = reporter_for(row.id, as_json=as_json, quiet=quiet, name=row.name)
            code = train(
                store,
                claimed,
                spec,
                dataset,
                chosen_device,
                reporter,
                signals,
                threads=threads,
                resume=True,
                together=together,
                teller=told_by,
            )
    raise typer.Exit(code)


def _spec(row: Run, asked: dict[str, str | None]) -> RunSpec:
    """The run's spec with its new total, if there is something left to do."""
    from convtui.engine.spec import changed

    spec = changed(row.settings, changes_of([], asked)) if asked else row.settings
    if row.status == "finished" and not asked:
        raise RunBusy(f"run {row.id} finished after {counted(row.epoch, 'epoch')}: {_longer(row)}")
    if asked and row.step and (total := spec.total_steps(row.images_per_epoch)) <= row.step:
        done = counted(row.step, "step")
        raise RunBusy(f"run {row.id} has already done {done}, and {total:,} would be the total: {_longer(row)}")
    return spec


def _longer(row: Run) -> str:
    return f"'convtui resume {row.id} --epochs {2 * max(1, row.epoch)}' trains it longer"
