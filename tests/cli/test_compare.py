"""`convtui runs compare`: the same table for people, programs and reports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from convtui.engine.spec import changed
from convtui.engine.store import Store
from convtui.engine.study.comparing import Comparing
from convtui.tui.render.comparison import Cell, cells, heads
from tests.cli.conftest import Convtui
from tests.tui.stores import LENET, add_run


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db") as store:
        add_run(store, "base|line")
        add_run(store, "hot", spec=changed(LENET, {"optimiser.learning_rate": 0.5}), done=2, ending="diverged", accuracy=0.3)
        add_run(store, "tanh", spec=changed(LENET, {"model.activation": "tanh"}), accuracy=0.75)
        yield store


def test_for_people_in_the_order_that_was_asked(store: Store, convtui: Convtui) -> None:
    lines = convtui("runs", "compare", "tanh", "1").out.splitlines()
    assert lines[0].split()[:3] == ["run", "status", "epoch"]
    assert lines[1].split()[:4] == ["3", "tanh", "finished", "10/10"]
    assert lines[2].split()[:4] == ["1", "base|line", "finished", "10/10"]
    assert "model.activation  tanh  relu" in lines


def test_one_json_line_a_run(store: Store, convtui: Convtui) -> None:
    first, second = convtui("runs", "compare", "1", "3", "--baseline", "1", "--json").lines
    assert (first["run"], second["run"]) == (1, 3)
    assert second["settings"] == {"model.activation": "tanh"}
    assert second["difference"]["test_accuracy"] == pytest.approx(second["test_accuracy"] - first["test_accuracy"])
    assert first["difference"]["test_loss"] == 0


def test_markdown_has_a_row_a_run_and_as_many_cells_in_each(store: Store, convtui: Convtui) -> None:
    tables = [part.splitlines() for part in convtui("runs", "compare", "1", "2", "--md").out.split("\n\n") if part.startswith("|")]
    assert [len(table) for table in tables] == [4, 3]
    for table in tables:
        assert len({row.replace("\\|", "").count("|") for row in table}) == 1
    assert tables[0][2].startswith("| 1 base\\|line | finished | 10/10 | 64.9 % |")
    assert tables[1][2] == "| optimiser.learning_rate | 0.0001 | 0.5 |"


def test_a_baseline_is_compared_too_and_told_in_values(store: Store, convtui: Convtui) -> None:
    printed = convtui("runs", "compare", "3", "--baseline", "1", "--md").out
    assert "| run, against 1 |" in printed
    # 0.75 and 0.65 less what the tenth point of the curve lacks: exp(-6) of the way from 0.1.
    assert "| 3 tanh | finished | 10/10 | +10.0 pp |" in printed
    assert "| 1 base\\|line | finished | 10/10 | 64.9 % |" in printed


def test_a_difference_too_small_to_be_told_is_neither_better_nor_worse(store: Store) -> None:
    (base,) = Comparing().compare(store, [store.run(1)]).outcomes
    other = replace(base, run=9, test_accuracy=(base.test_accuracy or 0) - 0.0003, seconds=(base.seconds or 0) - 0.2)
    told = dict(zip(heads(), cells(other, base), strict=True))
    assert told["test acc"] == Cell("±0.0 pp")
    assert told["time"] == Cell("±0:00")
    assert told["best"] == Cell("=")


def test_what_cannot_be_is_exit_code_2(store: Store, convtui: Convtui) -> None:
    assert convtui("runs", "compare", "1", "nobody").code == 2
    assert convtui("runs", "compare", "1", "3", "--json", "--md").code == 2
    assert convtui("runs", "compare").code == 2


def test_runs_of_scripts_are_shown_by_what_they_have_and_told_what_can_be_done(convtui: Convtui, tmp_path: Path) -> None:
    import convtui as public

    for rate in (0.1, 0.2):
        with public.init("own", {"\x1b[31mrate": rate}, store=tmp_path / "store.db") as run:
            run.log({"val/accuracy": 0.875})
    for form in ((), ("--md",)):
        compared = convtui("runs", "compare", "1", "2", *form).out
        assert "\x1b" not in compared
        assert "rate" in compared
        assert "val 87.5 %" in compared
        assert "cannot be read" not in compared
    assert convtui("pause", "1").err.endswith("only a running or paused one can be paused\n")
    assert "its script" in convtui("look", "filters", "1").err
    shown = convtui("runs", "show", "1").out
    assert "images" not in shown
    assert "train " not in shown
