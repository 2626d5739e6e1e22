"""A run that is trained in this process and recorded by another one, which has the store: the head. What happens is told; what is
requested comes with the answers. How words travel is not known here."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from convtui.engine import events
from convtui.engine.data.catalog import load
from convtui.engine.device import choose
from convtui.engine.errors import ConvtuiError, RunBusy
from convtui.engine.events import Event
from convtui.engine.files import scratch_folder
from convtui.engine.spec import RunSpec
from convtui.engine.store import Request, Run
from convtui.engine.training.event_json import as_json
from convtui.engine.training.recording import begun, recorded_by
from convtui.engine.training.training import Training
from convtui.engine.training.transfer import StartingWeights

TELL_SECONDS = 0.25
"""Between two times that the head is told something: by this it also knows that the run is alive."""
MOST_WAITING = 1000
"""Events that are waiting to be told, two minutes of them, from which on the training waits too."""

Files = Mapping[str, bytes]
Send = Callable[[str, Files], tuple[str, Files]]
"""Sends JSON and files to the head, and brings its answer, which is such a pair too."""


class Unheard(ConvtuiError):
    """The head took this process for dead, since nothing came from it: the run is to be begun again, from its newest checkpoint."""


class Head:
    """The process that has the store, as one run's process sees it."""

    def __init__(self, send: Send, run_id: int) -> None:
        self._send, self.run_id = send, run_id
        self.attempt = 0
        """Which the head has claimed for this process; 0 before."""

    def tell(self, what: str, values: Mapping[str, Any], files: Files | None = None) -> tuple[dict[str, Any], Files]:
        """The head's answer, and the files that come with it. Raises Unheard, RunBusy where the run is no longer wanted, and what
        the way there raises."""
        told = {"run": self.run_id, "attempt": self.attempt, "what": what, **values}
        text, found = self._send(json.dumps(told, default=str), files or {})
        answer: dict[str, Any] = json.loads(text)
        if why := answer.get("again"):
            raise Unheard(why)
        if why := answer.get("end"):
            raise RunBusy(why)
        return answer, found


class RemoteRecorder:
    """As `store.Recorder`, of a run whose store another process has. A thread does the telling: the training does not wait."""

    def __init__(self, head: Head, folder: Path) -> None:
        """`folder` is where the training writes its files, which are taken from there to be told."""
        self._head, self._folder = head, folder
        self._lock = threading.Lock()
        self._waiting: list[dict[str, Any]] = []
        self._files: dict[str, bytes] = {}
        self._requests: list[Request] = []
        self.trouble: Exception | None = None
        """What telling the head raised: it hears nothing more."""
        self._over = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._keep_telling, name="telling the head", daemon=True)
        self._thread.start()

    def record(self, event: Event) -> None:
        """Keep an event for the head. Raises what telling it raised."""
        self._ended = self._ended or isinstance(event, events.Ending)
        files = {}
        if isinstance(event, events.CheckpointSaved):
            # Now: a file of the same name may follow at once, as at the end of a run.
            files[event.file] = (self._folder / event.file).read_bytes()
            (self._folder / event.file).unlink()
        self._add(as_json(event), files)

    def measure(self, step: int, values: Mapping[str, float]) -> None:
        """Keep numbers that no event tells."""
        self._add({"measured": values, "step": step})

    def _add(self, told: dict[str, Any], files: Files | None = None) -> None:
        while len(self._waiting) > MOST_WAITING and self.trouble is None:
            time.sleep(TELL_SECONDS)
        self._raise()
        with self._lock:
            self._waiting.append(told)
            self._files |= files or {}

    def _raise(self) -> None:
        if self.trouble is not None:
            self._ended = True
            raise self.trouble

    def held_back(self, *, try_again: bool = False) -> str:
        """Empty: what the store cannot take is the head's to say."""
        return ""

    def flush(self, *, patience: float = 0.0) -> None:
        """Nothing: the thread does."""

    def poll(self) -> list[Request]:
        """What came with the head's answers, each once. Raises as `record` does."""
        self._raise()
        with self._lock:
            found, self._requests = self._requests, []
        return found

    def fail(self, message: str) -> None:
        """Tell that the run ended with an error; what the head ended itself is not told to it."""
        if not self._ended:
            self._ended = True
            error = sys.exception()
            story = "" if error is None or isinstance(error, ConvtuiError) else "".join(traceback.format_exception(error))
            self._add({"failed": message, "story": story})

    def close(self) -> None:
        """Tell what is left, and end. Raises as `record` does."""
        if not self._over.is_set():
            self._over.set()
            self._thread.join()
            self._raise()

    def _keep_telling(self) -> None:
        over = False
        try:
            while not over:
                over = self._over.wait(TELL_SECONDS)
                with self._lock:
                    told, self._waiting = self._waiting, []
                    files, self._files = self._files, {}
                answer, _ = self._head.tell("events", {"told": told, "over": over}, files)
                with self._lock:
                    self._requests += [
                        Request(run_id=self._head.run_id, created=0.0, kind=kind, value=value) for kind, value in answer["requests"]
                    ]
        except Exception as error:
            self.trouble = error


def train(run_id: int, order: Mapping[str, Any], send: Send) -> None:
    """Train the run to an end of some kind, which the head is told; so it is what went wrong with the run.

    `order` has its `spec`, the `device` by its name, the number of `threads` where the spec leaves that open, and `data_dir`.
    Raises Unheard, and what `send` raises.
    """
    head = Head(send, run_id)
    torch.set_num_threads(order["threads"])
    with contextlib.suppress(RunBusy), scratch_folder("run") as folder:
        try:
            spec = RunSpec.model_validate(order["spec"])
            device = choose(order["device"])
            dataset = load(spec.data, Path(order["data_dir"]) if order["data_dir"] else None)
        except ConvtuiError as error:
            head.tell("failed", {"reason": str(error), "host": socket.gethostname()})
            return
        images = {"digests": dataset.digests, "source": dataset.source, "host": socket.gethostname()}
        answer, files = head.tell("begin", images)
        head.attempt = answer["attempt"]
        recorder = RemoteRecorder(head, folder)

        def begin() -> tuple[Training, list[str]]:
            kept = [folder / name for name in answer["checkpoints"]]
            for path in kept:
                path.write_bytes(files[path.name])
            start = None
            if answer["start"]:
                start = StartingWeights(answer["start"][0], answer["start"][1], safetensors.torch.load(files["start"]))
            run = Run(**answer["run"])
            new = partial(Training, spec, dataset, device=device, folder=folder, start=start, threads=answer["threads"])
            return begun(run, kept, new, resume=answer["resume"])

        try:
            with recorded_by(recorder, begin, folder) as (_, pulled):
                for _event in pulled:
                    pass
        except Exception:
            if recorder.trouble is not None:
                raise recorder.trouble from None
            # Else the head knows: it is the run's failure, not that of whatever runs this.
