"""What a loop tells, kept in the store by a thread of its own: the loop never waits for a disk, or for its device."""

from __future__ import annotations

import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence

from convtui.engine.device import SystemMeter
from convtui.engine.errors import ConvtuiError
from convtui.engine.events import Described, Event, Logged
from convtui.engine.store import Recorder, Request, Store
from convtui.engine.store.recorder import END_SECONDS, POLL_SECONDS
from convtui.engine.tracking.told import Told, fetched

END_WAIT_SECONDS = END_SECONDS + 60.0
"""For the last rows; the recorder gives up before that."""


class Writer:
    """Owns the thread that records a run, polls its requests and beats its heart, from `start` to `end`."""

    def __init__(
        self,
        store: Store,
        run_id: int,
        logged: Callable[[tuple[tuple[str, int, float], ...]], Logged],
        asked: Callable[[Sequence[Request]], None],
        say: Callable[[str], None],
        lost: Callable[[str, Exception], None],
        also: Callable[[], None],
    ) -> None:
        """`logged` makes the event of some points, `asked` is handed new requests at every poll, `say` is told what people should
        know, `lost` which number could not be fetched, and `also` is done beside the writing of numbers; all are called in the
        thread."""
        self._store, self._run_id = store, run_id
        self._logged, self._asked, self._say, self._lost, self._also = logged, asked, say, lost, also
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

    @property
    def is_recording(self) -> bool:
        """False once something has ended it."""
        return self._trouble is None

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
                goes_on = "training goes on, and nothing more of it is recorded"
                self._say(f"{error}; {goes_on if self._ending is None else 'how the run ended is not recorded'}")
            self._begun.set()

    def _record_all(self, recorder: Recorder) -> None:
        with SystemMeter("", self._store.files.place) as machine:
            while not self._wake.wait(POLL_SECONDS):
                machine.device = self._device
                if (values := machine.take()) and self._step:
                    recorder.measure(self._step, values)
                self._write(recorder)
                self._asked(recorder.poll())
                if why := recorder.held_back():
                    self._say(f"{why}; training goes on, and its numbers are kept in memory until then")
        self._write(recorder)
        self._write(recorder)  # what was said of these numbers
        if why := recorder.held_back(try_again=True):
            minutes = END_SECONDS / 60
            self._say(f"{why}; the run's end waits for that, {minutes:.0f} minutes at most: Ctrl+C gives up what is not kept yet")
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
            recorder.record(self._logged(fetched(told, self._lost)))
        self._also()
        for event in events:
            if isinstance(event, Described) and event.device:
                self._device = event.device
            recorder.record(event)
