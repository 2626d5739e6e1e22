"""The page Compare, key by key: curves, outcomes and the settings that differ, of real runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList, Static

import convtui
from convtui.engine.spec import changed
from convtui.engine.store import Store
from convtui.tui.app.app import ConvtuiApp
from convtui.tui.app.compare import reader
from convtui.tui.app.compare.page import ComparePage
from convtui.tui.app.messages import CompareRuns
from convtui.tui.app.widgets.chart import Chart
from convtui.tui.cli.compare import compare
from convtui.tui.session.session import Session
from tests.harness.screen import screen_text, until
from tests.tui.looks import Look, in_every_look
from tests.tui.stores import LENET, add_run


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Three runs of other settings each; the second diverged."""
    monkeypatch.chdir(tmp_path)
    with Store.open(Path("store.db")) as store:
        add_run(store, "baseline")
        add_run(store, "hot", spec=changed(LENET, {"optimiser.learning_rate": 0.5}), done=2, ending="diverged", accuracy=0.3)
        add_run(store, "tanh", spec=changed(LENET, {"model.activation": "tanh", "data.batch_size": 64}), accuracy=0.75)
        yield store


def used(steps: Callable[[Pilot[int], ComparePage], Awaitable[None]], marked: list[int], size: tuple[int, int] = (120, 36)) -> None:
    """Open the page with these runs marked, and use it."""
    app = ConvtuiApp(Session(Path("store.db"), device="cpu"))

    async def use() -> None:
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: "runs" in app.about)
            app.session.marked = marked
            await pilot.press("5")
            await until(pilot, lambda: isinstance(app.screen, ComparePage))
            assert isinstance(app.screen, ComparePage)
            await until(pilot, lambda: not marked or app.screen.compared is not None)  # type: ignore[attr-defined]
            await steps(pilot, app.screen)
        app.session.close()

    asyncio.run(use())


def words(page: ComparePage, selector: str) -> str:
    return str(page.query_one(selector, Static).render())


def charts(page: ComparePage) -> list[Chart]:
    return [chart for chart in page.query(Chart) if chart.display]


def table(page: ComparePage) -> list[list[str]]:
    """The outcomes as they stand on the screen, cell by cell: of the header and of each row."""
    shown = page.table
    heads = [shown.heads[place].name for place, _ in shown.shown]
    return [heads, *([row.cells[place][0] for place, _ in shown.shown] for row in shown.rows)]


def column(page: ComparePage, head: str) -> list[str]:
    rows = table(page)
    return [row[rows[0].index(head)] for row in rows[1:]]


def test_a_scripts_own_losses_and_accuracies_are_in_the_charts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, accuracy in (("slow", 0.5), ("quick", 0.75)):
        with convtui.init(name, {"lr": accuracy}, store="store.db") as run:
            for step in range(1, 11):
                run.log({"train/loss": 1 / step}, step=step)
            run.log({"val/loss": 0.25, "val/acc": accuracy}, step=10)

    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: all(chart.plot is not None for chart in charts(page)))
        assert [chart.plot.title for chart in charts(page)] == ["val/loss", "val/acc"]
        assert [line.ys[-1] for line in charts(page)[1].plot.lines] == [0.5, 0.75]
        await pilot.press("V")
        await until(pilot, lambda: charts(page)[0].plot.title == "train/loss")
        assert len(charts(page)[0].plot.lines[0].ys) == 10
        assert "no train accuracy in these runs" in screen_text(pilot.app)

    used(steps, [1, 2])


def test_scores_that_programs_name_each_in_its_own_way_are_one_chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, loss, accuracy in (("lightning", "val_loss", 0.1), ("transformers", "eval_loss", 0.2), ("plain", "val/loss", 0.3)):
        with convtui.init(name, store="store.db") as run:
            run.log({loss: accuracy, loss.replace("loss", "acc"): accuracy}, step=10)
    with Store.open(Path("store.db")) as store:
        of_scripts = reader.Reader().read(store, [1, 2, 3])
        assert [list(line.ys) for line in of_scripts.plots["test_loss"].lines] == [[0.1], [0.2], [0.3]]
        assert of_scripts.plots["test_accuracy"].title == "validation accuracy"
        with convtui.init("tested", store="store.db") as run:
            run.log({"test/acc": 0.4, "val_loss": 0.4}, step=10)
        own = add_run(store, "own")
        beside = reader.Reader().read(store, [own.id, 4, 1], measure="test_accuracy").plots["test_accuracy"]
        assert beside.title == "test accuracy"
        assert [line.ys[-1] if line.ys else None for line in beside.lines] == [store.run(own.id).test_accuracy, 0.4, None]


def test_reads_runs_in_the_order_of_their_marks(store: Store) -> None:
    compared = reader.Reader().read(store, [3, 1, 99])
    assert [outcome.name for outcome in compared.comparison.outcomes] == ["tanh", "baseline"]
    assert compared.comparison.settings[0] == ("model.activation", ("tanh", "relu"))
    accuracy = compared.plots["test_accuracy"].lines
    assert list(accuracy[0].xs) == [float(epoch) for epoch in range(1, 11)]
    assert accuracy[0].ys[-1] == pytest.approx(store.run(3).test_accuracy)
    assert len({(line.colour, line.marker) for line in accuracy}) == 2


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
def test_shows_curves_outcomes_and_what_differs(store: Store, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: all(chart.drawing.rows for chart in charts(page)))
        assert len(charts(page)) == (4 if size == (200, 60) else 2)
        assert column(page, "run") == ["1 baseline", "2 hot", "3 tanh"]
        assert column(page, "test acc")[0] == "64.9 %"
        assert [row.sign[0] for row in page.table.rows] == ["○", "△", "□"]
        wanted = {"best", "loss", "time", "to 90 %"} | ({"images/s", "stability"} if size[0] > 80 else set())
        assert wanted <= set(table(page)[0])
        assert all(len(line.rstrip()) <= size[0] for line in screen_text(pilot).splitlines())
        settings = words(page, "#settings")
        rate = next(line for line in settings.splitlines() if line.startswith("optimiser.learning_rate"))
        assert rate.split()[1:] == ["0.0001", "0.5", "0.0001"]
        assert "△ 2 hot" in settings
        assert "seed" not in settings

    used(steps, [1, 2, 3], size)


def test_steps_to_90_percent_and_stability_of_a_known_run(store: Store) -> None:
    # The curve is 0.65 - 0.55 exp(-0.6 epoch): 90 % of its last point, 0.584, are passed in epoch 4 (0.600), step 80.
    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        assert column(page, "to 90 %") == ["80"]
        assert float(column(page, "stability")[0]) == pytest.approx(store.stability(1) or 0.0, abs=5e-4)

    used(steps, [1])


def test_keys_change_what_the_charts_show(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        def titles() -> list[str]:
            return [chart.plot.title for chart in charts(page) if chart.plot is not None]

        await until(pilot, lambda: titles() == ["test loss", "test accuracy"])
        await pilot.press("V")
        assert titles() == ["train loss", "train accuracy"]
        await pilot.press("V", "L")
        assert titles() == ["test loss", "test accuracy"]
        assert [chart.plot.log for chart in charts(page) if chart.plot is not None] == [True, False]
        await pilot.press("L")
        assert [chart.plot.log for chart in charts(page) if chart.plot is not None] == [False, False]
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.current_mode == "runs")

    used(steps, [1, 3])


@pytest.mark.parametrize("size", [(120, 36), (200, 60)])
def test_v_chooses_what_the_last_chart_shows(store: Store, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        last = charts(page)[-1]
        await pilot.press("v")
        await until(pilot, lambda: "last chart" in screen_text(pilot))
        assert "best_epoch" not in screen_text(pilot)
        options = pilot.app.screen.query_one(OptionList)
        names = [str(options.get_option_at_index(place).prompt) for place in range(options.option_count)]
        options.highlighted = names.index("learning_rate")
        await pilot.press("enter")
        await until(pilot, lambda: last.plot is not None and last.plot.title == "learning rate")
        assert last.plot is not None
        assert [line.ys[-1] for line in last.plot.lines] == [1e-4, 0.5]
        assert [line.name for line in last.plot.lines] == ["1 baseline", "2 hot"]
        assert charts(page)[0].plot.title == "test loss"  # type: ignore[union-attr]
        await pilot.press("L")
        assert last.plot.log
        await pilot.press("v", "home", "enter")
        await until(pilot, lambda: last.plot is not None and last.plot.title.endswith("accuracy"))

    used(steps, [1, 2], size)


def test_a_part_of_the_axis_is_shown_alone(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        def shown() -> set[tuple[float, float]]:
            return {chart.drawing.x_range for chart in charts(page)}

        await until(pilot, lambda: all(chart.drawing.rows for chart in charts(page)))
        (whole,) = shown()
        await pilot.press("z")
        await until(pilot, lambda: shown() == {((whole[0] + whole[1]) / 2, whole[1])})
        await pilot.press("escape")
        await until(pilot, lambda: shown() == {whole})
        assert pilot.app.current_mode == "compare"

    used(steps, [1, 2], (160, 50))


def test_the_crosshair_tells_every_runs_value_at_the_same_epoch(store: Store) -> None:
    accuracies = {run: [100 * point.value for point in store.epoch_series([run], "test_accuracy")[run]] for run in (1, 2, 3)}

    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        def at() -> set[float | None]:
            return {chart.crosshair for chart in page.query(Chart)}

        await until(pilot, lambda: all(chart.drawing.rows for chart in charts(page)))
        await pilot.press("X")
        assert at() == {10.0}
        await pilot.press("left")
        assert at() == {9.0}, "it goes from epoch to epoch"
        await pilot.press("shift+left", "shift+left", "shift+left", "shift+left", "shift+left", "shift+left", "shift+left")
        assert at() == {1.0}
        await pilot.press("right")
        assert at() == {2.0}
        shown = screen_text(pilot)
        assert shown.count("at epoch 2.00") == 2
        for run, name in ((1, "○ 1 baseline"), (2, "△ 2 hot"), (3, "□ 3 tanh")):
            assert f"{name} {accuracies[run][1]:.1f} %" in shown
        await pilot.press("right")
        assert "△ 2 hot —" in screen_text(pilot), "a run that ended before has no value there"
        await pilot.press("escape")
        assert at() == {None}
        assert pilot.app.current_mode == "compare"
        await pilot.press("right", "X")
        assert at() == {None}

    used(steps, [1, 2, 3])


def test_a_pinned_run_is_what_the_others_are_told_against(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: bool(page.table.rows))
        await pilot.press("j", "j", "b")
        assert column(page, "run, against 3") == ["1 baseline", "2 hot", "3 tanh"]
        best = [100 * (store.run(run).best_accuracy or 0) for run in (1, 2, 3)]
        assert column(page, "best") == [f"−{best[2] - best[0]:.1f} pp", f"−{best[2] - best[1]:.1f} pp", f"{best[2]:.1f} %"]
        assert column(page, "images/s") == ["=", "=", "2,600"]
        assert column(page, "time")[1:] == ["−0:48", "1:00"]
        await until(pilot, lambda: [line.thick for line in charts(page)[0].plot.lines] == [False, False, True])
        await pilot.press("k", "b")
        assert "run, against 2" in table(page)[0]
        await pilot.press("b")
        assert "run" in table(page)[0]
        assert not any(line.thick for line in charts(page)[0].plot.lines)

    used(steps, [1, 2, 3])


def test_where_the_baseline_has_no_value_the_others_keep_theirs_and_it_is_said(store: Store) -> None:
    store.create_run(name="waits", preset="lenet5", spec=LENET, dataset="toy")

    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: bool(page.table.rows))
        await pilot.press("j", "b")
        assert column(page, "test acc") == ["64.9 %", "—"]
        assert "run 4 has no test acc" in words(page, "#settings")

    used(steps, [1, 4])


def test_runs_that_differ_in_their_seed_alone_are_a_mean_with_a_band(store: Store) -> None:
    for seed, accuracy in ((1, 0.6), (2, 0.8)):
        add_run(
            store,
            f"hot-seed{seed}",
            spec=changed(LENET, {"optimiser.learning_rate": 0.01, "training.seed": seed}),
            accuracy=accuracy,
        )

    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: bool(page.table.rows))
        assert column(page, "run") == ["1 baseline", "4 hot ×2"]
        one, two = (100 * (store.run(run).test_accuracy or 0) for run in (4, 5))
        deviation = abs(one - two) / 2**0.5
        assert column(page, "test acc")[1] == f"{(one + two) / 2:.1f} % ±{deviation:.1f}"
        accuracy = charts(page)[1].plot
        assert accuracy is not None
        mean = accuracy.lines[1]
        assert mean.name == "hot ×2"
        assert mean.band is not None
        assert [100 * edge[-1] for edge in mean.band] == pytest.approx([one, two])
        assert 100 * mean.ys[-1] == pytest.approx((one + two) / 2)
        assert "seed" not in words(page, "#settings").replace("over seeds", "")
        await pilot.press("v", *"each", "enter")
        await until(pilot, lambda: column(page, "run") == ["1 baseline", "4 hot-seed1", "5 hot-seed2"])
        assert "training.seed" in words(page, "#settings")

    used(steps, [1, 4, 5], (160, 36))


def test_a_long_value_leaves_room_for_the_others(store: Store) -> None:
    blocks = ", ".join(["32 5x5 pad 2 bn pool 2"] * 4)
    add_run(store, "deep", spec=changed(LENET, {"model.conv_blocks": blocks}))

    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: bool(page.table.rows))
        lines = words(page, "#settings").splitlines()
        assert any(line.startswith("model.conv_blocks") and "…" in line for line in lines)
        assert max(len(line.rstrip()) for line in lines[:4]) < 120

    used(steps, [1, 4, 3])


def test_a_long_name_is_cut_once(store: Store) -> None:
    add_run(store, "a name that is longer than any legend has room for, and tells its end #4")

    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        head = next(line for line in words(page, "#settings").splitlines() if line.startswith("differs"))
        assert head.count("…") == 1
        assert "□ 4 a name …lls its end #4" in head

    used(steps, [3, 1, 4], (80, 24))


def test_a_pinned_run_that_is_no_longer_marked_is_no_baseline(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: bool(page.table.rows))
        await pilot.press("b")
        page.post_message(CompareRuns([2, 3]))
        await until(pilot, lambda: column(page, table(page)[0][0]) == ["2 hot", "3 tanh"])
        assert "run" in table(page)[0]

    used(steps, [1, 3])


def test_y_copies_what_the_command_prints(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    copied: list[str] = []

    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: bool(page.table.rows))
        await pilot.press("b", "y")
        copied.append(pilot.app.clipboard)
        await until(pilot, lambda: bool(pilot.app._notifications))
        told = [notification.message for notification in pilot.app._notifications]
        assert any("convtui runs compare 1 3 --baseline=1 --md --store store.db" in message for message in told)

    used(steps, [1, 3])
    compare(["1", "3"], baseline="1", as_markdown=True, store_path=Path("store.db"))
    assert copied == [capsys.readouterr().out]
    assert "run, against 1" in copied[0]


def test_w_writes_it_and_replaces_nothing(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: bool(page.table.rows))
        await pilot.press("w")
        await until(pilot, lambda: Path("compare-1-3.md").exists())
        await pilot.press("w")
        await until(pilot, lambda: Path("compare-1-3-1.md").exists())
        assert Path("compare-1-3.md").read_text() == Path("compare-1-3-1.md").read_text()
        assert Path("compare-1-3.md").read_text().startswith("| run | status |")

    used(steps, [1, 3])


def test_enter_opens_the_run_at_the_cursor(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: bool(page.table.rows))
        await pilot.press("j", "enter")
        await until(pilot, lambda: pilot.app.current_mode == "live")
        assert page.session.run_id == 3

    used(steps, [1, 3])


def test_many_runs_and_settings_share_the_room(store: Store) -> None:
    for seed in range(12):
        changes = {"training.seed": seed, "data.batch_size": 16 + seed, "training.epochs": 10 + seed}
        add_run(store, f"run with a long name {seed}", spec=changed(LENET, changes))

    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: len(page.table.rows) == 15)
        await pilot.pause()
        assert charts(page)[0].size.height >= 8
        assert page.table.size.height >= 3
        assert page.query_one("#settings").region.height >= 2
        await pilot.press("G")
        assert "name 11" in screen_text(pilot)
        await pilot.press("left")
        assert page.crosshair.is_shown
        await pilot.press("escape", "tab", "j", "l", "G", "g", "h", "k", "left")
        assert not page.crosshair.is_shown, "the settings have the keys that move"

    used(steps, list(range(1, 16)), (80, 24))


def test_a_legend_that_leaves_runs_out_says_so_however_wide_it_is(store: Store) -> None:
    for number in range(20):
        add_run(store, f"run-{number}", accuracy=0.3)

    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: bool(page.table.rows))
        for width in range(80, 104, 2):
            await pilot.resize_terminal(width, 24)
            await until(pilot, lambda: all(chart.drawing.rows for chart in charts(page)))
            for chart in charts(page):  # the higher it is, the more rows its legend has
                assert "…" in {chart.render_line(row).text.rstrip()[-1] for row in (1, 2, 3)}, width

    used(steps, list(range(1, 24)), size=(80, 24))


def test_follows_runs_in_training(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: "3 tanh" in column(page, "run"))
        store.rename(3, "renamed")
        await until(pilot, lambda: "3 renamed" in column(page, "run"))

    used(steps, [1, 3])


def test_without_marks_it_says_how_to_mark(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: page.query_one("#unmarked").display)
        assert "Space marks a run" in words(page, "#unmarked")
        assert not page.query_one("#charts").display
        await pilot.press("V", "L", "y", "w", "b", "X", "o", "left", "enter")
        assert pilot.app.current_mode == "compare"

    used(steps, [])


def test_runs_that_are_deleted_elsewhere_are_marked_no_longer(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: bool(page.table.rows))
        await pilot.press("b")
        store.delete(1)
        await until(pilot, lambda: [row.cells[0][0] for row in page.table.rows] == ["3 tanh"])
        assert column(page, "run") == ["3 tanh"]  # against none: the baseline is gone
        assert page.session.marked == [3]
        store.delete(3)
        await until(pilot, lambda: page.query_one("#unmarked").display)
        page.store_changed()
        await until(pilot, lambda: "Baseline" not in screen_text(pilot))
        assert page.query_one("#unmarked").display

    used(steps, [1, 3])


def test_marks_that_were_set_while_it_read_stay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on, read = threading.Event(), reader.Reader.read

    def slowly(*arguments: Any, **options: Any) -> reader.Compared:
        goes_on.wait(30)
        return read(*arguments, **options)

    app = ConvtuiApp(Session(Path("store.db"), device="cpu"))

    async def use() -> None:
        async with app.run_test(size=(120, 36)) as pilot:
            await until(pilot, lambda: "3 of 3" in screen_text(pilot))
            monkeypatch.setattr(reader.Reader, "read", slowly)
            await pilot.press("space", "space", "c")
            await until(pilot, lambda: isinstance(app.screen, ComparePage))
            page = app.screen
            assert isinstance(page, ComparePage)
            await pilot.press("1", "space")
            assert app.session.marked == [3, 2, 1]
            goes_on.set()
            await until(pilot, lambda: page.compared is not None)
            await pilot.pause()
            assert app.session.marked == [3, 2, 1]
        app.session.close()

    asyncio.run(use())


def test_names_cannot_write_on_the_terminal(store: Store) -> None:
    store.rename(1, "evil\x1b[31m[bold]red[/bold]|")

    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: bool(page.table.rows))
        assert column(page, "run")[0] == r"1 evil\x1b[31m[bold]red[/bold]|"
        await pilot.press("y")
        assert "\x1b" not in pilot.app.clipboard
        assert "red\\[/bold]\\|" in pilot.app.clipboard

    used(steps, [1, 2])


@in_every_look
def test_looks_as_it_did(store: Store, snap_compare: Any, monkeypatch: pytest.MonkeyPatch, look: Look) -> None:
    look.put_on(monkeypatch)

    app = ConvtuiApp(Session(Path("store.db"), device="cpu"))

    async def read(pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "runs" in app.about)
        app.post_message(CompareRuns([1, 2, 3]))
        await until(pilot, lambda: isinstance(app.screen, ComparePage) and app.screen.compared is not None)
        page = app.screen
        assert isinstance(page, ComparePage)
        await until(pilot, lambda: all(chart.drawing.rows for chart in charts(page)))
        for chart in charts(page):
            chart.refresh()  # painted anew: of a chart drawn over another one blanks are not painted again, which looks the same
        await pilot.pause()

    assert snap_compare(app, terminal_size=look.size, run_before=read)
    app.session.close()
