"""Measures of the runs as columns, chosen from a menu: which there are, and their values, read in a thread."""

from __future__ import annotations

from textual import on, work
from textual.message import Message

from convtui.engine.errors import ConvtuiError
from convtui.tui.app.dialogs.menu import Menu
from convtui.tui.app.runs.actions import RunActions
from convtui.tui.app.runs.filter import Wanted
from convtui.tui.app.runs.metric_column import Measured, names_to_choose
from convtui.tui.app.runs.rows import COLUMNS, Column, Line
from convtui.tui.app.runs.table import RunTable
from convtui.tui.render.text import clean
from convtui.tui.session.session import Session


class RunMeasures(RunActions):
    """The part of the page that has more columns than the table begins with."""

    class Evaluated(Message):
        """Measures of these runs, from the thread that reads them."""

        def __init__(self, lines: dict[str, list[Line]], values: dict[str, dict[int, float]]) -> None:
            super().__init__()
            self.lines = lines
            self.values = values

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.all_lines: list[Line] = []
        """Every run of the store, the newest first, whatever is filtered or deleted."""
        self.wanted: Wanted | None = None
        """What is filtered by."""
        self.measures: dict[str, Measured] = {}
        """Those that are columns, in the order in which they were chosen."""
        self._busy: set[str] = set()
        self._again: set[str] = set()

    def filter_anew(self) -> None:
        """Show the runs that the filter line asks for."""
        raise NotImplementedError

    def sort_by(self, column: Column) -> None:
        """By this column, the way round that one wants of it."""
        raise NotImplementedError

    def begins(self, what: str) -> bool:
        """Whether to start this work now; while it is under way it is only noted that it is wanted again."""
        if what in self._busy:
            self._again.add(what)
            return False
        self._busy.add(what)
        return True

    def ended(self, what: str) -> bool:
        """Whether this work was wanted again meanwhile."""
        self._busy.discard(what)
        wanted_again = what in self._again
        self._again.discard(what)
        return wanted_again

    # ------------------------------------------------------------------------------------------------------------ choosing

    def action_measures(self) -> None:
        """Choose a measure that becomes a column, or is one no more."""
        self._list_measures([line.id for line in self.table.lines])

    @work(thread=True, group="measures")
    def _list_measures(self, run_ids: list[int]) -> None:
        try:
            recorded = self.session.store.metric_names(*run_ids)
        except ConvtuiError as error:
            self.warn(str(error))
            return
        self.app.call_later(self._choose_measure, recorded)

    def _choose_measure(self, recorded: list[str]) -> None:
        names = names_to_choose(recorded, self.measures)
        if not names:
            self.warn("these runs have measured nothing yet")
            return
        options = [(name, f"{'✓' if name in self.measures else ' '} {clean(name)}") for name in names]
        current = next(reversed(self.measures), names[0])
        self.app.push_screen(Menu(options, current, "a measure as a column"), self._toggle_measure)

    def _toggle_measure(self, name: str | None) -> None:
        if name is None:
            return
        if name in self.measures:
            gone = self.measures.pop(name).column
            if self.table.sorting[0] is gone:
                self.sort_by(COLUMNS[0])
        else:
            self.measures[name] = Measured(name)
        self.table.measures = [measured.column for measured in self.measures.values()]
        self.table.fit_columns()
        self.table.refresh()
        self.filter_anew()
        self.want_measures()

    # ------------------------------------------------------------------------------------------------------------- reading

    def _is_of_all(self, measured: Measured) -> bool:
        """Whether the runs out of sight count too, since they are sorted or filtered by it."""
        asked = self.wanted.measures if self.wanted is not None else ()
        return self.table.sorting[0] is measured.column or any(each is measured for each in asked)

    @on(RunTable.Seen)
    def want_measures(self) -> None:
        """Read what is not known yet."""
        if not self.measures or not self.session.is_open:
            return
        missing = {}
        for name, measured in self.measures.items():
            if lines := measured.missing(self.all_lines if self._is_of_all(measured) else self.table.in_sight):
                missing[name] = lines
        if missing and self.begins("measures"):
            self._read_measures(missing)

    @work(thread=True, group="measures")
    def _read_measures(self, missing: dict[str, list[Line]]) -> None:
        values: dict[str, dict[int, float]] = {}
        try:
            store = self.session.store
            values = {name: store.last_values([line.id for line in lines], name) for name, lines in missing.items()}
        except ConvtuiError as error:
            self.warn(str(error))
        finally:
            self.post_message(self.Evaluated(missing, values))

    @on(Evaluated)
    def _show_measures(self, event: Evaluated) -> None:
        known = {name: lines for name, lines in event.lines.items() if name in self.measures}
        for name, lines in known.items():
            self.measures[name].take(lines, event.values.get(name, {}))
        self.ended("measures")
        if any(self._is_of_all(self.measures[name]) for name in known):
            self.show_lines()
        self.table.refresh()
        self.want_measures()
