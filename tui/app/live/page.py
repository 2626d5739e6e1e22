"""Live: one run as it trains, or as it went; the same for runs of this process and of any other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, TypeAlias, TypeVar

from rich.text import Text
from textual import events, on
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from convtui.engine.errors import RunNotFound
from convtui.engine.statuses import LIVE
from convtui.tui.app.advice import on_page
from convtui.tui.app.dialogs.menu import Menu
from convtui.tui.app.dialogs.questions import PromptDialog
from convtui.tui.app.keys import bind, key_for
from convtui.tui.app.latest import Latest
from convtui.tui.app.live.charts_pane import ChartsPane
from convtui.tui.app.live.console_pane import ConsolePane
from convtui.tui.app.live.controls import Asked, RunControls, settled
from convtui.tui.app.live.device_line import DeviceLine
from convtui.tui.app.live.filter_line import FilterLine
from convtui.tui.app.live.images_pane import ImagesPane
from convtui.tui.app.live.lens_pane import LensPane
from convtui.tui.app.live.log_pane import LogPane
from convtui.tui.app.live.pace import Pace
from convtui.tui.app.live.reader import Entry, Reader, Seen
from convtui.tui.app.live.status_line import standing
from convtui.tui.app.live.writing import Writing
from convtui.tui.app.messages import CompareRuns, EditSettings, ShowPage, ShowRun
from convtui.tui.app.page import Page
from convtui.tui.app.widgets import zoom
from convtui.tui.app.widgets.chart import Chart
from convtui.tui.app.widgets.crosshair import Crosshair
from convtui.tui.app.widgets.text_line import TextLine
from convtui.tui.app.widgets.zoom import Zoom
from convtui.tui.render.chart import Plot
from convtui.tui.render.run_summary import BETWEEN
from convtui.tui.render.series_lines import AXES, SMOOTHING, Options, smoothing_of
from convtui.tui.render.text import clean
from convtui.tui.session.session import Session

if TYPE_CHECKING:
    from convtui.engine.store import Run

T = TypeVar("T")
Pane: TypeAlias = ChartsPane | ConsolePane | ImagesPane | LensPane | LogPane

NARROW, LOW = 100, 30
"""Columns and rows below which the messages get little room."""
LOOKED_AT_SECONDS = 0.5
SKETCH_SECONDS = 0.1
"""For which a sketch of a long run has the screen to itself."""
VIEWS = {
    "charts": "charts of all metrics",
    "console": "console: what its program prints",
    "images": "images that its script logs",
    "lens": "lens: filters, activations and a projection, while it trains",
    "log": "log: all messages",
}
"""What can fill the page, with what it is."""

RATE = Binding.Group("Rate", compact=True)
_OF_A_RUN = ("held", "look", "log", "axis", "smoothing", "view", "filter", "open", "compare", "new_like", "run")
_OF_CHARTS = ("log", "axis", "smoothing", "filter", "open", "crosshair", "zoom")


@dataclass(frozen=True, slots=True)
class _Request:
    """A look at a run. Its answer is shown as long as no other run is wanted, whichever charts a newer one asks for."""

    run: int | None
    groups: tuple[str, ...] = field(compare=False)
    """What is charted; empty where the charts stay."""
    options: Options = field(compare=False)
    asked: tuple[Asked, ...] = field(compare=False)


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was seen; `why` there is nothing, if so."""

    seen: Seen | None
    plots: Mapping[str, Plot] = field(default_factory=dict)
    settled: Sequence[tuple[Asked, float | None]] = ()
    why: str = ""
    sketched: bool = False


class LivePage(Page):
    """A run's charts, its messages, and the keys that steer it. All it knows comes from the store, all it asks goes there."""

    NAME = "live"
    CSS_PATH = "page.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("toggle", "held('controls', 'pause')", "Pause"),
        bind("stop", "held('controls', 'stop')"),
        bind("resume", "held('controls', 'resume')"),
        bind("view", "view"),
        bind("look", "look", "Look"),
        bind("open", "open", "Focus"),
        bind("find", "filter", "Filter"),
        bind("log", "log", "Log"),
        bind("smoothing", "smoothing", "Smooth"),
        bind("axis", "axis", "Axis"),
        bind("checkpoint", "held('controls', 'checkpoint')", "Checkpoint"),
        bind("larger", "held('controls', 'rate', 2.0)", "Double learning rate", group=RATE),
        bind("smaller", "held('controls', 'rate', 0.5)", "Halve learning rate", group=RATE),
        bind("edit", "held('controls', 'edit')", "Edit"),
        bind("crosshair", "held('crosshair', 'toggle')", show=False),
        *zoom.KEYS,
        bind("previous_run", "run(-1)", show=False),
        bind("next_run", "run(1)", show=False),
        bind("write", "held('writing', 'write')", "Write"),
        bind("write_as", "held('writing', 'write_as')", show=False),
        bind("compare", "compare", show=False),
        bind("new_like", "new_like", show=False),
        bind("earlier", "step(-1)", "Earlier images"),
        bind("later", "step(1)", "Later images"),
        bind("previous", "image(-1)", "Previous image"),
        bind("next", "image(1)", "Next image"),
        bind("back", "back", show=False),
        bind("left", "move(-1, 0)", show=False),
        bind("right", "move(1, 0)", show=False),
        bind("up", "move(0, -1)", show=False),
        bind("down", "move(0, 1)", show=False),
        bind("far_left", "held('crosshair', 'move', -10)", show=False),
        bind("far_right", "held('crosshair', 'move', 10)", show=False),
        bind("page_up", "turn(-1)", show=False),
        bind("page_down", "turn(1)", show=False),
        bind("first", "end(0)", show=False),
        bind("last", "end(-1)", show=False),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.seen: Seen | None = None
        """The run on the screen; None where there is none."""
        self.options = Options()
        self.view = "charts"
        """What fills the page: one of VIEWS."""
        self.metrics = ChartsPane(id="charts")
        self.log_pane = LogPane(id="log")
        self.images, self.lens = ImagesPane(session, id="images"), LensPane(session, id="lens")
        self.console = ConsolePane(session, id="console")
        self._panes: dict[str, Pane] = {
            "charts": self.metrics, "console": self.console, "images": self.images, "lens": self.lens, "log": self.log_pane,
        }  # fmt: skip
        self.said: list[Entry] = []
        """What was asked of the run here, and what came of it."""
        self._about = Text()
        """What the line about the run says."""
        self._reader = Reader()
        self._latest = Latest(self, self._read, self._take)
        self.controls = RunControls(self, lambda: self.run, self.say, self.look)
        self.crosshair = Crosshair(self, lambda: self.charts)
        self.zoom = Zoom(lambda: self.charts, self.crosshair, lambda: self._draw_with(self.options))
        self.writing = Writing(self, lambda: self.run, lambda: self.pane, lambda: self.view)
        self._pace = Pace(lambda: self.bytes_written)
        self._behind = False
        """Whether the store has changed since."""
        self._with_charts = False
        """Whether the last look was at charts too."""
        self._ticks = 0
        self._timer: Timer | None = None

    def body(self) -> Iterable[Widget]:
        """The run's standing, charts, messages."""
        yield TextLine(id="standing")
        yield Static(id="about", markup=False)
        yield Static("", id="nothing", markup=False)
        yield FilterLine("metrics: loss, val, gradient_norm/*")
        yield from (self.metrics, self.console, self.images, self.lens)
        yield DeviceLine()
        yield self.log_pane

    def on_mount(self) -> None:
        """Some things happen without a change in the store; none of them before the page is first shown."""
        self.add_class(self.view)
        self._timer = self.set_interval(LOOKED_AT_SECONDS, self._tick, pause=True)

    def on_screen_suspend(self) -> None:
        """What is not on the screen does not look."""
        if self._timer is not None:
            self._timer.pause()

    def on_screen_resume(self) -> None:
        """Back again."""
        if self._timer is not None:
            self._timer.resume()

    def on_resize(self, event: events.Resize) -> None:
        """The messages get what room there is."""
        width, height = event.size
        self.set_class(width < NARROW, "narrow")
        self.set_class(height < LOW, "low")
        self._show_standing(width)

    @property
    def charts(self) -> list[Chart]:
        """Those on the screen."""
        return self.metrics.charts if self.view == "charts" else []

    @property
    def run(self) -> Run | None:
        """The run on the screen."""
        return self.seen.run if self.seen is not None else None

    # ---------------------------------------------------------------------------------------------------- looking

    def store_changed(self) -> None:
        """Words at once, charts when it is time for them."""
        self._behind = True
        self.look(charts=self._is_time() or self.run is None or self.session.run_id not in (None, self.run.id))

    def look_ahead(self) -> None:
        """Look at the newest run: the first one that is opened, whichever that is, is there in half the time then."""
        self.look()

    def _is_time(self) -> bool:
        return self._pace.is_time(here=self.run is None or self.run.id == self.session.training)

    def _tick(self) -> None:
        """A process that is gone changes nothing in the store, and neither does one that reads its images."""
        self._ticks += 1
        self._show_about()
        self._look_into_pane()
        if self._behind and self._is_time():
            self.look()
        elif self.session.being_started or (self._ticks % 4 == 0 and self.run is not None and self.run.status in LIVE):
            self.look(charts=False)

    def look(self, *, charts: bool = True) -> None:
        """Look at the run again, in a thread, and at its charts too."""
        if not self.session.is_open:
            return
        if charts:
            self._behind = True
            self._pace.hurry()
        elif self._with_charts and self.is_reading:
            return  # of a run that was not chosen until now its charts would not be shown; `_take` looks again
        drawn = self._behind and self._is_time()
        if drawn and not self.is_reading:
            self._behind = False
            self._pace.drawn()
        groups = tuple(self.metrics.on_page) if drawn and self.view == "charts" else ()
        self._with_charts = bool(groups)
        options = replace(self.options, window=self.zoom.window)
        self._latest.ask(_Request(self.session.run_id, groups, options, tuple(self.controls.asked)))

    @property
    def is_reading(self) -> bool:
        """Whether a thread looks at the run."""
        return self._latest.is_busy

    def _read(self, request: _Request) -> _Looked:
        store = self.session.store
        if self.session.being_started:
            return _Looked(None, why=self.session.being_started)
        try:
            seen = self._reader.look(store, request.run)
        except RunNotFound as error:
            return _Looked(None, why=on_page(self, error))
        if seen is None:
            return _Looked(None)
        sketched = self._reader.is_new_and_long(seen.run)
        # All is read before any is shown: a thread that reads and one that draws keep each other waiting.
        there = [group for group in request.groups if group in seen.groups]
        plots = {group: self._reader.plot(store, seen, group, request.options, sketch=sketched) for group in there}
        return _Looked(seen, plots, settled(store, request.asked), sketched=sketched)

    def _take(self, looked: _Looked) -> None:
        self._show(looked.seen, looked.why)
        if looked.plots:
            self.metrics.show(looked.plots)
            self._pace.drawn()
            if self._behind:
                self.look(charts=False)
        self.controls.settle(looked.settled)
        if looked.sketched and looked.plots and self.is_current:
            self.set_timer(SKETCH_SECONDS, self.look)  # not at once: reading it all would keep the sketch from being drawn

    # ---------------------------------------------------------------------------------------------------- showing

    def _show(self, seen: Seen | None, trouble: str) -> None:
        before, had_nothing = self.run, self.has_class("nothing")
        self.seen = seen
        self.set_class(seen is None, "nothing")
        if (before and before.status) != (seen and seen.run.status) or had_nothing != (seen is None):
            self.refresh_bindings()
        if seen is None:
            why = trouble or (
                f"No run yet.\n\nPress {key_for(self, 'page_2')} to choose a net and train it; "
                f"on the page Runs ({key_for(self, 'page_1')}), {key_for(self, 'demo')} trains the demo."
            )
            self.query_one("#nothing", Static).update(Text(why, justify="center"))
            return
        if before is None or before.id != seen.run.id:
            self.said = []
            self.zoom.forget()
            self.metrics.forget()
        elif before.status != seen.run.status:
            self.controls.status_changed()
        self.metrics.hold(seen.groups)
        self._show_standing(self.size.width)
        self._show_about()
        self._show_entries()
        here = seen.run.status in LIVE and seen.here
        self.query_one(DeviceLine).follow(seen.run.device, seen.run.pid if here else None)

    def _show_standing(self, width: int) -> None:
        if self.run is not None:
            self.query_one(TextLine).show(standing(self.run, width - 2))

    def _show_about(self) -> None:
        """What is wrong, or what is being done before the first step, or what is trained and how."""
        if self.seen is None or self.run is None:
            return
        session, run = self.session, self.run
        doing = session.activity if run.id == session.training else ""
        if run.status == "queued" and not doing:
            doing = _waiting(run.id, session.claimed)
        wrong = bool(run.reason) and run.status not in LIVE
        about = self.query_one("#about", Static)
        about.set_class(wrong, "wrong")
        said = Text((on_page(self, run.reason) if run.is_training else clean(run.reason)) if wrong else doing)
        for words in (f"note: {clean(run.note)}" if run.note else "", "" if said else self.seen.about):
            said.append(f"{BETWEEN if said and words else ''}{words}")
        # What is wrong is told in full; settings may be cut.
        text = said if wrong else _at_both_ends(said, self._place(), self.size.width - 2)
        if text != self._about:
            self._about = text
            about.update(text)

    def _place(self) -> str:
        """`24 charts, page 1/3 · smoothing 0.8 · step 400 to 600`."""
        if self.view != "charts":
            return VIEWS[self.view]
        return BETWEEN.join(filter(None, (self.metrics.grid.words, f"smoothing {self.options.smoothing:g}", self.zoom.words)))

    def _show_entries(self) -> None:
        self.log_pane.show([*(self.seen.entries if self.seen else ()), *self.said])

    def say(self, text: str, severity: str = "info", instead: Entry | None = None, created: float | None = None) -> Entry:
        entry = Entry(time.time() if created is None else created, text, severity)
        self.said = [*(other for other in self.said if other is not instead), entry]
        self._show_entries()
        return entry

    # ------------------------------------------------------------------------------------------------------- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that have no run to work on are grey, once it is known that there is none; those that steer, or let go on, are
        there for a run of which that can be asked."""
        if action in _OF_A_RUN and self.has_class("nothing"):
            return None
        of_view = {"step": "images", "image": "lens"} | dict.fromkeys(_OF_CHARTS, "charts")
        if self.view != of_view.get(str(parameters[0]) if action == "held" else action, self.view):
            return False
        if parameters[:1] != ("controls",):
            return True
        status = self.run.status if self.run is not None else "running"
        match parameters[1]:
            case "resume":
                return status not in ("running", "queued") and (self.run is None or self.run.is_training)
            case "stop":
                return status in (*LIVE, "queued")
            case "edit":
                return True
            case _:
                return status in LIVE

    def action_look(self) -> None:
        """Open its net up."""
        if self.run is not None:
            self.post_message(ShowRun(self.run.id, "look"))

    def action_compare(self) -> None:
        """Beside the marked ones."""
        if self.run is not None:
            self.post_message(CompareRuns(list(dict.fromkeys([*self.session.marked, self.run.id]))))

    def action_new_like(self) -> None:
        """A new run that begins with this one's settings."""
        run = self.run
        if run is not None:
            self.in_thread(lambda: EditSettings(run.settings, run.preset), self.post_message)

    def action_run(self, by: int) -> None:
        """The run that was made after this one, or before it."""
        run = self.run
        if run is None:
            return

        def show(run_id: int | None) -> None:
            if run_id is None:
                self.notify(f"no {'later' if by > 0 else 'earlier'} run")
            else:
                self.session.run_id = run_id
                self.look()

        self.in_thread(lambda: next(iter(self.session.runs_beyond(run.id, by)), None), show)

    def action_view(self) -> None:
        """Choose what fills the page."""
        self.app.push_screen(Menu(list(VIEWS.items()), self.view, "show"), self._show_view)

    def _show_view(self, view: str | None) -> None:
        if view is not None and view != self.view:
            self.crosshair.put(None)
            self.remove_class(self.view)
            self.view = view
            self.add_class(view)
            self.refresh_bindings()
            self._show_about()
            self._look_into_pane()
            self.look()

    @on(ChartsPane.Turned)
    def _turned(self, turned: ChartsPane.Turned) -> None:
        self._show_about()
        if turned.is_new:
            self.look()

    @on(Chart.Pointed)
    def _pointed(self, pointed: Chart.Pointed) -> None:
        self.crosshair.put(pointed.x)

    @property
    def pane(self) -> Pane:
        """What fills the page."""
        return self._panes[self.view]

    def action_move(self, across: int, down: int) -> None:
        """The cursor; while there is a crosshair, that to the left and right."""
        if across and self.crosshair.is_shown:
            self.crosshair.move(across)
        else:
            self.pane.move(across, down)
            self._look_into_pane()

    def action_turn(self, pages: int) -> None:
        """Another page."""
        self.pane.turn(pages)

    def action_end(self, place: int) -> None:
        """To the first or the last."""
        self.pane.end(place)

    def action_step(self, by: int) -> None:
        """Images of an earlier step, or a later one."""
        self.images.step(by)

    def action_image(self, by: int) -> None:
        """Another image for the lens."""
        self.lens.step_image(by)
        self._look_into_pane()

    def _look_into_pane(self) -> None:
        """At what is not in the store's tables: files, and the net itself."""
        pane, run = self.pane, self.run
        if run is not None and isinstance(pane, ConsolePane | ImagesPane | LensPane):
            pane.look(run)

    def action_open(self) -> None:
        """The chart at the cursor alone, or all of them again."""
        self.metrics.focus_chart(on=not self.metrics.grid.is_focused)

    def action_log(self) -> None:
        """The upward axis of the chart at the cursor logarithmic, or not."""
        if (at := self.metrics.grid.at) is not None:
            self._draw_with(replace(self.options, logarithmic=self.options.logarithmic ^ {at}))

    def action_axis(self) -> None:
        """Epochs, steps or time to the right."""
        self.zoom.forget()
        self._draw_with(replace(self.options, axis=_after(self.options.axis, AXES)))

    @on(Chart.Dragged)
    def _dragged(self, dragged: Chart.Dragged) -> None:
        self.zoom.put(dragged.window)

    def action_smoothing(self) -> None:
        """Write how much what is told every step is smoothed."""

        def written(text: str | None) -> None:
            if text is not None:
                self._draw_with(replace(self.options, smoothing=smoothing_of(text)))

        self.app.push_screen(PromptDialog(Text(SMOOTHING), f"{self.options.smoothing:g}", smoothing_of, enter="smooths"), written)

    def _draw_with(self, options: Options) -> None:
        self.options = options
        self._show_about()
        self.look()

    def action_filter(self) -> None:
        """Write which metrics are to be shown."""
        self.query_one(FilterLine).open()

    @on(FilterLine.Written)
    def _filtered(self, written: FilterLine.Written) -> None:
        self.metrics.filter(written.text)

    def action_back(self) -> None:
        """Close what is open, one thing at a time: the crosshair, the part of the x axis, the filter, the focus, what fills the
        page; then to the runs."""
        if self.view == "charts" and self.zoom.close():
            return
        if self.query_one(FilterLine).is_open:
            self.query_one(FilterLine).clear()
        elif self.metrics.grid.is_focused:
            self.metrics.focus_chart(on=False)
        elif self.view != "charts":
            self._show_view("charts")
        else:
            self.post_message(ShowPage("runs"))


def _waiting(run_id: int, claimed: Sequence[int]) -> str:
    """What a queued run waits for; `claimed` are the runs of this process, in their order."""
    if run_id not in claimed:
        return "waiting for a process"
    return "starting" if claimed[0] == run_id else "waiting for its turn"


def _at_both_ends(left: Text, right: str, width: int) -> Text:
    left.truncate(max(0, width - len(right) - 3), overflow="ellipsis", pad=True)
    return Text.assemble(left, "   ", right, no_wrap=True)


def _after(value: T, values: Sequence[T]) -> T:
    """The one after `value`, round and round."""
    return values[(values.index(value) + 1) % len(values)] if value in values else values[0]
