"""`convtui exec`: run any program as a run of the store. `convtui runs output`: what it printed."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from convtui.engine.errors import UsageError
from convtui.engine.files import DEFAULT_STORE
from convtui.engine.statuses import ENDED
from convtui.tui.cli.options import RunName, StorePath, existing_store, open_store
from convtui.tui.render.printed import as_left, lost
from convtui.tui.render.text import clean, fitted

if TYPE_CHECKING:
    from convtui.engine.store import Store

LOOK_SECONDS = 0.25


def exec_program(
    command: Annotated[list[str], typer.Argument(metavar="PROGRAM...", help="as you would type it without convtui")],
    store_path: StorePath = DEFAULT_STORE,
) -> None:
    """Run a program, as 'convtui exec -- python train.py', and keep what it prints, and how it ends, as a run."""
    if os.name != "posix":
        raise UsageError("exec needs a Unix: run the program itself, with 'import convtui' in it")
    if shutil.which(command[0]) is None:
        what = "this is not a program that can be run" if os.path.exists(command[0]) else "there is no such program"  # noqa: PTH110 - ''
        raise UsageError(f"{clean(command[0])}: {what}; write it as in 'convtui exec -- python train.py'")
    from convtui.engine.tracking.command import CommandRun
    from convtui.tui.cli.pass_through import pass_through

    with open_store(store_path) as store:
        run = CommandRun(store, command)
        print(f"convtui: run {run.id} ({clean(run.name)}) in {clean(store_path)}", file=sys.stderr, flush=True)
        code = 1
        try:
            environment = run.environment
            if not sys.stdout.isatty():
                environment.setdefault("PYTHONUNBUFFERED", "1")  # else 'runs output' would be late by kilobytes
            code = pass_through(command, environment, run.printed, run.poll)
        except OSError as error:
            raise UsageError(f"{clean(command[0])} cannot be run: {error.strerror}") from None
        finally:
            run.end(code)
    sys.exit(code if code >= 0 else 128 - code)


def output(
    reference: RunName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on until the run ends")] = False,
    store_path: StorePath = DEFAULT_STORE,
) -> None:
    """Show what a run's program printed, if 'convtui exec' or the application in the background ran it."""
    with existing_store(store_path) as store:
        run = store.find(reference)
        shown = _Shown(store, run.id)
        while follow and store.run(run.id).status not in ENDED:
            shown.more()
            time.sleep(LOOK_SECONDS)
        shown.more()
        shown.end()
    if not shown.place:
        print(f"run {run.id} printed nothing, or was not started by 'convtui exec -- PROGRAM', which keeps it", file=sys.stderr)


class _Shown:
    """What has been shown of a run's output: whole lines, and on a terminal the one that is not complete yet."""

    def __init__(self, store: Store, run_id: int) -> None:
        self.place = 0
        self._store, self._run_id = store, run_id
        self._rest = b""
        self._live = sys.stdout.isatty()

    def more(self) -> None:
        begin = "\r\x1b[K" if self._live and self._rest else ""
        for printed in self._store.files.output(self._run_id, self.place):
            if printed.start > self.place:
                print(f"{begin}{as_left(self._rest)}{lost(printed.start - self.place)}")
                self._rest, begin = b"", ""
            *lines, self._rest = (self._rest + printed.content).split(b"\n")
            self.place = printed.end
            if lines:
                print(begin + "\n".join(map(as_left, lines)))
                begin = ""
        if self._live:
            print(begin + fitted(as_left(self._rest), shutil.get_terminal_size().columns - 1), end="")
        sys.stdout.flush()

    def end(self) -> None:
        if self._rest:
            print("\r\x1b[K" * self._live + as_left(self._rest))
