"""`convtui study`: runs are made once, whoever is killed and however many run it; results stand beside what was published."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from convtui.engine.spec import RunSpec
from convtui.engine.store import Store
from convtui.engine.study import own_studies
from convtui.engine.training import Training
from tests.cli.conftest import Convtui
from tests.harness.children import wait_until
from tests.harness.rows import execute, set_columns

ROOT = Path(__file__).parents[2]

STUDY = """
title = "Small nets on digits"
question = "How many filters?"
report = "000"
seeds = 2

[set]
"data.source" = "digits"
"data.size" = 8
"data.colour" = "grey"
"data.train_per_class" = 40
"model.conv_blocks" = "4 3x3 pad 1 pool 2"
"model.dense_blocks" = "16"
"optimiser.learning_rate" = 0.01
"training.epochs" = 4
"training.threads" = 1

[[setting]]
name = "four"
preset = "lenet5"
source = "report 000, 1"
published = { test_accuracy = 0.85 }
statistics = ["conv1:after"]

[[setting]]
name = "eight"
preset = "lenet5"
set = { "model.conv_blocks" = "8 3x3 pad 1 pool 2" }
source = "report 000, 2"
published = { test_accuracy = { about = 0.9 } }

[[setting]]
name = "hot"
preset = "lenet5"
set = { "optimiser.name" = "sgd", "optimiser.learning_rate" = 10.0, "training.epochs" = 20, "training.loss" = "sum_squares" }
seeds = 1

[[claim]]
says = "four filters do not diverge"
measure = "diverged"
settings = ["four"]
high = 0.5
"""


THIRD = """
[[setting]]
name = "long"
preset = "lenet5"
set = { "training.steps" = 600, "training.checkpoint_seconds" = 0.05, "data.batch_size" = 4 }

"""


@pytest.fixture
def study(tmp_path: Path) -> str:
    file = tmp_path / "small.toml"
    file.write_text(STUDY)
    return str(file)


def kept(tmp_path: Path) -> list[tuple[int, str, str, int]]:
    """(id, name, status, attempts) of every run in the store."""
    with Store.open(tmp_path / "store.db", create=False) as store:
        return sorted((run.id, run.name, run.status, run.attempt) for run in store.runs())


def test_a_study_runs_every_setting_with_its_first_seed_then_with_the_second_and_nothing_twice(
    convtui: Convtui, study: str, tmp_path: Path
) -> None:
    printed = convtui("study", "run", study, "--json")
    assert printed.code == 0
    settings = [line for line in printed.lines if line["event"] == "setting"]
    assert [(line["setting"], line["seed"], line["standing"]) for line in settings] == [
        ("four", 0, "missing"),
        ("eight", 0, "missing"),
        ("hot", 0, "missing"),
        ("four", 1, "missing"),
        ("eight", 1, "missing"),
    ]
    assert printed.lines[-1] == {"event": "study", "study": "small", "wanted": 5, "finished": 4, "diverged": 1}
    before = kept(tmp_path)
    assert [(name, status) for _, name, status, _ in before] == [
        ("small/four#0", "finished"),
        ("small/eight#0", "finished"),
        ("small/hot", "diverged"),
        ("small/four#1", "finished"),
        ("small/eight#1", "finished"),
    ]

    again = convtui("study", "run", study, "--json")
    assert [line["standing"] for line in again.lines if line["event"] == "setting"] == ["done"] * 5
    assert kept(tmp_path) == before
    with Store.open(tmp_path / "store.db") as store:
        assert {run.study for run in store.runs()} == {"small"}
        assert [store.run(number).settings.training.seed for number in (1, 4)] == [0, 1]


def test_statistics_of_layers_are_kept_with_the_run_as_the_view_shows_them(convtui: Convtui, study: str, tmp_path: Path) -> None:
    assert convtui("study", "run", study, "--only", "four", "--seeds", "1", "--quiet").code == 0
    table = convtui("look", "statistics", "last", "--json").lines[0]["results"][0]
    (row,) = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"] if row[:2] == ["conv1", "after"]]
    with Store.open(tmp_path / "store.db") as store:
        last = store.last_metrics(1)
        assert {figure: last[f"statistics.conv1.after.{figure}"].value for figure in ("max", "min", "mean", "variance", "std")} == {
            figure: row[figure] for figure in ("max", "min", "mean", "variance", "std")
        }
        assert last["statistics.conv1.after.max"].step == store.run(1).step


def test_statistics_that_a_killed_program_did_not_come_to_are_made_up_for(convtui: Convtui, study: str, tmp_path: Path) -> None:
    convtui("study", "run", study, "--only", "four", "--seeds", "1", "--quiet")
    with Store.open(tmp_path / "store.db") as store:
        values = store.last_metrics(1)
        execute(store, "DELETE FROM metric WHERE name LIKE 'statistics%'")
    assert convtui("study", "run", study, "--only", "four", "--seeds", "1", "--quiet").code == 0
    with Store.open(tmp_path / "store.db") as store:
        assert store.last_metrics(1) == values
        assert len(store.runs()) == 1


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "convtui.tui.cli", "study", "run", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.long
def test_a_study_that_nobody_listens_to_is_trained_all_the_same(study: str, tmp_path: Path) -> None:
    process = start(tmp_path, study, "--only", "four")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()  # from here on every write fails
    assert process.wait(120) == 0
    with Store.open(tmp_path / "store.db", create=False) as store:
        assert [run.status for run in store.runs()] == ["finished", "finished"]


def in_its_midst(path: Path, run_id: int, process: subprocess.Popen[str]) -> bool:
    assert process.poll() is None, f"it ended by itself: {process.stdout.read() if process.stdout else ''}"
    if not path.exists():
        return False
    with Store.open(path, create=False) as store:
        runs = {run.id: run for run in store.runs()}
        return run_id in runs and bool(store.files.checkpoints(run_id, "checkpoint")) and runs[run_id].step > 20


@pytest.mark.long
def test_killed_in_the_third_run_the_third_goes_on_and_nothing_runs_twice(convtui: Convtui, study: str, tmp_path: Path) -> None:
    text = STUDY.replace("seeds = 2", "seeds = 1").replace("[[claim]]", THIRD + "[[claim]]")
    Path(study).write_text(text)
    only = ("--only", "four,eight,long")
    process = start(tmp_path, study, *only)
    try:
        wait_until(partial(in_its_midst, tmp_path / "store.db", 3, process), "the third run", seconds=120)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    killed = kept(tmp_path)
    assert [(name, status, attempt) for _, name, status, attempt in killed] == [
        ("small/four", "finished", 1),
        ("small/eight", "finished", 1),
        ("small/long", "crashed", 1),
    ]

    with Store.open(tmp_path / "store.db") as store:
        saved = store.files.newest_checkpoint(3)
    assert saved is not None
    printed = convtui("study", "run", study, *only)
    assert printed.code == 0
    told = [line.partition("] ")[2] for line in printed.out.splitlines() if line.startswith("[")]
    assert told == [
        "four, seed 0: run 1 is finished",
        "eight, seed 0: run 2 is finished",
        f"long, seed 0: run 3 resumes at step {saved.step}",
    ]
    assert [(name, status, attempt) for _, name, status, attempt in kept(tmp_path)] == [
        ("small/four", "finished", 1),
        ("small/eight", "finished", 1),
        ("small/long", "finished", 2),
    ]
    with Store.open(tmp_path / "store.db") as store:
        assert store.run(3).attempt_step == saved.step, "it went on from its checkpoint, not from its start"
        steps = list(store.series(3, "batch_loss").steps)
        assert steps == list(range(1, store.run(3).total_steps + 1))


@pytest.mark.long
def test_two_processes_on_one_store_share_the_runs(convtui: Convtui, study: str, tmp_path: Path) -> None:
    processes = [start(tmp_path, study, "--only", "four,eight", "--seeds", "3") for _ in range(2)]
    outputs = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    runs = kept(tmp_path)
    assert sorted(name for _, name, _, _ in runs) == sorted(
        f"small/{name}#{seed}" for name in ("four", "eight") for seed in range(3)
    )
    assert {(status, attempt) for _, _, status, attempt in runs} == {("finished", 1)}
    printed = convtui("study", "run", study, "--only", "four,eight", "--seeds", "3", "--json")
    assert [line["standing"] for line in printed.lines if line["event"] == "setting"] == ["done"] * 6


def test_a_tenth_of_the_budget_is_another_run_and_shown_as_such_until_the_whole_is_there(convtui: Convtui, study: str) -> None:
    # 40 images of each of 10 classes in batches of 128 are 4 steps an epoch; a tenth of 4 epochs is 1.6 of them.
    assert convtui("study", "run", study, "--only", "four", "--seeds", "1", "--scale", "0.1", "--quiet").code == 0
    (shown,) = convtui("study", "show", study, "--json").lines
    four = shown["settings"][0]
    assert four["scaled"] == "scaled 0.12: 2 of 16 steps"
    assert four["differing"] == {"training.epochs": {"study": "4", "runs": "1"}, "training.steps": {"study": "none", "runs": "2"}}
    assert convtui("study", "run", study, "--only", "four", "--seeds", "1", "--quiet").code == 0
    four = convtui("study", "show", study, "--json").lines[0]["settings"][0]
    assert (four["scaled"], four["differing"], [run["id"] for run in four["runs"]]) == ("", {}, [2])


def test_data_of_another_place_are_another_run(convtui: Convtui, study: str, tmp_path: Path) -> None:
    from PIL import Image

    for index in range(24):
        folder = tmp_path / "mine" / ("train" if index < 16 else "test") / ("dark", "light")[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 40 + 150 * (index % 2) + index).save(folder / f"{index}.png")
    Path(study).write_text(STUDY.replace('"data.train_per_class" = 40\n', ""))
    options = ("--only", "four", "--seeds", "1", "--quiet")
    assert convtui("study", "run", study, *options, "--data", "digits=folder:mine").code == 0
    with Store.open(tmp_path / "store.db") as store:
        assert store.run(1).settings.data.source == f"folder:{tmp_path / 'mine'}"
    convtui("study", "run", study, *options, "--data", f"digits=folder:{tmp_path / 'mine'}")
    assert len(kept(tmp_path)) == 1, "the same place by another name"
    differing = convtui("study", "show", study, "--json").lines[0]["settings"][0]["differing"]
    assert differing == {"data.source": {"study": "digits", "runs": f"folder:{tmp_path / 'mine'}"}}


def test_a_study_is_never_run_on_stand_ins(convtui: Convtui, study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_more: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    Path(study).write_text(STUDY.replace('"data.source" = "digits"', '"data.source" = "cifar10"'))
    printed = convtui("study", "run", study)
    assert printed.code == 2
    assert "--data cifar10=" in printed.err
    assert len(printed.err.splitlines()) == 1
    assert not list(tmp_path.glob("store*")), "nothing was started"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "fuor"], "did you mean four?"),
        (["--data", "cifar10=shapes"], "does not use 'cifar10'"),
        (["--data", "digits"], "write NAME=SOURCE"),
        (["--data", "digits=digit"], "did you mean digits?"),
        (["--data", "digits=folder:nowhere"], "nowhere"),
        (["--scale", "0"], "--scale 0 must be above 0"),
        (["--device", "cuda:9"], "no such device here"),
    ],
)
def test_a_wrong_command_starts_nothing(arguments: list[str], said: str, convtui: Convtui, study: str, tmp_path: Path) -> None:
    printed = convtui("study", "run", study, *arguments)
    assert printed.code == 2
    assert said in printed.err
    assert not list(tmp_path.glob("store*"))


def test_a_net_that_cannot_be_built_is_refused_before_anything_is_trained(convtui: Convtui, study: str, tmp_path: Path) -> None:
    Path(study).write_text(STUDY.replace('"8 3x3 pad 1 pool 2"', '"8 99x99"'))
    printed = convtui("study", "run", study)
    assert printed.code == 2
    assert "setting eight: " in printed.err
    assert not list(tmp_path.glob("store*"))


@pytest.mark.parametrize(
    ("statistic", "said"), [("conv2:after", "did you mean conv1?"), ("conv1:output", "no values 'output': it has before, after")]
)
def test_a_layer_or_stage_that_is_not_there_is_refused_before_anything_is_trained(
    statistic: str, said: str, convtui: Convtui, study: str, tmp_path: Path
) -> None:
    Path(study).write_text(STUDY.replace('"conv1:after"', f'"{statistic}"'))
    printed = convtui("study", "run", study)
    assert (printed.code, said in printed.err) == (2, True)
    assert not list(tmp_path.glob("store*"))


def test_a_failed_run_is_told_the_others_go_on_and_it_starts_over_the_next_time(
    convtui: Convtui, study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Training):
        def __init__(self, spec: RunSpec, *arguments: object, **more: object) -> None:
            if spec.model.conv_blocks[0].filters == 4:
                raise RuntimeError("a fuse blew")
            super().__init__(spec, *arguments, **more)  # type: ignore[arg-type]

    only = ("--only", "four,eight", "--seeds", "1")
    with monkeypatch.context() as patched:
        patched.setattr("convtui.engine.training.recording.Training", Failing)
        printed = convtui("study", "run", study, *only)
    assert printed.code == 1
    assert "a fuse blew" in printed.err
    assert [(name, status) for _, name, status, _ in kept(tmp_path)] == [("small/four", "failed"), ("small/eight", "finished")]
    again = convtui("study", "run", study, *only)
    assert again.code == 0
    assert "[1/2] four, seed 0: run 3 starts over: the previous one failed" in again.out
    assert "[2/2] eight, seed 0: run 2 is finished" in again.out
    assert "study small: 2 finished of 2 runs" in again.out


def test_a_signal_ends_the_study_with_the_run_saved_and_none_begun_after_it(study: str, tmp_path: Path) -> None:
    endless = THIRD.replace("600", "1_000_000")  # else it may have ended before a busy machine sends the signal
    Path(study).write_text(STUDY.replace("[[setting]]", endless + "[[setting]]", 1))
    process = start(tmp_path, study, "--only", "long,four", "--seeds", "1")
    try:
        wait_until(partial(in_its_midst, tmp_path / "store.db", 1, process), "the run", seconds=120)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 143
    assert [(name, status) for _, name, status, _ in kept(tmp_path)] == [("small/long", "stopped")]


def test_a_run_of_another_process_is_left_alone(convtui: Convtui, study: str, tmp_path: Path) -> None:
    only = ("--only", "four", "--seeds", "1")
    convtui("study", "run", study, *only, "--quiet")
    with Store.open(tmp_path / "store.db") as store:
        set_columns(store, 1, status="paused")
        printed = convtui("study", "run", study, *only)
        assert (printed.code, len(store.runs())) == (0, 1)
    assert "run 1 is paused in another process: skipped" in printed.out


def test_show_tells_published_measured_difference_and_verdicts(convtui: Convtui, study: str, tmp_path: Path) -> None:
    convtui("study", "run", study, "--quiet")
    with Store.open(tmp_path / "store.db") as store:
        four = [store.run(number).test_accuracy or 0 for number in (1, 4)]
    printed = convtui("study", "show", study)
    assert printed.code == 0
    rows = {line.split()[0]: line for line in reversed(printed.out.splitlines()) if line}
    mean = 100 * sum(four) / 2
    assert f"  {mean:.2f} %  " in rows["four"]
    assert f"{100 * min(four):.2f} to {100 * max(four):.2f} %" in rows["four"]
    assert f"{mean - 85:.2f} pp".lstrip("-") in rows["four"]
    assert "about 90.00 %" in rows["eight"]
    assert "hot: 1 of 1 runs diverged" in printed.out
    assert "holds: four filters do not diverge" in printed.out
    assert "    four against 50.00 %: no seed differs from the others" in printed.out
    (told,) = convtui("study", "show", study, "--json").lines
    figure = told["settings"][0]["measures"]["test_accuracy"]
    assert figure["values"] == four
    assert figure["difference"] == pytest.approx(sum(four) / 2 - 0.85)
    assert told["claims"][0]["verdict"] == "holds"
    page = convtui("study", "show", study, "--md").out
    assert f"| {mean:.2f} % ({100 * min(four):.2f} to {100 * max(four):.2f}) |" in page
    assert page.startswith("# small: Small nets on digits (report 000)\n")
    assert "| four filters do not diverge | **holds** |" in page


def test_list_has_ones_own_studies_with_how_much_of_them_is_done(convtui: Convtui, study: str, tmp_path: Path) -> None:
    convtui("study", "run", study, "--only", "four", "--seeds", "1", "--quiet")
    folder = own_studies()
    folder.mkdir(parents=True)
    Path(study).rename(folder / "small.toml")
    (folder / "broken.toml").write_text("title = ")
    printed = convtui("study", "list", "--json")
    told = {line["name"]: line for line in printed.lines}
    assert told["small"] == {
        "name": "small", "summary": "Small nets on digits", "report": "000", "settings": 3, "wanted": 5, "finished": 1, "scaled": 0,
    }  # fmt: skip
    assert "broken.toml" in printed.err
    assert "1/5" in convtui("study", "list").out
    convtui("study", "run", "small", "--scale", "0.25", "--only", "four,hot", "--quiet")
    told = {line["name"]: line for line in convtui("study", "list", "--json").lines}["small"]
    # Of four's two runs the second has one of its epochs, and so have the runs of hot; the first is whole.
    assert (told["finished"], told["scaled"]) == (1, 2)
    assert convtui("study", "show", "small").code == 0
    assert "did you mean small?" in convtui("study", "show", "smal").err


def test_without_a_store_what_was_published_is_shown_and_no_store_is_made(convtui: Convtui, study: str, tmp_path: Path) -> None:
    printed = convtui("study", "show", study)
    assert printed.code == 0
    assert "85.00 %" in next(line for line in printed.out.splitlines() if line.startswith("four"))
    assert "not decided: four filters do not diverge" in printed.out
    assert "no store at store.db yet: nothing has been measured" in printed.err
    (told,) = convtui("study", "show", study, "--json").lines
    assert [setting["runs"] for setting in told["settings"]] == [[], [], []]
    assert "| four | test_accuracy | 85.00 % | — | — | 0 of 2 | report 000, 1 |" in convtui("study", "show", study, "--md").out
    assert convtui("study", "list").code == 0
    assert not (tmp_path / "store.db").exists()


def test_json_and_markdown_at_once_are_refused(convtui: Convtui, study: str) -> None:
    printed = convtui("study", "show", study, "--json", "--md")
    assert (printed.code, printed.out) == (2, "")
    assert "choose one" in printed.err


def test_only_that_names_nothing_is_not_everything(convtui: Convtui, study: str, tmp_path: Path) -> None:
    printed = convtui("study", "run", study, "--only", " , ")
    assert (printed.code, "--only is empty" in printed.err) == (2, True)
    assert not (tmp_path / "store.db").exists()


def test_the_last_line_names_the_study_as_it_was_called(convtui: Convtui, study: str) -> None:
    printed = convtui("study", "run", study, "--only", "four", "--seeds", "1")
    last = printed.out.splitlines()[-1]
    assert last == f"study small: 1 finished of 1 runs · convtui study show {study}"
    assert convtui(*last.partition("convtui ")[2].split()).code == 0


def test_what_a_file_says_reaches_the_terminal_without_its_escapes(convtui: Convtui, study: str) -> None:
    text = STUDY.replace('title = "Small', 'title = "\\u001b[31mSmall').replace('says = "four', 'says = "\\u001b]0;x\\u0007four')
    Path(study).write_text(text)
    convtui("study", "run", study, "--only", "four", "--seeds", "1", "--scale", "0.3", "--quiet")
    for form in ((), ("--md",)):
        printed = convtui("study", "show", study, *form)
        assert (printed.code, "Small nets" in printed.out, "\x1b" in printed.out) == (0, True, False)


def test_images_that_only_reading_finds_wanting_end_their_setting_and_not_the_study(
    convtui: Convtui, study: str, tmp_path: Path
) -> None:
    wrong = '[[setting]]\nname = "wrong"\npreset = "lenet5"\nset = { "data.classes" = ["ten", "1"] }\n\n'
    Path(study).write_text(STUDY.replace('[[setting]]\nname = "eight"', f'{wrong}[[setting]]\nname = "eight"'))
    printed = convtui("study", "run", study, "--only", "four,wrong,eight", "--seeds", "1")
    assert printed.code == 1
    assert "setting wrong: data.classes names ten" in printed.err
    assert [(name, status) for _, name, status, _ in kept(tmp_path)] == [("small/four", "finished"), ("small/eight", "finished")]


def training_of(path: Path, name: str) -> int | None:
    """The process that trains the run of this name, once it has saved a checkpoint."""
    if not path.exists():
        return None
    with Store.open(path, create=False) as store:
        run = next((run for run in store.runs() if run.name == name), None)
        return run.pid if run is not None and store.files.checkpoints(run.id, "checkpoint") else None


@pytest.mark.long
def test_workers_share_the_runs_and_one_that_is_killed_is_started_again(study: str, tmp_path: Path) -> None:
    endless = THIRD.replace("600", "300")
    Path(study).write_text(STUDY.replace("[[setting]]", endless + "[[setting]]", 1))
    process = start(tmp_path, study, "--only", "long,four", "--seeds", "1", "--workers", "2")
    try:
        wait_until(lambda: training_of(tmp_path / "store.db", "small/long") is not None, "a checkpoint", seconds=120)
        pid = training_of(tmp_path / "store.db", "small/long")
        assert pid not in (None, process.pid)
        os.kill(pid or 0, signal.SIGKILL)
        output = process.communicate(timeout=120)[0]
    finally:
        process.kill()
    assert process.returncode == 0, output
    assert sorted((name, status, attempt) for _, name, status, attempt in kept(tmp_path)) == [
        ("small/four", "finished", 1),
        ("small/long", "finished", 2),
    ]
    assert "was ended by signal 9: it is started again" in output
    assert {line[:2] for line in output.splitlines() if "starts" in line} == {"1│", "2│"}
    assert "study small: 2 finished of 2 runs" in output


SEARCH = """
title = "Digits"
question = "Which learning rate?"

[search]
preset = "lenet5"
trials = 4

[search.set]
"data.source" = "digits"
"data.size" = 8
"data.colour" = "grey"
"data.train_per_class" = 40
"data.validation_fraction" = 0.2
"data.batch_size" = 8
"model.conv_blocks" = "4 3x3 pad 1 pool 2"
"model.dense_blocks" = "none"
"training.epochs" = 2
"training.threads" = 1
"training.checkpoint_seconds" = 0.05

[search.space]
"optimiser.learning_rate" = { low = 1e-4, high = 0.1, log = true }
"""


def test_a_search_trains_its_trials_and_shows_the_best_first(convtui: Convtui, tmp_path: Path) -> None:
    file = tmp_path / "rate.toml"
    file.write_text(SEARCH)
    printed = convtui("study", "run", str(file))
    assert printed.code == 0
    assert "[1/4] 001 learning_rate=" in printed.out
    assert "study rate: 4 finished of 4 runs" in printed.out
    shown = convtui("study", "show", str(file)).out.splitlines()
    with Store.open(tmp_path / "store.db") as store:
        runs = {run.id: store.last_metrics(run.id)["validation_accuracy"].value for run in store.runs()}
    listed = [int(line.split()[1]) for line in shown if line[:3].isdecimal()]
    assert sorted(listed) == sorted(runs)
    assert [runs[run] for run in listed] == sorted(runs.values(), reverse=True)
    (told,) = convtui("study", "show", str(file), "--json").lines
    assert [trial["value"] for trial in told["search"]["trials"]] == [runs[trial["run"]] for trial in told["search"]["trials"]]
    refused = convtui("study", "run", str(file), "--scale", "0.5")
    assert refused.code == 2
    assert "--scale are for settings" in refused.err


@pytest.mark.long
def test_a_search_that_is_killed_goes_on_with_the_trial_it_was_at(convtui: Convtui, tmp_path: Path) -> None:
    file = tmp_path / "rate.toml"
    file.write_text(SEARCH.replace('"training.epochs" = 2', '"training.epochs" = 60'))
    process = start(tmp_path, str(file))
    try:
        wait_until(partial(in_its_midst, tmp_path / "store.db", 2, process), "the second trial", seconds=120)
    finally:
        process.kill()
        process.communicate()
    before = kept(tmp_path)
    printed = convtui("study", "run", str(file))
    assert printed.code == 0
    after = kept(tmp_path)
    assert [name for _, name, _, _ in after][: len(before)] == [name for _, name, _, _ in before]
    assert [(status, attempt) for _, _, status, attempt in after] == [("finished", 1), ("finished", 2), *[("finished", 1)] * 2]
