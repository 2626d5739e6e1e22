"""Runs: every run of the store, of this and of any other process; the home page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import Resize
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from convtui.engine.errors import ConvtuiError
from convtui.tui.app.runs.filter import BadFilter, wanted
from convtui.tui.app.runs.metric_columns import RunMeasures
from convtui.tui.app.runs.rows import COLUMNS, Column, Line, Reader, ordered
from convtui.tui.app.runs.table import RunTable
from convtui.tui.render.run_summary import Settings, settings_words, told
from convtui.tui.session.session import Session

if TYPE_CHECKING:
    from convtui.engine.store import Point

ALIVE_SECONDS = 2.0
"""Between two looks whether the processes of running runs are still there: a dead one changes nothing in the store."""
SETTLED_SECONDS = 0.06
"""How long the cursor rests on a run before its settings are read."""
GREETING = (
    ("No runs here yet.\n\n", "bold"),
    ("n", "bold reverse"),
    ("  choose a net, a dataset and train it\n\n", ""),
    ("or, in another terminal, a first run of a few seconds:\n", "dim"),
    ("convtui run --preset demo", "bold"),
    ("\nIt appears here by itself.", "dim"),
)
_NEEDS_A_RUN = frozenset(
    ("open", "look", "compare", "mark", "resume", "clone", "rename", "note", "export", "delete", "sort", "filter", "measures")
)


class Sought(Input):
    """The filter line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,down", "screen.to_table", "To the runs", key_display="⏎"),
        Binding("escape", "screen.clear", "Clear", key_display="esc"),
    ]


class RunsPage(RunMeasures):
    """The table of runs, a filter over it, and the run under the cursor in words."""

    NAME = "runs"
    CSS_PATH = "page.tcss"
    AUTO_FOCUS = "RunTable"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", key_display="⏎"),
        Binding("l", "look", "Look"),
        Binding("c", "compare", "Compare"),
        Binding("space", "mark", "Mark", key_display="␣"),
        Binding("r", "resume", "Resume"),
        Binding("n", "new", "New"),
        Binding("N", "clone", "Clone", key_display="N"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("d", "delete", "Delete"),
        Binding("u", "undo", "Undo"),
        Binding("R", "rename", "Rename", show=False),
        Binding("e", "note", "Note", show=False),
        Binding("x", "export", "Export", show=False),
        Binding("m", "measures", "Measures as columns", show=False),
        Binding("s", "sort", "Sort", show=False),
        Binding("S", "reverse", "Reverse", show=False),
        Binding("escape", "clear", "Clear filter and marks", show=False),
    ]

    class Read(Message):
        """All runs, from the thread that reads them."""

        def __init__(self, lines: list[Line]) -> None:
            super().__init__()
            self.lines = lines

    class Drawn(Message):
        """Curves, from the thread that reads them."""

        def __init__(self, curves: dict[int, tuple[int, list[float]]]) -> None:
            super().__init__()
            self.curves = curves

    class Described(Message):
        """One run's settings in words, from the thread that reads them."""

        def __init__(self, run_id: int, words: Settings) -> None:
            super().__init__()
            self.run_id = run_id
            self.words = words

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._reader = Reader()
        self._words: dict[int, tuple[int, Settings]] = {}
        self._settling: Timer | None = None

    def body(self) -> Iterable[Widget]:
        with Horizontal(id="filter"):
            yield Static("/", id="slash")
            yield Sought(placeholder="words, status:diverged, data:mnist, preset:lenet5, acc>0.9", id="sought", compact=True)
            yield Static("", id="count", markup=False)
        yield RunTable()
        yield Static(Text.assemble(*GREETING), id="greeting")
        yield Static("", id="told", markup=False)

    def on_mount(self) -> None:
        self.table.marked = self.session.marked
        self.set_interval(ALIVE_SECONDS, self._look_at_processes)

    def on_resize(self, event: Resize) -> None:
        """The lines about a run are as long as there is room."""
        if self.is_mounted:
            self._tell_line()

    @property
    def table(self) -> RunTable:
        """The table."""
        return self.query_one(RunTable)

    # ------------------------------------------------------------------------------------------------------------- reading

    def store_changed(self) -> None:
        """Read the runs again."""
        if self.begins("read"):
            self._read()

    def _look_at_processes(self) -> None:
        if self.is_current and self.session.is_open and any(line.is_live for line in self.all_lines):
            self.store_changed()

    @work(thread=True, group="read")
    def _read(self) -> None:
        lines = self.all_lines
        try:
            lines = self._reader.read(self.session.store)
        except ConvtuiError as error:
            self.warn(str(error))
        finally:
            self.post_message(self.Read(lines))

    @on(Read)
    def _show_read(self, event: Read) -> None:
        if bool(event.lines) != bool(self.all_lines):
            self.refresh_bindings()  # makes the whole footer anew: not at every reading
        self.all_lines = event.lines
        self.set_class(not self.all_lines, "empty")
        self.show_lines()
        if self.ended("read"):
            self.store_changed()

    def show_lines(self) -> None:
        """Show the runs that are wanted, in their order."""
        wanted_line, hidden = self.wanted, self.session.hidden
        lines = [line for line in self.all_lines if line.id not in hidden and (wanted_line is None or wanted_line(line))]
        column, falling = self.table.sorting
        if (column, falling) != (COLUMNS[0], True):
            lines = ordered(lines, column, falling=falling)
        # The same objects in the same order: nothing has changed.
        if self.table.shown_by != (column, falling) or list(map(id, lines)) != list(map(id, self.table.lines)):
            self.table.show(lines)
        self._count()
        self.want_measures()
        if not lines:
            self._tell_line()

    def _count(self) -> None:
        shown, every = len(self.table.lines), len(self.all_lines) - len(self.session.hidden)
        marked = f"{len(self.session.marked)} marked · " if self.session.marked else ""
        count, text = self.query_one("#count", Static), Text(f"{marked}{shown:,} of {every:,}")
        count.set_class(False, "wrong")
        if count.content != text:
            count.update(text)

    # ------------------------------------------------------------------------------------------------- what is in sight

    @on(RunTable.Seen)
    def _want_curves(self) -> None:
        if not self.session.is_open:
            return
        curves = self.table.curves
        missing = {line.id: line.epoch for line in self.table.in_sight if line.epoch and curves.get(line.id, (0,))[0] != line.epoch}
        if missing and self.begins("curves"):
            self._read_curves(missing)

    @work(thread=True, group="curves")
    def _read_curves(self, missing: dict[int, int]) -> None:
        found: dict[int, list[Point]] = {}
        try:
            found = self.session.store.epoch_series(list(missing), "test_accuracy")
        except ConvtuiError as error:
            self.warn(str(error))
        finally:
            curves = {run_id: (epoch, [value for _, value in found.get(run_id, [])]) for run_id, epoch in missing.items()}
            self.post_message(self.Drawn(curves))

    @on(Drawn)
    def _show_curves(self, event: Drawn) -> None:
        self.table.curves.update(event.curves)
        self.table.refresh()
        self.ended("curves")
        self._want_curves()

    @on(RunTable.Moved)
    def _tell_line(self) -> None:
        """The run under the cursor in words; its settings as soon as the cursor rests."""
        line = self.table.line
        if line is None:
            nothing = "no run is like that; escape clears the filter" if self.wanted is not None else ""
            self.query_one("#told", Static).update(Text(nothing, style="dim"), layout=False)
            return
        known = self._words.get(line.id)
        session = self.session
        doing = session.activity if session.training == line.id else ""
        self.query_one("#told", Static).update(told(line, known and known[1], max(20, self.size.width - 2), doing), layout=False)
        if self._settling is not None:
            self._settling.stop()
        if known is None or known[0] != line.epoch:
            self._settling = self.set_timer(SETTLED_SECONDS, lambda: self._describe(line.id, line.epoch))

    @work(thread=True, group="describe")
    def _describe(self, run_id: int, epoch: int) -> None:
        try:
            words = settings_words(self.session.store, run_id)
        except ConvtuiError:
            return  # deleted by another process: the next reading says so
        self._words[run_id] = (epoch, words)
        self.post_message(self.Described(run_id, words))

    @on(Described)
    def _show_described(self, event: Described) -> None:
        if self.table.line is not None and self.table.line.id == event.run_id:
            self._tell_line()

    # -------------------------------------------------------------------------------------------------- filter and order

    @on(Input.Changed, "#sought")
    def filter_anew(self) -> None:
        """Show the runs that the filter line asks for."""
        text = self.query_one(Sought).value
        try:
            self.wanted = wanted(text, self.measures.values()) if text.strip() else None
        except BadFilter as error:
            count = self.query_one("#count", Static)
            count.update(Text(str(error)))
            count.set_class(True, "wrong")
            return
        self.show_lines()

    def action_to_table(self) -> None:
        """From the filter line to the table."""
        self.table.focus()

    def action_filter(self) -> None:
        """To the filter line."""
        self.query_one(Sought).focus()

    def action_clear(self) -> None:
        """Take the filter away; where there is none, the marks."""
        sought = self.query_one(Sought)
        if sought.value:
            sought.value = ""
        elif not sought.has_focus:
            self.session.marked = []
            self.marks_changed()
        self.table.focus()

    def marks_changed(self) -> None:
        """Show them."""
        self.table.marked = self.session.marked
        self.table.refresh()
        self._count()

    def action_sort(self) -> None:
        """By the next column of those on screen."""
        columns = [column for column, _ in self.table.columns if column.value is not None]
        here = self.table.sorting[0]
        place = columns.index(here) if here in columns else -1
        self.sort_by(columns[(place + 1) % len(columns)])

    def action_reverse(self) -> None:
        """The same column the other way round."""
        column, falling = self.table.sorting
        self.table.sorting = (column, not falling)
        self.show_lines()

    @on(RunTable.Sorted)
    def _sort_clicked(self, event: RunTable.Sorted) -> None:
        if event.column is self.table.sorting[0]:
            self.action_reverse()
        else:
            self.sort_by(event.column)

    def sort_by(self, column: Column) -> None:
        """By this column, the way round that one wants of it."""
        self.table.sorting = (column, column.falling)
        self.show_lines()

    @on(RunTable.Chosen)
    def _open_clicked(self) -> None:
        self.action_open()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What there is nothing for is not offered."""
        if action == "undo":
            return bool(self.session.hidden)
        if action == "filter" and isinstance(self.focused, Sought):
            return False
        return not (action in _NEEDS_A_RUN and not self.all_lines)
