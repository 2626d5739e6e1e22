"""`convtui run` and `resume`: what they print, keep and exit with."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
import torch

from convtui.engine import events
from convtui.engine.device import check_precision
from convtui.engine.errors import DeviceError
from convtui.engine.spec import changed
from convtui.engine.store import Run, Store
from convtui.tui.cli import train
from tests.cli.conftest import SMALL, Convtui
from tests.harness.children import train_in_child, wait_until

LAST_LINE = {
    "run", "status", "epoch", "step", "seconds", "images_per_second", "train_loss", "test_loss", "train_accuracy", "test_accuracy",
    "dataset",
}  # fmt: skip


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections fail at once, as without a cable."""

    def refuse(*_arguments: object, **_more: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_a_run_says_how_it_goes_in_json_and_is_kept(convtui: Convtui) -> None:
    printed = convtui("run", *SMALL, "--epochs", "3", "--json")
    assert printed.code == 0
    said = printed.lines
    assert [line["event"] for line in said if line["event"] not in ("progress", "checkpoint")] == [
        "started",
        *["epoch"] * 3,
        "finished",
    ]
    assert set(said[-1]) >= LAST_LINE
    assert said[-1]["status"] == "finished"
    assert said[-1]["dataset"] == "digits"
    assert said[-1]["test_accuracy"] > 0.8
    assert {line["kind"] for line in said if line["event"] == "checkpoint"} == {"best", "checkpoint"}

    (kept,) = convtui("runs", "list", "--json").lines
    assert kept["test_accuracy"] == said[-1]["test_accuracy"]
    shown = convtui("runs", "show", "last", "--json").lines[0]
    assert shown["spec"]["optimiser"]["learning_rate"] == 0.01
    assert shown["provenance"]["threads"] == 1
    assert all(Path(checkpoint["file"]).is_file() for checkpoint in shown["checkpoints"])


def test_piped_it_prints_a_line_an_epoch(convtui: Convtui) -> None:
    printed = convtui("run", *SMALL, "--epochs", "2")
    assert [line.split()[0:2] for line in printed.out.splitlines() if line.startswith("epoch")] == [
        ["epoch", "1/2"],
        ["epoch", "2/2"],
    ]
    assert "run 1 finished: test accuracy" in printed.out
    assert printed.err == ""


def test_quiet_is_quiet(convtui: Convtui) -> None:
    printed = convtui("run", *SMALL, "--epochs", "1", "--quiet")
    assert (printed.code, printed.out, printed.err) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--preset", "lenet"], "did you mean lenet5?"),
        (["--set", "model.activation=rellu"], "did you mean relu?"),
        (["--set", "model.activaton=relu"], "did you mean model.activation?"),
        (["--lr", "-1"], "optimiser.learning_rate = -1 is out of bounds"),
        (["--batch-size", "0"], "data.batch_size = 0 is out of bounds"),
        (["--data", "cifar"], "did you mean cifar10?"),
        (["--data", "folder:nowhere"], "nowhere"),
        (["--device", "cuda:9"], "no such device here"),
        (["--set", "model.conv_blocks=4 99x99"], "does not fit"),
        (["--set", "data.size=512", "--set", "model.conv_blocks=4096 3x3, 4096 3x3"], "needs at least"),
        (["--set", "model.dense_blocks=8 bn", "--batch-size", "479"], "leaves a batch of one of the 1,438 images"),
        (["--set", "activation"], "write PART.NAME=VALUE"),
        (["--epochs", "many"], "training.epochs = many is not a whole number"),
    ],
)
def test_a_wrong_command_starts_nothing(arguments: list[str], said: str, convtui: Convtui, tmp_path: Path) -> None:
    printed = convtui("run", "--data", "digits", *arguments)
    assert printed.code == 2
    assert said in printed.err
    assert not list(tmp_path.glob("store*"))


def test_a_preset_whose_data_cannot_be_had_goes_on_with_the_stand_in_and_says_so(
    convtui: Convtui, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SMALL[2:]  # all but --data
    printed = convtui("run", "--preset", "lenet5-mnist", *settings, "--epochs", "1", "--json")
    assert printed.code == 0
    assert printed.lines[-1]["dataset"] == "digits"
    assert len(printed.err.splitlines()) == 1
    assert "mnist" in printed.err
    assert "digits" in printed.err
    assert convtui("runs", "show", "last", "--json").lines[0]["spec"]["data"]["source"] == "digits"


def test_a_source_that_was_named_is_never_replaced(convtui: Convtui, no_network: None, tmp_path: Path) -> None:
    printed = convtui("run", "--preset", "lenet5", "--data", "cifar10")
    assert printed.code == 2
    assert "--data-dir" in printed.err
    assert len(printed.err.splitlines()) == 1
    assert not list(tmp_path.glob("store*"))


def test_divergence_is_exit_code_3(convtui: Convtui) -> None:
    # A rate of 10 with a decay of 1 multiplies every weight by -9 at every step.
    wild = ("--set", "optimiser.name=sgd", "--set", "optimiser.weight_decay=1", "--lr", "10")
    printed = convtui("run", *SMALL, *wild, "--epochs", "60", "--json")
    last = printed.lines[-1]
    assert printed.code == 3
    assert last["event"] == last["status"] == "diverged"
    assert "learning rate 10" in last["reason"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_saves_and_says_so_and_the_run_goes_on_to_the_same_numbers(
    number: signal.Signals, code: int, convtui: Convtui, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(number)
    whole = convtui("run", *SMALL, "--epochs", "4", "--json", "--name", "whole").lines[-1]
    show = train.JsonReporter.show

    def show_and_signal(self: train.JsonReporter, event: events.Event) -> None:
        show(self, event)
        if isinstance(event, events.EpochEnded) and event.epoch == 2:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(train.JsonReporter, "show", show_and_signal)
        stopped = convtui("run", *SMALL, "--epochs", "4", "--json", "--name", "stopped")
    assert stopped.code == code
    assert stopped.lines[-1]["status"] == "stopped"
    assert signal.getsignal(number) == before
    resumed = convtui("resume", "stopped", "--json")
    assert resumed.code == 0
    last = resumed.lines[-1]
    for name in ("step", "train_loss", "test_loss", "test_accuracy"):
        assert last[name] == whole[name], name


def test_a_finished_run_is_trained_longer_on_request_only(convtui: Convtui) -> None:
    convtui("run", *SMALL, "--epochs", "2", "--quiet")
    refused = convtui("resume", "1")
    assert refused.code == 2
    assert "--epochs 4' trains it longer" in refused.err
    assert convtui("resume", "1", "--epochs", "1").code == 2
    longer = convtui("resume", "1", "--epochs", "4", "--json").lines[-1]
    whole = convtui("run", *SMALL, "--epochs", "4", "--json").lines[-1]
    assert (longer["epoch"], longer["test_loss"]) == (4, whole["test_loss"])
    shown = convtui("runs", "show", "1", "--json").lines[0]
    assert shown["spec"]["training"]["epochs"] == 4
    assert [earlier["command"][1] for earlier in shown["provenance"]["earlier"]] == ["run"]


def test_epochs_asked_for_are_not_cut_short_by_a_presets_steps(convtui: Convtui) -> None:
    assert convtui("run", *SMALL, "--set", "training.steps=5", "--epochs", "1", "--json").lines[-1]["step"] > 5
    assert convtui("run", *SMALL, "--steps", "5", "--json").lines[-1]["step"] == 5


def test_settings_are_kept_as_a_preset_without_training_and_never_in_place_of_one(convtui: Convtui, tmp_path: Path) -> None:
    kept = convtui("run", "--preset", "demo", "--lr", "0.02", "--save-preset", "mine")
    assert kept.code == 0
    assert not (tmp_path / "store.db").exists()
    (told,) = [each for each in convtui("presets", "--json").lines if each["name"] == "mine"]
    assert told["summary"] == "modified from demo"
    assert told["spec"]["optimiser"]["learning_rate"] == 0.02
    for name, said in (("mine", "there is such a preset"), ("lenet5", "comes with convtui"), ("a/b", "letters, digits")):
        refused = convtui("run", "--preset", "demo", "--save-preset", name)
        assert refused.code == 2
        assert said in refused.err
    assert convtui("run", "--preset", "demo", "--set", "model.conv_blocks=4 64x64", "--save-preset", "other").code == 2


def test_a_budget_in_images_takes_the_place_of_another_and_can_be_made_larger(convtui: Convtui) -> None:
    first = convtui("run", *SMALL, "--set", "training.steps=3", "--set", "data.batch_size=32", "--images", "70", "--json")
    assert (first.code, first.lines[0]["total_images"], first.lines[-1]["step"]) == (0, 96, 3)
    settings = convtui("runs", "show", "last", "--json").lines[0]["spec"]["training"]
    assert (settings["images"], settings["steps"]) == (70, None)
    refused = convtui("resume", "last", "--images", "96")
    assert (refused.code, "has already done 3 steps" in refused.err) == (2, True)
    assert convtui("resume", "last", "--images", "100", "--json").lines[-1]["step"] == 4
    assert convtui("resume", "last", "--steps", "6", "--json").lines[-1]["step"] == 6
    both = convtui("run", *SMALL, "--steps", "5", "--images", "100")
    assert (both.code, "are two budgets: set one of them to none" in both.err) == (2, True)


def test_a_resumed_run_computes_with_as_many_threads_as_it_began_with(convtui: Convtui) -> None:
    settings = SMALL[:-1]  # without its thread count
    settings = settings[:-1]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        convtui("run", *settings, "--epochs", "1", "--quiet")
        torch.set_num_threads(2)
        convtui("resume", "last", "--epochs", "2", "--quiet")
    finally:
        torch.set_num_threads(threads)
    assert convtui("runs", "show", "last", "--json").lines[0]["provenance"]["threads"] == 1


def test_a_run_that_crashed_before_its_first_checkpoint_begins_again(convtui: Convtui, tmp_path: Path) -> None:
    convtui("run", *SMALL, "--epochs", "2", "--quiet")
    with Store.open(tmp_path / "store.db") as store:
        spec = changed(store.run(1).settings, {"training.epochs": 100_000})
        run_id = store.create_run(name="killed", preset="", spec=spec, dataset="digits").id
        assert run_id is not None
        child = train_in_child(store.address, run_id)
        wait_until(lambda: store.run(run_id).step > 0, "the first steps")
        child.kill()
        assert store.run(run_id).status == "crashed"
        assert store.files.newest_checkpoint(run_id) is None
        store.set_spec(run_id, changed(spec, {"training.epochs": 2}))
    first, second = convtui("runs", "show", "1", "--json").lines[0], convtui("resume", "killed", "--json").lines[-1]
    assert (second["status"], second["test_loss"]) == ("finished", first["test_loss"])


def test_a_checkpoint_that_is_gone_is_told(convtui: Convtui, tmp_path: Path) -> None:
    convtui("run", *SMALL, "--epochs", "1", "--quiet")
    with Store.open(tmp_path / "store.db") as store:
        for checkpoint in store.files.checkpoints(1):
            (store.files.folder(1) / checkpoint.file).unlink()
    printed = convtui("resume", "1", "--epochs", "2")
    assert printed.code == 1
    assert "is missing" in printed.err
    assert convtui("runs", "show", "1", "--json").lines[0]["status"] == "failed"


def test_an_error_nobody_foresaw_is_one_line_and_its_story_in_a_named_file(
    convtui: Convtui, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("the moon\nis wrong")

    monkeypatch.setattr("convtui.engine.training.step.Step.__call__", broken)
    printed = convtui("run", *SMALL, "--epochs", "1", "--json")
    assert printed.code == 1
    assert printed.lines[-1]["event"] == "failed"
    assert "Traceback" not in printed.err
    log = Path(printed.err.split("the full story is in ")[1].splitlines()[0])
    assert "RuntimeError: the moon" in log.read_text()
    assert convtui("runs", "list", "--json").lines[0]["status"] == "failed"


@pytest.mark.parametrize("name", ["", "  ", "last", "7"])
def test_a_name_that_cannot_be_starts_nothing(name: str, convtui: Convtui, tmp_path: Path) -> None:
    printed = convtui("run", *SMALL, "--name", name)
    assert printed.code == 2
    assert "a run" in printed.err
    assert not list(tmp_path.glob("store*"))


def test_a_store_that_is_none_is_told_before_anything_is_loaded(convtui: Convtui, tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("shopping list")
    printed = convtui("run", *SMALL)
    assert printed.code == 2
    assert len(printed.err.splitlines()) == 1
    assert (tmp_path / "store.db").read_text() == "shopping list"


def test_a_signal_that_comes_before_there_is_a_training_still_ends_it_saved(
    convtui: Convtui, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = Store.claim

    def claim_and_signal(self: Store, run_id: int, *, queued: bool = False) -> Run:
        row = claim(self, run_id, queued=queued)
        os.kill(os.getpid(), signal.SIGTERM)
        return row

    monkeypatch.setattr(Store, "claim", claim_and_signal)
    printed = convtui("run", *SMALL, "--epochs", "100000", "--json")
    assert printed.code == 143
    assert printed.lines[-1]["event"] == "stopped"


def test_a_precision_that_the_device_has_not_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    with pytest.raises(DeviceError, match=r"training\.precision = float32"):
        check_precision(torch.device("cuda"), "bfloat16")
    check_precision(torch.device("cuda"), "float32")


def test_what_was_chosen_is_measured_shown_and_exported(convtui: Convtui) -> None:
    chosen = "training.measures=gradient_norm, dead, class_accuracy, confusion, mean_squared_error"
    printed = convtui("run", *SMALL, "--epochs", "2", "--set", chosen, "--json")
    assert printed.code == 0
    started = printed.lines[0]
    assert started["total_images"] > started["total_steps"]
    run = convtui("runs", "export", "last", "--json").lines[0]
    assert {"gradient_norm/conv1", "dead/act1", "test_mean_squared_error"} <= run["metrics"].keys()
    assert len(run["metrics"]["gradient_norm/conv1"]["steps"]) == run["step"]
    assert run["confusion"]["classes"] == [str(digit) for digit in range(10)]
    assert run["confusion"]["steps"] == run["metrics"]["test_accuracy"]["steps"]
    last = run["confusion"]["counts"][-1]
    assert sum(last[place][place] for place in range(len(last))) / sum(map(sum, last)) == pytest.approx(run["test_accuracy"])
    shown = convtui("runs", "show", "last").out
    assert f"{run['metrics']['gradient_norm/conv1']['values'][-1]:.3g}" in shown
    assert "images shown" in shown
    assert "classes     0, 1, 2, 3, 4, 5, 6, 7, 8, 9" in shown
    told = convtui("runs", "show", "last", "--json").lines[0]
    assert told["stability"] > 0
    assert told["measures"]["dead/act1"] == run["metrics"]["dead/act1"]["values"][-1]
