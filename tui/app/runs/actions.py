"""What can be done to the runs of the table: each action asks where it must, works in a thread, and says what it did."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from convtui.engine.errors import RunBusy, SpecError, UsageError
from convtui.engine.metrics import SYSTEM
from convtui.engine.statuses import CLAIMED
from convtui.tui.app.dialogs.questions import ConfirmDialog, PromptDialog
from convtui.tui.app.messages import CompareRuns, EditSettings, ShowRun
from convtui.tui.app.page import Page
from convtui.tui.app.runs.rows import RunRow
from convtui.tui.app.runs.table import RunTable
from convtui.tui.render.text import clean, counted, size

if TYPE_CHECKING:
    from convtui.engine.spec import RunSpec
    from convtui.engine.store import Store

NAMED = 6
"""Runs that a question lists by name."""


class RunActions:
    """What the keys of the page do to its runs. Deleted ones are out of sight at once, and out of the store at the end."""

    def __init__(self, page: Page, table: RunTable, lines: Callable[[], Sequence[RunRow]], show: Callable[[], None]) -> None:
        """`lines` are all runs, whatever is filtered; `show` is called when other runs are to be shown, or marked."""
        self._page = page
        self._table = table
        self._lines = lines
        self._session = page.session
        self._show = show

    @property
    def chosen(self) -> list[RunRow]:
        """The marked runs where any is marked, also those that the filter leaves out; else the run under the cursor."""
        marked = set(self._session.marked)
        found = [line for line in self._lines() if line.id in marked]
        return found or ([self._table.line] if self._table.line is not None else [])

    # ---------------------------------------------------------------------------------------------------------- other pages

    def open(self) -> None:
        """Its charts."""
        if self._table.line is not None:
            self._page.post_message(ShowRun(self._table.line.id, "live"))

    def look(self) -> None:
        """Its net, opened up."""
        if self._table.line is not None:
            self._page.post_message(ShowRun(self._table.line.id, "look"))

    def compare(self) -> None:
        """The marked runs over each other, or the one under the cursor alone."""
        if self._table.line is not None:
            self._page.post_message(CompareRuns(list(self._session.marked) or [self._table.line.id]))
            self._show()

    def new(self) -> None:
        """Choose a net and train it."""
        self._page.post_message(EditSettings())

    def demo(self) -> None:
        """Train the preset demo, and show it."""
        announced = self._session.announce()

        def start() -> int:
            with announced:
                from convtui.engine.presets import presets

                demo = presets()["demo"]
                if isinstance(demo, SpecError):
                    raise demo
                return self._session.start(demo.spec, name="demo", preset="demo").id

        self._page.in_thread(start, lambda run_id: self._page.post_message(ShowRun(run_id, "live")))

    def clone(self) -> None:
        """A new run that begins with this one's settings."""
        line = self._table.line
        if line is None:
            return

        def settings() -> EditSettings:
            run = self._session.store.run(line.id)
            return EditSettings(run.settings, run.preset)

        self._page.in_thread(settings, self._page.post_message)

    # -------------------------------------------------------------------------------------------------------------- marking

    def mark(self) -> None:
        """Mark the run, or take its mark away, and go on to the next."""
        line = self._table.line
        if line is None:
            return
        marked = self._session.marked
        self._session.marked = [run_id for run_id in marked if run_id != line.id] if line.id in marked else [*marked, line.id]
        self._show()
        self._table.action_move(1)

    def mark_all(self) -> None:
        """Mark all runs that are shown; where they are, none of them."""
        shown = [line.id for line in self._table.lines]
        others = [run_id for run_id in self._session.marked if run_id not in shown]
        self._session.marked = others if set(shown) <= set(self._session.marked) else [*others, *shown]
        self._show()

    # ------------------------------------------------------------------------------------------------- changing one run

    def edit(self) -> None:
        """Its name, and the note beside it."""
        line = self._table.line
        if line is None:
            return
        from convtui.tui.app.dialogs.edit import edit_dialog

        def save(name: str, note: str) -> None:
            self._act(lambda store: store.describe(line.id, name, note))

        self._page.app.push_screen(edit_dialog(line.id, line.name, line.note, save))

    def stop(self) -> None:
        """End the training of the chosen runs and save them; asks first."""
        lines = [line for line in self.chosen if line.status in CLAIMED]
        if not lines:
            self._page.warn("no process is training this run")
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._act(lambda store: self._stop(store, lines))

        question = Text("Stop and save this run?\n\n" if len(lines) == 1 else f"Stop and save these {len(lines)} runs?\n\n")
        self._page.app.push_screen(ConfirmDialog(question.append_text(_named(lines)), "Stop", "Cancel"), answered)

    def _stop(self, store: Store, lines: list[RunRow]) -> str:
        out = self._session.take_out([line.id for line in lines])
        for line in lines:
            if line.id not in out:
                store.request(line.id, "stop")
        return f"stop requested for {counted(len(lines))}"

    def export(self) -> None:
        """Write its metrics into a file beside the store."""
        line = self._table.line
        if line is None:
            return
        letters = re.sub(r"[^\w.-]+", "-", line.name, flags=re.ASCII).strip("-.") or "run"
        out = self._session.path.absolute().with_name(f"run-{line.id}-{letters[:60]}.csv")

        def write(store: Store) -> str:
            from convtui.engine.files import deliver
            from convtui.tui.render.metrics_csv import metrics_csv

            names = [name for name in store.metric_names(line.id) if not name.startswith(SYSTEM)]
            series = {name: store.series(line.id, name) for name in names}
            deliver(metrics_csv(series).encode("utf-8", "backslashreplace"), out)
            return f"saved all metrics of run {line.id} to {_from_here(out)}"

        self._act(write)

    def resume(self) -> None:
        """Let it go on: a paused run where it is, a finished one to a greater total, any other from its last checkpoint."""
        line = self._table.line
        if line is None:
            return
        if line.status == "finished":
            question = Text(f"Run {line.id} {line.name} has finished {line.epoch} epochs. New total number of epochs?")
            dialog = PromptDialog(question, str(2 * max(1, line.epoch)), _more_than(line.epoch))
            self._page.app.push_screen(dialog, lambda total: self._train_to(line, total))
            return
        self._start(lambda store: self._resume(store, line))

    def _start(self, what: Callable[[Store], str | None]) -> None:
        """Do what starts a training here; from now on it counts when the application is left."""
        announced = self._session.announce()

        def start(store: Store) -> str | None:
            with announced:
                return what(store)

        self._act(start)

    def _resume(self, store: Store, line: RunRow, spec: RunSpec | None = None) -> str:
        run = store.run(line.id)
        if run.status == "paused":
            store.request(line.id, "continue")
            return f"resume requested for run {line.id}"
        if run.status == "running":
            raise RunBusy(f"run {line.id} is already running")
        self._session.resume(line.id, spec)
        return f"resuming run {line.id} {line.name}"

    def _train_to(self, line: RunRow, total: str | None) -> None:
        if total is None:
            return

        def go_on(store: Store) -> str:
            from convtui.engine.spec import changed

            spec = changed(
                store.run(line.id).settings, {"training.epochs": int(total), "training.steps": None, "training.images": None}
            )
            return self._resume(store, line, spec)

        self._start(go_on)

    # ------------------------------------------------------------------------------------------------------------- deleting

    def delete(self) -> None:
        """Ask, naming what goes. A run that waits in the queue is taken out of it first."""
        lines = self.chosen
        if lines and all(line.status == "queued" for line in lines):
            self._ask_to_take_out(lines)
            return
        busy = next((line for line in lines if line.status in CLAIMED), None)
        if busy is not None:
            self._page.warn(f"run {busy.id} {busy.name} is {busy.status}: stop it first (S), then delete it")
        elif lines:
            ids = [line.id for line in lines]
            self._page.in_thread(
                lambda: self._question(self._session.store, lines), lambda question: self._ask_to_delete(question, ids)
            )

    def _ask_to_take_out(self, lines: list[RunRow]) -> None:
        ids = [line.id for line in lines]
        question = Text(
            "Remove this run from the queue?\n\n" if len(ids) == 1 else f"Remove these {len(ids)} runs from the queue?\n\n"
        )
        question.append_text(_named(lines))

        def take_out(_: Store) -> str:
            out = self._session.take_out(ids)
            return f"{counted(len(out))} removed from the queue" if out else "already started"

        def answered(yes: bool | None) -> None:
            if yes:
                self._act(take_out)

        self._page.app.push_screen(ConfirmDialog(question, "Remove", "Cancel"), answered)

    def _question(self, store: Store, lines: list[RunRow]) -> Text:
        kept = {line.id: store.files.checkpoints(line.id) for line in lines}
        question = Text("Delete ", style="")
        question.append("this run?\n\n" if len(lines) == 1 else f"these {len(lines)} runs?\n\n")
        for line in lines[:NAMED]:
            files = kept[line.id]
            question.append(f"{line.id} {line.name}", style="bold")
            held = _files(len(files), sum(file.bytes for file in files))
            question.append(f"  {line.status}, epoch {line.epoch}, {held}\n")
        if len(lines) > NAMED:
            files = [file for line in lines[NAMED:] for file in kept[line.id]]
            question.append(f"and {len(lines) - NAMED} more, {_files(len(files), sum(file.bytes for file in files))}\n")
        it = "it" if len(lines) == 1 else "them"
        question.append(f"\nHidden now, deleted when convtui exits. Until then, u restores {it}.", style="dim")
        return question

    def _ask_to_delete(self, question: Text, run_ids: list[int]) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self._session.deleted.append(run_ids)
                self._session.marked = [run_id for run_id in self._session.marked if run_id not in run_ids]
                self._show()
                self._page.refresh_bindings()

        self._page.app.push_screen(ConfirmDialog(question, "Delete", "Cancel"), answered)

    def undo(self) -> None:
        """Bring back what was deleted last."""
        if self._session.deleted:
            back = self._session.deleted.pop()
            self._show()
            self._page.refresh_bindings()
            self._page.notify(f"{'run' if len(back) == 1 else 'runs'} {', '.join(map(str, back))} restored", markup=False)

    # ------------------------------------------------------------------------------------------------------------ in a thread

    def _act(self, what: Callable[[Store], str | None]) -> None:
        """Do it away from the screen, and say what it says."""
        self._page.in_thread(lambda: what(self._session.store), self._done)

    def _done(self, said: str | None) -> None:
        if said:
            self._page.notify(clean(said), markup=False)
        self._page.store_changed()


def _named(lines: list[RunRow]) -> Text:
    names = Text("\n".join(f"{line.id} {line.name}" for line in lines[:NAMED]), style="bold")
    return names.append(f"\nand {len(lines) - NAMED} more" if len(lines) > NAMED else "", style="not bold")


def _more_than(epochs: int) -> Callable[[str], None]:
    def check(text: str) -> None:
        if not text.strip().isdecimal() or int(text) <= epochs:
            raise UsageError(f"must be a whole number above {epochs}: the run already has {epochs} epochs")

    return check


def _files(count: int, of_bytes: int) -> str:
    return f"{count} {'file' if count == 1 else 'files'} ({size(of_bytes)})" if count else "no files"


def _from_here(path: Path) -> str:
    return f"./{path.name}" if path.parent == Path.cwd() else str(path)
