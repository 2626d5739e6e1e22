"""Metrics of the runs as columns, chosen from a menu: which there are, and their values, read in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from convtui.tui.app.dialogs.menu import Menu
from convtui.tui.app.latest import Latest
from convtui.tui.app.page import Page
from convtui.tui.app.runs.metric_column import MetricColumn, names_to_choose
from convtui.tui.app.runs.rows import RunRow
from convtui.tui.render.text import clean

Missing = Mapping[str, Sequence[RunRow]]


class MetricColumns:
    """The columns that the person has added to the table."""

    def __init__(
        self,
        page: Page,
        needed: Callable[[MetricColumn], Sequence[RunRow]],
        *,
        chosen: Callable[[MetricColumn | None], None],
        known: Callable[[Sequence[MetricColumn]], None],
    ) -> None:
        """`needed`: the runs whose values of a column count. `chosen` is told of other columns, with one that is gone, and
        calls `want`; `known` is told of columns with new values."""
        self._page = page
        self._needed = needed
        self._chosen = chosen
        self._known = known
        self.by_name: dict[str, MetricColumn] = {}
        """In the order in which they were chosen."""
        self._values = Latest(page, self._read, self._take)

    def choose(self, run_ids: Sequence[int]) -> None:
        """Ask for a metric of these runs; one that is a column already is taken away."""
        self._page.in_thread(lambda: self._page.session.store.metric_names(*run_ids), self._offer)

    def want(self) -> None:
        """Read what is not known yet."""
        missing = {name: lines for name, column in self.by_name.items() if (lines := column.missing(self._needed(column)))}
        if missing and self._page.session.is_open and not self._values.is_busy:
            self._values.ask(missing)

    def _offer(self, recorded: Sequence[str]) -> None:
        names = names_to_choose(recorded, self.by_name)
        if not names:
            self._page.warn("these runs have no measures yet")
            return
        options = [(name, f"{'✓' if name in self.by_name else ' '} {clean(name)}") for name in names]
        current = next(reversed(self.by_name), names[0])
        self._page.app.push_screen(Menu(options, current, "measures as columns"), self._toggle)

    def _toggle(self, name: str | None) -> None:
        if name is None:
            return
        gone = self.by_name.pop(name, None)
        if gone is None:
            self.by_name[name] = MetricColumn(name)
        self._chosen(gone)

    def _read(self, missing: Missing) -> tuple[Missing, Mapping[str, Mapping[int, float]]]:
        store = self._page.session.store
        return missing, {name: store.last_values([line.id for line in lines], name) for name, lines in missing.items()}

    def _take(self, found: tuple[Missing, Mapping[str, Mapping[int, float]]]) -> None:
        missing, values = found
        known = [self.by_name[name] for name in missing if name in self.by_name]
        for column in known:
            column.take(missing[column.name], values[column.name])
        self._known(known)
        self.want()
