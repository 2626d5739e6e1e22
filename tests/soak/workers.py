"""Unforeseen errors in workers of the application during a training."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from convtui.engine.store import Store
from tests.harness import terminal as harness
from tests.harness.terminal import Terminal
from tests.soak.states import check_finished
from tests.soak.trial import Trial

OWNERS = (
    "RunsPage", "MetricColumns", "NewPage", "DataPanel", "Trials", "LivePage", "DeviceLine", "ComparePage", "StudiesPage", "Chart",
    "ConvtuiApp",
)  # fmt: skip
"""Of workers that read and draw: the class at the beginning of their names. A failure of those that start and stop runs is the
command failing, which is not tested here."""
FAILING, BEGUN = "SOAK_FAILING", "SOAK_BEGUN"
"""Environment: whose workers fail, once the file of this name is there."""
PROGRAM = "import sys; sys.argv = ['convtui', *sys.argv[1:]]; from tests.soak.workers import faulty; faulty()"
PAGES = "123456"
"""Keys that lead through the pages."""


def failing(trial: Trial) -> None:
    """All workers of some owners fail; the application stays open, and the training in it finishes as if undisturbed."""
    program = trial.site.begun()
    failing = " ".join(OWNERS if trial.number == 0 else trial.draw.sample(OWNERS, 3))
    begun = program.folder / "begun"
    with patch.dict(os.environ, {FAILING: failing, BEGUN: str(begun)}), patch.object(harness, "PROGRAM", PROGRAM):
        terminal = Terminal(program.folder)
    try:
        with Store.open(program.store, create=False) as store:
            terminal.see("demo")
            terminal.press("r")
            terminal.until(lambda: store.run(1).pid == terminal.child.pid, "the training")
            begun.touch()
            for key in trial.draw.sample(PAGES, len(PAGES)):
                terminal.press(key)
                terminal.read(0.2)
            terminal.until(lambda: store.run(1).status != "running" or not terminal.child.isalive(), "the run to end")
        trial.check(terminal.child.isalive(), f"an error in a worker of {failing} ended the application: {_screen(terminal)}")
        terminal.press("q")
        terminal.until(lambda: not terminal.child.isalive() or "still training" in terminal.text(), "the end, or a question")
        with suppress(OSError):
            terminal.press("S")  # where the run has ended in the store, but its thread is not done yet
        trial.check(terminal.ended() == 0, "the application did not end well")
    finally:
        terminal.child.close(force=True)
    trial.count("workers made to fail", len(begun.read_text().splitlines()))
    check_finished(trial, program)


def _screen(terminal: Terminal) -> str:
    return " ".join(terminal.text().split())[-500:]


def faulty() -> None:
    """The program, some of its workers failing: what runs in the terminal."""
    from textual.worker import Worker

    from convtui.tui.cli import main

    work = Worker.run

    async def run(worker: Worker[Any]) -> Any:
        begun = Path(os.environ[BEGUN])
        if worker.name.partition(".")[0] in os.environ[FAILING].split() and begun.exists():
            with begun.open("a") as told:
                told.write("failed\n")
            raise RuntimeError("staged by the soak")
        return await work(worker)

    with patch.object(Worker, "run", run):
        main()
