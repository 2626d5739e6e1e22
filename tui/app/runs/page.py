"""Runs: every run of the store, of this and of any other process; the home page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import Input, Static

from convtui.engine.errors import ConvtuiError, RunNotFound
from convtui.engine.run_filter import BadFilter, Filter, parsed_filter
from convtui.tui.app.dialogs.menu import Menu
from convtui.tui.app.keys import bind
from convtui.tui.app.latest import Latest
from convtui.tui.app.page import Page
from convtui.tui.app.runs.actions import RunActions
from convtui.tui.app.runs.columns import Columns
from convtui.tui.app.runs.greeting import Greeting
from convtui.tui.app.runs.rows import COLUMNS, SETTINGS, Column, Reader, RunRow, ordered
from convtui.tui.app.runs.table import RunTable
from convtui.tui.app.runs.values import Needed, RunValues
from convtui.tui.app.runs.words import told
from convtui.tui.render.run_summary import Settings, settings_words
from convtui.tui.render.text import clean
from convtui.tui.session.session import Session

if TYPE_CHECKING:
    from convtui.tui.app.runs.preview import Preview

ALIVE_SECONDS = 2.0
"""Between two looks whether the processes of running runs are still there: a dead one changes nothing in the store."""
SETTLED_SECONDS = 0.06
"""How long the cursor rests on a run before its settings are read."""
ROOMY = 150
"""Columns from which on the run under the cursor is shown beside the table."""


class Sought(Input):
    """The filter line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("open", "screen.to_table", "Back to runs"),
        bind("down", "screen.to_table", show=False),
        bind("back", "screen.clear", "Clear"),
    ]


class RunsPage(Page):
    """The table of runs, a filter over it, and the run under the cursor in words."""

    NAME = "runs"
    CSS_PATH = "page.tcss"
    AUTO_FOCUS = "RunTable"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("open", "held('actions', 'open')"),
        bind("look", "held('actions', 'look')", "Look"),
        bind("compare", "held('actions', 'compare')"),
        bind("toggle", "held('actions', 'mark')", "Mark"),
        bind("mark_all", "held('actions', 'mark_all')", show=False),
        bind("resume", "held('actions', 'resume')"),
        bind("stop", "held('actions', 'stop')", show=False),
        bind("new", "held('actions', 'new')", "New"),
        bind("new_like", "held('actions', 'clone')", "Clone"),
        bind("find", "filter", "Filter"),
        bind("delete", "held('actions', 'delete')"),
        bind("demo", "held('actions', 'demo')"),
        bind("undo", "held('actions', 'undo')"),
        bind("edit", "held('actions', 'edit')", show=False),
        bind("write", "held('actions', 'export')", "Write its metrics", show=False),
        bind("write_as", "held('actions', 'write_as')", show=False),
        bind("right_pane", "preview", "Preview", show=False),
        bind("columns", "columns", show=False),
        bind("order", "order", show=False),
        bind("back", "clear", "Clear filter and marks", show=False),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.table = RunTable()
        self.all_lines: list[RunRow] = []
        """Every run of the store, the newest first, whatever is filtered or deleted."""
        self.filter: Filter | None = None
        """What is shown."""
        self._wanted: Filter | None = None
        """What was typed; it is shown once all is known that it asks for."""
        self._wrong = ""
        """What is wrong with what was typed."""
        self.actions = RunActions(self, self.table, self._all_but_deleted, self._show_changes)
        self._values = RunValues(self, self._needed, self._show_values)
        self._columns = Columns(self, self._values, self._show_columns)
        reader = Reader()
        self._runs: Latest[bool, list[RunRow]] = Latest(self, lambda _: reader.read(session.store), self._show_runs)
        self._curves = Latest(self, self._read_curves, self._show_curves)
        self._settings = Latest(self, self._read_settings, self._show_settings, settle=SETTLED_SECONDS)
        self._words: dict[int, tuple[int, Settings]] = {}
        self._preview: Preview | None = None
        """Made when it is first shown."""
        self._previews: bool | None = None
        """Whether the person wants the run under the cursor at the right; None: where there is room."""

    def body(self) -> Iterable[Widget]:
        with Horizontal(id="filter"):
            yield Static("/", id="slash")
            yield Sought(
                placeholder="words, status:diverged, acc>0.9, lr>=1e-3, activation:tanh, #tag, OR, NOT", id="sought", compact=True
            )
            yield Static("", id="count", markup=False)
        with Horizontal(id="runs"):
            yield self.table
        yield Greeting()
        yield Static("", id="told", markup=False)

    def on_mount(self) -> None:
        self.table.marked = self.session.marked
        self._columns.restore()
        self._show_columns()
        self.set_interval(ALIVE_SECONDS, self._look_at_processes)

    def on_resize(self, event: Resize) -> None:
        """The lines about a run are as long as there is room, and beside the table it is seen where there is."""
        if self.is_mounted:
            self._show_preview(event.size.width >= ROOMY if self._previews is None else self._previews)
            self._tell_line()

    def _show_preview(self, shown: bool) -> None:
        if self._preview is None and shown and self.is_attached:  # not while the application is being left
            from convtui.tui.app.runs.preview import Preview

            self._preview = Preview(self)
            self.query_one("#runs").mount(self._preview)
        if self._preview is not None:
            self._preview.display = shown

    # ------------------------------------------------------------------------------------------------------------- reading

    def store_changed(self) -> None:
        """Read the runs again."""
        self._runs.ask(True)

    def _look_at_processes(self) -> None:
        if self.is_current and self.session.is_open and any(line.is_live for line in self.all_lines):
            self.store_changed()

    def _show_runs(self, lines: list[RunRow]) -> None:
        if bool(lines) != bool(self.all_lines):
            self.refresh_bindings()  # rebuilds the whole footer: not at every reading
        self.all_lines = lines
        self.set_class(not lines, "empty")
        self.show_lines()
        self._values.want()

    @property
    def selected_run(self) -> int | None:
        """The run that was marked last, else the one under the cursor, if there is anything of it to look at."""
        line = self.table.line
        run_id = self.session.marked[-1] if self.session.marked else line.id if line is not None else None
        try:
            return run_id if run_id is not None and self.session.store.files.checkpoints(run_id) else None
        except ConvtuiError:
            return None  # the page says why, once it has it opened

    def show_lines(self) -> None:
        """Show the runs that are wanted, in their order."""
        wanted, hidden = self.filter, self.session.hidden
        lines = [line for line in self.all_lines if line.id not in hidden and (wanted is None or wanted(line, self._values))]
        column, falling = self.table.sorting
        if (column, falling) != (COLUMNS[0], True):
            lines = ordered(lines, column, falling=falling)
        # The same objects in the same order: nothing has changed.
        if self.table.shown_by != (column, falling) or list(map(id, lines)) != list(map(id, self.table.lines)):
            self.table.show(lines)
        self._count()
        if not lines:
            self._tell_line()

    def _all_but_deleted(self) -> list[RunRow]:
        hidden = self.session.hidden
        return [line for line in self.all_lines if line.id not in hidden]

    def _count(self) -> None:
        shown, every = len(self.table.lines), len(self.all_lines) - len(self.session.hidden)
        marked = f"{len(self.session.marked)} marked · " if self.session.marked else ""
        count, text = self.query_one("#count", Static), Text(self._wrong or f"{marked}{shown:,} of {every:,}")
        count.set_class(bool(self._wrong), "wrong")
        if count.content != text:
            count.update(text)

    # ------------------------------------------------------------------------------------------------- what is in sight

    @on(RunTable.Seen)
    def _want_values(self) -> None:
        self._values.want()
        self._want_curves()

    def _want_curves(self) -> None:
        curves = self.table.curves
        missing = {line.id: line.epoch for line in self.table.in_sight if line.epoch and curves.get(line.id, (0,))[0] != line.epoch}
        if missing and self.session.is_open and not self._curves.is_busy:
            self._curves.ask(missing)

    def _read_curves(self, missing: Mapping[int, int]) -> dict[int, tuple[int, list[float]]]:
        found = self.session.store.accuracy_curves(list(missing))
        return {run_id: (epoch, [value for _, value in found.get(run_id, [])]) for run_id, epoch in missing.items()}

    def _show_curves(self, curves: Mapping[int, tuple[int, list[float]]]) -> None:
        self.table.curves.update(curves)
        self.table.repaint()
        self._want_curves()

    def _needed(self) -> Needed:
        """What has to be known of runs: of those in sight, and of those out of sight where they are sorted or filtered by it."""
        needed: dict[str, Sequence[RunRow]] = {}
        for column in self.table.added:
            if column.reads is not None:
                is_of_all = column is self.table.sorting[0] or column.reads == SETTINGS
                needed[column.reads] = self.all_lines if is_of_all else self.table.in_sight
        return needed | self._needed_by(self._wanted) | self._needed_by(self.filter)

    def _needed_by(self, wanted: Filter | None) -> dict[str, Sequence[RunRow]]:
        if wanted is None:
            return {}
        names = [*wanted.measures, *([SETTINGS] if wanted.settings else [])]
        return dict.fromkeys(names, self.all_lines)

    def _show_columns(self) -> None:
        table = self.table
        table.added, table.without = self._columns.added, self._columns.without
        if table.sorting[0] not in table.every or table.sorting[0].name in table.without:
            self.sort_by(COLUMNS[0])
        table.fit_columns()
        table.repaint()
        self._values.want()

    def _show_values(self) -> None:
        if self._wanted is not self.filter:
            self._apply()
        elif self._needed_by(self.filter) or self.table.sorting[0].reads is not None:
            self.show_lines()
        if any(column.reads == SETTINGS for column in self.table.added):
            self.table.fit_columns()
        self.table.repaint()

    @on(RunTable.Moved)
    def _tell_line(self) -> None:
        """The run under the cursor in words; its settings as soon as the cursor rests."""
        line = self.table.line
        if self._preview is not None and self._preview.display:
            self._preview.tell(line)
        if line is None:
            nothing = "No runs match. Esc clears the filter." if self.filter is not None else ""
            self.query_one("#told", Static).update(Text(nothing, style="dim"), layout=False)
            return
        known = self._words.get(line.id)
        session = self.session
        doing = session.activity if session.training == line.id else ""
        self.query_one("#told", Static).update(told(line, known and known[1], max(20, self.size.width - 2), doing), layout=False)
        if known is None or known[0] != line.epoch:
            self._settings.ask((line.id, line.epoch))
        else:
            self._settings.forget()

    def _read_settings(self, of: tuple[int, int]) -> None:
        run_id, epoch = of
        with suppress(RunNotFound):  # deleted by another process: the next reading says so
            self._words[run_id] = (epoch, settings_words(self.session.store, run_id))

    def _show_settings(self, _: None) -> None:
        if self.table.line is not None and self.table.line.id in self._words:
            self._tell_line()

    # -------------------------------------------------------------------------------------------------- filter and order

    @on(Input.Changed, "#sought")
    def filter_lines(self) -> None:
        """Show the runs that the filter line asks for."""
        text, self._wrong = self.query_one(Sought).value, ""
        try:
            self._wanted = parsed_filter(text) if text.strip() else None
        except BadFilter as error:
            self._say(str(error))
        else:
            self._apply()
            self._values.want()

    def _apply(self) -> None:
        """Show what is asked for, once that is known of every run. For a name that no run has, what is shown stays."""
        wanted = self._wanted
        if wanted is not None:
            if self._values.is_missing(self._needed_by(wanted)):
                return
            if unknown := wanted.unknown((line.id for line in self.all_lines), self._values):
                self._say(f"no run has {clean(unknown[0])}")
                return
        self.filter = wanted
        self.show_lines()

    def _say(self, wrong: str) -> None:
        self._wrong = wrong
        self._count()

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
            self._show_changes()
        self.table.focus()

    def _show_changes(self) -> None:
        """Runs were deleted, brought back or marked."""
        self.table.marked = self.session.marked
        self.show_lines()
        self.table.repaint()

    def action_order(self) -> None:
        """Choose the column by which they are sorted, on screen or not; the same one again turns the order round."""
        columns = {column.key or column.name: column for column in self.table.every if column.value is not None}
        here, falling = self.table.sorting

        def chosen(key: str | None) -> None:
            if key is not None and columns[key] is here:
                self.action_reverse()
            elif key is not None:
                self.sort_by(columns[key])

        options = [(key, f"{_arrow(not falling if column is here else column.falling)} {key}") for key, column in columns.items()]
        self.app.push_screen(Menu(options, here.key or here.name, "order"), chosen)

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

    @on(RunTable.Ticked)
    def _tick_clicked(self) -> None:
        self.actions.tick()

    @on(RunTable.Chosen)
    def _open_clicked(self) -> None:
        self.actions.open()

    def action_preview(self) -> None:
        """Fold the run under the cursor away, or show it beside the table."""
        self._previews = self._preview is None or not self._preview.display
        self._show_preview(self._previews)
        self.call_after_refresh(self._tell_line)

    def action_columns(self) -> None:
        """Choose hyperparameters and measures that become columns, or are none any more."""
        self._columns.choose(self.table.lines)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What there is nothing for is not offered."""
        if parameters == ("actions", "demo"):
            return self.has_class("empty")
        if parameters == ("actions", "undo"):
            return bool(self.session.hidden)
        if action == "filter" and isinstance(self.focused, Sought):
            return False
        return bool(self.all_lines) or parameters == ("actions", "new") or action not in ("held", "order", "filter", "columns")


def _arrow(falling: bool) -> str:
    return "▼" if falling else "▲"
