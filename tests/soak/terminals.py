"""The application on a terminal that vanishes during a training."""

from __future__ import annotations

import signal

import psutil

from convtui.engine.store import Run, Store
from tests.harness.children import wait_until
from tests.harness.terminal import Terminal
from tests.soak.program import LONGEST_SECONDS, Program
from tests.soak.states import check_finished
from tests.soak.trial import Trial


def vanishing(trial: Trial) -> None:
    """The terminal is closed, or the program gets SIGHUP: another process continues the run, or it is saved; no step is lost."""
    program = trial.site.begun()
    terminal = Terminal(program.folder)
    application = terminal.child.pid
    try:
        with Store.open(program.store, create=False) as store:
            terminal.see("demo")
            terminal.press("r")
            terminal.until(lambda: _trains(store.run(1), application), "the training")
            if trial.draw.random() < 0.5:
                terminal.child.ptyproc.fileobj.close()
                wait_until(lambda: _gone(application), "the application to end", LONGEST_SECONDS)
            else:
                terminal.child.kill(signal.SIGHUP)
                trial.check(terminal.ended() == 129, "the application did not end as one that was hung up")
            wait_until(lambda: store.run(1).status in ("stopped", "finished"), "the run to end", LONGEST_SECONDS)
            run = store.run(1)
            wait_until(lambda: run.pid is None or _gone(run.pid), "its process to end", LONGEST_SECONDS)
    finally:
        terminal.child.close(force=True)
    trial.count("terminals that vanished")
    trial.count("runs that another process continued", run.pid != application)
    _go_on(trial, program, run)
    check_finished(trial, program)


def _trains(run: Run, pid: int) -> bool:
    return run.pid == pid and run.status == "running" and run.step > run.attempt_step


def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _go_on(trial: Trial, program: Program, run: Run) -> None:
    if run.status == "stopped":
        ended = program.run("resume", "1", "--json")
        trial.check(ended.code == 0, f"what was saved cannot be resumed: {ended}")
