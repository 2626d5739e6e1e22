"""`convtui run` and `resume`: what they print, keep and exit with."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from engine import events
from engine.store import Store
from tests.cli.conftest import SMALL, Convtui
from tui.cli import train

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
        (["--device", "cuda:9"], "there is no such device"),
        (["--set", "model.conv_blocks=4 99x99"], "does not fit"),
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
    whole = convtui("run", *SMALL, "--epochs", "4", "--json", "--name", "whole").lines[-1]
    show = train.JsonFace.show

    def show_and_signal(self: train.JsonFace, event: events.Event) -> None:
        show(self, event)
        if isinstance(event, events.EpochEnded) and event.epoch == 2:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(train.JsonFace, "show", show_and_signal)
        stopped = convtui("run", *SMALL, "--epochs", "4", "--json", "--name", "stopped")
    assert stopped.code == code
    assert stopped.lines[-1]["status"] == "stopped"
    assert signal.getsignal(number) is not None
    resumed = convtui("resume", "stopped", "--json")
    assert resumed.code == 0
    last = resumed.lines[-1]
    for name in ("step", "train_loss", "test_loss", "test_accuracy"):
        assert last[name] == whole[name], name


def test_a_finished_run_is_trained_longer_on_request_only(convtui: Convtui) -> None:
    convtui("run", *SMALL, "--epochs", "2", "--quiet")
    refused = convtui("resume", "1")
    assert refused.code == 2
    assert "--epochs 4 trains it longer" in refused.err
    assert convtui("resume", "1", "--epochs", "1").code == 2
    longer = convtui("resume", "1", "--epochs", "4", "--json").lines[-1]
    whole = convtui("run", *SMALL, "--epochs", "4", "--json").lines[-1]
    assert (longer["epoch"], longer["test_loss"]) == (4, whole["test_loss"])


def test_a_run_that_crashed_before_its_first_checkpoint_begins_again(convtui: Convtui, tmp_path: Path) -> None:
    convtui("run", *SMALL, "--epochs", "1", "--quiet")
    with Store.open(tmp_path / "store.db") as store:
        for checkpoint in store.checkpoints(1):
            (store.folder(1) / checkpoint.file).unlink()
    printed = convtui("resume", "1", "--epochs", "2")
    assert printed.code == 1
    assert "is gone" in printed.err
    assert convtui("runs", "show", "1", "--json").lines[0]["status"] == "failed"


def test_an_error_nobody_foresaw_is_one_line_and_its_story_in_a_named_file(
    convtui: Convtui, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("the moon\nis wrong")

    monkeypatch.setattr("engine.training.step.EagerStep.__call__", broken)
    printed = convtui("run", *SMALL, "--epochs", "1", "--json")
    assert printed.code == 1
    assert printed.lines[-1]["event"] == "failed"
    assert "Traceback" not in printed.err
    log = Path(printed.err.split("the full story is in ")[1].splitlines()[0])
    assert "RuntimeError: the moon" in log.read_text()
    assert json.loads(json.dumps(convtui("runs", "list", "--json").lines[0]))["status"] == "failed"
