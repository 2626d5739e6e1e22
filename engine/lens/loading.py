"""From a run to a Subject: which weights, in the store or in training, and which images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from convtui.engine import models, net_file
from convtui.engine.checkpoint import Identity, load, restore_net
from convtui.engine.data import catalog, own_images
from convtui.engine.data.batches import Standardise
from convtui.engine.data.own_images import OwnImages
from convtui.engine.data.split import Dataset
from convtui.engine.errors import CheckpointError, DataError, NotApplicable, UsageError
from convtui.engine.lens.subject import Snapshot, Subject
from convtui.engine.lens.tracer import INPUT
from convtui.engine.models import channels_of, fill
from convtui.engine.named_code import require_named
from convtui.engine.net_file import NetFile
from convtui.engine.spec import changed
from convtui.engine.statuses import LIVE
from convtui.engine.store import Checkpoint, Run, Store

OWN_SIZE = 32
"""Side of the images of a person's own net, in pixels, where nothing tells it."""
_TRIES = 5
"""Of listing a run's files, where those that were listed are gone."""


def subject_from_run(
    store: Store,
    run: Run,
    *,
    epoch: str = "last",
    device: torch.device | None = None,
    data_dir: Path | None = None,
    loading: catalog.ProgressCallback | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Subject:
    """The run's net as it was at `epoch`: a number, `best`, or `last`, the weights that its figures are of: the newest there are,
    but of a run that ended by going back to its best epoch those.

    Code of a net of a person's own must have been named (`engine.named_code`). Images are loaded when they are first asked for, and
    told of through `loading`.

    Raises UsageError for an epoch of which nothing is kept, CodeError for code that is not named or makes another net,
    CheckpointError where no file of them can be read, and later DataError where the images are other ones than the run was trained
    on.
    """
    if not run.is_training:
        raise UsageError(f"run {run.id} ({run.name}) is of a script's own net: {how_to_name(store, run)}")
    kept = store.files.checkpoints(run.id)
    rows = _meant(run, kept, epoch)
    path_of = partial(store.files.path, run.id)
    if not any(path_of(row.file).exists() for row in rows) and (why := store.files.lacks()):
        raise CheckpointError(f"run {run.id} ({run.name}) cannot be opened: {why}")
    row, (net, identity), notes = _first_sound(path_of, rows, run)
    notes += [told] if (told := net_file.changed_code(run, require_named(identity.spec.model.module))) else []
    net = models.placed(net, identity.spec.model, device or torch.device("cpu")).eval()

    def dataset() -> Dataset:
        # What the checkpoint says, not the run's row: these weights were trained on that.
        found = catalog.load(identity.spec.data, data_dir, progress=loading)
        if found.train.classes != identity.classes or found.train.images.shape[1] != identity.channels:
            raise DataError(
                f"{found.source} has other classes or colours than when run {run.id} was trained on it: restore the images, "
                "or look at a run that was trained on these"
            )
        if others := _other_images(identity, found):
            raise DataError(
                f"{found.source} has other {others} than when run {run.id} was trained on it: restore them, "
                "or look at a run that was trained on these"
            )
        return found

    def another(reference: str, epoch: str) -> Subject:
        return subject_from_run(
            store,
            store.find(reference),
            epoch=epoch,
            device=device,
            data_dir=data_dir,
            loading=loading,
            progress=progress,
            cancelled=cancelled,
        )

    return Subject(
        net=net,
        shape=(identity.channels, *identity.spec.data.sides),
        classes=identity.classes,
        standardise=identity.standardise,
        dataset=dataset,
        spec=identity.spec,
        title=f"run {run.id} ({run.name}), epoch {row.epoch}{_beyond(run, row.step, row.epoch)}",
        epoch=row.epoch,
        beyond=_beyond(run, row.step, row.epoch),
        notes=notes,
        snapshots=snapshots_of(store, run),
        another=another,
        progress=progress,
        cancelled=cancelled,
    )


def subject_from_net(
    store: Store,
    run: Run,
    net: nn.Module,
    identity: Identity,
    dataset: Dataset,
    *,
    step: int,
    epoch: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Subject:
    """A net that is being trained, `step` updates and `epoch` whole epochs behind it, as it is now.

    For the thread that trains it, between two pulls: the subject is of no use once the training goes on.
    """
    return Subject(
        net=net,
        shape=(identity.channels, *identity.spec.data.sides),
        classes=identity.classes,
        standardise=identity.standardise,
        dataset=lambda: dataset,
        spec=identity.spec,
        title=f"run {run.id} ({run.name}), step {step:,}",
        epoch=epoch,
        snapshots=snapshots_of(store, run),
        progress=progress,
        cancelled=cancelled,
    )


def subject_from_module(
    net: nn.Module,
    shape: tuple[int, int, int],
    *,
    images: Dataset | None = None,
    classes: Sequence[str] = (),
    standardise: Standardise | None = None,
    title: str = "",
    snapshots: Sequence[Snapshot] = (),
    is_guessed: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Subject:
    """Any net that takes float [N, C, H, W], `shape` being [C, H, W]; of its outputs [N, K] is taken for scores of K classes.

    `classes` are by default those of `images` where the net has as many outputs, or else numbers; labels of images are only used
    where they are of the net's classes. Without `standardise` the net gets images from 0 to 1. Without images those views that need
    some are refused. `is_guessed`: whether `shape` is neither of images nor told.
    """

    def given() -> Dataset:
        if images is None:
            raise NotApplicable("there are no images to look at: name some, as in --data folder:PATH")
        return _of_classes(images, subject.classes)

    subject = Subject(
        net=net,
        shape=shape,
        classes=tuple(classes) or (images.train.classes if images is not None else ()),
        standardise=replace(standardise or Standardise.none(shape[0]), layout=torch.contiguous_format),
        dataset=given,
        title=title,
        snapshots=snapshots,
        is_guessed=is_guessed,
        progress=progress,
        cancelled=cancelled,
    )
    outputs = _outputs(subject)
    if outputs and outputs != len(subject.classes):
        if classes:
            raise UsageError(f"{len(classes)} classes are named, and the net has {outputs} outputs: name as many")
        subject.classes = tuple(map(str, range(outputs)))
    return subject


@dataclass(frozen=True, slots=True)
class SavedNet:
    """What a script's run kept of its net, as it was at some epoch."""

    weights: NetFile
    images: OwnImages | None
    title: str
    number: int
    """Epochs behind the weights; steps, where the run counts no epochs."""
    beyond: str
    snapshots: Sequence[Snapshot]


def saved_net(store: Store, run: Run, epoch: str = "last") -> SavedNet:
    """Raises what `weights_from_run` does, and DataError where the images that were kept are damaged."""
    weights = weights_from_run(store, run, epoch)
    file = store.files.path(run.id, own_images.NAME)
    number = run.weights_number(weights.step, weights.epoch)
    beyond = _beyond(run, weights.step, weights.epoch)
    place = f"epoch {number}{beyond}" if run.counts_epochs else f"step {number:,}"
    images = own_images.load(file) if file.exists() else None
    return SavedNet(weights, images, f"run {run.id} ({run.name}), {place}", number, beyond, snapshots_of(store, run))


def subject_from_saved(
    saved: SavedNet,
    net: nn.Module,
    *,
    device: torch.device | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Subject:
    """A net with the weights that a script's run saved, over the images that it kept; without any, its images are 32x32."""
    images = saved.images
    subject = subject_from_module(
        net.eval().to(device or torch.device("cpu")),
        (channels_of(net) or 3, OWN_SIZE, OWN_SIZE) if images is None else images.shape,
        images=None if images is None else images.dataset,
        standardise=None if images is None else images.standardise,
        title=saved.title,
        is_guessed=images is None,
        progress=progress,
        cancelled=cancelled,
    )
    subject.epoch, subject.beyond, subject.snapshots = saved.number, saved.beyond, saved.snapshots
    return subject


def weights_from_run(store: Store, run: Run, epoch: str = "last") -> NetFile:
    """The weights that a script's run saved: of an epoch's number, `best`, or `last`. Raises UsageError for a run that convtui
    trained, or an epoch of which nothing is kept, CheckpointError where no file of them can be read."""
    if run.is_training:
        raise UsageError(f"run {run.id} ({run.name}) knows its own net: leave --model out")
    for _ in range(_TRIES):
        for row in _meant(run, store.files.checkpoints(run.id), epoch):
            path = store.files.path(run.id, row.file)
            if path.exists():  # of a run that goes on, older files are cleared away meanwhile
                return net_file.load(path)
    raise CheckpointError(f"run {run.id} ({run.name}): none of its files of weights is there any more")


def how_to_name(store: Store, run: Run) -> str:
    """What to type, by the name that the newest weights tell; they never import anything by themselves."""
    try:
        code = weights_from_run(store, run).code
    except (UsageError, CheckpointError):
        return "its script saved no weights to look at (run.save, run.watch)"
    file = Path(code.file).name or "FILE.py"
    return f"name its code: --model {file}:{code.name}"


def _outputs(subject: Subject) -> int:
    """How many classes the net gives scores of; 0 where it gives none, or has no forward pass for such images."""
    try:
        trace = subject.trace
    except NotApplicable:
        return 0
    if trace.output == INPUT:
        return 0
    output = trace.calls[trace.output]
    return output.shape[0] if output.layout.by_image and len(output.shape) == 1 else 0


def _of_classes(images: Dataset, classes: tuple[str, ...]) -> Dataset:
    """The images, without labels where these are of other classes than the net's."""
    own = images.train.classes
    if own == classes:
        return images
    # Where only numbers are known the last classes may have no image here.
    known = own == classes[: len(own)]
    parts = {
        name: replace(part, labels=part.labels if known else torch.full_like(part.labels, -1), classes=classes)
        for name in ("train", "validation", "test")
        if (part := getattr(images, name)) is not None
    }
    return replace(images, **parts)


def _other_images(identity: Identity, found: Dataset) -> str:
    """Which of the run's images are others now, in words."""
    standardise = Standardise(found.mean, found.std) if identity.spec.data.standardise else identity.standardise
    return identity.other_images(replace(identity, standardise=standardise, digests=found.digests))


def _meant(run: Run, kept: list[Checkpoint], epoch: str) -> list[Checkpoint]:
    """The files that `epoch` means, the best choice first; the others are there for the day when it is damaged."""
    if not kept:
        how = "it is in its first epoch: try again soon" if run.status in LIVE else f"'convtui resume {run.id}' trains it"
        how = "it waits for its turn to be trained" if run.status == "queued" else how
        how = how if run.is_training else "its script saves some by run.save(net), or run.watch(net)"
        raise CheckpointError(f"run {run.id} ({run.name}) has no weights on disk yet: {how}")
    if epoch == "last":
        return sorted(kept, key=lambda row: row.step != run.end_step)
    best = [row for row in kept if row.kind == "best"][:1] if epoch == "best" else []
    if epoch == "best":
        epoch = "" if run.best_epoch is None else str(run.best_epoch)
    of_number = [row for row in kept if str(run.weights_number(row.step, row.epoch)) == epoch and row not in best]
    there = best + sorted(of_number, key=_how_true)
    if not there:
        asked = f"--epoch {epoch}" if epoch else "--epoch best"
        numbers = ", ".join(map(str, sorted({run.weights_number(row.step, row.epoch) for row in kept})))
        unit = "epoch" if run.counts_epochs else "step"
        more = "training.snapshot_every keeps more" if run.is_training else "run.save keeps more"
        raise UsageError(f"{asked}: run {run.id} keeps weights of {unit} {numbers} only; {more}")
    return there


def _beyond(run: Run, step: int, epoch: int) -> str:
    """How far weights are into the next epoch, in words."""
    steps = step - epoch * run.steps_per_epoch
    return f" + {steps:,} steps" if run.steps_per_epoch and steps > 0 else ""


def _first_sound(
    path_of: Callable[[str], Path], rows: list[Checkpoint], run: Run
) -> tuple[Checkpoint, tuple[nn.Module, Identity], list[str]]:
    """The first of these files that can be read, its net, and what is to be said where it is not the first of all.

    Raises the first one's CheckpointError where none can be read.
    """
    troubles: list[CheckpointError] = []
    for row in rows:
        try:
            found = _net(path_of(row.file), run)
        except CheckpointError as error:
            troubles.append(error)
        else:
            return row, found, [f"weights of epoch {row.epoch} are used instead: {trouble}" for trouble in troubles]
    raise troubles[0]


def _net(path: Path, run: Run) -> tuple[nn.Module, Identity]:
    """The net of a file, on the CPU, with its weights. Raises CheckpointError, CodeError."""
    checkpoint = load(path)
    identity = checkpoint.identity
    if identity.spec.model.module:  # a resume may have been told since that its code has moved
        identity = replace(identity, spec=changed(identity.spec, {"model.module": run.settings.model.module}))
    spec, classes = identity.spec, len(identity.classes)
    net = models.build_to_fill(spec.model, channels=identity.channels, size=spec.data.sides, classes=classes)
    if spec.model.module:
        fill(net, checkpoint.net, f"weights {path}")
    else:
        restore_net(net, checkpoint.net, path)
    return net, identity


def _how_true(row: Checkpoint) -> tuple[bool, int, int]:
    """Least for the file that is nearest to an epoch's end: a checkpoint may be from the middle of the next one, or hold what
    early stopping went back to. Of files alike the newest."""
    return row.kind == "checkpoint", row.step, -row.id


def snapshots_of(store: Store, run: Run) -> list[Snapshot]:
    """The weights that are kept of a run, in their order: a file for each epoch, or of a script that counts none for each step."""
    kept = store.files.checkpoints(run.id)
    read = _weights if run.is_training else _net_weights
    epochs = len({row.epoch for row in kept}) > 1
    chosen = {row.epoch if epochs else row.step: row for row in sorted(kept, key=_how_true, reverse=True)}
    return [Snapshot(row.epoch, row.step, partial(read, store, run.id, row.file)) for _, row in sorted(chosen.items())]


def _weights(store: Store, run_id: int, file: str) -> Mapping[str, Tensor]:
    return load(store.files.path(run_id, file)).net


def _net_weights(store: Store, run_id: int, file: str) -> Mapping[str, Tensor]:
    return net_file.load(store.files.path(run_id, file)).weights
