"""`convtui runs`: what is kept comes out as it went in."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from convtui.engine import events, tracking
from convtui.engine.spec import RunSpec, changed
from convtui.engine.store import Recorder, Store
from convtui.tui.app.runs.rows import Reader as RunsReader
from tests.cli.conftest import Convtui

EVIL = "name\x1b[31m\x1b]0;owned\x07\r\nnext"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Two finished runs: `first`, and one whose name holds terminal escapes."""
    with Store.open(tmp_path / "store.db") as store:
        for name, accuracy in (("first", 0.5), (EVIL, 0.75)):
            run = store.create_run(name=name, preset="lenet5", spec=RunSpec(), dataset="toy")
            store.claim(run.id)
            with Recorder(store, run.id) as recorder:
                started = events.Started(0, 0, 4, 2, 8, 100, "toy", "cpu", {"threads": 1, "command": ["convtui", EVIL]})
                recorder.record(started)
                values = {"batch_loss": (2.5, math.nan), "batch_accuracy": (0.25, 0.5), "learning_rate": (0.1, 0.1)}
                recorder.record(events.Progress(2, 1, 2, 1, values, 8, 1.5, 5.0))
                scores = {"train_loss": 2.0, "train_accuracy": 0.4, "test_loss": 1.0, "test_accuracy": accuracy}
                measured = {"conv_deltas/conv1": 0.125, "conv_deltas/conv2": math.nan} if name == "first" else {}
                recorder.record(events.EpochEnded(2, 1, scores | measured, 2.0, 5.0, best=True))
                recorder.record(events.Message(2, EVIL, "warning"))
                recorder.record(events.Stopped(2, 1, scores, 2.0, 5.0))
        yield store


def test_list_shows_the_newest_first_in_columns(store: Store, convtui: Convtui) -> None:
    header, newest, oldest = convtui("runs", "list").out.splitlines()
    assert header.split()[:2] == ["id", "name"]
    assert newest.split()[0] == "2"
    assert "75.0 %" in newest
    assert oldest.split()[:5] == ["1", "first", "toy", "stopped", "1/2"]
    assert len(convtui("runs", "list", "--limit", "1").out.splitlines()) == 2


def test_a_list_reads_no_more_runs_than_it_shows(store: Store, convtui: Convtui, monkeypatch: pytest.MonkeyPatch) -> None:
    read, runs = [], Store.runs
    monkeypatch.setattr(Store, "runs", lambda self, **asked: read.append(found := runs(self, **asked)) or found)
    assert convtui("runs", "list", "--limit", "1").code == 0
    assert [len(found) for found in read] == [1]


def test_validation_stands_in_where_nothing_is_known_of_test_images(store: Store, convtui: Convtui) -> None:
    tracked = tracking.init("mine", store=store.address)
    tracked.log({"val/acc": 0.25, "Loss/val": 1.5}, step=1)
    tracked.log({"val/acc": 0.875, "Loss/val": 0.5}, step=2)
    tracked.finish()
    _, mine, other = convtui("runs", "list", "--limit", "2").out.splitlines()
    assert "val 87.5 %" in mine
    assert "val 0.500" in mine
    assert "▁▇" in mine
    assert "val" not in other
    (line, _) = RunsReader().read(store)[:2]
    assert (line.accuracy, line.loss, line.cells["test acc"], line.cells["loss"]) == (0.875, 0.5, "val 87.5 %", "val 0.500")
    shown = convtui("runs", "show", "mine").out
    assert shown.count("accuracy 87.5 %, loss 0.500") == 1
    values = {len(found[0]) for found in re.finditer(r"^(status|where) +", shown, re.M)}
    assert len(values) == 1, "in one column, though of a device it told nothing"
    assert convtui("runs", "watch", "mine").out.strip() == "run 3 finished: validation accuracy 87.5 %"


def test_a_filter_and_columns_of_settings(store: Store, convtui: Convtui) -> None:
    slow = store.create_run(name="slow", preset="", spec=changed(RunSpec(), {"optimiser.learning_rate": 3e-4}), dataset="toy")
    store.set_note(slow.id, "weak #report")

    def found(*words: str) -> list[int]:
        return [line["id"] for line in convtui("runs", "list", "--json", "--filter", *words).lines]

    assert found("lr>=1e-3 first OR #report") == [3, 1]
    assert found("test_accuracy>0.6") == [2]
    assert found("conv_deltas>0.1 NOT status:failed") == [1], "of one of its layers"
    assert found("nothing-like-it") == []
    assert "no run in" in convtui("runs", "list", "--filter", "nothing-like-it").out
    assert found("toy", "--limit", "1") == [3], "the newest of those that match"
    for wrong, said in (("lr>", "lr> needs a number"), ("test_acuracy>0.5", "did you mean test_accuracy"), ("(a", "( without )")):
        refused = convtui("runs", "list", "--filter", wrong)
        assert refused.code == 2
        assert said in refused.err
    header, *rows = convtui("runs", "list", "--column", "lr", "--column", "activation").out.splitlines()
    place = header.split().index("learning_rate")
    assert header.split()[place + 1] == "activation"
    assert [("0.0003" in row, "relu" in row) for row in rows] == [(True, True), (False, True), (False, True)]
    (line, *_) = convtui("runs", "list", "--column", "lr", "--json").lines
    assert line["settings"] == {"optimiser.learning_rate": 3e-4}


def test_runs_are_sorted_by_a_measure_that_some_have_as_nan(convtui: Convtui, tmp_path: Path) -> None:
    for value in (5.0, math.nan, 1.0, math.nan, 3.0, 2.0):
        with tracking.init(str(value).replace(".0", "th"), store=tmp_path / "store.db") as run:
            run.log({"weird": value})
    for way, values in (((), ["5", "3", "2", "1"]), (("--reverse",), ["1", "2", "3", "5"])):
        names = [line["name"] for line in convtui("runs", "list", "--sort", "weird", *way, "--json").lines]
        assert names == [*(f"{value}th" for value in values), "nan", "nan"]


def test_measures_are_columns(store: Store, convtui: Convtui) -> None:
    header, newest, oldest = convtui("runs", "list", "--column", "conv_deltas", "--column", "train_accuracy").out.splitlines()
    place = header.split().index("conv_deltas/conv1")
    assert header.split()[place:][:3] == ["conv_deltas/conv1", "conv_deltas/conv2", "train_accuracy"]
    end = header.index("conv_deltas/conv1") + len("conv_deltas/conv1")
    assert (oldest[:end].split()[-1], newest[:end].split()[-1]) == ("0.125", "—")
    assert oldest[end:].split()[:3] == ["nan", "40.0", "%"]
    chosen = ("--column", "conv_deltas/conv1", "--column", "stability")
    last, first = convtui("runs", "list", *chosen, "--json").lines
    assert last["measures"] == {"conv_deltas/conv1": None, "stability": None}
    assert first["measures"] == {"conv_deltas/conv1": 0.125, "stability": None}
    assert "measures" not in convtui("runs", "list", "--json").lines[0]
    refused = convtui("runs", "list", "--column", "conv_delta")
    assert refused.code == 2
    assert (
        "--column conv_delta: no hyperparameter, and none of these runs has measured it (did you mean conv_deltas?)" in refused.err
    )
    assert "measured it; use batch_accuracy, " in convtui("runs", "list", "--column", "xyz").err
    assert "(did you mean accuracy?)" in convtui("runs", "list", "--sort", "accurcy").err


def test_a_hyperparameter_that_no_run_here_has_is_called_one(tmp_path: Path, convtui: Convtui) -> None:
    with tracking.init("a script's", store=tmp_path / "store.db") as run:
        run.log({"train/loss": 1.0})
    for name in ("lr", "optimiser.learning_rate"):
        refused = convtui("runs", "list", "--column", name)
        assert f"--column {name}: none of these runs has that hyperparameter; use seconds, train, " in refused.err


@pytest.mark.parametrize("command", [["runs", "list"], ["runs", "show", "2"], ["runs", "rename", "2", EVIL]])
def test_no_escape_of_a_name_reaches_the_terminal(command: list[str], store: Store, convtui: Convtui) -> None:
    printed = convtui(*command)
    assert "name\\x1b" in printed.out
    assert not set(printed.out) & {"\x1b", "\x07", "\r"}


def test_an_empty_store_and_none_at_all_are_greeted(convtui: Convtui, tmp_path: Path) -> None:
    for _ in range(2):
        printed = convtui("runs", "list")
        assert (printed.code, "convtui run --preset demo" in printed.out) == (0, True)
        assert not list(tmp_path.glob("store*")), "a look makes no store"
    refused = convtui("runs", "show", "last")
    assert refused.code == 2
    assert "no store at" in refused.err


@pytest.mark.parametrize(("reference", "found"), [("1", 1), ("first", 1), ("fir", 1), ("last", 2), ("best", 2)])
def test_a_run_is_found_by_id_name_prefix_last_and_best(reference: str, found: int, store: Store, convtui: Convtui) -> None:
    assert convtui("runs", "show", reference, "--json").lines[0]["id"] == found


def test_an_unknown_run_is_exit_code_2(store: Store, convtui: Convtui) -> None:
    printed = convtui("runs", "show", "firts")
    assert printed.code == 2
    assert "first" in printed.err


def test_export_writes_every_step(store: Store, convtui: Convtui, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(convtui("runs", "export", "1").out)))
    assert [row["step"] for row in rows] == ["1", "2"]
    assert [row["batch_loss"] for row in rows] == ["2.5", "nan"]
    assert [row["test_loss"] for row in rows] == ["", "1.0"]
    convtui("runs", "export", "1", "--format", "json", "--out", "out.json")
    exported = json.loads((tmp_path / "out.json").read_text())
    assert exported["metrics"]["batch_loss"] == {"steps": [1, 2], "values": [2.5, None]}
    assert exported["spec"] == RunSpec().model_dump(mode="json")


def test_an_exports_form_is_as_its_name_ends(store: Store, convtui: Convtui, tmp_path: Path) -> None:
    for name, *options in (("a.json",), ("a.csv",), ("plain",), ("a.txt", "--format", "json")):
        assert convtui("runs", "export", "1", "--out", name, *options).code == 0
    forms = {name: (tmp_path / name).read_text()[0] for name in ("a.json", "a.csv", "plain", "a.txt")}
    assert forms == {"a.json": "{", "a.csv": "s", "plain": "s", "a.txt": "{"}
    printed = convtui("runs", "export", "1", "--format", "tensorboard", "--out", "logs/first")
    (written,) = (tmp_path / "logs" / "first").iterdir()
    assert written.name in printed.out
    assert "tfevents" in written.name


def test_several_runs_are_exported_together(store: Store, convtui: Convtui, tmp_path: Path) -> None:
    printed = convtui("runs", "export", "2", "first", "1", "--out", "both.csv")
    assert printed.code == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "both.csv").read_text())))
    measured = {run: {step for name in store.metric_names(run) for step in store.series(run, name).steps} for run in (2, 1)}
    assert [(row["run"], row["step"]) for row in rows] == [
        (str(run), str(step)) for run in measured for step in sorted(measured[run])
    ]
    assert {row["name"] for row in rows if row["run"] == "1"} == {"first"}
    assert "\x1b" not in (tmp_path / "both.csv").read_text()
    assert [row["batch_loss"] for row in rows if row["run"] == "1"] == ["2.5", "nan"]
    assert [line["id"] for line in convtui("runs", "export", "2", "1", "--json").lines] == [2, 1]


def test_several_runs_are_several_folders_to_tensorboard_and_no_onnx(store: Store, convtui: Convtui, tmp_path: Path) -> None:
    assert convtui("runs", "export", "1", "2", "--format", "tensorboard", "--out", "logs").code == 0
    folders = sorted((tmp_path / "logs").iterdir())
    assert [folder.name for folder in folders] == ["run-1-first", "run-2-name-31m-0-owned-next"]
    assert all(len(list(folder.glob("*tfevents*"))) == 1 for folder in folders)
    refused = convtui("runs", "export", "1", "2", "--out", "net.onnx")
    assert refused.code == 2
    assert "holds one net" in refused.err
    assert not (tmp_path / "net.onnx").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--out", "curve.png"), ".csv or .json"),
        (("--out", "store.db"), "it is a store"),
        (("--out", "other.db"), ".csv or .json"),
        (("--out", "a.csv", "--format", "json"), "contradict each other"),
        (("--format", "tensorboard"), "needs a place: add --out FOLDER"),
        (("--format", "tensorboard", "--out", "store/events"), "a store keeps its runs' files in"),
        (("--format", "onnx"), "needs a place: add --out net.onnx"),
        (("--out", "a.csv", "--epoch", "3"), "use them with --format onnx"),
    ],
)
def test_an_export_that_its_name_does_not_fit_writes_nothing(
    options: tuple[str, ...], said: str, store: Store, convtui: Convtui, tmp_path: Path
) -> None:
    printed = convtui("runs", "export", "1", *options)
    assert printed.code == 2
    assert said in printed.err
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith("store")]
    assert not (tmp_path / "store" / "events").exists()
    assert convtui("runs", "show", "1").code == 0


def test_rename_note_and_delete(store: Store, convtui: Convtui) -> None:
    assert convtui("runs", "rename", "first", "baseline").code == 0
    convtui("runs", "note", "baseline", "for the write-up")
    assert "for the write-up" in convtui("runs", "show", "1").out
    folder = store.files.folder(1)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "checkpoint-000000002.safetensors").write_bytes(b"weights")
    kept = convtui("runs", "delete", "1", "--yes")
    assert kept.code == 0
    assert not folder.exists()
    assert [line["id"] for line in convtui("runs", "list", "--json").lines] == [2]
    assert convtui("runs", "delete", "1", "--yes").code == 2


def test_several_are_deleted_at_once_or_none_where_one_is_not_there(store: Store, convtui: Convtui) -> None:
    assert convtui("runs", "delete", "1", "9", "--yes").code == 2
    assert len(store.runs()) == 2
    assert convtui("runs", "delete", "1", "first", "2", "--yes").code == 0
    assert store.runs() == []


def test_every_change_can_be_told_in_json(store: Store, convtui: Convtui) -> None:
    assert convtui("runs", "rename", "1", "other", "--json").lines[0]["name"] == "other"
    assert convtui("runs", "note", "1", "seen", "--json").lines[0]["note"] == "seen"
    assert convtui("runs", "export", "1", "--json").lines[0]["metrics"]["test_loss"]["values"] == [1.0]
    watched = convtui("runs", "watch", "1", "--json").lines
    assert [line["event"] for line in watched] == ["epoch", "stopped"]
    assert watched[0]["test_accuracy"] == 0.5
    assert convtui("runs", "delete", "1", "--yes", "--json").lines[0]["id"] == 1


def test_delete_asks_and_takes_no_for_an_answer(store: Store, convtui: Convtui, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    kept = convtui("runs", "delete", "1")
    assert (kept.code, kept.err) == (0, "kept run 1\n")
    assert len(convtui("runs", "list", "--json").lines) == 2


@pytest.mark.parametrize(
    "command", [("show", "\udcff"), ("note", "1", "a\udcff"), ("rename", "1", "a\udcff"), ("export", "\udcff")]
)
def test_bytes_that_are_not_text_are_told_as_such(command: tuple[str, ...], store: Store, convtui: Convtui) -> None:
    printed = convtui("runs", *command)
    assert printed.code == 2
    assert "not UTF-8" in printed.err


def test_the_store_may_be_named_before_the_command_too_and_the_name_after_it_counts(
    convtui: Convtui, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVTUI_STORE", "environment.db")
    assert "no runs yet in environment.db" in convtui("runs", "list").out
    assert "no runs yet in before.db" in convtui("--store", "before.db", "runs", "list").out
    assert "no runs yet in after.db" in convtui("--store", "before.db", "runs", "list", "--store", "after.db").out
    refused = convtui("--device", "cpu", "runs", "list")
    assert (refused.code, "--device cannot come before a command" in refused.err) == (2, True)


def test_images_of_a_script_are_listed_drawn_and_saved(store: Store, convtui: Convtui, tmp_path: Path) -> None:
    tracked = tracking.init("mine", store=store.address)
    for step in (1, 2):
        tracked.log_image("recon", np.full((4, 4), 60 * step, np.uint8), step=step)
        tracked.log_image(EVIL, np.zeros((2, 3, 4, 4), np.uint8), step=step)
    tracked.finish()
    listed = convtui("runs", "images", "mine", "--json").lines
    assert [(line["name"], line["step"]) for line in listed] == [(EVIL, 1), (EVIL, 2), ("recon", 1), ("recon", 2)]
    shown = convtui("runs", "images", "mine")
    assert shown.code == 0
    assert "recon, step 2 · run 3 (mine)" in shown.out
    assert "there are steps 1, 2" in shown.out
    assert "\x1b]0;" not in shown.out
    saved = convtui("runs", "images", "mine", "--name", "recon", "--step", "1", "--out", "recon.npz")
    assert (saved.code, saved.out) == (0, "saved recon.npz\n")
    with np.load(tmp_path / "recon.npz") as arrays:
        (pixels,) = [value for value in arrays.values() if value.shape[-2:] == (4, 4)]
        assert (pixels == 60).all()
    for wrong, said in ((("--step", "9"), "there are images of step 1, 2"), (("--name", "x"), "there are images of")):
        refused = convtui("runs", "images", "mine", *wrong)
        assert refused.code == 2
        assert said in refused.err
    assert "has no images: its script logs some by run.log_image" in convtui("runs", "images", "first").err
