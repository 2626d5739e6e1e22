"""What columns and filters ask of runs besides their lines: settings and last values of series, read in a thread, kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from convtui.engine.run_filter import KnownOfRuns
from convtui.tui.app.latest import Latest
from convtui.tui.app.page import Page
from convtui.tui.app.runs.rows import SETTINGS, RunRow

Needed = Mapping[str, Sequence[RunRow]]
"""The name of a series, or SETTINGS -> the runs of which it is to be known."""


class RunValues:
    """Knows as much as has been read; what a run says is read again once its line has changed."""

    def __init__(self, page: Page, needed: Callable[[], Needed], known: Callable[[], None]) -> None:
        """`known` is called when something new has been read."""
        self._page = page
        self._needed = needed
        self._told = known
        self._known = KnownOfRuns()
        self._read_for: dict[str, dict[int, RunRow]] = {}
        self._values = Latest(page, self._read, self._take)

    def setting(self, run_id: int, path: str) -> Any:
        """A hyperparameter's value; None where there is none, or it has not been read."""
        return self._known.setting(run_id, path)

    def measured(self, run_id: int, name: str) -> Sequence[float]:
        """The last value of a series, or those of all layers or classes that have one of that name."""
        return self._known.measured(run_id, name)

    def is_known(self, name: str, line: RunRow) -> bool:
        """Whether that has been read of this run, if not of its newest state."""
        return line.id in self._read_for.get(name, {})

    def is_missing(self, needed: Needed) -> bool:
        """Whether any of this has not been read."""
        return any(not self.is_known(name, line) for name, lines in needed.items() for line in lines)

    def want(self) -> None:
        """Read what is needed and not known, or known of an earlier state."""
        needed = self._needed()
        missing = {
            name: found
            for name, lines in needed.items()
            if (found := [line for line in lines if self._read_for.get(name, {}).get(line.id) is not line])
        }
        if missing and self._page.session.is_open and not self._values.is_busy:
            self._values.ask(missing)

    def _read(self, missing: Needed) -> tuple[Needed, KnownOfRuns]:
        from convtui.engine.store import read_measures, read_settings

        store, found = self._page.session.store, KnownOfRuns()
        for name, lines in missing.items():
            ids = [line.id for line in lines]
            if name == SETTINGS:
                found.settings = read_settings(store, ids)
            else:
                found.measures |= read_measures(store, ids, [name])
        return missing, found

    def _take(self, read: tuple[Needed, KnownOfRuns]) -> None:
        missing, found = read
        self._known.settings |= found.settings
        for name, lines in missing.items():
            self._read_for.setdefault(name, {}).update({line.id: line for line in lines})
            if name != SETTINGS:
                of_runs = self._known.measures.setdefault(name, {})
                of_runs.update({line.id: found.measures[name].get(line.id, ()) for line in lines})
        self._told()
        self.want()
