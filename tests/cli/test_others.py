"""The smaller commands, and what starting costs."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from convtui.engine.spec import changed
from convtui.engine.store import Store
from tests.cli.conftest import SMALL, Convtui
from tests.harness.children import wait_until

TOP = Path(__file__).parents[2]


def test_presets_are_listed_with_what_they_cost(convtui: Convtui) -> None:
    assert "lenet5" in convtui("presets").out
    found = {line["name"]: line for line in convtui("presets", "--json").lines}
    lenet5 = found["lenet5"]
    assert (lenet5["parameters"], lenet5["neurons"], lenet5["dataset"], lenet5["report"]) == (4_257_674, 50_186, "cifar10", "002")
    shown = convtui("presets", "lenet5").out
    assert "4,257,674 parameters" in shown
    assert "conv2" in shown
    table = [line.split() for line in convtui("presets", "cs7015").out.splitlines()]
    (conv2,) = (row for row in table if row[:2] == ["conv2", "Conv2d"])
    assert conv2[2:10] == ["64×16×16", "128×16×16", "73,856", "18,874,368", "32,768", "8×8", "73,728", "128"]
    assert conv2[10:] == ["128×64×3×3", "+", "128"]
    assert any(row[:4] == ["convolutional", "960,896", "15.5", "%"] and "960,192" in row for row in table)
    assert convtui("presets", "lenet").code == 2


def test_report_003s_table_is_told_by_presets_and_by_look_summary(convtui: Convtui) -> None:
    """Its weights a layer, biases, outputs and totals, as it prints them."""
    (net,) = convtui("presets", "cs7015", "--json").lines
    by_name = {layer["name"]: layer for layer in net["layers"]}
    printed = {
        "conv1": (64 * 3 * 3 * 3, 64, [64, 32, 32]),
        "conv2": (128 * 3 * 3 * 64, 128, [128, 16, 16]),
        "conv3": (256 * 3 * 3 * 128, 256, [256, 8, 8]),
        "conv4": (256 * 3 * 3 * 256, 256, [256, 8, 8]),
        "dense1": (1024 * 4 * 4 * 256, 1024, [1024]),
        "dense2": (1024 * 1024, 1024, [1024]),
        "output": (1024 * 10, 10, [10]),
    }
    told = {name: (by_name[name]["weights"], by_name[name]["biases"], by_name[name]["output"]) for name in printed}
    assert told == printed
    assert [by_name[f"pool{number}"]["output"] for number in (1, 2, 3)] == [[64, 16, 16], [128, 8, 8], [256, 4, 4]]
    assert (net["parameters"], net["neurons"], net["report"]) == (6_216_074, 133_130, "003")

    few = ("data.train_per_class=3", "data.test_per_class=1", "data.batch_size=2", "training.threads=1")
    settings = [word for setting in few for word in ("--set", setting)]
    assert convtui("run", "--preset", "cs7015", "--data", "digits", "--steps", "1", *settings, "--quiet").code == 0
    assert convtui("look", "summary", "last", "--out", "layers.json").code == 0
    layers, shares = json.loads(Path("layers.json").read_text())["results"]
    rows = {row[0]: dict(zip(layers["columns"], row, strict=True)) for row in layers["rows"]}
    assert {name: (rows[name]["weights"], rows[name]["biases"]) for name in printed} == {
        name: (weights, biases) for name, (weights, biases, _) in printed.items()
    }
    assert (rows["total"]["parameters"], rows["total"]["neurons"]) == (6_216_074, 133_130)
    of_kind = {row[0]: dict(zip(shares["columns"], row, strict=True)) for row in shares["rows"]}
    assert (of_kind["convolutional"]["parameters"], of_kind["dense"]["parameters"]) == (960_896, 5_255_178)
    assert (of_kind["convolutional"]["neurons"], of_kind["dense"]["neurons"]) == (131_072, 2_058)


def test_short_names_of_systems_are_presets(convtui: Convtui) -> None:
    told = {line["name"]: line["report"] for line in convtui("presets", "--json").lines}
    assert {name: told[name] for name in ("lenet5", "rnn", "lstm", "gru", "cs7015")} == {
        "lenet5": "002", "rnn": "002", "lstm": "002", "gru": "002", "cs7015": "003",
    }  # fmt: skip
    assert set(told.values()) == {"", "000", "001", "002", "003", "004"}


def test_every_hyperparameter_is_listed_with_its_bounds(convtui: Convtui) -> None:
    found = {line["path"]: line for line in convtui("presets", "--fields", "--json").lines}
    assert found["optimiser.learning_rate"]["bounds"] == "0 < x <= 10"
    assert "optimiser.learning_rate" in convtui("presets", "--fields").out


def test_data_is_listed_and_shown(convtui: Convtui) -> None:
    found = {line["name"]: line for line in convtui("data", "list", "--json").lines}
    assert found["digits"]["on_disk"] is True
    assert found["cifar10"]["on_disk"] is False
    shown = convtui("data", "show", "digits", "--json").lines[0]
    assert sum(row["train"] + row["test"] for row in shown["classes"]) == 1797
    assert "1,438 training and 359 test images, 1×8×8 · comes with scikit-learn" in convtui("data", "show", "digits").out
    assert found["cifar10"]["origin"] == "Krizhevsky 2009; downloaded"
    assert convtui("data", "show", "digit").code == 2


@pytest.fixture
def gain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of `lenet5` take a second, and are timed in tests/engine/training/test_trials.py."""
    monkeypatch.setattr("convtui.engine.device.bfloat16_instructions", lambda: ("avx512_bf16",))
    monkeypatch.setattr("convtui.engine.training.trials.bfloat16_gain", lambda *_: iter([1.2, 1.87]))


@pytest.mark.usefixtures("gain")
def test_doctor_looks_at_everything_and_says_what_to_do(convtui: Convtui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {line["what"]: line for line in convtui("doctor", "--json").lines}
    assert {"terminal", "store", "data", "device", "versions"} <= set(found)
    assert found["bfloat16"]["detail"] == "lenet5 trains 1.9 x as fast as in float32 on cpu"
    assert found["bfloat16"]["advice"] == "--set training.precision=bfloat16"
    monkeypatch.setattr("convtui.engine.training.trials.bfloat16_gain", lambda *_: iter([0.8]))
    assert {line["advice"] for line in convtui("doctor", "--json").lines if line["what"] == "bfloat16"} == {""}
    (tmp_path / "store.db").write_text("not a store")
    printed = convtui("doctor", "--json")
    assert printed.code == 1
    assert {line["what"] for line in printed.lines if line["state"] == "broken"} == {"runs"}


def test_doctor_says_of_a_processor_without_bfloat16_that_it_has_none(convtui: Convtui, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convtui.engine.device.bfloat16_instructions", tuple)
    (told,) = [line["detail"] for line in convtui("doctor", "--json").lines if line["what"] == "bfloat16"]
    assert told == "cpu has no instructions for it (AVX512_BF16, AMX): nets train in float32"


@pytest.mark.usefixtures("gain")
def test_store_check_lists_leftovers_and_deletes_them_when_asked(convtui: Convtui, tmp_path: Path) -> None:
    from convtui.engine.spec import RunSpec
    from convtui.engine.store import Store

    with Store.open(tmp_path / "store.db") as store:
        store.create_run(name="first", preset="", spec=RunSpec(), dataset="shapes")
        store.files.make_folder()
        left = store.files.folder(7)
        left.mkdir()
    told = convtui("store", "check", "--json")
    assert (told.code, [(line["finding"], line["path"]) for line in told.lines]) == (0, [("leftover", str(left))])
    assert {line["what"] for line in convtui("doctor", "--json").lines} >= {"leftovers"}
    assert left.exists()
    assert convtui("store", "check", "--clean").out.startswith("deleted: ")
    assert not left.exists()
    assert "is sound" in convtui("store", "check").out


@pytest.mark.usefixtures("gain")
@pytest.mark.parametrize(("kind", "state"), [("nfs4", "broken"), ("ext4", "good")])
def test_doctor_warns_of_a_store_on_a_network_file_system(
    kind: str, state: str, convtui: Convtui, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convtui.tui.cli.findings.file_system", lambda _folder: kind)
    found = {line["what"]: line for line in convtui("doctor", "--json").lines}
    assert found["store"]["state"] == state


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["runs", "--help"]])
def test_help_imports_neither_torch_nor_textual_nor_sqlmodel(arguments: list[str]) -> None:
    program = "import sys; from convtui.tui.cli import main\ntry: main()\nexcept SystemExit: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, cwd=TOP)
    assert "Usage" in done.stdout
    loaded = set(done.stderr.split())
    assert not loaded & {
        "torch",
        "torchvision",
        "textual",
        "sqlmodel",
        "sqlalchemy",
        "numpy",
        "plotext",
        "sklearn",
        "PIL",
        "jinja2",
    }


def test_what_fails_while_a_command_is_imported_is_told_as_what_it_is(convtui: Convtui, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convtui.tui.cli.commands.import_module", lambda name: {}[name])
    printed = convtui("look")
    assert printed.code == 1
    assert "KeyError" in printed.err


def test_listing_runs_imports_no_torch(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db"):
        pass
    program = "import sys; from convtui.tui.cli import main\ntry: main()\nexcept SystemExit: print(*sys.modules, file=sys.stderr)"
    arguments = ["runs", "list", "--store", str(tmp_path / "store.db")]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, cwd=TOP)
    slow = {"torch", "alembic", "numpy", "textual", "psutil", "convtui.engine.spec", "convtui.engine.events"}
    assert not set(done.stderr.split()) & slow


def test_a_detached_run_goes_on_without_us(convtui: Convtui, tmp_path: Path) -> None:
    printed = convtui("run", *SMALL, "--epochs", "2", "--detach")
    assert printed.code == 0
    assert "run 1 trains in the background" in printed.out
    with Store.open(tmp_path / "store.db") as store:
        wait_until(lambda: store.run(1).status in ("finished", "failed"), "the detached run", 60)
        assert store.run(1).status == "finished"
        assert store.run(1).pid != os.getpid()
        assert store.run(1).repeatable["earlier"][0]["command"][1] == "run"
        log = store.files.folder(1) / "output.log"
        wait_until(lambda: "run 1 finished" in log.read_text(), "its last words, which follow what the store says")


@pytest.mark.long
def test_a_detached_run_is_in_a_session_of_its_own_and_deaf_to_what_lies_around(convtui: Convtui, tmp_path: Path) -> None:
    (tmp_path / "engine.py").write_text("raise SystemExit('not me')")
    (queued,) = convtui("run", *SMALL, "--epochs", "100000", "--detach", "--json").lines
    assert (queued["event"], queued["run"]) == ("queued", 1)
    with Store.open(tmp_path / "store.db") as store:
        wait_until(lambda: store.run(1).status != "queued", "the detached run", 60)
        pid = store.run(1).pid
        assert pid is not None
        assert os.getsid(pid) not in (os.getsid(0), os.getsid(os.getppid()))
        assert convtui("stop", "1").code == 0
        assert store.run(1).status == "stopped"


@pytest.mark.long
def test_a_detached_run_that_was_stopped_in_the_queue_never_begins(convtui: Convtui, tmp_path: Path) -> None:
    convtui("run", *SMALL, "--epochs", "100000", "--detach")
    assert "stopped before it began" in convtui("stop", "1").out
    with Store.open(tmp_path / "store.db") as store:
        log = store.files.folder(1) / "output.log"
        wait_until(lambda: "from the queue" in log.read_text(), "the detached process to leave", 60)
        assert (store.run(1).status, store.run(1).attempt) == ("stopped", 0)


def test_a_detached_run_that_cannot_begin_says_why(convtui: Convtui, tmp_path: Path) -> None:
    convtui("run", *SMALL, "--epochs", "1", "--quiet")
    with Store.open(tmp_path / "store.db") as store:
        spec = changed(store.run(1).settings, {"data.source": "folder:/nowhere"})
        store.create_run(name="lost", preset="", spec=spec, dataset="folder:/nowhere")
        assert convtui("resume", "lost", "--queued").code == 2
        assert store.run(2).status == "failed"
        assert "/nowhere" in (store.run(2).reason or "")


def test_a_real_process_told_to_terminate_saves_and_exits_143(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "convtui.tui.cli",
        "run",
        *SMALL,
        "--epochs",
        "100000",
        "--json",
        "--store",
        str(tmp_path / "store.db"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=TOP) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "epoch":
                break
        process.send_signal(signal.SIGTERM)
        last = [json.loads(line) for line in process.stdout][-1]
    assert process.returncode == 143
    assert last["event"] == "stopped"
    with Store.open(tmp_path / "store.db") as store:
        assert store.run(1).status == "stopped"
        assert store.files.newest_checkpoint(1) is not None


def test_a_run_whose_terminal_is_gone_is_saved_and_exits_129(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "convtui.tui.cli", "run", *SMALL, "--epochs", "100000", "--store", str(tmp_path / "store.db")]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, cwd=TOP) as process:
        os.close(theirs)
        seen = b""
        while b"epoch 2/100000" not in seen.replace(b" ", b"").replace(b"epoch", b"epoch "):
            seen += os.read(ours, 65536)
        os.close(ours)  # from here on every write fails
        process.send_signal(signal.SIGHUP)
    assert process.returncode == 129
    with Store.open(tmp_path / "store.db") as store:
        assert store.run(1).status == "stopped"
        assert store.files.newest_checkpoint(1) is not None


@pytest.mark.parametrize(
    "shell",
    [
        pytest.param("{run} | head -n 1", marks=pytest.mark.long),
        pytest.param("{run} >&-", marks=pytest.mark.long),
        pytest.param("PYTHONIOENCODING=ascii {run}", marks=pytest.mark.long),
    ],
)
def test_a_run_that_nobody_listens_to_is_trained_all_the_same(shell: str, tmp_path: Path) -> None:
    arguments = shlex.join([*SMALL, "--epochs", "20", "--store", str(tmp_path / "store.db")])
    run = f"{sys.executable} -m convtui.tui.cli run {arguments}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {shell.format(run=run)}"], capture_output=True, text=True, check=False, cwd=TOP
    )
    assert (done.returncode, done.stderr) == (0, "")
    with Store.open(tmp_path / "store.db") as store:
        assert (store.run(1).status, store.run(1).epoch) == ("finished", 20)


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m convtui.tui.cli presets --fields --json | head -n 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False, cwd=TOP)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def test_the_wheel_holds_presets_and_migrations_and_no_tests(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, check=True, capture_output=True, cwd=TOP)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "convtui/assets/presets/lenet5.toml" in names
    assert any(name.startswith("convtui/engine/store/migrations/versions/") for name in names)
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"convtui"}
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)


@pytest.mark.parametrize("option", ["--preset", "--data", "--device", "--set", "--epochs"])
def test_an_error_is_one_line_however_long_or_odd_what_was_typed(option: str, convtui: Convtui) -> None:
    for typed in ("9" * 5000, "a\nb\x1b[31m" * 2000):
        printed = convtui("run", option, typed)
        assert printed.code == 2
        assert printed.out == ""
        assert printed.err.count("\n") == 1
        assert "\x1b" not in printed.err
        assert len(printed.err) < 1000


def test_a_presets_texts_reach_the_terminal_without_escapes(
    convtui: Convtui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convtui.engine.presets.own_presets", lambda: tmp_path)
    odd = r"\u001b]0;title\u0007\u009b31m"
    (tmp_path / "mine.toml").write_text(f'summary = "summary{odd}"\nreport = "{odd}"\n[data]\nsource = "folder:{odd}"\n')
    for printed in (convtui("presets"), convtui("presets", "mine")):
        assert "summary" in printed.out
        assert not {"\x1b", "\x07", "\x9b"} & set(printed.out + printed.err)
