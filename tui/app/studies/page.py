"""Studies: many runs from one file; what was published, what was measured, which claims hold. It fills while runs finish."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import Static

from convtui.tui.app.advice import on_page
from convtui.tui.app.dialogs.menu import Menu
from convtui.tui.app.export import REPORTS, choose_form, copy, save, save_figures, save_report
from convtui.tui.app.keys import bind, key_for
from convtui.tui.app.latest import Latest
from convtui.tui.app.messages import CompareRuns, ShowPage, ShowRun
from convtui.tui.app.page import Page
from convtui.tui.app.studies.queue import Queue
from convtui.tui.app.studies.reader import CURVES, PARALLEL, Asked, Reader, Seen
from convtui.tui.app.studies.words import (
    DROPPED,
    HEADS,
    LIST_DROPPED,
    LIST_HEADS,
    Place,
    claim_words,
    list_rows,
    row_words,
    table_rows,
    title_words,
    with_values,
)
from convtui.tui.app.widgets import crosshair, zoom
from convtui.tui.app.widgets.chart import Chart
from convtui.tui.app.widgets.crosshair import Crosshair
from convtui.tui.app.widgets.text_table import TextTable
from convtui.tui.app.widgets.zoom import Zoom
from convtui.tui.render.relations import parallel_curves, scatter_curves
from convtui.tui.render.text import clean
from convtui.tui.session.session import Session

NARROW = 104
"""Columns below which the list and a study take turns, and so do claims and curves."""
BESIDES = 16
"""Rows of the page that are not its table's at least: bars, title, the line below the table, claims and curves."""
CLAIMS = "claims"
_NEEDS_A_STUDY = ("open", "compare", "look", "held", "every", "view", "next_view", "log", "copy", "save", "save_as")


class StudiesPage(Page):
    """The studies at the left; of the chosen one the table, the claims and the curves."""

    NAME = "studies"
    CSS_PATH = "page.tcss"
    AUTO_FOCUS = "#studies"
    BINDINGS: ClassVar[list[BindingType]] = [
        *crosshair.KEYS,
        *zoom.KEYS,
        bind("open", "open"),
        bind("start", "held('queue', 'ask')", "Queue runs"),
        bind("delete", "held('queue', 'ask_to_take_out')", "Dequeue"),
        bind("compare", "compare"),
        bind("look", "look", "Look", show=False),
        bind("all", "every", "Curves"),
        bind("view", "view"),
        bind("next_view", "next_view", show=False),
        bind("log", "log", "Log", show=False),
        bind("crosshair", "held('crosshair', 'toggle')", show=False),
        bind("copy", "copy"),
        bind("write", "save", "Write", show=False),
        bind("write_as", "save_as", show=False),
        bind("reload", "again", "Reload study files", show=False),
        bind("back", "back", show=False),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.seen: Seen | None = None
        """What is shown."""
        self.places: list[Place] = []
        """What each row of the table is about."""
        self.every = True
        """Whether the chart shows all settings, or the runs of one."""
        self.view = CURVES
        """What the chart shows: CURVES, PARALLEL, or a hyperparameter against which the measure at the cursor is scattered."""
        self.log_loss = False
        self._wanted: str | None = None
        self._said: dict[str, Text] = {}
        self._reader = Reader()
        self._files = False
        """Whether the studies' files are to be read again."""
        self._latest = Latest(self, self._read, self._take)
        self.queue = Queue(self, lambda: self.seen.results if self.seen is not None else None, lambda: self.place)
        self.crosshair = Crosshair(self, lambda: self.charts)
        self.zoom = Zoom(lambda: self.charts, self.crosshair, self._draw)

    def body(self) -> Iterable[Widget]:
        with Horizontal(id="columns"):
            yield TextTable(id="studies")
            with Vertical(id="beside"):
                yield Static(id="title")
                yield Static(id="trouble", markup=False)
                yield TextTable(id="rows")
                yield Static(id="about")
                with Horizontal(id="below"):
                    with VerticalScroll(id="claims", can_focus=True):
                        yield Static()
                    yield Chart(id="curves")
        yield Static(id="none")

    def on_mount(self) -> None:
        """A narrow page begins with the list, and with the claims of a study."""
        self.add_class("listed", "claimed")
        self.app.theme_changed_signal.subscribe(self, lambda _: self._repaint())

    def on_resize(self, event: Resize) -> None:
        """What has no room takes turns."""
        width, height = event.size
        self.set_class(width < NARROW, "narrow")
        # Half of the page at most, and where that is short what claims and curves leave: their last lines are to be reached.
        self.table.styles.max_height = max(4, min(height // 2, height - BESIDES))
        self.refresh_bindings()

    def on_screen_resume(self) -> None:
        """Somebody may have written a file meanwhile."""
        self._files = True

    @property
    def charts(self) -> Sequence[Chart]:
        return [self.query_one(Chart)]

    @property
    def names(self) -> TextTable:
        """The studies."""
        return self.query_one("#studies", TextTable)

    @property
    def table(self) -> TextTable:
        """The rows of one."""
        return self.query_one("#rows", TextTable)

    @property
    def place(self) -> Place | None:
        """What the row at the cursor is about."""
        return self.places[self.table.cursor] if self.table.cursor < len(self.places) else None

    # ---------------------------------------------------------------------------------------------------- reading

    def store_changed(self) -> None:
        """Read the studies again."""
        self._latest.ask(self._asked())

    @property
    def is_reading(self) -> bool:
        """Whether a thread reads."""
        return self._latest.is_busy

    def _asked(self) -> Asked:
        same = self.seen is not None and self.seen.study == self._wanted
        place = self.place if same else None
        setting, measure = (place.setting, place.measure) if place else ("", "")
        return Asked(self._wanted, setting, measure, self.every, self.log_loss, self.view)

    def _read(self, asked: Asked) -> tuple[Asked, Seen]:
        if self._files:
            self._files = False
            self._reader.read_files()
        return asked, self._reader.read(self.session.store, asked)

    def _take(self, read: tuple[Asked, Seen]) -> None:
        asked, seen = read
        self._show(seen)
        if self._asked() != asked:  # the first answer says which study and row there are
            self.store_changed()

    # ---------------------------------------------------------------------------------------------------- showing

    def _show(self, seen: Seen) -> None:
        before = self.seen
        other = before is None or before.study != seen.study
        self.seen, self._wanted = seen, seen.study
        self.set_class(not seen.known, "empty")
        if not seen.known:
            self._show_none()
            return
        names = [known.name for known in seen.known]
        if before is None or names != [known.name for known in before.known]:
            self.names.cursor = names.index(seen.study or names[0])
        self.names.show(LIST_HEADS, list_rows(seen.known), LIST_DROPPED, below="title")
        found = seen.results
        self.set_class(found is None, "broken")
        if found is None:
            broken = next(known for known in seen.known if known.name == seen.study)
            self._tell("#title", Text(clean(broken.name), style="bold"))
            self._tell("#trouble", Text(f"{on_page(self, broken.trouble)}\n\n{key_for(self, 'reload')} reloads the study files"))
            self.places = []
        else:
            self.set_class(not found.claims and not found.study.notes, "unclaimed")
            self._tell("#title", title_words(found))
            self.places, rows = table_rows(found, seen.claimed, self.table)
            if other:
                self.table.cursor = 0
                self.query_one("#claims").scroll_home(animate=False)
            self.table.show(*with_values(HEADS, rows), DROPPED)
            if before is None or before.results is None or found.claims is not before.results.claims:
                self.query_one("#claims", VerticalScroll).query_one(Static).update(claim_words(found, self.table))
            if other:
                self.zoom.forget()
            self._draw()
            self._show_about()
        if other:
            self.refresh_bindings()

    def _draw(self) -> None:
        plot = self.seen.plot if self.seen is not None else None
        self.query_one(Chart).plot = replace(plot, window=self.zoom.window) if plot is not None else None

    def _repaint(self) -> None:
        """Colours of texts are the theme's."""
        seen, self.seen = self.seen, None
        if seen is not None:
            self._show(seen)

    def _show_none(self) -> None:
        from convtui.engine.study import own_studies

        words = (
            f"No studies.\n\nA study is a TOML file in {own_studies()}:\nsettings to train, their published results, and claims."
        )
        self._tell("#none", Text(words))

    def _show_about(self) -> None:
        if self.seen is not None and self.seen.results is not None and self.place is not None:
            self._tell("#about", row_words(self.seen.results, self.place, self.seen.claimed, key_for(self, "start")))

    def _tell(self, where: str, words: Text) -> None:
        """Only what is new: it lays the page out again, and runs in training are looked at twice a second."""
        if self._said.get(where) != words:
            self._said[where] = words
            self.query_one(where, Static).update(words)

    # ------------------------------------------------------------------------------------------------------- keys

    @on(TextTable.Moved, "#studies")
    def _study_chosen(self) -> None:
        if self.seen is not None and self.names.cursor < len(self.seen.known):
            self._wanted = self.seen.known[self.names.cursor].name
            self.store_changed()

    @on(TextTable.Moved, "#rows")
    def _row_chosen(self) -> None:
        self._show_about()
        self.store_changed()

    @on(TextTable.Chosen)
    def action_open(self) -> None:
        """From the list into the study; there, the charts of the newest run of the setting."""
        if self.names.has_focus:
            self._turn("opened")
            self.table.focus()
        elif runs := self._runs():
            self.post_message(ShowRun(runs[0], "live"))

    def action_back(self) -> None:
        """Take the crosshair away; else show the whole curves; else back to the list; else to the runs."""
        if self.zoom.close():
            return
        if not self.names.has_focus:
            self._turn("listed")
            self.names.focus()
        else:
            self.post_message(ShowPage("runs"))

    def _turn(self, shown: str) -> None:
        self.remove_class("listed", "opened")
        self.add_class(shown)

    def action_compare(self) -> None:
        """The runs of the setting over each other."""
        if runs := self._runs():
            self.post_message(CompareRuns(sorted(runs)))

    def action_look(self) -> None:
        """The net of the newest run of the setting, opened up."""
        if runs := self._runs():
            self.post_message(ShowRun(runs[0], "look"))

    def _runs(self) -> list[int]:
        """Those of the setting at the cursor that count, else all there are, the newest first; says so where there is none."""
        found, place = self.seen and self.seen.results, self.place
        if not found or place is None:
            return []
        row = found.rows[place.setting]
        ids = sorted((run.id for run in row.runs or row.others), reverse=True)
        if not ids:
            self.notify(f"{place.setting} has no runs yet: {key_for(self, 'start')} queues them")
        return ids

    @on(Chart.Pointed)
    def _pointed(self, pointed: Chart.Pointed) -> None:
        self.crosshair.put(pointed.x)

    @on(Chart.Dragged)
    def _dragged(self, dragged: Chart.Dragged) -> None:
        self.zoom.put(dragged.window)

    def action_every(self) -> None:
        """The curves of all settings, or of the runs of the one at the cursor."""
        self.every = not self.every
        self.view = CURVES
        self.zoom.forget()
        self.store_changed()

    def action_log(self) -> None:
        """Losses on a logarithmic axis, and back."""
        self.log_loss = not self.log_loss
        self.store_changed()

    @property
    def _views(self) -> dict[str, str]:
        """What may be shown, and that in words; claims only where they take turns with the chart."""
        found = {CLAIMS: "claims"} if self.has_class("narrow") and not self.has_class("unclaimed") else {}
        found |= {CURVES: "curves"}
        if self.seen is not None and self.seen.relations is not None and self.seen.relations.varied:
            measure = clean(self.seen.relations.measure).replace("_", " ")
            found |= {PARALLEL: f"parallel coordinates: what differs, and {measure}"}
            found |= {path: f"{measure} against {clean(path)}" for path in self.seen.relations.varied}
        return found

    @property
    def _viewed(self) -> str:
        return CLAIMS if self.has_class("narrow", "claimed") and not self.has_class("unclaimed") else self.view

    def action_view(self) -> None:
        """Choose what is shown of the study."""
        self.app.push_screen(Menu(list(self._views.items()), self._viewed, "view"), self._look_at)

    def action_next_view(self) -> None:
        """What comes next in the menu of views."""
        views = list(self._views)
        self._look_at(views[(views.index(self._viewed) + 1) % len(views) if self._viewed in views else 0])

    def _look_at(self, view: str | None) -> None:
        if view is None:
            return
        self.set_class(view == CLAIMS, "claimed")
        self.set_class(view != CLAIMS, "charted")
        if view != CLAIMS:
            self.view = view
            self.zoom.forget()
            self.store_changed()

    def action_again(self) -> None:
        """Read the studies' files again."""
        self._files = True
        self.store_changed()

    def action_copy(self) -> None:
        """Put the study on the clipboard."""
        if self.seen is not None and self.seen.results is not None:
            from convtui.engine.study.markdown import page

            name = self.seen.results.study.name
            copy(self, page(self.seen.results), f"study {name}", ["convtui", "study", "show", name, "--md"])

    def action_save(self) -> None:
        """Write what is shown into a file of the working directory: the study, or a picture of how its runs differ."""
        if self.seen is None or self.seen.results is None:
            return
        name, related, view = self.seen.results.study.name, self.seen.relations, self.view
        if related is not None and view == PARALLEL:
            save_figures(self, lambda: [parallel_curves(related)], f"study-{name}-parallel")
        elif related is not None and view in related.varied:
            stem = "-".join(["study", name, related.measure, view.rpartition(".")[2]])
            save_figures(self, lambda: [scatter_curves(related, view)], stem)
        else:
            from convtui.engine.study.markdown import page

            save(self, page(self.seen.results), f"study-{name}")

    def action_save_as(self) -> None:
        """Ask whether to write what is shown, or a report of the whole study."""
        if self.seen is None or self.seen.results is None:
            return
        name = self.seen.results.study.name

        def write(form: str) -> None:
            if form == "shown":
                self.action_save()
            else:
                save_report(self, name, f"report-{name}", form)

        choose_form(self, write, {"shown": "what is shown"} | REPORTS)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What there is nothing for is not offered."""
        there = self.seen is not None and self.seen.results is not None
        return there or action not in _NEEDS_A_STUDY
