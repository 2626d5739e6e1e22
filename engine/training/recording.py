"""A training whose every event is kept in the store: what the command line, the application and studies all pull."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from convtui.engine.data.catalog import load
from convtui.engine.data.digest import differing
from convtui.engine.data.split import Dataset
from convtui.engine.device import SystemMeter
from convtui.engine.errors import CheckpointError, ConvtuiError, DataError, SpecError
from convtui.engine.events import Event, Message
from convtui.engine.files import clear_scraps
from convtui.engine.net_file import changed_code
from convtui.engine.own_code import own_place
from convtui.engine.spec import RunSpec
from convtui.engine.store import Recorder, Recording, Run, Store, drive
from convtui.engine.training.processes import Processes
from convtui.engine.training.training import Training
from convtui.engine.training.transfer import starting_weights


@contextmanager
def recorded(
    store: Store,
    run: Run,
    spec: RunSpec,
    dataset: Dataset,
    device: torch.device,
    *,
    threads: int = 0,
    resume: bool = False,
    together: Processes | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[Training, Iterator[Event]]]:
    """The training of `run`, already claimed by this process, and its events, each in the store before it is handed on.

    With `resume` it goes on from the run's newest checkpoint, or from its start where there is none. A run of a study is refused
    (DataError) where another of its runs saw other images though its settings mean the same ones. However the block is
    left, the run ends with a status: an error makes it `failed`, a consumer that leaves early makes it `stopped`, saved.
    `together` are the processes that train with this one, and `follow`. `sleep` is how seconds of a pause are spent.
    """
    recorder = Recorder(store, run.id)

    def begin() -> tuple[Training, list[str]]:
        clear_scraps(store.files.folder(run.id))
        kept = kept_checkpoints(store, run) if resume else []
        source = "" if kept else spec.training.start_from
        start = starting_weights(source, store) if source else None
        folder = store.files.folder(run.id)
        new = partial(Training, spec, dataset, device=device, folder=folder, start=start, threads=threads, together=together)
        training, warnings = begun(run, kept, new, resume=resume)
        refuse_to_mix(store, run, spec, dataset.digests, dataset.source)
        if together is not None:
            together.tell(_plan(training, threads))
        return training, warnings

    with recorded_by(recorder, begin, store.files.place, sleep=sleep) as both:
        yield both


@contextmanager
def recorded_by(
    recorder: Recording,
    begin: Callable[[], tuple[Training, list[str]]],
    disk: Path,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[Training, Iterator[Event]]]:
    """The training that `begin` makes, with what there is to warn of, and its events, as `recorded` has them, kept by `recorder`.
    Of the disk that `disk` is on is measured how full it is."""
    try:
        training, warnings = begin()
        try:
            with training, SystemMeter(str(training.device), disk) as machine:
                pulled = drive(recorder, training, should_stop=lambda: training.stopping, sleep=sleep)
                pulled = _measured(recorder, training, machine, pulled)
                yield training, _warned(recorder, training.step, warnings, pulled)
        finally:
            for event in training.farewell:
                recorder.record(event)
    except (Exception, KeyboardInterrupt) as error:
        recorder.fail(_reason(error))
        raise
    finally:
        recorder.close()


def _plan(training: Training, threads: int) -> dict[str, Any]:
    """What the other processes need to know. Weights that the run starts from come from this one."""
    source = training.resumed_from
    return {
        "spec": training.spec.model_dump(mode="json"),
        "resume_from": None if source is None else str(source.resolve()),
        "threads": threads,
    }


def follow(together: Processes, data_dir: Path | None, begun: Callable[[], None]) -> None:
    """Train with rank 0, which is in `recorded`, to the run's end; `begun` is called once it goes.

    Raises PeerLost where rank 0 is gone.
    """
    device = together.device()
    plan = together.tell()
    spec = RunSpec.model_validate(plan["spec"])
    spec = spec.model_copy(update={"training": spec.training.model_copy(update={"start_from": ""})})
    source = None if plan["resume_from"] is None else Path(plan["resume_from"])
    dataset = load(spec.data, data_dir)
    begun()
    with Training(spec, dataset, device=device, resume_from=source, threads=plan["threads"], together=together) as training:
        for _event in training:
            pass


def kept_checkpoints(store: Store, run: Run) -> list[Path]:
    """What the run can be resumed from, the newest first. Raises CheckpointError where its files are not those of this store."""
    kept = [store.files.folder(run.id) / checkpoint.file for checkpoint in store.files.checkpoints(run.id, "checkpoint")]
    if kept and not any(file.exists() for file in kept) and (why := store.files.lacks()):
        raise CheckpointError(f"run {run.id} cannot go on: {why}")
    return kept


def begun(run: Run, kept: list[Path], begin: Callable[..., Training], *, resume: bool) -> tuple[Training, list[str]]:
    """The training that `begin` makes from the first sound one of the checkpoints `kept`, from its start where there are none, and
    what there is to warn of. Raises CheckpointError."""
    training, damaged = _newest_sound(kept, begin)
    warnings = [f"{trouble}; it resumes at step {training.step:,}" for trouble in damaged]
    if training.step > run.step:
        warnings.append(
            f"the store knows this run up to step {run.step:,} only (a restored backup, or a power cut); its checkpoint is of "
            f"step {training.step:,}: the figures in between are missing"
        )
    if resume and not kept and run.step:
        warnings.append("this run has no checkpoint yet: it starts from the beginning")
    if kept:
        warnings += _rounded_otherwise(run.repeatable, training.provenance())
        warnings += [told] if (told := changed_code(run, training.spec.model.module)) else []
    return training, warnings


_ROUNDING = ("torch", "processor", "device", "threads", "processes", "step_path")
"""Of a run's provenance, what decides how its numbers are rounded."""


def _rounded_otherwise(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """A warning where a run goes on with something that rounds otherwise than what it was trained with before."""
    others = [name for name in _ROUNDING if name in before and before[name] != now[name]]
    if not others:
        return []
    changes = ", ".join(f"{name.replace('_', ' ')} {now[name]} (before: {before[name]})" for name in others)
    return [f"resumed with {changes}: the numbers may differ in their last digits from those of a run that was not interrupted"]


def refuse_to_mix(store: Store, run: Run, spec: RunSpec, digests: Mapping[str, str], source: str) -> None:
    """Raise DataError where another run of the same study saw other images though the settings mean the same ones: images from
    `source` that have these `digests`."""
    for other in store.runs(study=run.study) if run.study else ():
        others = differing(other.digests, digests) if other.id != run.id else ""
        if others and _selection(other) == spec.data.selection:
            raise DataError(
                f"{source} has other {others} than when run {other.id} of study {run.study} was trained on it: restore "
                "them, or delete the study's runs that were trained on others"
            )


def _selection(run: Run) -> tuple[Any, ...] | None:
    """None where the run's settings are another program's."""
    try:
        return run.settings.data.selection
    except SpecError:
        return None


def _warned(recorder: Recording, step: int, warnings: list[str], pulled: Iterator[Event]) -> Iterator[Event]:
    """`pulled`, with warnings about its beginning right after its first event."""
    for index, event in enumerate(pulled):
        yield event
        if index == 0:
            for text in warnings:
                message = Message(step, text, "warning")
                recorder.record(message)
                yield message


def _measured(recorder: Recording, training: Training, machine: SystemMeter, pulled: Iterator[Event]) -> Iterator[Event]:
    """`pulled`, with what the machine is busy with beside it."""
    for event in pulled:
        if values := machine.take():
            recorder.measure(training.step, values)
        yield event


def _newest_sound(files: list[Path], begin: Callable[..., Training]) -> tuple[Training, list[CheckpointError]]:
    """The training that goes on from the first of `files` that is sound, and what was wrong with those before it.

    Raises the first one's CheckpointError when none is. Without files the training begins at its start.
    """
    if not files:
        return begin(), []
    troubles: list[CheckpointError] = []
    for file in files:
        try:
            return begin(resume_from=file), troubles
        except CheckpointError as error:
            troubles.append(error)
    raise troubles[0]


def _reason(error: BaseException) -> str:
    if isinstance(error, torch.OutOfMemoryError):
        return "the device ran out of memory; make data.batch_size smaller"
    if isinstance(error, ConvtuiError):
        return str(error)
    return f"{type(error).__name__}: {error}{own_place(error)}"
