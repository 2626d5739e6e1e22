"""The nets that are looked at, opened from the disk or in the thread that trains them, with the answers found for each."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, wait
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from convtui.engine.errors import CodeError, ConvtuiError, NotApplicable, RunBusy
from convtui.engine.named_code import is_named
from convtui.engine.statuses import LIVE
from convtui.tui.session.between_pulls import BetweenPulls
from convtui.tui.session.inspector.messages import Layer, NetInfo
from convtui.tui.session.naming import NamedNets, code_of

if TYPE_CHECKING:
    from convtui.engine.data.split import Dataset
    from convtui.engine.lens.subject import Subject
    from convtui.engine.net_file import Code
    from convtui.engine.store import Run, Store
    from convtui.engine.training import Training

T = TypeVar("T")

NETS = 4
"""Nets that are kept open."""
ANSWERS = 48
"""Answers that are kept, of all of them together."""
BETWEEN_LOOKS_SECONDS = 0.05
"""Into the store, while a run of another process is waited for."""
GLANCE_SECONDS = 0.02
"""Between two checks that what the training thread is asked for is still wanted."""


class TrainingEnded(Exception):
    """The net is no longer in training here: its weights are on the disk."""


class CodeUnknown(Exception):
    """The net is of a person's own code, which was not named, or does not fit: see `CodeWanted`."""

    def __init__(self, run: Run, code: Code, why: str = "") -> None:
        super().__init__(run.name)
        self.run, self.code, self.why = run, code, why


@dataclass(frozen=True, slots=True)
class Waiting:
    """What to tell the asker while an answer is computed, and how to ask whether it is still wanted."""

    progress: Callable[[int, int], None]
    """Called with the images done and their total."""
    loading: Callable[[str, int, int], None]
    """Called with what is being loaded, how much is done and the total."""
    overtaken: Callable[[], bool]
    saying: Callable[[str], None] = lambda text: None
    """Called with what is waited for."""


Look = Callable[["Callable[[Subject], Any]"], tuple[Any, int | None]]
"""Does some work with a net now: returns its result, and the step where the net is in training. Raises what the work raises, and
TrainingEnded."""


@dataclass(eq=False)
class Net:
    """A net that is kept open, with the answers found so far."""

    info: NetInfo
    look: Look
    seen: OrderedDict[Hashable, tuple[Any, int | None]] = field(default_factory=OrderedDict)
    """What was asked -> the answer, and the step of a net in training."""

    def answer(self, what: Hashable, work: Callable[[Subject], T]) -> tuple[T, int | None]:
        """The result of `work`, done unless `what` was asked before."""
        if what not in self.seen:
            self.seen[what] = self.look(work)
        self.seen.move_to_end(what)
        return self.seen[what]


class Nets:
    """Opens nets, and keeps the most recent few open. For one thread."""

    def __init__(
        self,
        store: Callable[[], Store],
        waiting: Waiting,
        *,
        device: str = "auto",
        data_dir: Path | None = None,
        between_pulls: BetweenPulls | None = None,
        named: NamedNets | None = None,
    ) -> None:
        self._store, self._waiting = store, waiting
        self._named = named or NamedNets()
        self._device, self._data_dir = device, data_dir
        self._between_pulls = between_pulls or BetweenPulls()
        self._open: OrderedDict[tuple[int, str], Net] = OrderedDict()
        self._images: tuple[tuple[int, str], Dataset] | None = None

    def newest(self) -> int:
        """The newest run that has weights. Raises ConvtuiError where there is none."""
        store = self._store()
        for run in store.runs():
            if store.files.checkpoints(run.id):
                return run.id
        raise ConvtuiError("no run has weights yet: 'convtui run' trains one")

    def is_open(self, run_id: int, epoch: str) -> bool:
        return (run_id, epoch) in self._open

    def open(self, run_id: int, epoch: str) -> Net:
        """The run's net with the weights of `epoch`; for `last` the net itself where it is in training here.

        Raises what `engine.lens.loading.subject_from_run` raises, and CodeUnknown.
        """
        key = (run_id, epoch)
        if key not in self._open:
            self._open[key] = (epoch == "last" and self._in_training(run_id)) or self._on_disk(run_id, epoch)
            while len(self._open) > NETS:
                self._open.popitem(last=False)
        self._open.move_to_end(key)
        return self._open[key]

    def is_first_to_go(self, run_id: int, epoch: str) -> None:
        """Close this net before the others, once there is no room for all."""
        if (run_id, epoch) in self._open:
            self._open.move_to_end((run_id, epoch), last=False)

    def bring(self, run_id: int) -> None:
        """Have the newest weights of a run that another process trains on disk: wait until they are."""
        from convtui.engine.lens.subject import Cancelled
        from convtui.engine.store import WeightsNow

        store = self._store()
        if store.read_only or self._between_pulls.trains(run_id) or store.run(run_id).status not in LIVE:
            return
        try:
            wanted = WeightsNow(store, run_id)
        except RunBusy:
            return  # it has ended just now
        self._waiting.saying(f"{wanted.waits_for} · Esc gives up")
        while not wanted.are_there():
            if self._waiting.overtaken():
                raise Cancelled
            time.sleep(BETWEEN_LOOKS_SECONDS)

    def forget(self, run_id: int) -> None:
        """Drop this run's nets, so that they are opened again next time."""
        for key in [key for key in self._open if key[0] == run_id]:
            del self._open[key]

    def close(self) -> None:
        self._open.clear()
        self._images = None

    def trim(self, newest: Net) -> None:
        """Keep no more than `ANSWERS` answers, dropping those of the net `newest` last."""
        for net in (*(each for each in self._open.values() if each is not newest), newest):
            while net.seen and sum(len(each.seen) for each in self._open.values()) > ANSWERS:
                net.seen.popitem(last=False)

    # --------------------------------------------------------------------------------------------------------- opening

    def _in_training(self, run_id: int) -> Net | None:
        store = self._store()
        run = store.run(run_id)
        look = partial(_look_between_pulls, store, run, self._between_pulls, self._waiting)
        try:
            info, _ = look(partial(_net_info, run))
        except TrainingEnded:
            return None
        return Net(replace(info, in_training=True), look)

    def _on_disk(self, run_id: int, epoch: str) -> Net:
        from convtui.engine.device import choose, keep_freed_memory
        from convtui.engine.lens.loading import subject_from_run

        keep_freed_memory()
        run = self._store().run(run_id)
        if not run.is_training:
            return self._of_script(run, epoch)
        try:
            subject = subject_from_run(
                self._store(),
                run,
                epoch=epoch,
                device=choose(self._device),
                data_dir=self._data_dir,
                loading=self._waiting.loading,
                progress=self._waiting.progress,
                cancelled=self._waiting.overtaken,
            )
        except CodeError as error:
            why = str(error) if is_named(run.settings.model.module) else ""
            raise CodeUnknown(run, code_of(run), why) from None
        assert subject.spec is not None
        subject.dataset = self._shared(subject.dataset, (run_id, subject.spec.data.model_dump_json()))
        return Net(_net_info(run, subject), lambda work: (work(subject), None))

    def _of_script(self, run: Run, epoch: str) -> Net:
        from convtui.engine.device import choose
        from convtui.engine.lens.loading import saved_net, subject_from_saved
        from convtui.engine.models import fill

        saved = saved_net(self._store(), run, epoch)
        code = saved.weights.code
        net = self._named.net(run, code)
        if net is None:
            raise CodeUnknown(run, code)
        try:
            fill(net, saved.weights.weights, saved.title)
        except CodeError as error:
            raise CodeUnknown(run, code, str(error)) from None
        subject = subject_from_saved(
            saved, net, device=choose(self._device), progress=self._waiting.progress, cancelled=self._waiting.overtaken
        )
        return Net(_net_info(run, subject), lambda work: (work(subject), None))

    def _shared(self, load: Callable[[], Dataset], key: tuple[int, str]) -> Callable[[], Dataset]:
        """All epochs of a run have the same images: they are loaded once, and those of one run are kept."""

        def loaded() -> Dataset:
            if self._images is None or self._images[0] != key:
                self._images = (key, load())
            return self._images[1]

        return loaded


def _look_between_pulls(
    store: Store, run: Run, between_pulls: BetweenPulls, waiting: Waiting, work: Callable[[Subject], T]
) -> tuple[T, int]:
    """Have the thread that trains the run look at the net between two pulls."""
    from convtui.engine.lens.loading import subject_from_net
    from convtui.engine.lens.subject import Cancelled

    def look(training: Training, dataset: Dataset) -> tuple[T, int]:
        # Torch's global generators are not the training's here: it has put its own away.
        subject = subject_from_net(
            store,
            run,
            training.net,
            training.identity,
            dataset,
            step=training.step,
            epoch=training.state.epoch,
            progress=waiting.progress,
            cancelled=lambda: waiting.overtaken() or training.stopping,
        )
        return work(subject), training.step

    future = between_pulls.ask(run.id, look)
    if future is None:
        raise TrainingEnded
    while not wait([future], timeout=GLANCE_SECONDS).done:
        if waiting.overtaken() and future.cancel():
            raise Cancelled
    try:
        return future.result()
    except (CancelledError, Cancelled):
        if waiting.overtaken():
            raise Cancelled from None
        raise TrainingEnded from None  # before its turn came, or for the training's sake


def _net_info(run: Run, subject: Subject) -> NetInfo:
    from convtui.engine.lens.registry import views

    spec = subject.spec
    return NetInfo(
        run=run.id,
        name=run.name,
        total=spec.training.epochs if spec is not None else run.weights_number(run.length, max(run.epochs, run.epoch)),
        epoch=subject.epoch,
        beyond=subject.beyond,
        epochs=sorted({run.weights_number(each.step, each.epoch) for each in subject.snapshots}),
        notes=subject.notes,
        layers=_layers(subject),
        unit="epoch" if run.counts_epochs else "step",
        classes=subject.classes,
        views=views(),
        why_not={name: view.why_not(subject) for name, view in views().items()},
    )


def _layers(subject: Subject) -> list[Layer]:
    """None where the net does not take such images: a script's run need not say which it takes."""
    try:
        trace = subject.trace
    except NotApplicable:
        return []
    shapes = {name: trace.calls[at].shape if (at := trace.layers[name]) >= 0 else subject.shape for name in trace.leaves()}
    return [Layer(name, "×".join(map(str, shape)), len(shape) == 3) for name, shape in shapes.items()]
