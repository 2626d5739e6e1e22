"""A run of a person's own training loop. Two lines show it in the terminal; one more lets it be steered from there.

run = convtui.init("mine", config=vars(args))
for epoch in run.steer(range(10)):
    for images, labels in run.steer(loader, optimizer):
        ...
        run.log({"train/loss": loss})
    run.log({"val/accuracy": accuracy})
"""

from __future__ import annotations

import math
import operator
import os
import platform
import reprlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from convtui.engine import __version__
from convtui.engine.errors import ConvtuiError, UsageError
from convtui.engine.events import (
    Continued,
    Described,
    Ending,
    Event,
    Finished,
    Logged,
    Message,
    Paused,
    RateChanged,
    Stopped,
)
from convtui.engine.files import DEFAULT_STORE, STORE_VARIABLE
from convtui.engine.metrics import column_of
from convtui.engine.store import Request, Store, obey
from convtui.engine.store_address import store_address
from convtui.engine.text import STEERING, is_text
from convtui.engine.tracking.command import waiting_run
from convtui.engine.tracking.config import settings
from convtui.engine.tracking.handed import length_of, several, size_of, told_in_words
from convtui.engine.tracking.image_keeper import ImageKeeper
from convtui.engine.tracking.net_keeper import Every, NetKeeper
from convtui.engine.tracking.process_end import PROCESS_END, Terminated
from convtui.engine.tracking.rate import RateFactor
from convtui.engine.tracking.told import Told, as_told
from convtui.engine.tracking.writer import Writer

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

T = TypeVar("T")
P = ParamSpec("P")
KIND = "script"
"""Of the store's rows: convtui has its numbers and weights, and cannot go on with it."""
UNHEARD_SECONDS = 10.0
"""After which people are told that a request has not been obeyed."""
_LAST_STEP = 2**52
"""A store's rows have twice that at most."""


def init(
    name: str | None = None,
    config: Any = None,
    *,
    store: str | Path | None = None,
    data: str = "",
    note: str = "",
) -> TrackedRun:
    """Begin a run: a row in the store beside all others, seen at once by every convtui that is open on it.

    `name`: any text but a number; by default that of the script, or `notebook`. `config`: hyperparameters, as a mapping, an
    `argparse.Namespace` or a dataclass.
    `store`: a file, or `postgresql://USER@HOST/DATABASE`; by default what CONVTUI_STORE says, else `store.db` in the working
    directory. `data`: what it is trained on.

    The run ends with its `with` block, or else with the script: `finished`, `failed` by an exception, `stopped` by SIGTERM, SIGINT
    or a request. Under torchrun only rank 0 writes; in other ranks a run does nothing, nor does it in a child process of
    multiprocessing that reads the script again. Raises UsageError for a name or a config that cannot be, StoreError where the store
    cannot be written. Nothing raises afterwards: what goes wrong is told on stderr, once.
    """
    if not _is_first_rank() or _is_read_by_child():
        return TrackedRun(None, 0, "")
    for what, text in (("name", name), ("data", data), ("note", note)):
        if not isinstance(text, str | Path | None):
            raise UsageError(f"{what} is {type(text).__name__}, and not text")
    address = store_address(store or os.environ.get(STORE_VARIABLE) or DEFAULT_STORE)
    kept = Store.open(address)
    script = "notebook" if "ipykernel" in sys.modules else Path(sys.argv[0]).stem.removeprefix("-c") if sys.argv else ""
    made = kept.begin_run(
        kind=KIND,
        name=str(name) if name is not None else script or "script",
        settings=settings(config),
        dataset=str(data or ""),
        note=str(note or ""),
        provenance=_provenance(),
        waiting=(waiting := waiting_run(address)),
    )
    run = TrackedRun(kept, made.id, made.name, settings(config))
    if made.id != waiting:
        _print(f"run {made.id} ({made.name}) in {address}")
    return run


def _is_first_rank() -> bool:
    """False in the processes of a training that only help the first one."""
    if "RANK" in os.environ:
        return os.environ["RANK"] == "0"
    together = _together()
    return together is None or together.get_rank() == 0


def _is_one_of_several() -> bool:
    together = _together()
    return os.environ.get("WORLD_SIZE", "1") != "1" if together is None else together.get_world_size() > 1


def _together() -> Any:
    """torch.distributed, where it has been set up."""
    found = sys.modules.get("torch.distributed")
    return found if found is not None and found.is_available() and found.is_initialized() else None


def _is_read_by_child() -> bool:
    """Whether this process is a child of multiprocessing, by `spawn` or `forkserver`, that imports the script for what is in it."""
    multiprocessing = sys.modules.get("multiprocessing")
    # By this mark multiprocessing itself knows, and refuses to start processes meanwhile.
    return multiprocessing is not None and getattr(multiprocessing.current_process(), "_inheriting", False)


def _provenance() -> dict[str, Any]:
    torch = sys.modules.get("torch")
    versions = {"torch": str(torch.__version__)} if torch is not None else {}
    about = {"program": __version__, "python": platform.python_version(), "platform": platform.platform(), "command": sys.argv}
    return about | versions | {"script": str(Path(sys.argv[0]).absolute())} if sys.argv and sys.argv[0] else about | versions


def _guarded(method: Callable[Concatenate[TrackedRun, P], T]) -> Callable[Concatenate[TrackedRun, P], T | None]:
    """What goes wrong in it is said, and never reaches the loop that trains."""

    @wraps(method)
    def guarded(self: TrackedRun, /, *args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            name = "steer" if method.__name__.startswith("_") else method.__name__
            self._say(f"{name}: {told_in_words(error)}", about=f"{name} {type(error).__name__}")
            return None

    return guarded


@dataclass(slots=True, eq=False)
class _Loop:
    """One `steer` that is under way."""

    length: int | None
    is_outer: bool = False
    """Whether another one runs within it: its items are epochs then, and not steps."""


class TrackedRun:
    """What `init` gives. For the thread that trains, but for `log`, which any thread may call. A context manager.

    It is of one process: in a child that was forked, or that it was pickled for, it does nothing.
    """

    def __init__(self, store: Store | None, run_id: int, name: str, config: Mapping[str, Any] | None = None) -> None:
        self.id = run_id
        """Its number in the store; 0 in ranks that write nothing."""
        self.name = name
        self.stopping = False
        """True once it was asked to stop: `steer` yields nothing more."""
        self._store = store
        self._config = dict(config or {})
        self._step = self._epoch = self._images = 0
        self._in_step = False
        self._logged_step = 0
        self._loops: list[_Loop] = []
        self._rate = RateFactor()
        self._net: NetKeeper | None = None  # in ranks that write nothing, and once the run has ended
        self._began = time.monotonic()
        self._paused_seconds = 0.0
        self._before = (self._began, 0)
        self._requests: list[Request] = []
        self._asked_at = 0.0
        self._changed = threading.Condition()
        self._is_steered = False
        self._said: set[str] = set()
        self._names: set[str] = set()
        self._last_told: dict[str, tuple[int, float | None]] = {}
        """By `log`, each name: at which step, and what where that was a float."""
        self._writer: Writer | None = None
        self._ending_writer: Writer | None = None
        """What writes the last numbers of a run that has ended, of which there may be something to say."""
        self._kept_images: ImageKeeper | None = None
        if store is not None:
            folder = store.files.folder(run_id)
            self._kept_images = ImageKeeper(folder, self._say)
            self._writer = Writer(store, run_id, self._logged, self._asked, self._say, self._left_out, self._kept_images.write)
            self._writer.start()
            self._net = NetKeeper(folder, lambda: (self.step, self._epoch), self._record, self._tell_now, self._say)
            PROCESS_END.tell(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end_with(error)

    def __reduce__(self) -> tuple[Any, ...]:
        return TrackedRun, (None, self.id, self.name)

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # of a net, say, that has its run as an attribute

    def __copy__(self) -> Self:
        return self

    def process_forked(self) -> None:
        """Called in a child: what writes and what is asked stayed with its parent."""
        self._writer, self._net, self._kept_images, self._requests = None, None, None, []

    def process_ended(self, error: BaseException | None) -> None:
        """Called where the script ends, with what nothing caught."""
        self._end_with(error)

    def __repr__(self) -> str:
        return f"<convtui run {self.id} {self.name!r}, step {self.step}>"

    # ------------------------------------------------------------------------------------------------------ telling

    @property
    def step(self) -> int:
        """The number of the update that the loop is at, from 1: what `steer` counts, or else the last that `log` was told."""
        return max(self._step + self._in_step, self._logged_step)

    @property
    def epoch(self) -> int:
        """Epochs completed, as far as `steer` counted them."""
        return self._epoch

    @_guarded
    def log(self, values: Mapping[str, Any], *, step: int | None = None) -> None:
        """Keep numbers of one step: floats, or tensors of one element, which are fetched later and in bulk: a step never waits.

        `train/loss` and `val/loss` share the chart `loss`; so do `train_loss` and `val_loss`. Other `a/b` share the chart `a`.
        Losses and accuracies (0 to 1) of train, val and test are columns of the table of runs. `step` is by default `self.step`
        where `steer` counts, else one more with each call. Of a name that is told twice at one step the first value is kept.
        """
        writer = self._writer  # another thread may end the run meanwhile
        if writer is None:
            return
        if not hasattr(values, "items"):
            raise UsageError(f"it is told {type(values).__name__}, and not names with numbers, as {{'loss': loss}}")
        step = self._next_step if step is None else self._checked_step(step)
        self._logged_step = max(self._logged_step, step)
        for name, value in values.items():
            number = value if type(value) is float else None
            before = self._last_told.get(name)
            if before is not None and before[0] == step and (number is None or before[1] != number):
                again = f"log: {reprlib.repr(name)} is told again at step {step}: the first value is kept"
                self._say(f"{again}; tell it once a step, or say step=", about=f"again {name}")
            self._last_told[name] = step, number
            self._tell(writer, name, step, value)

    @_guarded
    def log_image(self, name: str, images: Any, *, step: int | None = None) -> None:
        """Keep images: [H, W], [C, H, W] or [N, C, H, W] with C 1 or 3, float from 0 to 1 or uint8, on any device. They are copied
        now, and written later: `convtui runs images` shows them.

        Of one call the first 64 are kept, sides over 512 pixels reduced; of a name those of 100 steps, spread over the run. `step`
        is by default `self.step`.
        """
        if self._writer is None or self._kept_images is None or not self._is_name(name):
            return
        self._kept_images.take(name, images, self.step if step is None else self._checked_step(step))

    def _tell_now(self, name: str, value: Any) -> None:
        if self._writer is not None:
            self._tell(self._writer, name, self.step, value)

    def _tell(self, writer: Writer, name: str, step: int, value: Any) -> None:
        if name not in self._names and not self._is_name(name):
            return
        if type(value) is float:
            writer.tell(Told(name, step, value))
            return
        try:
            writer.tell(as_told(name, step, value))
        except Exception as error:  # whatever the value's own code raises
            self._left_out(name, error)

    def _left_out(self, name: str, error: Exception) -> None:
        why = str(error) if isinstance(error, UsageError) else f"cannot be read ({told_in_words(error)})"
        self._say(f"log: {reprlib.repr(name)} {why}: it is left out", about=f"log {name}")

    def _is_name(self, name: Any) -> bool:
        is_name = isinstance(name, str) and bool(name.strip()) and is_text(name)
        if name == "seconds":
            self._say("log: 'seconds' are counted for every run, and charts are drawn over them: give yours another name")
            return False
        if is_name:
            self._names.add(name)
        else:
            self._say(f"log: {reprlib.repr(name)} cannot be the name of a metric: it is left out")
        return is_name

    @property
    def _next_step(self) -> int:
        return self.step if self._is_steered else self._logged_step + 1

    def _checked_step(self, step: Any) -> int:
        try:
            number = operator.index(step)
        except TypeError:
            number = -1
        if 0 <= number <= _LAST_STEP:
            return number
        self._say(f"log: step {reprlib.repr(step)} is not a whole number from 0: step {self.step} is used instead", about="step")
        return self.step

    @_guarded
    def configure(self, config: Any) -> None:
        """Add hyperparameters that become known once the run has begun, or change some: as `config` of `init`."""
        self._config |= settings(config)
        self._record(Described(settings=dict(self._config)))

    # ----------------------------------------------------------------------------------------------------- steering

    def steer(self, batches: Iterable[T], optimizer: Optimizer | Sequence[Optimizer] | None = None) -> Iterator[T]:
        """The batches, one step each; between two of them requests are obeyed: pause, stop, learning rate, save.

        Of loops within one another the innermost counts steps, and the others only end when it is to stop. `optimizer`, one or
        several, is needed for the learning rate, which is recorded, and multiplied on request; schedulers notice nothing of it.
        """
        self.follow(several(optimizer))
        if self._loops:
            self._loops[-1].is_outer, self._in_step = True, False
        loop = _Loop(length_of(batches))
        self._loops.append(loop)
        self._describe(batches)
        try:
            for batch in batches:
                if not self.obey():
                    return
                self._in_step = not loop.is_outer
                if self._in_step:
                    self._tell_rates(self._rate.rates())
                epoch = self._epoch
                try:
                    yield batch
                finally:  # also where the loop is left by `break`
                    self._end_turn(loop, batch, epoch)
            if not loop.is_outer and loop.length:
                self.end_epoch()
        finally:
            self._loops.remove(loop)

    def _end_turn(self, loop: _Loop, batch: Any, epoch: int) -> None:
        """The loop comes back for another batch, or is left; `epoch` was done when it got this one."""
        if loop.is_outer:
            if self._epoch == epoch and not self.stopping:  # what ran within was left early, or has no length
                self.end_epoch()
        elif self._in_step:
            self._in_step = False
            self._count_step(size_of(batch))

    def obey(self) -> bool:
        """Where `steer` does not fit: call it between two steps. Waits while the run is paused; False where it is to stop."""
        self._is_steered = True
        if self._requests and not self.stopping and obey(self._taken(), self, paused=False):
            self._pause()
        return not self.stopping

    def advance(self, batch: Any = None, optimizers: Sequence[Any] = ()) -> bool:
        """Where `steer` does not fit, as in a callback: one step more is done, with this batch or so many images. As `obey`.

        The rate that is recorded is the one that the step had, of optimizers that `follow` was given before it.
        """
        self.follow(optimizers)
        self._count_step(batch if isinstance(batch, int) else size_of(batch))
        self._tell_rates(self._rate.used())
        return self.obey()

    @_guarded
    def end_epoch(self) -> None:
        """Where `steer` does not fit: one epoch more is done."""
        self._epoch += 1
        if self._net is not None:
            self._net.epoch_ended()

    @_guarded
    def plan(self, total_steps: int, steps_per_epoch: int = 0) -> None:
        """Say how long the run will be, where no loop under `steer` tells it: a face can then say how far it is."""
        self._record(Described(operator.index(total_steps), operator.index(steps_per_epoch)))

    @_guarded
    def _count_step(self, images: int) -> None:
        self._step += 1
        self._images += images
        if self._net is not None:
            self._net.step_done(self._step)

    def _pause(self) -> None:
        began = time.monotonic()
        self._record(Paused(self.step))
        paused = True
        while paused and not self.stopping and self._is_recorded:
            with self._changed:
                self._changed.wait_for(lambda: self._requests, timeout=1.0)
            paused = obey(self._taken(), self, paused=True)
        self._paused_seconds += time.monotonic() - began
        self._before = (time.monotonic(), self._images)
        if not self.stopping:
            self._record(Continued(self.step))

    @property
    def _is_recorded(self) -> bool:
        """False where no request can come any more: a pause would have no end."""
        return self._writer is not None and self._writer.is_recording

    def _taken(self) -> list[Request]:
        with self._changed:
            taken, self._requests, self._asked_at = self._requests, [], 0.0
        return taken

    def stop(self) -> None:
        """End after this step, as a request to stop does."""
        self.stopping = True

    @_guarded
    def scale_learning_rate(self, factor: float) -> None:
        """Multiply the learning rate of the optimizers that `steer` was given by `factor`, from the next step on."""
        if not self._rate.optimizers:
            self._say("the learning rate cannot be changed: give the optimizer to run.steer(loader, optimizer)")
            return
        self._rate.value *= factor
        self._record(RateChanged(self.step, self._rate.value, float(self._rate.rates()[0])))

    @_guarded
    def _tell_rates(self, rates: Sequence[Any]) -> None:
        for place, rate in enumerate(rates):
            self._tell_now(f"learning_rate/{place + 1}" if place else "learning_rate", rate)

    @_guarded
    def follow(self, optimizers: Sequence[Any]) -> None:
        """Where `steer` does not fit: record the learning rate of these optimizers, and multiply it on request."""
        known = len(self._rate.optimizers)
        self._rate.follow(optimizers)
        if len(self._rate.optimizers) > known:
            self._describe_trained([each for of in self._rate.optimizers for group in of.param_groups for each in group["params"]])

    def _describe_trained(self, parameters: Sequence[Tensor]) -> None:
        from torch.nn.parameter import is_lazy

        there = {id(each): each for each in parameters if not is_lazy(each)}.values()
        device = str(next(iter(there)).device) if there else ""
        self._record(Described(parameters=sum(each.numel() for each in there), device=device))

    @_guarded
    def _describe(self, batches: Iterable[Any]) -> None:
        """What the loops under way tell of the run's length."""
        lengths = [loop.length for loop in self._loops]
        images = length_of(getattr(batches, "dataset", None))
        if len(lengths) > 1 and lengths[-1]:
            epochs = 1
            for length in lengths[:-1]:
                epochs *= length or 0
            self._record(Described(lengths[-1] * epochs, lengths[-1], images))
        elif lengths[-1] and images:  # a loader by itself
            self._record(Described(steps_per_epoch=lengths[-1], images_per_epoch=images))

    # ---------------------------------------------------------------------------------------------- the net and its files

    @_guarded
    def watch(
        self,
        model: nn.Module,
        images: Tensor | None = None,
        labels: Tensor | None = None,
        classes: Sequence[str] = (),
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        every: Every = "epoch",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Measure this net as it is trained, and keep its newest weights, so that it can be looked into.

        Gradient norms and update ratios of its layers are told every 50 updates. After epochs that `steer` counts, or `every`
        so many steps, its weights are written, and, over `images` (float [N, C, H, W] as the net gets them; some hundreds do), the
        shares of its units that are dead or saturated: as often as a hundredth of the time allows, and at the end.

        The first thousand images are kept with the run, and what was said of them: `labels` int [N], `classes` names, `mean` and
        `std` of pixels from 0 to 1 that they were standardised with. The net that was watched before is watched no more.
        `arguments` of the net's class are by default those that it has as attributes: `self.width = width`.
        """
        if self._net is not None:
            net = self._net.watch(model, images, (labels, classes, mean, std), every, arguments)
            self._describe_trained([parameter for parameter in net.parameters() if parameter.requires_grad])

    @_guarded
    def save(self, model: nn.Module, *, best: bool = False, arguments: Mapping[str, Any] | None = None) -> Path | None:
        """Write the net's weights into the run's folder, beside those saved before; of those saved as `best` the newest is kept.

        safetensors, with the name of the net's class and a hash of its file: `convtui look VIEW RUN --model FILE.py:CLASS` opens
        them. `arguments` as in `watch`. Gives the file; None where it could not be written, which is said.
        """
        return self._net.save(model, "best" if best else "snapshot", arguments) if self._net is not None else None

    @_guarded
    def save_checkpoint(self) -> None:
        """Save the net that is watched, as a request to save does."""
        if self._net is not None:
            self._net.save_watched()

    # ------------------------------------------------------------------------------------------------------- ending

    def finish(self, failure: str = "") -> None:
        """End the run, where it is not in a `with` block and the script goes on; as `failed` where a `failure` is told. Once."""
        self._end_with(ConvtuiError(failure) if failure else None)

    def _end_with(self, error: BaseException | None) -> None:
        if self._writer is None:
            return
        self._close_net(measure=error is None)
        writer = self._ending_writer = self._writer
        self._writer = None
        PROCESS_END.forget(self)
        self._rate.release()
        failure = _failure(error)
        if failure:
            writer.end(None, failure)
        else:
            writer.end(self._ending(error))
        if self._store is not None:
            self._store.close()

    @_guarded
    def _close_net(self, *, measure: bool) -> None:
        net, self._net = self._net, None
        if net is not None:
            net.close(measure=measure)

    def _ending(self, error: BaseException | None) -> Ending:
        kind = Stopped if self.stopping or isinstance(error, KeyboardInterrupt | Terminated) else Finished
        return kind(self.step, self._epoch, {}, self._seconds, self._images / max(1e-9, self._seconds))

    # ----------------------------------------------------------------------------------------- in the writer's thread

    def _asked(self, requests: Sequence[Request]) -> None:
        """Called at every poll, with what is new."""
        now = time.monotonic()
        if requests and _is_one_of_several():
            refused = [request.kind for request in requests if request.kind != "checkpoint"]
            if refused:
                self._say(f"{', '.join(refused)}: not done, since the other processes that train with this one would not do it too")
            requests = [request for request in requests if request.kind == "checkpoint"]
        with self._changed:
            if requests:
                self._asked_at = self._asked_at or now
                self._requests = [*self._requests, *requests]
                self._changed.notify_all()
            waiting = [request.kind for request in self._requests]
        if waiting and now - self._asked_at > UNHEARD_SECONDS:
            self._say(f"{', '.join(waiting)}: not done yet, since the script has not come to the next step of run.steer(...)")

    def _logged(self, points: tuple[tuple[str, int, float], ...]) -> Logged:
        for name, step, value in points:
            if not math.isfinite(value):
                self._say(f"log: {name} is {value} at step {step}", about=f"not finite {name}")
            elif not 0 <= value <= 1 and (column_of(name, 0.0) or "").endswith("_accuracy"):
                told = f"log: {name} is {value:g}: accuracies are shares, from 0 to 1, and Runs shows no others"
                self._say(told, about=f"share {name}")
        return Logged(self.step, self._epoch, points, self._images, self._seconds, self._speed())

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began - self._paused_seconds

    def _speed(self) -> float | None:
        """Images per second since they were last told; None where there were none."""
        now, images, before = time.monotonic(), self._images, self._before
        if images > before[1] or not self._in_step:  # else the time belongs to the step that goes on; between steps it does not
            self._before = now, images
        return (images - before[1]) / max(1e-9, now - before[0]) if images > before[1] else None

    # ------------------------------------------------------------------------------------------------------- saying

    def _record(self, event: Event) -> None:
        if writer := self._writer or self._ending_writer:
            writer.record(event)

    def _say(self, text: str, about: str = "") -> None:
        """One line on stderr and among the run's messages, once; of what is said `about` the same thing, the first."""
        about = about or text
        if about not in self._said:
            self._said.add(about)
            _print(text)
            self._record(Message(self.step, text, "warning"))


def _print(text: str) -> None:
    with suppress(OSError, ValueError):  # a stderr that is closed or full must not end a training
        print(f"convtui: {STEERING.sub(' ', text)}", file=sys.stderr)


def _failure(error: BaseException | None) -> str:
    """Why the run failed; empty where it did not."""
    if error is None or isinstance(error, KeyboardInterrupt | Terminated):
        return ""
    if isinstance(error, SystemExit):
        return f"exit status {error.code}" if isinstance(error.code, int) and error.code else str(error.code or "")
    return told_in_words(error)
