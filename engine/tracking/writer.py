"""What a loop tells, kept in the store by a thread of its own: the loop never waits for a disk, or for its device."""

from __future__ import annotations

import sys
import threading
import traceback
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from convtui.engine.device import SystemMeter
from convtui.engine.errors import ConvtuiError
from convtui.engine.events import Described, Event, Logged
from convtui.engine.store import Recorder, Request, Store
from convtui.engine.store.recorder import POLL_SECONDS

if TYPE_CHECKING:
    from torch import Tensor

END_WAIT_SECONDS = 310.0
"""For the last rows; the recorder gives up before that."""


class Told(NamedTuple):
    """One number, which may still be on a device."""

    name: str
    step: int
    value: float | Tensor
    stream: Any = None
    """Of CUDA: the one in which the value comes to be."""


class Writer:
    """Owns the thread that records a run, polls its requests and beats its heart, from `start` to `end`."""

    def __init__(
        self,
        store: Store,
        run_id: int,
        logged: Callable[[tuple[tuple[str, int, float], ...]], Logged],
        asked: Callable[[Sequence[Request]], None],
        say: Callable[[str], None],
        also: Callable[[], None],
    ) -> None:
        """`logged` makes the event of some points, `asked` is handed new requests at every poll, `say` is told what people should
        know, `also` is done beside the writing of numbers; all four are called in the thread."""
        self._store, self._run_id = store, run_id
        self._logged, self._asked, self._say, self._also = logged, asked, say, also
        self._device = ""
        """Of the net, once that is known."""
        self._step = 0
        """The last one that was told of."""
        self._points: deque[Told] = deque()
        self._events: deque[Event] = deque()
        self._wake = threading.Event()
        self._begun = threading.Event()
        self._ending: tuple[Event | None, str] | None = None
        self._trouble: Exception | None = None
        """What ended the recording; nothing more is taken then."""
        self._thread = threading.Thread(target=self._work, name=f"convtui run {run_id}", daemon=True)

    # -------------------------------------------------------------------------------------------- the loop's thread

    def start(self) -> None:
        """Raises StoreError and RunBusy where the run cannot be recorded."""
        self._thread.start()
        self._begun.wait()
        if self._trouble is not None:
            raise self._trouble

    def tell(self, told: Told) -> None:
        """Keep a number."""
        if self._trouble is None:
            self._points.append(told)

    def record(self, event: Event) -> None:
        """Keep an event, in its order among events."""
        if self._trouble is None:
            self._events.append(event)

    def end(self, event: Event | None, failure: str = "") -> None:
        """Write all that is left, and how the run ended: by an event, or `failed`. Waits for it."""
        self._ending = event, failure
        self._wake.set()
        self._thread.join(END_WAIT_SECONDS)

    # ------------------------------------------------------------------------------------------------- its own thread

    def _work(self) -> None:
        try:
            with Recorder(self._store, self._run_id) as recorder:
                self._begun.set()
                self._record_all(recorder)
        except Exception as error:
            self._trouble = error
            self._points.clear()
            if self._begun.is_set():
                if not isinstance(error, ConvtuiError):
                    traceback.print_exc(file=sys.stderr)
                self._say(f"{error}; training goes on, and nothing more of it is recorded")
            self._begun.set()

    def _record_all(self, recorder: Recorder) -> None:
        with SystemMeter("", self._store.path.parent) as machine:
            while not self._wake.wait(POLL_SECONDS):
                machine.device = self._device
                if (values := machine.take()) and self._step:
                    recorder.measure(self._step, values)
                self._write(recorder)
                self._asked(recorder.poll())
        self._write(recorder)
        assert self._ending is not None
        event, failure = self._ending
        if event is not None:
            recorder.record(event)
        else:
            recorder.fail(failure)

    def _write(self, recorder: Recorder) -> None:
        events = [self._events.popleft() for _ in range(len(self._events))]
        told = [self._points.popleft() for _ in range(len(self._points))]
        if told:
            self._step = max(self._step, *(each.step for each in told))
            recorder.record(self._logged(fetched(told)))
        self._also()
        for event in events:
            if isinstance(event, Described) and event.device:
                self._device = event.device
            recorder.record(event)


def fetched(told: Sequence[Told]) -> tuple[tuple[str, int, float], ...]:
    """The numbers, those on one device and of one type all at once: one wait for it, however many there are."""
    values: list[Any] = [each.value for each in told]
    groups: dict[Any, list[int]] = defaultdict(list)
    for place, each in enumerate(told):
        if not isinstance(each.value, float):
            groups[each.value.device, each.value.dtype, each.stream].append(place)
    for (_, _, stream), places in groups.items():
        for place, value in zip(places, _numbers([values[place] for place in places], stream), strict=True):
            values[place] = float(value)
    return tuple((each.name, each.step, value) for each, value in zip(told, values, strict=True))


def _numbers(tensors: list[Tensor], stream: Any) -> Iterable[float]:
    import torch

    with torch.cuda.stream(stream) if stream is not None else nullcontext():
        found: list[float] = torch.stack(tensors).tolist()
    return found
