"""The head of runs that are trained elsewhere: records what is told of a run, over all of its attempts, and hands on what is
requested of it. `remote` is the other end."""

from __future__ import annotations

import contextlib
import json
import queue
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import safetensors.torch

from convtui.engine import tensors
from convtui.engine.errors import CheckpointError, ConvtuiError, RunBusy, RunNotFound
from convtui.engine.events import CheckpointSaved, Ending, Event, Finished, Message, Started, Stopped
from convtui.engine.files import clear_scraps, written_whole
from convtui.engine.store import Recorder, Run, Store
from convtui.engine.store.kept import is_plain
from convtui.engine.store.processes import FAR_HEARTBEAT_SECONDS
from convtui.engine.training.event_json import from_json
from convtui.engine.training.recording import kept_checkpoints, refuse_to_mix
from convtui.engine.training.remote import Files
from convtui.engine.training.transfer import starting_weights

SILENT_SECONDS = FAR_HEARTBEAT_SECONDS
"""Without a word from where it is trained, a run is held to be lost there."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the process that trains a run says to the head, which waits for the answer."""

    run: int
    attempt: int
    what: str
    """`begin`, `events` or `failed`."""
    values: Mapping[str, Any]
    files: Files
    reply: Callable[[str, Files], None]

    @classmethod
    def of(cls, text: str, files: Files, reply: Callable[[str, Files], None]) -> Told:
        """What `remote.Head` sent."""
        values = json.loads(text)
        return cls(values["run"], values["attempt"], values["what"], values, files, reply)

    @property
    def why(self) -> str:
        """Of `failed`: the reason, and where."""
        return f"{self.values['reason']} (on {self.values['host']})"

    def answer(self, values: Mapping[str, Any], files: Files | None = None) -> None:
        """Let it go on."""
        self.reply(json.dumps(values), files or {})

    def refuse(self, why: str) -> None:
        """The run is not wanted from it, and not to be begun again."""
        self.answer({"end": why})


class Failed(ConvtuiError):
    """A run failed where it was trained."""


class Relay:
    """One run of the store, queued by this process. `follow` is for a thread of its own, all else for any thread."""

    def __init__(self, store: Store, run_id: int, *, show: Callable[[Event], None], begun: Callable[[Run, str], None]) -> None:
        """Each event is handed to `show` once it is recorded; `begun` is told of each attempt's run, and the host that it is on."""
        self.run_id = run_id
        self._store, self._show, self._begun = store, show, begun
        self._waiting: queue.SimpleQueue[Told | str | None] = queue.SimpleQueue()
        """What was told, why nothing more will be, or that a flag below was set."""
        self._stopping = self._released = self._done = False
        self._ending: Ending | None = None
        self._unwritten: CheckpointError | None = None

    def hear(self, told: Told) -> None:
        """The run's process says something; once the run is over, it is refused."""
        self._waiting.put(told)
        if self._done:
            self._refuse_the_rest()

    def lost(self, why: str) -> None:
        """Nothing more will be told, because of `why`; which is of no matter once the run has ended."""
        self._waiting.put(why)

    def stop(self) -> None:
        """End it, saved; where it has not begun it never does."""
        if not self._stopping:
            self._stopping = True
            self._waiting.put(None)

    def let_go(self) -> None:
        """Leave it as it stands in the store, to be resumed by whoever wants to: nothing can be heard any more."""
        self._released = True
        self._waiting.put(None)

    def follow(self) -> Ending | None:
        """Record the run until it ends, or is no longer this process's to record (None). Raises ConvtuiError where it failed."""
        try:
            told = self._next_begin()
            while told is not None and self._ending is None:
                told = self._attempt(told)
        finally:
            self._done = True
            self._refuse_the_rest()
        return self._ending

    def _refuse_the_rest(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                left = self._waiting.get_nowait()
                if isinstance(left, Told):
                    left.refuse("the run is over")

    # ------------------------------------------------------------------------------------------------ between attempts

    def _next_begin(self) -> Told | None:
        """Wait for a process to begin with the run, which is queued; None where it never will. Raises Failed."""
        while not (self._stopping or self._released):
            told = self._waiting.get()
            if isinstance(told, str):
                self._never(told)
            elif told is not None and told.what == "begin":
                return told
            elif told is not None and told.what == "failed":
                told.answer({})
                self._never(told.why)
            elif told is not None:
                told.answer({"again": "the head has heard nothing for a minute"})
        self._store.dequeue(self.run_id, "stopped")
        return None

    def _never(self, why: str) -> NoReturn:
        self._store.dequeue(self.run_id, "failed", why)
        raise self._failed(why)

    def _failed(self, why: str) -> Failed:
        return Failed(f"run {self.run_id} failed: {why}")

    # ------------------------------------------------------------------------------------------------------- an attempt

    def _attempt(self, begin: Told) -> Told | None:
        """Record what one process makes of the run; what the next one begins with, None where there is no next one."""
        try:
            run = self._store.claim(self.run_id, queued=True)
        except (RunBusy, RunNotFound) as error:
            begin.refuse(str(error))
            return None
        recorder = Recorder(self._store, self.run_id)
        try:
            following = self._listen(run, begin, recorder)
        finally:
            recorder.close()
        if self._ending is not None or self._released:
            return None
        try:
            self._store.queue(self.run_id)
        except (RunBusy, RunNotFound) as error:
            if following is not None:
                following.refuse(str(error))
            raise
        return following or self._next_begin()

    def _listen(self, run: Run, begin: Told, recorder: Recorder) -> Told | None:
        """Record until the run ends, or its process is lost; what another one that is there already begins with."""
        waits: Told | None = begin  # for an answer
        try:
            begin.answer(*self._orders(run, begin, recorder))
            waits = None
            self._begun(run, begin.values["host"])
            over = False
            while not over:
                told = self._next(recorder, run)
                if told is None or told.what == "begin":
                    return told
                waits = told
                over = self._record(told, recorder, begin.values["host"])
                wanted = [(request.kind, request.value) for request in recorder.poll()]
                told.answer({"requests": [*wanted, *([("stop", None)] if self._stopping else [])]})
                waits = None
        except Exception as error:
            if waits is not None:
                waits.refuse(str(error))
            if not isinstance(error, RunBusy):
                recorder.fail(str(error) if isinstance(error, ConvtuiError) else f"{type(error).__name__}: {error}")
            raise
        return None

    def _next(self, recorder: Recorder, run: Run) -> Told | None:
        """What is told next of this attempt, or by the process that begins the next one; None once it is held to be lost."""
        while True:
            try:
                told = self._waiting.get(timeout=SILENT_SECONDS)
            except queue.Empty:
                self._say(recorder, f"nothing was heard of it for {SILENT_SECONDS:.0f} s: it waits to be resumed elsewhere")
                return None
            if told is None:
                if self._released:
                    return None
            elif isinstance(told, str):
                raise self._failed(told)
            elif told.what == "begin":
                self._say(recorder, "its process was lost: another one resumes it")
                return told
            elif told.what == "failed" and not told.attempt:  # another process, which was to go on with it, could not begin
                told.answer({})
                raise self._failed(told.why)
            elif told.attempt != run.attempt:
                told.refuse("another process goes on with the run")
            else:
                return told

    def _say(self, recorder: Recorder, text: str) -> None:
        message = Message(self._store.run(self.run_id).step, text, "warning")
        recorder.record(message)
        self._show(message)

    def _orders(self, run: Run, begin: Told, recorder: Recorder) -> tuple[dict[str, Any], dict[str, bytes]]:
        """What the process needs to know, and to have. Raises DataError, CheckpointError where the run cannot go on there."""
        spec = run.settings
        refuse_to_mix(self._store, run, spec, begin.values["digests"], begin.values["source"])
        clear_scraps(self._store.files.folder(run.id))
        kept = kept_checkpoints(self._store, run)
        newest, troubles = _newest_sound(kept)
        for text in troubles:
            self._say(recorder, text)
        files, start = ({newest.name: newest.read_bytes()} if newest is not None else {}), None
        if newest is None and spec.training.start_from:
            weights = starting_weights(spec.training.start_from, self._store)
            start = (weights.source, weights.digest)
            files["start"] = safetensors.torch.save(dict(weights.tensors))
        orders = {
            "attempt": run.attempt,
            "resume": run.attempt > 1,
            "threads": int(run.repeatable.get("threads", 0)),
            "checkpoints": [newest.name] if newest is not None else [],
            "start": start,
            "run": run.model_dump(mode="json"),
        }
        return orders, files

    def _record(self, told: Told, recorder: Recorder, host: str) -> bool:
        """Keep what was told; whether nothing more comes. Raises Failed, CheckpointError, and what a Recorder raises."""
        for item in told.values["told"]:
            if "failed" in item:
                story = RuntimeError(item["story"]) if item["story"] else None
                raise Failed(f"run {self.run_id} failed on {host}: {item['failed']}") from story
            if "measured" in item:
                recorder.measure(item["step"], item["measured"])
                continue
            event = from_json(item)
            if isinstance(event, Started):
                # What the worker was started with says nothing; the person's command does.
                event = replace(event, provenance={**event.provenance, "command": sys.argv, "node": host})
            elif isinstance(event, CheckpointSaved):
                event = self._kept(event, told.files.get(event.file, b""))
            elif isinstance(event, Finished | Stopped) and self._unwritten is not None:
                raise self._unwritten
            recorder.record(event)
            self._show(event)
            if isinstance(event, Ending):
                self._ending = event
        return bool(told.values["over"])

    def _kept(self, event: CheckpointSaved, content: bytes) -> Event:
        """The event, its file now in the run's folder; or a message that it cannot be: that is an error only at the run's end."""
        folder = self._store.files.folder(self.run_id)
        try:
            if not is_plain(event.file):
                raise ValueError("it has no name that a file can have")
            folder.mkdir(exist_ok=True)
            with written_whole(folder / event.file) as path:
                path.write_bytes(content)
                if not tensors.is_checked(path):
                    raise ValueError("it has no checksum")
        except (OSError, ValueError) as error:
            what = f"{folder / event.file} cannot be kept: {error}"
            if event.kind == "checkpoint":
                self._unwritten = CheckpointError(what)
            return Message(event.step, f"{what}; training continues", "error")
        if event.kind == "checkpoint":
            self._unwritten = None
        return event


def _newest_sound(kept: list[Path]) -> tuple[Path | None, list[str]]:
    """The first of them whose bytes are those that were written, and what is wrong with those before it. Raises CheckpointError
    where none is sound of some."""
    troubles = []
    for path in kept:
        try:
            tensors.is_checked(path)
        except (OSError, ValueError) as error:
            troubles.append(f"{path} is passed over: {error}")
        else:
            return path, troubles
    if troubles:
        raise CheckpointError(troubles[0])
    return None, []
