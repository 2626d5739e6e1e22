"""Which columns the table of runs has: the person adds hyperparameters and measures, and takes away what tells nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from convtui.engine.errors import ConvtuiError
from convtui.engine.metrics import STABILITY, SYSTEM, metric
from convtui.engine.run_filter import KnownOfRuns, is_hyperparameter
from convtui.tui.app import settings
from convtui.tui.app.dialogs.menu import Menu
from convtui.tui.app.page import Page
from convtui.tui.app.runs.rows import COLUMNS, MORE, SETTINGS, Column, RunRow
from convtui.tui.app.runs.values import RunValues
from convtui.tui.render.metric_text import metric_text
from convtui.tui.render.text import clean, fitted_end, setting_text

OF_THE_TABLE = ("test_accuracy", "test_loss", "seconds", "best_epoch")
"""Series that have a column anyway."""
LONGEST_HEAD, VALUE_WIDTH = 20, 8
SHOWN, NOT_SHOWN = "✓", " "
OF_SCRIPT = "script:"
"""Before a setting's name that a script told, where columns are kept."""


class Columns:
    """The columns that a person has added and taken away; kept in settings.toml."""

    def __init__(self, page: Page, values: RunValues, changed: Callable[[], None]) -> None:
        """`changed` is called when there are other columns."""
        self._page = page
        self._values = values
        self._changed = changed
        self.added: list[Column] = []
        """In the order in which they were chosen."""
        self.without: list[str] = []
        """Names of columns that are always left out."""

    def restore(self) -> None:
        """As they were when the application was left last."""
        kept = settings.load()
        self.added = [self._column(key) for key in kept.columns]
        self.without = list(kept.without_columns)

    def choose(self, lines: Sequence[RunRow], current: str = "") -> None:
        """Offer columns of these runs, again and again until that is left: one that is there is taken away."""
        ids = [line.id for line in lines]
        self._page.in_thread(lambda: self._offers(ids), lambda offers: self._offer(offers, lines, current), asks=True)

    def _offers(self, run_ids: Sequence[int]) -> list[tuple[str, str]]:
        """What can be chosen, with what is said of it: measures, settings in which the runs differ, all others."""
        from convtui.engine.spec import hyperparameters
        from convtui.engine.store import read_settings

        store = self._page.session.store
        known = KnownOfRuns(settings=read_settings(store, run_ids))
        recorded = [name for name in store.metric_names(*run_ids) if name not in OF_THE_TABLE and not name.startswith(SYSTEM)]
        recorded += [STABILITY] if "batch_loss" in recorded else []
        paths = dict.fromkeys(field.path for field in hyperparameters())
        paths |= dict.fromkeys(path for of_run in known.settings.values() for path in of_run)
        several = {path: len({known.setting(run_id, path) for run_id in run_ids} - {None}) for path in paths}
        told = [(_key(path), f"{count} values") for path, count in several.items() if count > 1]
        told += [(name, "measure") for name in recorded]
        return told + [(_key(path), "the same in all") for path, count in several.items() if count <= 1]

    def _offer(self, offers: Sequence[tuple[str, str]], lines: Sequence[RunRow], current: str) -> None:
        keys = {column.key for column in self.added}
        usual = [column.name for column in COLUMNS if column.name not in ("id", "name")]
        options = [(name, "" if name in self.without else SHOWN, "") for name in usual]
        options += [(column.name, SHOWN if column.name in keys else "", "") for column in MORE]
        options += [(key, SHOWN if key in keys else "", told) for key, told in offers]
        widest = max(len(clean(key)) for key, _, _ in options)
        told = [(key, f"{sign or NOT_SHOWN} {clean(key):<{widest}}  {words}".rstrip()) for key, sign, words in options]

        def chosen(key: str | None) -> None:
            if key is not None:
                self._toggle(key)
                self._offer(offers, lines, key)

        self._page.app.push_screen(Menu(told, current or usual[0], "columns"), chosen)

    def _toggle(self, key: str) -> None:
        if key in (column.name for column in COLUMNS):
            self.without = [name for name in self.without if name != key] if key in self.without else [*self.without, key]
        elif any(column.key == key for column in self.added):
            self.added = [column for column in self.added if column.key != key]
        else:
            self.added = [*self.added, self._column(key)]
        self._changed()
        self._keep()

    def _keep(self) -> None:
        added, without = [column.key for column in self.added], self.without
        try:
            settings.save_columns(added, without)
        except (OSError, ConvtuiError) as error:
            self._page.warn(f"cannot save the columns: {error}")

    def _column(self, key: str) -> Column:
        values = self._values
        if more := next((column for column in MORE if column.name == key), None):
            return more
        if path := _path(key):
            return Column(
                _head(path.rpartition(".")[2]),
                lambda line: _sortable(values.setting(line.id, path)),
                right=True,
                text=lambda line: setting_text(values.setting(line.id, path)) if values.is_known(SETTINGS, line) else "",
                reads=SETTINGS,
                key=key,
            )

        def last(line: RunRow) -> float | None:
            return next(iter(values.measured(line.id, key)), None)

        return Column(
            _head(key),
            None if key == STABILITY else last,
            right=True,
            falling=metric(key).better != "less",
            text=lambda line: metric_text(key, last(line)) if values.is_known(key, line) else "",
            width=VALUE_WIDTH,
            reads=key,
            key=key,
        )


def _key(path: str) -> str:
    """What a setting is kept by: a script's may have the name of a series."""
    return path if is_hyperparameter(path) else f"{OF_SCRIPT}{path}"


def _path(key: str) -> str:
    """The setting that is meant; empty where it is a series."""
    return key.removeprefix(OF_SCRIPT) if key.startswith(OF_SCRIPT) or is_hyperparameter(key) else ""


def _sortable(value: Any) -> tuple[bool, float, str] | None:
    """Numbers before words, which scripts may mix."""
    if value is None:
        return None
    return (True, 0.0, value.lower()) if isinstance(value, str) else (False, float(value), "")


def _head(name: str) -> str:
    """The end of a long name tells the layer or class."""
    return fitted_end(clean(name), LONGEST_HEAD)
