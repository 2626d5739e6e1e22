"""Compare: the marked runs over each other, what came of each, and the settings in which they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, cast

from rich.color import Color
from rich.style import Style
from rich.text import Text
from textual import on
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import Static

from convtui.tui.app.compare.reader import METRICS, Compared, Reader, settings_text
from convtui.tui.app.dialogs.menu import Menu
from convtui.tui.app.export import copy, save
from convtui.tui.app.keys import bind, key_for
from convtui.tui.app.latest import Latest
from convtui.tui.app.messages import ShowPage, ShowRun
from convtui.tui.app.page import Page
from convtui.tui.app.widgets import crosshair, zoom
from convtui.tui.app.widgets.chart import Chart
from convtui.tui.app.widgets.crosshair import Crosshair
from convtui.tui.app.widgets.scrolling import Scrolling
from convtui.tui.app.widgets.text_table import Head, Row, TextTable
from convtui.tui.app.widgets.zoom import Zoom
from convtui.tui.render.comparison import AROUND, DROPPED, FLUSH_RIGHT, baseline_of, cells, heads, lacking, markdown
from convtui.tui.render.status import COLOURS
from convtui.tui.render.text import clean, counted
from convtui.tui.session.session import Session

if TYPE_CHECKING:
    from convtui.engine.study.plotting import Spread

ROOMY = (150, 50)
"""Columns and rows from which there is room for four charts."""
SHORTEST_NAME = 24
SPREADS: Mapping[str, str] = {
    "range": "over seeds: mean, band from least to greatest",
    "deviation": "over seeds: mean, band of one standard deviation",
    "none": "over seeds: each run by itself",
}
_NEEDS_RUNS = ("split", "measure", "log", "pin", "copy", "save", "open", "look", "held")


class ComparePage(Page):
    """Charts on top, tables below."""

    NAME = "compare"
    CSS_PATH = "page.tcss"
    AUTO_FOCUS = "TextTable"
    BINDINGS: ClassVar[list[BindingType]] = [
        *crosshair.KEYS,
        *zoom.KEYS,
        bind("open", "open"),
        bind("look", "look", "Look", show=False),
        bind("baseline", "pin"),
        bind("crosshair", "held('crosshair', 'toggle')"),
        bind("view", "measure", "Chart"),
        bind("next_view", "split", "Test/train"),
        bind("log", "log", "Log"),
        bind("copy", "copy"),
        bind("write", "save", "Write"),
        bind("back", "back", show=False),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.compared: Compared | None = None
        """What is shown."""
        self.pinned: int | None = None
        """The run to which the others are told as differences."""
        self.train = False
        """Whether the two charts show the training images' curves, where there is no room for four."""
        self.measure = ""
        """What the last chart shows in place of an accuracy, as in `gradient_norm/conv1`."""
        self.logarithmic = False
        self.crosshair = Crosshair(self, lambda: self.charts)
        self.zoom = Zoom(lambda: self.charts, self.crosshair, self._show)
        self.spread: Spread = "range"
        """The band around the mean of runs that differ in their seed alone; none: each run by itself."""
        reader = Reader()
        self._runs: Latest[tuple[tuple[int, ...], str, Spread], Compared] = Latest(
            self, lambda asked: reader.read(session.store, *asked), self._take
        )

    def body(self) -> Iterable[Widget]:
        with Container(id="charts"):
            for place, metric in enumerate(METRICS):
                yield Chart(id=metric.replace("_", "-"), classes="more" if place > 1 else "")
        with Vertical(id="tables"):
            yield TextTable(id="outcomes")
            with Scrolling():
                yield Static("", id="settings", markup=False)
        yield Static(self._unmarked(), id="unmarked")

    def _unmarked(self) -> Text:
        runs, mark, compare = ((key_for(self, id), "bold reverse") for id in ("page_1", "toggle", "compare"))
        told = ("On the Runs page (", runs, "), ", mark, " marks a run and ", compare, " compares the marked ones.")
        return Text.assemble(("No runs marked.\n\n", "bold"), *told)

    @property
    def charts(self) -> Sequence[Chart]:
        charts = list(self.query(Chart))
        return charts if self.has_class("four") else charts[:2]

    @property
    def table(self) -> TextTable:
        """The outcomes."""
        return self.query_one(TextTable)

    def on_mount(self) -> None:
        """Colours of texts are the theme's."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show())

    def on_resize(self, event: Resize) -> None:
        """Four charts where there is room, else two."""
        width, height = event.size
        self.set_class(width >= ROOMY[0] and height >= ROOMY[1], "four")
        self._show()

    # ---------------------------------------------------------------------------------------------------- reading

    def store_changed(self) -> None:
        """Read the marked runs again."""
        if self.has_class("empty") == bool(self.session.marked):
            self.set_class(not self.session.marked, "empty")
            self.refresh_bindings()  # rebuilds the whole footer: not at every look
        if self.session.marked:
            self._runs.ask((tuple(self.session.marked), self.measure, self.spread))

    def _take(self, compared: Compared) -> None:
        gone = set(compared.asked) - set(compared.runs)  # they were deleted elsewhere
        if gone & set(self.session.marked):  # which others may have joined since it was read
            self.session.marked = [run_id for run_id in self.session.marked if run_id not in gone]
            self.store_changed()
        if self.compared is None or compared.runs != self.compared.runs:
            self.zoom.forget()
        if compared != self.compared:
            self.compared = compared
            self._show()

    # ---------------------------------------------------------------------------------------------------- showing

    def _show(self) -> None:
        compared = self.compared
        if compared is None or not self.is_mounted:
            return
        # Where there is room for two, the two are the first ones, and show either split.
        four = self.has_class("four")
        for place, metric in enumerate(METRICS):
            shown = METRICS[place + 2] if self.train and not four and place < 2 else metric
            if place == (3 if four else 1) and self.measure in compared.plots:
                shown = self.measure
            plot = compared.plots[shown]
            outcomes = compared.comparison.outcomes
            lines = [replace(line, thick=outcome.run == self.pinned) for line, outcome in zip(plot.lines, outcomes, strict=True)]
            log = self.logarithmic and plot.form != "share"
            self.query_one(f"#{metric.replace('_', '-')}", Chart).plot = replace(
                plot, lines=lines, log=log, window=self.zoom.window
            )
        styles = [Style(color=Color.from_rgb(*line.colour)) for line in compared.lines]
        self._show_outcomes(compared, styles)
        remarks = lacking(compared.comparison, baseline_of(compared.comparison, self.pinned))
        remarks += [AROUND] if any(group.deviation for group in compared.groups) else []
        settings = settings_text(compared, styles, self.size.width - 5, remarks)
        self.query_one("#settings", Static).update(settings)
        self._share_room(len(compared.comparison.outcomes) + 1, len(settings.plain.splitlines()))

    def _show_outcomes(self, compared: Compared, styles: Sequence[Style]) -> None:
        baseline = baseline_of(compared.comparison, self.pinned)
        named = heads(baseline)
        rows = []
        for group, line, style in zip(compared.groups, compared.lines, styles, strict=True):
            outcome = group.outcome
            told = cells(outcome, baseline, group.deviation)
            plain = Style(bold=True) if outcome is baseline else Style.null()
            of_cells = [plain + self.table.verdict(cell.verdict) for cell in told]
            of_cells[:2] = [plain + style, plain + Style(color=COLOURS.get(outcome.status))]
            rows.append(Row([(cell.text, each) for cell, each in zip(told, of_cells, strict=True)], (line.marker, style)))
        columns = [Head(name, name in FLUSH_RIGHT, 0 if place else SHORTEST_NAME, not place) for place, name in enumerate(named)]
        self.table.show(columns, rows, DROPPED)

    def _share_room(self, outcomes: int, settings: int) -> None:
        """The tables get what they need, at most half of the page; of that the settings at most half where both need more."""
        room = max(6, (self.size.height - 2) // 2 - 1)
        of_outcomes = min(outcomes, max(3, room - min(settings + 1, room // 2)))
        self.table.styles.height = of_outcomes
        panel = self.query_one(Scrolling)
        panel.display = bool(settings)
        panel.styles.height = min(settings, max(2, room - of_outcomes - 1))

    # ------------------------------------------------------------------------------------------------------- keys

    @property
    def run_id(self) -> int | None:
        """The run at the cursor."""
        outcomes = self.compared.comparison.outcomes if self.compared is not None else ()
        return outcomes[self.table.cursor].run if self.table.cursor < len(outcomes) else None

    @on(TextTable.Chosen)
    def action_open(self) -> None:
        """The charts of the run at the cursor."""
        if self.run_id is not None:
            self.post_message(ShowRun(self.run_id, "live"))

    def action_look(self) -> None:
        """The net of the run at the cursor, opened up."""
        if self.run_id is not None:
            self.post_message(ShowRun(self.run_id, "look"))

    @on(Chart.Pointed)
    def _pointed(self, pointed: Chart.Pointed) -> None:
        self.crosshair.put(pointed.x)

    @on(Chart.Dragged)
    def _dragged(self, dragged: Chart.Dragged) -> None:
        self.zoom.put(dragged.window)

    def action_pin(self) -> None:
        """Tell the others as differences to the run at the cursor; a second time as they are."""
        self.pinned = None if self.pinned == self.run_id else self.run_id
        self._show()

    def action_split(self) -> None:
        """From the test images' curves to the training images', and back."""
        self.train = not self.train
        self._show()

    def action_log(self) -> None:
        """All but shares on a logarithmic axis, and back."""
        self.logarithmic = not self.logarithmic
        self._show()

    def action_measure(self) -> None:
        """Choose what the last chart shows."""
        if self.compared is None:
            return
        usual = METRICS[3 if self.has_class("four") else 1]
        several = list(SPREADS.items()) if self.compared.can_group else []
        options = [(name, f"{'✓' if name == self.spread else ' '} {told}") for name, told in several]
        options += [(name, clean(name)) for name in dict.fromkeys([usual, *self.compared.names])]

        def chosen(name: str | None) -> None:
            if name in SPREADS:
                self.spread = cast("Spread", name)
            elif name is not None:
                self.measure = "" if name == usual else name
                self._show()  # if it is known already
            self.store_changed()

        self.app.push_screen(
            Menu(options, self.measure or usual, "last chart, and runs over seeds" if several else "last chart"), chosen
        )

    def action_back(self) -> None:
        """Take the crosshair away; then show the whole curves; then to the runs."""
        if not self.zoom.close():
            self.post_message(ShowPage("runs"))

    def action_copy(self) -> None:
        """Put the tables on the clipboard."""
        if self.compared is not None:
            runs = list(map(str, self.compared.runs))
            baseline = baseline_of(self.compared.comparison, self.pinned)
            against = [f"--baseline={baseline.run}"] if baseline else []
            what = counted(len(runs))
            copy(self, markdown(self.compared.comparison, baseline), what, ["convtui", "runs", "compare", *runs, *against, "--md"])

    def action_save(self) -> None:
        """Write the tables into a file of the working directory."""
        if self.compared is not None:
            comparison = self.compared.comparison
            runs = list(map(str, self.compared.runs))
            more = [f"and-{len(runs) - 6}"] if len(runs) > 6 else []
            save(self, markdown(comparison, baseline_of(comparison, self.pinned)), "-".join(["compare", *runs[:6], *more]))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without runs there is nothing to show otherwise."""
        if action == "split" and self.has_class("four"):
            return False
        return not (action in _NEEDS_RUNS and not self.session.marked)
