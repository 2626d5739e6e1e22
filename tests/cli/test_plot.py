"""`convtui plot`: curves in the terminal and in files."""

from __future__ import annotations

import csv
from pathlib import Path

from convtui.engine.spec import changed
from convtui.engine.store import Store
from tests.cli.conftest import Convtui
from tests.engine.study.conftest import SPEC, add_run


def test_plot_draws_in_the_terminal_and_saves_what_it_drew(convtui: Convtui) -> None:
    with Store.open(Path("store.db")) as store:
        add_run(store, epochs=[{"train_loss": 2 / 3, "test_loss": 0.5, "test_accuracy": each} for each in (0.25, 1 / 3)])
    drawn = convtui("plot", "last")
    assert drawn.code == 0
    assert "○ train" in drawn.out
    assert "accuracy" in drawn.out
    saved = convtui("plot", "last", "--metric", "test_accuracy", "--out", "curve.csv")
    assert saved.out == "saved curve.csv\n"
    head, *rows = csv.reader(Path("curve.csv").read_text().splitlines())
    assert head == ["epoch", "test accuracy"]
    assert [float(row[0]) for row in rows] == [1, 2]
    assert [float(row[1]) for row in rows] == [0.25, 1 / 3]
    assert convtui("plot", "last", "--metric", "test_accuracy", "--between", "1.5", "2", "--out", "curve.csv").code == 0
    assert Path("curve.csv").read_text().splitlines()[1:] == [f"2.0,{1 / 3}"]
    assert convtui("plot", "last", "--out", "curve.svg", "--ground", "light").code == 0
    assert 'fill="#ffffff"' in Path("curve.svg").read_text()


def test_plot_says_what_is_wrong_in_one_line(convtui: Convtui) -> None:
    assert convtui("plot", "last").code == 2
    with Store.open(Path("store.db")) as store:
        add_run(store, losses=[1.0])
    for words in (
        ("nosuch",),
        ("last", "--metric", "nosuch"),
        ("last", "--out", "curve.gif"),
        ("last", "--between", "5", "9"),
        ("last", "--between", "1", "0"),
    ):
        printed = convtui("plot", *words)
        assert printed.code == 2
        assert printed.err.startswith("convtui: ")
        assert printed.err.count("\n") == 1
    assert "use " in convtui("plot", "last", "--metric", "nosuch").err


def test_a_measure_against_what_runs_differ_in(convtui: Convtui) -> None:
    with Store.open(Path("store.db")) as store:
        for setting, rate, accuracy in (("slow", 0.01, 0.25), ("fast", 0.1, 0.75)):
            add_run(store, setting, spec=changed(SPEC, {"optimiser.learning_rate": rate}), epochs=[{"test_accuracy": accuracy}])
    assert convtui("plot", "1", "2", "--against", "lr", "--out", "lr.csv").code == 0
    head, *rows = csv.reader(Path("lr.csv").read_text().splitlines())
    assert head == ["optimiser.learning_rate", "mine/slow", "mine/fast"]
    assert [[float(cell) for cell in row if cell != "nan"] for row in rows] == [[0.01, 0.25], [0.1, 0.75]]
    drawn = convtui("plot", "1", "2", "--against", "all")
    assert drawn.code == 0
    assert "0: learning_rate, 0.01 at 0.00" in drawn.out
    for words, said in (
        (("--against", "seed"), "they do in optimiser.learning_rate"),
        (("--against", "lr", "--metric", "dead"), "none of these runs has dead"),
        (("--against", "lr", "--metric", "a", "--metric", "b"), "one --metric"),
    ):
        printed = convtui("plot", "1", "2", *words)
        assert printed.code == 2
        assert said in printed.err
