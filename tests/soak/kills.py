"""kill -9 at random moments of everything that writes."""

from __future__ import annotations

import random
import time

from convtui.engine.store import Store
from tests.soak.program import Ended, Process, Program
from tests.soak.rows import committed, lost, status_of
from tests.soak.site import NET, weights
from tests.soak.states import check_at_rest, check_clean, check_finished, check_rows, check_told, count_kill, scraps
from tests.soak.trial import Trial

MOST_KILLS = 40
"""Of one command: more would mean that it does not get on."""
START_SECONDS = 6.0
"""About as long as a command that trains takes to begin."""


# ------------------------------------------------------------------------------- training, checkpointing, evaluating


def training(trial: Trial) -> None:
    """A run that is killed again and again, then finished."""
    program = Program(trial.folder)
    saved = 0
    for _ in range(MOST_KILLS):
        if status_of(program.store, 1) == "finished" or time.monotonic() > trial.until:
            break
        saved = max(saved, _kill_training(trial, program, saved))
    if status_of(program.store, 1) != "finished":
        ended = program.run(*_next(trial, program))
        trial.check(ended.code == 0, f"the killed run did not come to its end: {ended}")
    trial.check(not scraps(trial.folder), f"left behind: {scraps(trial.folder)}")
    check_finished(trial, program)


def _next(trial: Trial, program: Program) -> tuple[str, ...]:
    """The command that continues: a kill early on may leave no run."""
    return ("resume", "1", "--json") if 1 in committed(program.store) else trial.site.training


def _kill_training(trial: Trial, program: Program, saved: int) -> int:
    """Continue and kill; earlier processes had saved step `saved`. Returns the last step that this one saved."""
    with program.started(*_next(trial, program)) as process:
        aim = _moment_of_training(trial.draw, process, program)
        known = committed(program.store)
        killed = process.running
        process.kill()
        ended = process.ended()
    if killed:
        count_kill(trial, aim)
        _check_killed_training(trial, program, ended, lost(known, committed(program.store)), saved)
    else:
        trial.check(ended.code == 0, f"it ended by itself: {ended}")
    return max((line["step"] for line in ended.of_event("checkpoint") if line["kind"] == "checkpoint"), default=0)


def _moment_of_training(draw: random.Random, process: Process, program: Program) -> str:
    """Wait for a moment to kill it; what was aimed at."""
    aim = draw.choice(("at its start", "in training", "in training", "at a checkpoint", "at an evaluation"))
    match aim:
        case "at its start":
            time.sleep(draw.uniform(0, START_SECONDS))
        case "in training":
            process.until(lambda: process.printed('"progress"'))
            time.sleep(draw.uniform(0, 1))
        case "at a checkpoint":
            process.until(lambda: process.printed('"progress"'))
            time.sleep(draw.uniform(0, 0.3))
            process.until(lambda: scraps(program.folder))
            time.sleep(draw.uniform(0, 0.003))
        case "at an evaluation":
            epochs = draw.randint(1, 8)
            process.until(lambda: process.printed('"epoch"') >= epochs)
            time.sleep(draw.uniform(0, 0.04))
    return aim


def _check_killed_training(trial: Trial, program: Program, ended: Ended, gone: int, saved: int) -> None:
    """What must hold of the store right after a kill: `gone` rows were lost by it, step `saved` had been saved before."""
    trial.count("rows lost", gone)
    trial.check(not gone, f"{gone} rows that were committed before the kill are gone")
    rows = committed(program.store).get(1)
    if rows is not None:
        check_rows(trial, rows, trial.site.reference.rows)
        check_at_rest(trial, program.store)
    if started := ended.of_event("started"):
        check_told(trial, ended, program.store)
        old = [scrap for scrap in scraps(program.folder) if f".{ended.pid}." not in scrap.name]
        trial.check(not old, f"scraps of an earlier process are there after the next start: {old}")
        begun = started[0]["step"]
        trial.check(begun >= saved, f"it went on from step {begun}, but {saved} was saved and said")


# ------------------------------------------------------------------------------------------------------------ studies

STUDY = """
title = "three nets"
question = "Which is best?"
seeds = 1

[[grid]]
name = "rate-{optimiser.learning_rate}"
preset = "demo"
over = { "optimiser.learning_rate" = [0.001, 0.004, 0.016] }

[grid.set]
"data.source" = "SOURCE"
SETTINGS
"""


def study(trial: Trial) -> None:
    """A study that is killed again and again, then finished: each run exists once, with the numbers of an undisturbed study."""
    program = Program(trial.folder)
    file = trial.folder / "three.toml"
    file.write_text(_study_text(trial.site.images))
    command = ("study", "run", str(file), "--device", "cpu", "--json")
    kills = 0
    while kills < MOST_KILLS and time.monotonic() < trial.until and _kill_study(trial, program, command):
        kills += 1
    ended = program.run(*command)
    trial.check(ended.code == 0, f"the killed study did not come to its end: {ended}")
    _check_study(trial, program, command)
    check_clean(trial, program)


def _kill_study(trial: Trial, program: Program, command: tuple[str, ...]) -> bool:
    """Continue and kill; False where the study finished first."""
    with program.started(*command) as process:
        process.until(lambda: process.printed('"started"'))
        time.sleep(trial.draw.uniform(0, 1.2))
        known = committed(program.store)
        killed = process.running
        process.kill()
        ended = process.ended()
    if not killed:
        trial.check(ended.code == 0, f"it ended by itself: {ended}")
        return False
    count_kill(trial, "in a study")
    gone = lost(known, committed(program.store))
    trial.count("rows lost", gone)
    trial.check(not gone, f"{gone} rows that were committed before the kill are gone")
    check_at_rest(trial, program.store)
    return True


def _study_text(source: str) -> str:
    """The study, with the net of all trials."""
    settings = dict(text.split("=", 1) for text in NET if "=" in text) | {
        "training.epochs": "30",
        "training.checkpoint_seconds": "0.1",
    }
    quoted = [f'"{name}" = "{value}"' for name, value in settings.items()]
    return STUDY.replace("SOURCE", source).replace("SETTINGS", "\n".join(quoted))


def _check_study(trial: Trial, program: Program, command: tuple[str, ...]) -> None:
    undisturbed = trial.site.made("undisturbed-study", lambda made: made.succeed(*command))
    with Store.open(program.store, create=False) as store, Store.open(undisturbed.store, create=False) as other:
        settings = {run.setting: run.id for run in store.runs() if run.status == "finished"}
        expected = {run.setting: run.id for run in other.runs()}
        trial.check(len(store.runs()) == len(expected) and settings.keys() == expected.keys(), f"runs of the study: {store.runs()}")
    rows, expected_rows = committed(program.store), committed(undisturbed.store)
    for setting, run in settings.items():
        check_rows(trial, rows[run], expected_rows[expected[setting]])
        same = weights(program.store, run) == weights(undisturbed.store, expected[setting])
        trial.check(same, f"the last weights of {setting} are not the undisturbed run's")
        trial.count("runs that ended bit-identical")
