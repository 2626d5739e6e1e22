"""The run of a program that convtui starts, whatever it is: what it prints, and how it ends. If it calls `convtui.init`, that run
is this one."""

from __future__ import annotations

import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from convtui.engine import __version__
from convtui.engine.errors import RunBusy, StoreError
from convtui.engine.events import Finished, Logged, Message, Stopped
from convtui.engine.files import STORE_VARIABLE
from convtui.engine.store import Recorder, Store
from convtui.engine.store.output import OutputWriter
from convtui.engine.store_address import StoreAddress, absolute, for_child, store_address

KIND = "command"
"""Of the store's rows, until the program begins a run of its own."""
RUN_VARIABLE = "CONVTUI_RUN"
"""Of the program's environment: id and store of the run that waits for it."""
_STOPS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
_STOPPED = {status for number in _STOPS for status in (-number, 128 + number)}


class CommandRun:
    """For one thread: `printed` and `poll` while the program runs, then `end`."""

    def __init__(self, store: Store, command: Sequence[str]) -> None:
        """Begins the run. Raises StoreError, FolderTaken."""
        self._store = store
        self._began = time.monotonic()
        about = {"program": __version__, "python": platform.python_version(), "platform": platform.platform()}
        run = store.begin_run(
            kind=KIND, name=_name(command), settings={}, dataset="", note="", provenance=about | {"command": list(command)}
        )
        self.id, self.name = run.id, run.name
        self._recorder: Recorder | None = Recorder(store, run.id)
        self._output: OutputWriter | None = None
        try:
            self._output = OutputWriter(store.files.folder(run.id))
        except OSError as error:
            self._lose_output(error)

    @property
    def environment(self) -> dict[str, str]:
        """That of this process, and what the program's `convtui.init` has to know."""
        _, environment = for_child(self._store.address)
        store = environment[STORE_VARIABLE]
        return {**environment, RUN_VARIABLE: f"{self.id}:{store}"}

    def printed(self, content: bytes) -> None:
        """Keep what it printed. Never raises."""
        try:
            if self._output is not None:
                self._output.write(content)
        except OSError as error:
            self._lose_output(error)

    def poll(self) -> bool:
        """Beat the heart; whether the run was asked to stop. Never raises."""
        try:
            asked = self._recorder.poll() if self._recorder is not None else []
            if self._recorder is not None and any(request.kind != "stop" for request in asked):
                self._recorder.record(Message(0, f"{', '.join(request.kind for request in asked)}: not done: {_HOW}", "warning"))
        except RunBusy:
            self._recorder = None  # the program has begun its own run in it, and looks for requests itself
            return False
        except StoreError as error:
            self._recorder = None
            print(f"convtui: {error}; the program goes on", file=sys.stderr)
            return False
        return any(request.kind == "stop" for request in asked)

    def end(self, code: int) -> None:
        """The program ended with this exit status; below 0 it is the signal that ended it. Waits for a store that cannot be
        written, and says so. Never raises."""
        recorder, self._recorder = self._recorder, None
        try:
            if recorder is None:
                self._store.files.send(self.id)
                return
            if why := recorder.held_back(try_again=True):
                print(f"convtui: {why}; how the program ended is kept as soon as that is over: Ctrl+C gives it up", file=sys.stderr)
            with recorder:
                seconds = time.monotonic() - self._began
                if code and code not in _STOPPED:
                    recorder.record(Logged(0, 0, (), 0, seconds, None))
                    recorder.fail(f"exit status {code}" if code > 0 else f"ended by {signal.Signals(-code).name}")
                else:
                    kind = Stopped if code else Finished
                    recorder.record(kind(0, 0, {}, seconds, 0.0))
        except RunBusy:
            return  # its own run has said how it ended
        except StoreError as error:
            print(f"convtui: {error}; how the program ended is not kept", file=sys.stderr)

    def _lose_output(self, error: OSError) -> None:
        self._output = None
        print(f"convtui: what the program prints is not kept: {error.strerror}", file=sys.stderr)


_HOW = "a program can be paused where it calls run.steer of `import convtui`"


def waiting_run(store: StoreAddress) -> int | None:
    """The id of the run in this store that waits for this process to begin it; None where there is none."""
    run_id, _, address = os.environ.get(RUN_VARIABLE, "").partition(":")
    return int(run_id) if run_id.isdecimal() and store_address(address) == absolute(store) else None


def _name(command: Sequence[str]) -> str:
    """`train` for `python train.py` and `python -m train`, else the program's own name."""
    scripts = [Path(word).stem for word in command if word.endswith(".py")]
    modules = [after for word, after in pairwise(command) if word == "-m"]
    name = next(iter([*scripts, *modules]), Path(command[0]).name).strip()
    return f"command-{name}" if not name or name.isdigit() or name in ("last", "best") else name
