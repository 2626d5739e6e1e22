"""Training(spec, dataset): a context manager and an iterator of events. Its consumer is in charge."""

from __future__ import annotations

import math
import platform
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from convtui.engine import __version__, events, models, net_file
from convtui.engine import checkpoint as checkpoints
from convtui.engine.checkpoint import Identity, State
from convtui.engine.data.augment import augment
from convtui.engine.data.batches import epoch_order
from convtui.engine.data.split import Dataset, Split
from convtui.engine.device import check_precision, keep_freed_memory, processor
from convtui.engine.errors import DataError
from convtui.engine.events import Event
from convtui.engine.named_code import file_of
from convtui.engine.spec import RunSpec
from convtui.engine.training import rng
from convtui.engine.training.checkpointing import Saver
from convtui.engine.training.evaluation import BATCH, Score, evaluate
from convtui.engine.training.forward import Forward
from convtui.engine.training.layer_metrics import EvaluationMetrics
from convtui.engine.training.limits import chance, odd, refuse_lone_images
from convtui.engine.training.metric_buffer import MetricBuffer, NotFinite, StepMetrics
from convtui.engine.training.optimisers import make_optimiser
from convtui.engine.training.paths import make_step
from convtui.engine.training.preparing import near, standardiser
from convtui.engine.training.processes import Processes, refuse_several
from convtui.engine.training.schedule import learning_rate
from convtui.engine.training.transfer import StartingWeights, beginning

EVENT_SECONDS = 0.1
"""An event comes at least this often, or every step where a step takes longer."""

TOGETHER = 64
"""Images prepared at once where batches are smaller."""


class Training:
    """One training of one net, pulled event by event.

        with Training(spec, dataset, folder=folder) as training:
            for event in training:
                ...

    Between two pulls no step is half done, and torch's global generators and thread count are the caller's own. Leaving the
    context saves what is not yet saved; what that has to say is in `farewell`. `stop`, `scale_learning_rate` and
    `save_checkpoint` may be called from any thread or signal handler.
    """

    def __init__(
        self,
        spec: RunSpec,
        dataset: Dataset,
        *,
        device: torch.device | None = None,
        folder: Path | None = None,
        resume_from: Path | None = None,
        start: StartingWeights | None = None,
        threads: int = 0,
        together: Processes | None = None,
    ) -> None:
        """Train `spec` on `dataset`, on `device` (the CPU if None), writing checkpoints to `folder` (none if None).

        `resume_from` is the checkpoint to go on from, `start` what `training.start_from` names where that is a run. `threads`
        overrides the spec's, so that a resumed run computes with as many as it began with. `together` are the processes that share
        each batch. Raises UsageError (SpecError, DeviceError), CheckpointError before anything is trained.
        """
        self.spec = spec
        self.device = device or torch.device("cpu")
        self.farewell: list[Event] = []
        self.resumed_from = resume_from
        self._together = together
        check_precision(self.device, spec.training.precision)
        keep_freed_memory()

        channels = dataset.train.images.shape[1]
        standardise = standardiser(spec, dataset)
        self.identity = Identity(spec, channels, dataset.train.classes, dataset.source, standardise, dataset.digests)
        self._standardise = standardise.to(self.device)
        self._mean = dataset.mean.to(self.device)
        self._train, self._test = near(dataset.train, self.device), near(dataset.test, self.device)
        self._validation = near(dataset.validation, self.device) if dataset.validation is not None else None

        self.steps_per_epoch = math.ceil(len(self._train) / spec.data.batch_size)
        self.total_steps = spec.total_steps(len(self._train))
        self.state = State()
        self._best: dict[str, Tensor] = {}
        self._buffer = MetricBuffer()
        self._not_finite: NotFinite | None = None

        net, self._start = beginning(spec, dataset, start, transfers=resume_from is None)
        self.net = models.placed(net, spec.model, self.device)
        self._frozen = models.Frozen(self.net, spec.training.freeze)
        shape = (channels, *spec.data.sides)
        count = 1 if together is None else together.count
        if together is not None:
            refuse_several(spec, count)
        refuse_lone_images(spec, lambda: models.summarise(self.net, shape), len(self._train), count)
        optimiser = make_optimiser(spec.optimiser, self.net.parameters())
        self.generators = rng.PrivateRng(self.device, spec.training.seed)
        if resume_from is not None:
            self._resume(resume_from, optimiser)
        path = None if resume_from is None else self.state.step_path
        self._step = make_step(spec, self.net, optimiser, self.device, shape, path, together)
        self.state.step_path = self._step.step_path
        self._forward = Forward(self.net, spec, self.device, BATCH)
        self._threads = threads or spec.training.threads or self._step.threads or torch.get_num_threads()

        self._asked_to_stop = self._stopping = False
        self._asked_factors: list[float] = []
        self._factors = self._asked_factors if together is None else []
        self._ended = False
        saved_step = self.state.step if resume_from is not None else 0
        self._saver = Saver(folder, self.identity, every_seconds=spec.training.checkpoint_seconds, saved_step=saved_step)
        self._clock = 0.0
        self._pull = self._events()

    # -------------------------------------------------------------------------------------------- faces to the puller

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pull.close()
        if self._ended:
            return
        with self._at_work():
            self._fetch()
            if self._not_finite:
                self.farewell.append(self._diverged(self._not_finite))
                return
            if self.state.step != self._saver.saved_step or self._factors:
                self.farewell += self._save_checkpoint(must=kind is None)
            if kind is None:
                self.farewell.append(self._stopped())

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        with self._at_work():
            try:
                return next(self._pull)
            except StopIteration:
                raise
            except BaseException:
                self._ended = True  # the net may be half-way through a step: the last checkpoint is what is good
                raise

    @property
    def step(self) -> int:
        """Updates done."""
        return self.state.step

    @property
    def stopping(self) -> bool:
        """True once `stop` was called."""
        return self._asked_to_stop

    def stop(self) -> None:
        """Ask for the end: the current step is finished, a checkpoint saved, `Stopped` sent."""
        self._asked_to_stop = True
        if self._together is None:
            self._stopping = True

    def scale_learning_rate(self, factor: float) -> None:
        """Multiply the learning rate by `factor` (> 0) from the next step on, whatever the schedule says."""
        self._asked_factors.append(factor)

    def save_checkpoint(self) -> None:
        """Ask for a resumable checkpoint at the next event."""
        self._saver.wanted = True

    def save_if_wanted(self) -> list[Event]:
        """Between two pulls, as in a pause: save the checkpoint that was asked for, unless this step's is on disk already."""
        if not self._saver.wanted or self.state.step == self._saver.saved_step or self._ended:
            return []
        with self._at_work():
            self._fetch()
            return [] if self._not_finite else list(self._save_checkpoint())

    def provenance(self) -> dict[str, Any]:
        """What the numbers depend on beside the spec."""
        return {
            "program": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": _torchvision(),
            "platform": platform.platform(),
            "processor": processor(),
            "device": str(self.device),
            "threads": self._threads,
            "processes": 1 if self._together is None else self._together.count,
            "step_path": self._step.step_path,
            "precision": self.spec.training.precision,
            "classes": list(self.identity.classes),
            "images": dict(self.identity.digests),
            "test_images": len(self._test),
            "command": sys.argv,
            **self._provenance_of_net(),
        }

    def _provenance_of_net(self) -> dict[str, Any]:
        """What its weights began as, where they were not drawn, and what its code was, where it is a person's own."""
        file = file_of(self.spec.model.module) if self.spec.model.module else None
        code = {"code": net_file.digest(file)} if file is not None else {}
        return code | ({"start": asdict(self._start)} if self._start is not None else {})

    # ------------------------------------------------------------------------------------------------- the fit loop

    def _events(self) -> Generator[Event, None, None]:
        if self._together is not None:
            self._together.begin_with(self.net)
        yield events.Started(
            step=self.state.step,
            epoch=self.state.epoch,
            total_steps=self.total_steps,
            total_images=self.spec.images_in(self.total_steps, len(self._train)),
            images=self.state.images,
            steps_per_epoch=self.steps_per_epoch,
            images_per_epoch=len(self._train),
            parameters=sum(parameter.numel() for parameter in self.net.parameters()),
            dataset=self.identity.dataset,
            device=str(self.device),
            provenance=self.provenance(),
        )
        yield from self._told_at_first()
        if self.state.step == 0 and self.spec.training.snapshot_every:
            yield from self._save_weights("snapshot")
        while not self._is_over():
            for event in self._epoch():
                yield event
                if self._not_finite:
                    yield self._diverged(self._not_finite)
                    return
                if isinstance(event, events.Progress):
                    self._hear(event)
                if self._stopping and isinstance(event, events.Progress | events.Evaluating):
                    yield from self._stop()
                    return
            if self._stopping and not self._is_over():
                yield from self._stop()
                return
            yield from self._save_if_due()
        yield from self._finish()

    def _hear(self, event: events.Progress) -> None:
        """With several processes, have rank 0's word on what to do next: all of them then do it at the same step."""
        if self._together is None:
            return
        asked, until_next = list(self._asked_factors), EVENT_SECONDS * event.images_per_second / self.spec.data.batch_size
        del self._asked_factors[: len(asked)]
        self._stopping, factor = self._together.control(self._asked_to_stop, math.prod(asked), max(1, int(until_next)))
        if factor != 1:
            self._factors.append(factor)

    def _told_at_first(self) -> Iterator[events.Message]:
        if self._start is not None:
            yield events.Message(0, self._start.told)
        if self._step.told:
            yield events.Message(self.state.step, self._step.told, "warning")
        if self.state.step == 0:
            for text in odd(self.spec, len(self._train)):
                yield events.Message(0, text, "warning")

    def _is_over(self) -> bool:
        """True once the budget is used up, or early stopping has struck, and the last weights are evaluated."""
        return self.state.early or self.state.scored_step >= self.total_steps

    def _epoch(self) -> Iterator[Event]:
        """Train what is left of the current epoch, then evaluate."""
        state, spec = self.state, self.spec
        self._frozen.train(self.net)
        how, labels = spec.data.order, self._train.labels
        order = epoch_order(len(labels), how=how, seed=spec.training.seed, epoch=state.epoch + 1, labels=labels)
        began = time.monotonic()
        batches = self._batches(order.to(labels.device))
        while state.position < self.steps_per_epoch and state.step < self.total_steps:
            if self._factors:
                yield from self._apply_rate_changes()
            if self._together is not None:
                left = len(order) - state.position * spec.data.batch_size
                self._together.begin_step(spec.training.seed, state.step, min(left, spec.data.batch_size))
            count = min(self._step.at_once, self.steps_per_epoch - state.position, self.total_steps - state.step)
            rates = [self._rate(ahead) for ahead in range(count)]
            self._step.several(list(islice(batches, count)), rates, self._buffer)
            state.step += count
            state.position += count
            if self._is_event(began):
                yield self._progress(began)
                yield from self._save_if_due()
                began = time.monotonic()
        if len(self._buffer):
            yield self._progress(began)
        yield from self._end_epoch()

    def _is_event(self, began: float) -> bool:
        if self._together is not None:
            return self._together.is_event()
        return time.monotonic() - began >= EVENT_SECONDS or self._stopping or self._saver.wanted

    def _batches(self, order: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels of the epoch's batches, from the current position on."""
        size = self.spec.data.batch_size
        order = order[self.state.position * size :]
        if self._together is not None:
            order, size = self._together.shares(order, size)
        # Small batches are prepared several at a time, for the price of one: most of it is not the arithmetic.
        several = size * max(self._step.at_once, TOGETHER // size)
        for indices in torch.split(order, several):
            images = self._train.images.index_select(0, indices).to(self.device)
            labels = torch.split(self._train.labels.index_select(0, indices).to(self.device), size)
            if self.spec.data.augmented:
                # One batch at a time, as it is asked for: a checkpoint's generators must not be further than its weights.
                drawn: Iterator[Tensor] = (
                    self._standardise(augment(batch, self.spec.data, self._mean)) for batch in torch.split(images, size)
                )
            else:
                drawn = iter(torch.split(self._standardise(images), size))
            yield from zip(drawn, labels, strict=True)

    def _progress(self, began: float) -> events.Progress:
        """Fetch the metrics of the steps since `began`, on the monotonic clock."""
        metrics = self._fetch()
        seconds = time.monotonic() - began  # only now: a GPU may be far behind with what it was asked
        self.state.step_seconds += seconds
        return events.Progress(
            step=self.state.step,
            epoch=self.state.epoch + 1,
            position=self.state.position,
            first_step=metrics.first_step,
            values=metrics.series,
            images=self.state.images,
            seconds=self._seconds(),
            images_per_second=metrics.images / seconds if seconds > 0 else 0.0,
        )

    def _fetch(self) -> StepMetrics:
        buffer, self._buffer = self._buffer, MetricBuffer()
        self._step.before_fetch(buffer)
        metrics = buffer.fetch(self.state)
        # Kept before anything is said: whatever the puller does next, these weights are never saved.
        self._not_finite = self._not_finite or metrics.not_finite
        return metrics

    def _diverged(self, found: NotFinite) -> events.Diverged:
        self._ended = True
        return events.Diverged(
            step=found.step,
            epoch=self.state.epoch + 1,
            learning_rate=found.learning_rate,
            reason=f"{found.what} became NaN or infinite",
            values=dict(self.state.values),
            seconds=self._seconds(),
            images_per_second=self.state.images_per_second,
        )

    def _end_epoch(self) -> Iterator[Event]:
        """Evaluate where it is due, note whether these weights are the best, and begin the next epoch."""
        state, training = self.state, self.spec.training
        values = {"train_loss": state.loss_sum / state.seen, "train_accuracy": state.correct / state.seen}
        values |= {name: total / state.seen for name, total in state.sums.items()}
        epoch = state.epoch + 1
        metrics = EvaluationMetrics(training, self._test.classes)
        evaluated = epoch % training.evaluate_every == 0 or state.step >= self.total_steps
        if evaluated:
            if self._validation is not None:
                yield from self._evaluate("validation", self._validation, values)
            yield from self._evaluate("test", self._test, values, metrics)
            values |= metrics.values
        if best := evaluated and self._is_best(values):
            state.best_epoch, state.best_step, state.best_values = epoch, state.step, values
        state.values = values
        state.images_per_second = state.seen / state.step_seconds if state.step_seconds > 0 else 0.0
        state.scored_step = state.step
        if state.position == self.steps_per_epoch:  # else a budget in steps ended within the epoch; a larger one goes on there
            state.begin_epoch(epoch)
        waited = epoch - max(state.best_epoch or 0, state.patience_from)
        state.early = bool(training.patience) and evaluated and waited >= training.patience
        yield events.EpochEnded(
            step=state.step,
            epoch=epoch,
            values=values,
            seconds=self._seconds(),
            images_per_second=state.images_per_second,
            best=best,
            confusion=metrics.confusion,
        )
        first = evaluated and state.position == 0 and epoch <= training.evaluate_every  # of the evaluations after whole epochs
        if first and chance(self._test.class_counts(), values["test_accuracy"]):
            yield events.Message(state.step, self._guessing(values["test_accuracy"]), "warning")
        if best:
            yield from self._save_weights("best")
        if training.snapshot_every and (epoch % training.snapshot_every == 0 or self._is_over()):
            yield from self._save_weights("snapshot")

    def _guessing(self, accuracy: float) -> str:
        share = max(self._test.class_counts()) / len(self._test)
        return (
            f"after epoch {self.state.epoch} the test accuracy, {100 * accuracy:.1f} %, is no better than guessing the largest "
            f"class ({100 * share:.1f} % of {len(self._test):,} images): train longer, or try another learning rate"
        )

    def _evaluate(
        self, name: Any, split: Split, values: dict[str, float], metrics: EvaluationMetrics | None = None
    ) -> Iterator[Event]:
        said = time.monotonic()
        for done in evaluate(self.net, split, self._standardise, self.spec, self._forward, metrics, self._together):
            if isinstance(done, Score):
                values[f"{name}_loss"], values[f"{name}_accuracy"] = done.loss, done.accuracy
                if done.mean_squared_error is not None:
                    values[f"{name}_mean_squared_error"] = done.mean_squared_error
            elif time.monotonic() - said >= EVENT_SECONDS or self._stopping:
                yield events.Evaluating(self.state.step, self.state.epoch + 1, name, done, len(split), self._seconds())
                said = time.monotonic()
        while self._forward.told:
            yield events.Message(self.state.step, self._forward.told.pop(0), "warning")

    def _is_best(self, values: dict[str, float]) -> bool:
        """Whether the evaluation just done is the best yet: by validation loss, or test accuracy where none is held out. If so, its
        score is kept, and, where patience will want them, its weights."""
        state = self.state
        score = -values["validation_loss"] if self._validation is not None else values["test_accuracy"]
        if math.isnan(score) or (state.best_score is not None and score <= state.best_score):
            return False
        state.best_score = score
        if self.spec.training.patience:
            self._best = {name: tensor.detach().clone() for name, tensor in self.net.state_dict().items()}
        return True

    def _stop(self) -> Iterator[Event]:
        yield from self._save_checkpoint(must=True)
        yield self._stopped()

    def _stopped(self) -> events.Stopped:
        self._ended = True
        state = self.state
        return events.Stopped(state.step, state.epoch, dict(state.values), self._seconds(), state.images_per_second)

    def _finish(self) -> Iterator[Event]:
        yield from self._save_checkpoint(must=True)
        self._ended = True
        state = self.state
        values, end_step = state.values, None
        if self._best:
            # The checkpoint above keeps the last weights, so that a longer budget goes on from there.
            self.net.load_state_dict(self._best)
            values, end_step = state.best_values, state.best_step
        scores: dict[str, float] = {}
        if self.spec.training.evaluate_train:
            yield from self._evaluate("train", self._train, scores)
        yield events.Finished(
            step=state.step,
            epoch=state.epoch,
            values=dict(values),
            seconds=self._seconds(),
            images_per_second=state.images_per_second,
            early=state.early,
            best_epoch=state.best_epoch,
            end_step=None if end_step == state.step else end_step,
            final={f"final_{name}": value for name, value in scores.items()},
        )

    # --------------------------------------------------------------------------------------------- rates and saving

    def _rate(self, ahead: int = 0) -> float:
        """Of the next step, or of one so many after it."""
        step = self.state.step + ahead
        rate = learning_rate(self.spec.optimiser, step, steps_per_epoch=self.steps_per_epoch, total_steps=self.total_steps)
        return rate * self.state.rate_factor

    def _apply_rate_changes(self) -> Iterator[Event]:
        if self._factors:
            while self._factors:
                self.state.rate_factor *= self._factors.pop(0)
            yield events.RateChanged(self.state.step, self.state.rate_factor, self._rate())

    def _save_if_due(self) -> Iterator[Event]:
        if self._saver.is_due(self.state.step):
            yield from self._save_checkpoint()

    def _save_checkpoint(self, *, must: bool = False) -> Iterator[Event]:
        yield from self._apply_rate_changes()
        state = replace(self.state, seconds=self._seconds())
        random = rng.states(self.device)
        optimiser = self._step.optimiser
        yield from self._saver.checkpoint(state, self.net.state_dict(), optimiser, self._best, random, must=must)

    def _save_weights(self, kind: events.CheckpointKind) -> Iterator[Event]:
        yield from self._saver.weights(kind, replace(self.state, seconds=self._seconds()), self.net.state_dict())

    def _resume(self, path: Path, optimiser: torch.optim.Optimizer) -> None:
        found = checkpoints.load(path)
        if others := found.identity.other_images(self.identity):
            raise DataError(
                f"{self.identity.dataset} has other {others} than when this run was trained on it: restore them, "
                "or start a new run with 'convtui run'"
            )
        checkpoints.restore_net(self.net, found.net, path)
        checkpoints.restore_optimiser(optimiser, found.optimiser)
        self.state = found.state
        if found.state.best_values:  # without them, in older files, nothing could be said of those weights
            self._best = {name: tensor.to(self.device) for name, tensor in found.best.items()}
        self.generators.states |= {name: state for name, state in found.generators.items() if name in self.generators.states}
        if self.state.early and self.state.step < self.total_steps:
            # Asked to go on past an early stop: patience starts over.
            self.state.early, self.state.patience_from = False, self.state.epoch

    # ------------------------------------------------------------------------------------------------ being a guest

    def _seconds(self) -> float:
        """Time spent pulling, over all attempts; the time between pulls is the puller's."""
        return self.state.seconds + time.monotonic() - self._clock

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Put this training's generators and thread count in place, and give the caller's back afterwards."""
        with self.generators.at_work(self._threads):
            self._clock = time.monotonic()
            try:
                yield
            finally:
                self.state.seconds = self._seconds()


def _torchvision() -> str:
    """Its version. What is trained needs it only to read some of the sets: a machine that has torch alone trains too."""
    try:
        return version("torchvision")
    except PackageNotFoundError:
        return "not installed"
