"""Live: one run as it trains, or as it went; the same for runs of this process and of any other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

from rich.text import Text
from textual import events, on
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from convtui.engine.errors import RunNotFound
from convtui.engine.statuses import LIVE
from convtui.tui.app.keys import bind
from convtui.tui.app.latest import Latest
from convtui.tui.app.live.controls import Asked, RunControls, settled
from convtui.tui.app.live.device_line import DeviceLine
from convtui.tui.app.live.reader import Entry, Reader, Seen
from convtui.tui.app.live.status_line import clock, standing
from convtui.tui.app.messages import ShowPage, ShowRun
from convtui.tui.app.page import Page
from convtui.tui.app.widgets.chart import Chart
from convtui.tui.app.widgets.crosshair import KEYS, Crosshair
from convtui.tui.render.chart import Plot
from convtui.tui.render.run_summary import BETWEEN
from convtui.tui.render.series_lines import AXES, SMOOTHINGS, Options
from convtui.tui.render.text import clean
from convtui.tui.session.session import Session

if TYPE_CHECKING:
    from convtui.engine.store import Run

T = TypeVar("T", bound=str)

NARROW, LOW = 100, 30
"""Columns below which the charts stand one above the other; rows below which the messages get little room."""
VAST = (180, 48)
"""From here on there is room for four charts."""
LOOKED_AT_SECONDS = 0.5
CHARTED_SECONDS = 0.9
"""Between two drawings of the charts that were not asked for: they cost a training beside them more than all else here."""
SKETCH_SECONDS = 0.1
"""For which a sketch of a long run has the screen to itself."""
SHOWN = ("loss", "accuracy", "learning rate", "images/s")
"""What the charts show at first."""

RATE = Binding.Group("Rate", compact=True)
_OF_A_RUN = ("held", "look", "series", "log", "axis", "smoothing")


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
    plots: Sequence[Plot] = ()
    settled: Sequence[tuple[Asked, bool]] = ()
    why: str = ""
    sketched: bool = False


class LivePage(Page):
    """A run's charts, its messages, and the keys that steer it. All it knows comes from the store, all it asks goes there."""

    NAME = "live"
    CSS_PATH = "page.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        *KEYS,
        bind("toggle", "held('controls', 'pause')", "Pause"),
        bind("stop", "held('controls', 'stop')"),
        bind("checkpoint", "held('controls', 'checkpoint')", "Checkpoint"),
        bind("larger", "held('controls', 'rate', 2.0)", "Double learning rate", group=RATE),
        bind("smaller", "held('controls', 'rate', 0.5)", "Halve learning rate", group=RATE),
        bind("log", "log", "Log"),
        bind("axis", "axis", "Axis"),
        bind("view", "series(-1)", "Chart"),
        bind("next_view", "series(0)", "Change first chart", show=False),
        bind("crosshair", "held('crosshair', 'toggle')", show=False),
        bind("back", "back", "Hide crosshair, or back to Runs", show=False),
        bind("resume", "held('controls', 'resume')"),
        bind("look", "look", "Look"),
        bind("smoothing", "smoothing", "Smooth"),
        bind("edit", "held('controls', 'edit')", "Edit"),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.seen: Seen | None = None
        """The run on the screen; None where there is none."""
        self.options = Options()
        self.groups = list(SHOWN)
        """What each chart shows."""
        self.said: list[Entry] = []
        """What was asked of the run here, and what came of it."""
        self._about = Text()
        """What the line about the run says."""
        self._reader = Reader()
        self._latest = Latest(self, self._read, self._take)
        self.controls = RunControls(self, lambda: self.run, self.say, self.look)
        self.crosshair = Crosshair(self, lambda: self.charts)
        self._told = Text()
        """The messages as they stand on the screen."""
        self._charted = 0.0
        """When the charts were last wanted, on the monotonic clock."""
        self._behind = False
        """Whether the store has changed since."""
        self._ticks = 0
        self._timer: Timer | None = None

    def body(self) -> Iterable[Widget]:
        """The run's standing, charts, messages."""
        yield Static(id="standing", markup=False)
        yield Static(id="about", markup=False)
        yield Static("", id="nothing", markup=False)
        with Container(id="charts"):
            for place in range(len(SHOWN)):
                yield Chart(id=f"chart-{place}", classes="more" if place > 1 else "")
        yield DeviceLine()
        with VerticalScroll(id="entries", can_focus=False):
            yield Static(markup=False)

    def on_mount(self) -> None:
        """Some things happen without a change in the store; none of them before the page is first shown."""
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
        """Side by side, above each other, or four of them."""
        width, height = event.size
        self.set_class(width < NARROW, "narrow")
        self.set_class(height < LOW, "low")
        vast = width >= VAST[0] and height >= VAST[1]
        if vast != self.has_class("vast"):
            self.set_class(vast, "vast")
            self.look()
        self._show_standing(width)

    @property
    def charts(self) -> list[Chart]:
        """Those on the screen."""
        charts = list(self.query(Chart))
        return charts if self.has_class("vast") else charts[:2]

    @property
    def run(self) -> Run | None:
        """The run on the screen."""
        return self.seen.run if self.seen is not None else None

    # ---------------------------------------------------------------------------------------------------- looking

    def store_changed(self) -> None:
        """Words at once, charts when it is time for them."""
        self._behind = True
        self.look(charts=self._is_time() or self.run is None or self.session.run_id not in (None, self.run.id))

    def _is_time(self) -> bool:
        return time.monotonic() - self._charted >= CHARTED_SECONDS

    def _tick(self) -> None:
        """A process that is gone changes nothing in the store, and neither does one that reads its images."""
        self._ticks += 1
        self._show_about()
        if self._behind and self._is_time():
            self.look()
        elif self._ticks % 4 == 0 and self.run is not None and self.run.status in LIVE:
            self.look(charts=False)

    def look(self, *, charts: bool = True) -> None:
        """Look at the run again, in a thread, and at its charts too."""
        if not self.session.is_open:
            return
        if charts:
            self._behind, self._charted = True, 0.0
        drawn = self._behind and self._is_time()
        if drawn and not self.is_reading:
            self._behind, self._charted = False, time.monotonic()
        groups = tuple(self.groups[: len(self.charts)]) if drawn else ()
        self._latest.ask(_Request(self.session.run_id, groups, self.options, tuple(self.controls.asked)))

    @property
    def is_reading(self) -> bool:
        """Whether a thread looks at the run."""
        return self._latest.is_busy

    def _read(self, request: _Request) -> _Looked:
        store = self.session.store
        try:
            seen = self._reader.look(store, request.run)
        except RunNotFound as error:
            return _Looked(None, why=str(error))
        if seen is None:
            return _Looked(None)
        sketched = self._reader.is_new_and_long(seen.run)
        # All is read before any is shown: a thread that reads and one that draws keep each other waiting.
        plots = [self._reader.plot(store, seen, group, request.options, sketch=sketched) for group in request.groups]
        return _Looked(seen, plots, settled(store, request.asked), sketched=sketched)

    def _take(self, looked: _Looked) -> None:
        self._show(looked.seen, looked.why)
        for chart, plot in zip(self.charts, looked.plots, strict=False):  # there may be room for others by now
            chart.plot = plot
        if looked.plots:
            self._charted = time.monotonic()
        self.controls.settle(looked.settled)
        if looked.sketched and looked.plots:
            self.set_timer(SKETCH_SECONDS, self.look)  # not at once: reading it all would keep the sketch from being drawn

    # ---------------------------------------------------------------------------------------------------- showing

    def _show(self, seen: Seen | None, trouble: str) -> None:
        before = self.run
        self.seen = seen
        self.set_class(seen is None, "nothing")
        if (before and before.status) != (seen and seen.run.status):
            self.refresh_bindings()
        if seen is None:
            why = trouble or "No run yet.\n\nPress 2 to choose a net and train it."
            self.query_one("#nothing", Static).update(Text(why, justify="center"))
            return
        if before is None or before.id != seen.run.id:
            self.said = []
            self.crosshair.put(None)
        elif before.status != seen.run.status:
            self.controls.status_changed()
        missing = [group for group in seen.groups if group not in self.groups]
        for place, group in enumerate(self.groups):
            if group not in seen.groups and missing:
                self.groups[place] = missing.pop(0)
        self._show_standing(self.size.width)
        self._show_about()
        self._show_entries()
        here = seen.run.status in LIVE and seen.here
        self.query_one(DeviceLine).follow(seen.run.device, seen.run.pid if here else None)

    def _show_standing(self, width: int) -> None:
        if self.run is not None:
            # One row, whatever it says: nothing else has to be laid out again, which would cost more than all charts.
            self.query_one("#standing", Static).update(standing(self.run, width - 2), layout=False)

    def _show_about(self) -> None:
        """What is wrong, or what is being done before the first step, or what is trained and how."""
        if self.seen is None or self.run is None:
            return
        session, run = self.session, self.run
        doing = session.activity if run.id == session.training else ""
        if run.status == "queued" and not doing:
            doing = "waiting for its turn" if run.id in session.claimed else "waiting for a process"
        wrong = bool(run.reason) and run.status not in LIVE
        about = self.query_one("#about", Static)
        about.set_class(wrong, "wrong")
        said = Text(clean(run.reason) if wrong else doing)
        for words in (f"note: {clean(run.note)}" if run.note else "", "" if said else self.seen.about):
            said.append(f"{BETWEEN if said and words else ''}{words}")
        # What is wrong is told in full; settings may be cut.
        text = said if wrong else _at_both_ends(said, f"smoothing {self.options.smoothing}", self.size.width - 2)
        if text != self._about:
            self._about = text
            about.update(text)

    def _show_entries(self) -> None:
        entries = sorted([*(self.seen.entries if self.seen else ()), *self.said], key=lambda entry: entry.created)
        colours = {"warning": "yellow", "error": "red"}
        text = Text("\n").join(
            Text.assemble((clock(entry.created), "dim"), "  ", (entry.text, colours.get(entry.severity, ""))) for entry in entries
        )
        if text == self._told:
            return
        self._told = text
        panel = self.query_one("#entries", VerticalScroll)
        panel.set_class(bool(entries), "some")
        panel.query_one(Static).update(text)
        panel.call_after_refresh(panel.scroll_end, animate=False)

    def say(self, text: str, severity: str = "info", instead: Entry | None = None) -> Entry:
        entry = Entry(time.time(), text, severity)
        self.said = [*(other for other in self.said if other is not instead), entry]
        self._show_entries()
        return entry

    # ---------------------------------------------------------------------------------------------------- charts

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that have no run to work on are grey, once it is known that there is none; those that steer, or let go on, are
        there for a run of which that can be asked."""
        if action in _OF_A_RUN and not self._has_run():
            return None
        status = self.run.status if self.run is not None else "running"
        if parameters == ("controls", "resume"):
            return status != "running"
        steers = parameters[:1] == ("controls",) and parameters[1] in ("pause", "stop", "checkpoint", "rate")
        return not steers or status in (*LIVE, "queued")

    def _has_run(self) -> bool:
        return not self.has_class("nothing")

    def action_look(self) -> None:
        """Open its net up."""
        if self.run is not None:
            self.post_message(ShowRun(self.run.id, "look"))

    @on(Chart.Pointed)
    def _pointed(self, pointed: Chart.Pointed) -> None:
        self.crosshair.put(pointed.x)

    def action_log(self) -> None:
        """The upward axis logarithmic, or not."""
        self._draw_with(replace(self.options, log=not self.options.log))

    def action_axis(self) -> None:
        """Epochs, steps or time to the right."""
        self.crosshair.put(None)
        self._draw_with(replace(self.options, axis=_after(self.options.axis, AXES)))

    def action_smoothing(self) -> None:
        """Less or more smoothing of what is told every step."""
        self._draw_with(replace(self.options, smoothing=_after(self.options.smoothing, tuple(SMOOTHINGS))))

    def _draw_with(self, options: Options) -> None:
        self.options = options
        self._show_about()
        self.look()

    def action_series(self, place: int) -> None:
        """Another series in the first chart (0) or the last (-1)."""
        if self.seen is not None:
            place %= len(self.charts)
            others = {group for other, group in enumerate(self.groups[: len(self.charts)]) if other != place}
            free = tuple(group for group in self.seen.groups if group not in others)
            if free:
                self.groups[place] = _after(self.groups[place], free)
                self.look()

    def action_back(self) -> None:
        """Take the crosshair away; where there is none, to the runs."""
        if self.crosshair.is_shown:
            self.crosshair.put(None)
        else:
            self.post_message(ShowPage("runs"))


def _at_both_ends(left: Text, right: str, width: int) -> Text:
    left.truncate(max(0, width - len(right) - 3), overflow="ellipsis", pad=True)
    return Text.assemble(left, "   ", right, no_wrap=True)


def _after(value: T, values: tuple[T, ...]) -> T:
    """The one after `value`, round and round."""
    return values[(values.index(value) + 1) % len(values)] if value in values else values[0]
