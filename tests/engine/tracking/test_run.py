"""`convtui.init`: what a script tells is in the store, and what other terminals ask is done."""

from __future__ import annotations

import argparse
import copy
import math
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import convtui
from convtui.engine.errors import SpecError, UsageError
from convtui.engine.store import Run, Store

import torch  # isort: skip

PATIENCE_SECONDS = 60.0


def waited_for(what: Callable[[], bool]) -> None:
    """Until it is so."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < until, "it never came to be"
        time.sleep(0.02)


def points(store: Store, run: Run, name: str) -> list[tuple[int, float]]:
    series = store.series(run.id, name)
    return list(zip(series.steps, series.values, strict=True))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


def only_run(place: Path) -> tuple[Store, Run]:
    store = Store.open(place, create=False)
    (run,) = store.runs()
    return store, run


def test_every_number_is_in_the_store_once_the_run_has_ended(place: Path) -> None:
    with convtui.init("mine", {"lr": 0.1, "net": "small"}, store=place, data="mnist", note="a try") as run:
        for step in range(1, 501):
            run.log({"train/loss": 1 / step, "d_loss": torch.tensor(step, dtype=torch.int64)}, step=step)
        run.log({"val/accuracy": 0.875, "lr": torch.tensor([0.5])}, step=500)
    store, row = only_run(place)
    with store:
        assert points(store, row, "train/loss") == [(step, 1 / step) for step in range(1, 501)]
        assert points(store, row, "d_loss") == [(step, float(step)) for step in range(1, 501)]
        assert points(store, row, "lr") == [(500, 0.5)]
        assert (row.status, row.step, row.name, row.dataset, row.note) == ("finished", 500, "mine", "mnist", "a try")
        assert row.spec_values == {"lr": 0.1, "net": "small"}
        assert (row.train_loss, row.validation_accuracy) == (1 / 500, 0.875)
        assert not store.messages(row.id)


def test_a_tensor_that_the_loop_changes_afterwards_is_kept_as_it_was(place: Path) -> None:
    total = torch.zeros(1)
    with convtui.init("mine", store=place) as run:
        for _ in range(3):
            total += 1
            run.log({"total": total})
    store, row = only_run(place)
    with store:
        assert points(store, row, "total") == [(1, 1.0), (2, 2.0), (3, 3.0)]


def test_a_second_value_at_one_step_is_not_kept_and_this_is_said_once(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with convtui.init("mine", store=place) as run:
        for step in run.steer(range(1, 4)):
            for part in range(2):
                run.log({"loss": 10.0 * step + part, "same": 1.0})
            run.log({"other": step})
    store, row = only_run(place)
    with store:
        assert points(store, row, "loss") == [(1, 10.0), (2, 20.0), (3, 30.0)]
        (said,) = [message.text for message in store.messages(row.id)]
    assert said.startswith("log: 'loss' is told again at step 1: the first value is kept; ")
    assert capfd.readouterr().err.count("told again") == 1


def test_what_cannot_be_kept_is_said_once_and_the_rest_is_kept(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with convtui.init("mine", store=place) as run:
        for _ in range(2):
            run.log({"loss": 1.0, "names": "cat", "all": torch.zeros(3), "": 2.0, "none": None})
        run.log({"loss": math.nan})
        run.log({"loss": math.inf}, step=-1)
        run.log({"loss": 5.0, "val/acc": 87.5}, step="7")  # type: ignore[arg-type]
    said = [line for line in capfd.readouterr().err.splitlines() if "run 1" not in line]
    assert sorted(line.split(": ", 2)[2] for line in said) == sorted([
        "'names' is str and not a number: it is left out",
        "'all' is a tensor of shape [3], and not one number: it is left out",
        "'' cannot be the name of a metric: it is left out",
        "'none' is NoneType and not a number: it is left out",
        "step -1 is not a whole number from 0: step 3 is used instead",
        "'loss' is told again at step 3: the first value is kept; tell it once a step, or say step=",
        "loss is nan at step 3",
        "val/acc is 87.5: accuracies are shares, from 0 to 1, and Runs shows no others",
    ])  # fmt: skip
    store, row = only_run(place)
    with store:
        assert store.metric_names(row.id) == ["loss", "seconds", "val/acc"]
        found = points(store, row, "loss")
        assert found[:2] == [(1, 1.0), (2, 1.0)]
        assert found[2][0] == 3
        assert math.isnan(found[2][1])
        assert sorted(message.text for message in store.messages(row.id)) == sorted(line.split(": ", 1)[1] for line in said)


class Unreadable:
    """Neither a number nor a name, and no text either."""

    def __float__(self) -> float:
        raise RuntimeError("no")

    __repr__ = __str__ = __float__  # type: ignore[assignment]


def test_nothing_that_is_told_reaches_the_loop_or_keeps_other_numbers_out(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    strange = {
        "complex": np.complex64(1 + 2j), "text": "1.5", "stdout": sys.stdout, "unreadable": Unreadable(), "huge": 10**400,
        "meta": torch.zeros((), device="meta"), "seconds": 3.0, Unreadable(): 1.0,
    }  # fmt: skip
    numbers = {
        "array": np.array([2.0]),
        "sparse": torch.tensor([2.0]).to_sparse(),
        "half": torch.tensor(2.0).half(),
        "decimal": Decimal(2),
    }
    with convtui.init("mine", store=place) as run:
        run.log(strange | numbers)
        torch.vmap(lambda x: (run.log({"mapped": x, "loss": 2.0}), x)[1])(torch.ones(3))
        run.log([1.0])  # type: ignore[arg-type]
        run.log_image("meta", torch.zeros(3, 3, device="meta"))
        run.plan("long")  # type: ignore[arg-type]
        run.advance(optimizers=["adam"])
        for step in (0.25, 0.5, 0.75):
            run.log({}, step=step)  # type: ignore[arg-type]
    assert not sys.stdout.closed
    said = capfd.readouterr().err
    assert said.count("is not a whole number") == 1
    assert "Traceback" not in said
    store, row = only_run(place)
    with store:
        assert row.status == "finished"
        assert {name: points(store, row, name)[0][1] for name in (*numbers, "loss")} == dict.fromkeys((*numbers, "loss"), 2.0)
        assert not set(store.metric_names(row.id)) & {"complex", "text", "stdout", "unreadable", "huge", "meta", "mapped"}
        assert all(value != 3.0 for _, value in points(store, row, "seconds"))


@dataclass
class Settings:
    """A configuration as many scripts have it."""

    lr: float = 0.1


@pytest.mark.parametrize(
    "config", [{"lr": 0.1}, argparse.Namespace(lr=0.1), Settings(), {"lr": torch.tensor(0.1, dtype=torch.float64)}]
)
def test_a_configuration_may_be_anything_that_has_names(place: Path, config: object) -> None:
    convtui.init("mine", config, store=place).finish()
    store, row = only_run(place)
    with store:
        assert row.spec_values == {"lr": 0.1}


def test_a_configuration_may_come_later_and_change(place: Path) -> None:
    with convtui.init("mine", {"lr": 0.1, "net": "small"}, store=place) as run:
        run.configure({"lr": 0.2})
        run.configure(argparse.Namespace(seed=3))
        run.configure("no names")
    store, row = only_run(place)
    with store:
        assert row.spec_values == {"lr": 0.2, "net": "small", "seed": 3}
        assert "config is str" in store.messages(row.id)[0].text


@pytest.mark.parametrize("config", [{}, {"lr": 0.1}])
def test_a_scripts_run_has_no_settings_to_train_another_with(place: Path, config: dict[str, float]) -> None:
    convtui.init("mine", config, store=place).finish()
    store, row = only_run(place)
    with store, pytest.raises(SpecError, match=r"run 1 \(mine\) was not trained by convtui: run its script again"):
        row.settings  # noqa: B018


def test_a_score_is_that_of_the_last_step_and_of_a_step_the_first_as_its_series_are(place: Path) -> None:
    with convtui.init("mine", store=place) as run:
        run.log({"val/accuracy": 0.5, "test/loss": 1.0}, step=10)
        run.log({"val/accuracy": 0.9}, step=10)
        run.log({"val/accuracy": 0.8, "test/loss": 7.0}, step=5)
    store, row = only_run(place)
    with store:
        assert points(store, row, "val/accuracy") == [(5, 0.8), (10, 0.5)]
        assert (row.validation_accuracy, row.test_loss) == (0.5, 1.0)


def test_what_is_told_within_a_step_does_not_make_it_quicker(place: Path) -> None:
    with convtui.init("slow", store=place) as run:
        began = time.monotonic()
        store, row = only_run(place)
        for _ in run.steer([torch.zeros(100, 1)]):
            run.log({"first": 1.0})
            waited_for(lambda: bool(points(store, row, "first")))
            run.log({"second": 1.0})
            waited_for(lambda: bool(points(store, row, "second")))
        seconds = time.monotonic() - began
        run.log({"third": 1.0}, step=2)
    ((_, speed),) = points(store, row, "images_per_second")
    assert speed <= 100 / seconds


def test_values_that_json_does_not_know_are_text(place: Path) -> None:
    itself: dict[str, object] = {"unreadable": Unreadable(), "nested": {(1, 2): np.float32(0.5)}, "set": {3}}
    itself["itself"] = itself
    convtui.init("mine", itself, store=place).finish()
    store, row = only_run(place)
    with store:
        kept = row.spec_values
        assert (kept["unreadable"], kept["nested"], kept["set"]) == ("<Unreadable>", {"(1, 2)": 0.5}, "{3}")


@pytest.mark.parametrize("given", [{"config": "lr=0.1"}, {"name": 5}, {"note": 5}, {"data": ["mnist"]}])
def test_what_cannot_be_said_of_a_run_is_refused_in_one_line(place: Path, given: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"^{next(iter(given))} is [^\n]*$"):
        convtui.init(store=place, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("batches", "per_epoch"), [(lambda: [1] * 10, 3), (lambda: (1 for _ in range(4)), 4)])
def test_a_loop_that_is_left_early_or_has_no_length_counts_its_steps_and_epochs(
    place: Path, batches: Callable[[], Iterable[int]], per_epoch: int
) -> None:
    with convtui.init("mine", store=place) as run:
        for _ in run.steer(range(2)):
            for number, _ in enumerate(run.steer(batches())):
                run.log({"loss": float(run.step)})
                if number == 2 and per_epoch == 3:
                    break
    store, row = only_run(place)
    with store:
        assert (row.step, row.epoch) == (2 * per_epoch, 2)
        assert [step for step, _ in points(store, row, "loss")] == list(range(1, 2 * per_epoch + 1))


def test_a_learning_rate_is_put_back_where_a_step_fails_and_is_that_of_the_newest_optimizer(place: Path) -> None:
    weight = torch.zeros(1, requires_grad=True)
    first, second = torch.optim.SGD([weight], 1.0), torch.optim.SGD([weight], 8.0)

    def fails() -> float:
        raise ValueError("no")

    with convtui.init("mine", store=place) as run:
        for number in run.steer(range(3), first):
            if number == 0:
                run.scale_learning_rate(0.5)
            with pytest.raises(ValueError, match="no"):
                first.step(fails)
        assert list(run.steer([1], {"second": second})) == [1]
        assert first.step(lambda: 1.0) == 1.0
    assert first.param_groups[0]["lr"] == 1.0
    store, row = only_run(place)
    with store:
        assert [value for _, value in points(store, row, "learning_rate")] == [1.0, 0.5, 0.5, 4.0]
        assert row.parameters == 1


def test_a_pause_ends_where_nobody_can_end_it_any_more(place: Path) -> None:
    with convtui.init("mine", store=place) as run, Store.open(place) as store:
        store.request(run.id, "pause")

        def take_away() -> None:
            waited_for(lambda: store.run(run.id).status == "paused")
            place.unlink()

        other = threading.Thread(target=take_away)
        other.start()
        for _ in run.steer(range(10**9)):
            time.sleep(0.005)
            if not other.is_alive():
                break
        other.join()
    assert not place.exists()


def test_a_store_that_cannot_be_written_is_told_of_while_the_loop_goes_on(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with convtui.init("mine", store=place) as run:
        lock = sqlite3.connect(place, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        run.log({"loss": 1.0})
        said = ""

        def is_said() -> bool:
            nonlocal said
            said += capfd.readouterr().err
            return "keeps it locked" in said

        waited_for(is_said)
        lock.execute("COMMIT")
        lock.close()
    assert "training goes on, and its numbers are kept in memory until then" in said
    store, row = only_run(place)
    with store:
        assert (row.status, points(store, row, "loss")) == ("finished", [(1, 1.0)])


def test_a_copy_of_a_run_in_another_process_does_nothing_and_in_this_one_it_is_the_run(place: Path) -> None:
    with convtui.init("mine", store=place) as run:
        net = torch.nn.Linear(1, 1)
        net.run = run  # type: ignore[assignment]
        assert copy.deepcopy(net).run is run
        sent = pickle.loads(pickle.dumps(run))
        sent.log({"loss": 1.0})
        sent.finish()
        assert sent.id == run.id
        run.log({"loss": 2.0})
    store, row = only_run(place)
    with store:
        assert points(store, row, "loss") == [(1, 2.0)]


SPAWNS = """
import multiprocessing, convtui
run = convtui.init("of the script")
def work(number):
    run.log({"of a child": 1.0})
    with convtui.init(f"child {number}") as own:
        own.log({"loss": 1.0})
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(work, range(2))
"""


@pytest.mark.long
def test_a_child_of_multiprocessing_begins_runs_where_it_says_so_and_not_by_reading_the_script(tmp_path: Path) -> None:
    (tmp_path / "sweep.py").write_text(SPAWNS)
    subprocess.run([sys.executable, "sweep.py"], cwd=tmp_path, timeout=PATIENCE_SECONDS, check=True)
    with Store.open(tmp_path / "store.db", create=False) as store:
        runs = {run.name: (run.status, set(store.metric_names(run.id)) - {"seconds"}) for run in store.runs()}
    assert runs == {"of the script": ("finished", set())} | {f"child {number}": ("finished", {"loss"}) for number in range(2)}


def test_the_innermost_loop_counts_steps_and_its_ends_epochs(place: Path) -> None:
    data = torch.utils.data.TensorDataset(torch.zeros(12, 3), torch.zeros(12))
    loader = torch.utils.data.DataLoader(data, batch_size=4)
    seen = []
    with convtui.init("mine", store=place) as run:
        for _ in run.steer(range(2)):
            for _batch in run.steer(loader):
                seen.append(run.step)
                run.log({"train/loss": float(run.step)})
            run.log({"val/loss": 0.5})
    assert seen == [1, 2, 3, 4, 5, 6]
    store, row = only_run(place)
    with store:
        assert (row.step, row.epoch, row.images) == (6, 2, 24)
        assert (row.total_steps, row.steps_per_epoch, row.images_per_epoch) == (6, 3, 12)
        assert points(store, row, "train/loss") == [(step, float(step)) for step in seen]
        assert points(store, row, "val/loss") == [(3, 0.5), (6, 0.5)]


def test_a_learning_rate_from_another_terminal_multiplies_what_the_schedule_says(place: Path) -> None:
    """Weights of float64 and rates that are powers of two: every change is exact."""
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weight], 1.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 if step else 1.0)
    moved: list[float] = []
    with convtui.init("mine", store=place) as run, Store.open(place) as store:
        for _ in run.steer(range(10**9), optimizer):
            if run.step == 2:
                store.request(run.id, "rate", 0.25)
            before = weight.item()
            weight.grad = torch.ones(1, dtype=torch.float64)
            optimizer.step()
            schedule.step()
            moved.append(before - weight.item())
            time.sleep(0.01)
            if moved[-1] == 0.125:
                break
    assert moved == [1.0] + [0.5] * (len(moved) - 2) + [0.125]
    assert optimizer.param_groups[0]["lr"] == 0.5
    store, row = only_run(place)
    with store:
        assert [value for _, value in points(store, row, "learning_rate")] == moved
        assert points(store, row, "rate_factor") == [(len(moved) - 1, 0.25)]
        assert (row.rate_factor, row.parameters, row.device) == (0.25, 1, "cpu")


def test_in_a_callback_the_rate_is_the_one_that_the_step_had(place: Path) -> None:
    """Callbacks are called once the schedule has gone on to the next step's rate."""
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    for rate in (1.0, torch.tensor(1.0)):  # a tensor is changed in place by its schedule
        optimizer = torch.optim.SGD([weight], rate)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        with convtui.init(f"as {type(rate).__name__}", store=place) as run:
            run.follow([optimizer])
            for _ in range(3):
                weight.grad = torch.ones(1, dtype=torch.float64)
                optimizer.step()
                schedule.step()
                run.advance(4, [optimizer])
                if run.step == 2:
                    run.scale_learning_rate(0.5)
    with Store.open(place) as store:
        for row in store.runs():
            assert points(store, row, "learning_rate") == [(1, 1.0), (2, 0.5), (3, 0.125)]
            assert row.images == 12


def test_a_pause_holds_the_loop_until_it_is_to_go_on(place: Path) -> None:
    with convtui.init("mine", store=place) as run, Store.open(place) as store:
        held: list[int] = []

        def let_go_on() -> None:
            waited_for(lambda: store.run(run.id).status == "paused")
            held.append(run.step)
            time.sleep(0.2)
            held.append(run.step)
            store.request(run.id, "continue")

        store.request(run.id, "pause")
        other = threading.Thread(target=let_go_on)
        other.start()
        for _ in run.steer(range(10**9)):
            time.sleep(0.005)
            if len(held) == 2 and run.step > held[1]:
                break
        other.join()
        waited_for(lambda: store.run(run.id).status == "running")
    assert held[0] == held[1]
    store, row = only_run(place)
    with store:
        assert row.status == "finished"


def test_a_stop_ends_all_loops_and_what_follows_still_runs(place: Path) -> None:
    with convtui.init("mine", store=place) as run, Store.open(place) as store:
        store.request(run.id, "stop")
        for _ in run.steer(range(10**9)):
            for _ in run.steer(range(10)):
                time.sleep(0.005)
        run.log({"test/accuracy": 0.5})
    assert run.stopping
    store, row = only_run(place)
    with store:
        assert (row.status, row.test_accuracy) == ("stopped", 0.5)


def test_a_script_that_does_not_steer_says_so_after_a_while(
    place: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convtui.engine.tracking.run.UNHEARD_SECONDS", 0.5)
    with convtui.init("mine", store=place) as run, Store.open(place) as store:
        store.request(run.id, "stop")
        waited_for(lambda: bool(store.messages(run.id)))
        assert "stop: not done yet, since the script has not come to the next step of run.steer(...)" in capfd.readouterr().err
        assert not run.stopping
        assert list(run.steer(range(3))) == []
    assert run.stopping


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (ValueError("shapes differ"), "failed", "ValueError: shapes differ"),
        (KeyboardInterrupt(), "stopped", None),
        (SystemExit(0), "finished", None),
        (SystemExit(3), "failed", "exit status 3"),
        (SystemExit("no data"), "failed", "no data"),
        (ValueError(Unreadable()), "failed", "ValueError"),
    ],
)
def test_how_the_block_is_left_is_how_the_run_ends(place: Path, error: BaseException, status: str, reason: str | None) -> None:
    with pytest.raises(type(error)), convtui.init("mine", store=place) as run:  # noqa: PT012 - the block is what is tested
        run.log({"loss": 1.0})
        raise error
    store, row = only_run(place)
    with store:
        assert (row.status, row.reason) == (status, reason)
        assert points(store, row, "loss") == [(1, 1.0)]


SCRIPT = """
import os, sys, time, convtui
run = convtui.init(config={"lr": 1})
run.log({"loss": 1.0})
print("begun", flush=True)
END
"""
ENDS = {
    "": ("finished", None),
    "raise ValueError('no')": ("failed", "ValueError: no"),
    "while True: time.sleep(0.1)": ("stopped", None),  # Python sees no signal that comes just before a long wait of the system's
    "run.finish(); run.finish(); run.log({'loss': 2.0}); print('on')": ("finished", None),
    "os.fork() or os._exit(0); os.wait()": ("finished", None),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_script_without_a_block_ends_its_run_when_it_ends(tmp_path: Path, end: str) -> None:
    script = tmp_path / "learn.py"
    script.write_text(SCRIPT.replace("END", end))
    process = subprocess.Popen(
        [sys.executable, str(script)], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    if "sleep" in end:
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_SECONDS)
    store, row = only_run(tmp_path / "store.db")
    with store:
        assert (row.status, row.reason) == ENDS[end]
        assert row.name == "learn"
        assert points(store, row, "loss") == [(1, 1.0)]


SEVERAL = """
import os, signal, sys, time, convtui
first, second, third = (convtui.init(name) for name in ("first", "second", "third"))
first.finish()
if not os.fork():
    list(second.steer(range(3)))
    second.log({"of the child": 1.0})
    raise ValueError("the child's")
os.wait()
END
"""


@pytest.mark.parametrize(
    ("end", "status", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", "stopped", None),
        pytest.param("os.kill(os.getpid(), signal.SIGHUP); time.sleep(60)", "stopped", None, marks=pytest.mark.long),
        ("sys.exit(3)", "failed", "exit status 3"),
    ],
)
def test_each_run_of_a_script_hears_how_the_script_ends_and_of_nothing_else(
    tmp_path: Path, end: str, status: str, reason: str | None
) -> None:
    subprocess.run([sys.executable, "-c", SEVERAL.replace("END", end)], cwd=tmp_path, timeout=PATIENCE_SECONDS, check=False)
    with Store.open(tmp_path / "store.db", create=False) as store:
        third, second, first = store.runs()
        assert (first.status, first.reason) == ("finished", None)
        assert {(run.status, run.reason) for run in (second, third)} == {(status, reason)}
        assert "of the child" not in store.metric_names(second.id)


def test_a_script_that_is_killed_reads_crashed_and_has_lost_at_most_a_moment(tmp_path: Path) -> None:
    script = tmp_path / "learn.py"
    script.write_text(SCRIPT.replace("END", "time.sleep(2)\nprint('kept', flush=True)\ntime.sleep(600)"))
    process = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    store, row = only_run(tmp_path / "store.db")
    with store:
        assert row.status == "crashed"
        assert points(store, row, "loss") == [(1, 1.0)]


def test_other_ranks_write_nothing_and_run_the_same_loop(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    with convtui.init("mine", store=place) as run:
        steps = [run.step for _ in run.steer(range(3))]
        run.log({"loss": 1.0})
    assert steps == [1, 2, 3]
    assert not place.exists()


def test_one_of_several_processes_is_not_held_while_the_others_wait_for_it(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with convtui.init("mine", store=place) as run, Store.open(place) as store:
        store.request(run.id, "rate", 0.5)
        store.request(run.id, "stop")
        waited_for(lambda: any("stop: not done" in message.text for message in store.messages(run.id)))
        assert len(list(run.steer(range(3)))) == 3
        assert store.run(run.id).rate_factor == 1.0
    assert "stop: not done, since the other processes that train with this one would not do it too" in capfd.readouterr().err


def test_a_run_that_is_deleted_meanwhile_does_not_end_the_script(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with convtui.init("mine", store=place) as run:
        place.unlink()
        run.log({"loss": 1.0})
        waited_for(lambda: "training goes on, and nothing more of it is recorded" in capfd.readouterr().err)
        run.log({"loss": 1.0})


@pytest.mark.parametrize("name", ["", "12", "last", "\udc80"])
def test_a_name_that_cannot_be_is_refused_before_anything_begins(place: Path, name: str) -> None:
    with pytest.raises(UsageError):
        convtui.init(name, store=place)
    with Store.open(place) as store:
        assert store.runs() == []


def test_importing_convtui_brings_neither_torch_nor_the_store() -> None:
    heavy = "torch numpy sqlalchemy textual pydantic"
    code = f"import convtui, sys; print([name for name in '{heavy}'.split() if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    for name in set(convtui.__all__) - {"__version__"}:
        assert getattr(convtui, name).__doc__, name
        assert name in dir(convtui)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        convtui.nothing  # type: ignore[attr-defined] # noqa: B018
