"""`convtui runs merge`: what two machines trained, in one store."""

from __future__ import annotations

from pathlib import Path

import pytest

from convtui.engine.store import Store
from tests.cli.conftest import SMALL, Convtui


@pytest.fixture
def two(convtui: Convtui, tmp_path: Path) -> list[Path]:
    """Stores of two machines, each with a run of two steps; the second one's could go on."""
    paths = [tmp_path / "a" / "a.db", tmp_path / "b" / "b.db"]
    for path in paths:
        path.parent.mkdir()
        assert convtui("run", *SMALL, "--steps", "2", "--name", path.stem, "--store", str(path)).code == 0
    return paths


def test_merged_runs_are_listed_and_can_go_on(convtui: Convtui, two: list[Path], tmp_path: Path) -> None:
    printed = convtui("runs", "merge", *map(str, two))
    assert printed.code == 0
    assert printed.out.splitlines() == [
        f"{two[0]}: run 1 (a) is run 1",
        f"{two[1]}: run 1 (b) is run 2",
        "2 added, 0 updated, 0 left as they were",
    ]
    assert convtui("resume", "2", "--steps", "4").code == 0
    assert convtui("runs", "merge", *map(str, two)).out.splitlines() == [
        f"{two[1]}: run 1 (b) is here as run 2, which went on in this store: left as it is",
        "0 added, 0 updated, 2 left as they were",
    ]
    with Store.open(tmp_path / "store.db") as store:
        assert [(run.name, run.step) for run in store.runs()] == [("b", 4), ("a", 2)]


def test_a_bundle_is_merged_as_a_store_is(convtui: Convtui, two: list[Path], tmp_path: Path) -> None:
    printed = convtui("bundle", "last", "--out", "b.convtui", "--store", str(two[1]))
    assert printed.code == 0
    assert printed.out.startswith("b.convtui: 1 run, ")
    assert convtui("runs", "merge", "b.convtui").out.splitlines() == [
        "b.convtui: run 1 (b) is run 1",
        "1 added, 0 updated, 0 left as they were",
    ]
    assert convtui("look", "filters", "1", "--out", "filters.csv").code == 0
    opened = convtui("open", "b.convtui")  # here is no terminal
    assert opened.code == 2
    assert "needs a terminal" in opened.err


def test_a_store_that_is_not_there_is_named_and_none_is_made(convtui: Convtui, tmp_path: Path) -> None:
    printed = convtui("runs", "merge", str(tmp_path / "no.db"))
    assert printed.code == 2
    assert "no store at" in printed.err
    assert list(tmp_path.glob("*.db")) == []
