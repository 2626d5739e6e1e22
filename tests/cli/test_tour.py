"""`convtui tour`: where its run is kept, what of earlier tours goes, and what it says where there is no screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from convtui.engine.presets import preset
from convtui.engine.spec import changed
from convtui.engine.store import Store
from convtui.tui.cli import tour
from tests.cli.conftest import Convtui
from tests.cli.test_terminals import on_a_terminal

DEMO = preset("demo").spec


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The stores on which the application was shown, with the tour."""
    stores: list[Path] = []

    def show(path: Path, *, tour: bool, **_: object) -> int:
        assert tour
        stores.append(path)
        return 0

    monkeypatch.setattr(tour, "check_terminal", lambda _: None)
    monkeypatch.setattr(tour, "show_application", show)
    return stores


def test_its_runs_are_kept_apart_from_those_of_the_person(convtui: Convtui, shown: list[Path], tmp_path: Path) -> None:
    printed = convtui("tour")
    assert printed.code == 0
    assert shown == [tour.own_store()]
    assert printed.out == f"the tour's run is kept until the next tour: convtui --store {shown[0]} opens it again\n"
    assert not list(tmp_path.glob("*.db"))


@pytest.mark.parametrize("words", [("tour", "--store", "mine.db"), ("--store", "mine.db", "tour")])
def test_a_store_that_is_named_is_used_and_nothing_in_it_is_deleted(
    convtui: Convtui, shown: list[Path], words: tuple[str, ...]
) -> None:
    with Store.open(Path("mine.db")) as store:
        store.create_run(name="demo", preset="demo", spec=DEMO, dataset="shapes")
    assert convtui(*words).out == ""
    assert shown == [Path("mine.db")]
    with Store.open(Path("mine.db")) as store:
        assert store.count_runs() == 1


def test_the_store_of_the_environment_is_the_persons_and_not_the_tours(
    convtui: Convtui, shown: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVTUI_STORE", "mine.db")
    convtui("tour")
    assert shown == [tour.own_store()]


def test_the_next_tour_deletes_what_the_last_one_left_and_nothing_that_a_person_made(convtui: Convtui, shown: list[Path]) -> None:
    with Store.open(tour.own_store()) as store:
        kept = {
            "mine": store.create_run(name="mine", preset="demo", spec=DEMO, dataset="shapes"),
            "noted": store.create_run(name="demo", preset="demo", spec=DEMO, dataset="shapes", note="look at filter 3"),
            "longer": store.create_run(name="demo", preset="demo", spec=changed(DEMO, {"training.epochs": 9}), dataset="shapes"),
            "trains": store.create_run(name="demo", preset="demo", spec=DEMO, dataset="shapes"),
        }
        store.claim(kept["trains"].id)
        left = store.create_run(name="demo", preset="demo", spec=DEMO, dataset="shapes")
        store.dequeue(left.id, "stopped")
        convtui("tour")
        assert set(store.run_names()) == {run.id for run in kept.values()}


@pytest.mark.parametrize("term", ["dumb", None])
def test_on_a_dumb_terminal_it_says_in_one_line_what_to_do_instead(term: str | None) -> None:
    code, said = on_a_terminal("tour", TERM=term)
    (line,) = said.splitlines()
    assert code == 2
    assert "'convtui run --preset demo'" in line
    assert "'convtui look filters last'" in line


def test_in_a_pipe_it_says_the_same(convtui: Convtui) -> None:
    printed = convtui("tour")
    assert printed.code == 2
    assert printed.err.count("\n") == 1
    assert "'convtui run --preset demo' trains the same net" in printed.err
