"""What can be done to the runs of the table: each action asks where it must, works in a thread, and says what it did."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual import work

from convtui.engine.errors import ConvtuiError, RunBusy, UsageError
from convtui.engine.statuses import CLAIMED
from convtui.tui.app.dialogs.questions import Asking, Writing
from convtui.tui.app.messages import CompareRuns, EditSettings, ShowRun
from convtui.tui.app.page import Page
from convtui.tui.app.runs.rows import Line
from convtui.tui.app.runs.table import RunTable
from convtui.tui.render.text import clean, counted, size

if TYPE_CHECKING:
    from convtui.engine.spec import RunSpec
    from convtui.engine.store import Store

NAMED = 6
"""Runs that a question lists by name."""


class RunActions(Page):
    """The half of the page that changes things. Deleted runs are out of sight at once, and out of the store at the end."""

    @property
    def table(self) -> RunTable:
        """The table."""
        raise NotImplementedError

    def show_lines(self) -> None:
        """Show the runs anew."""
        raise NotImplementedError

    def marks_changed(self) -> None:
        """Show the marks anew."""
        raise NotImplementedError

    @property
    def chosen(self) -> list[Line]:
        """The marked runs where the cursor is on one of them, else the run under the cursor."""
        line = self.table.line
        if line is None:
            return []
        marked = set(self.session.marked)
        return [each for each in self.table.lines if each.id in marked] if line.id in marked else [line]

    # ---------------------------------------------------------------------------------------------------------- other pages

    def action_open(self) -> None:
        """Its charts."""
        if self.table.line is not None:
            self.post_message(ShowRun(self.table.line.id, "live"))

    def action_look(self) -> None:
        """Its net, opened up."""
        if self.table.line is not None:
            self.post_message(ShowRun(self.table.line.id, "look"))

    def action_compare(self) -> None:
        """The marked runs over each other, or the one under the cursor alone."""
        if self.table.line is not None:
            self.post_message(CompareRuns(list(self.session.marked) or [self.table.line.id]))
            self.marks_changed()

    def action_new(self) -> None:
        """Choose a net and train it."""
        self.post_message(EditSettings())

    def action_clone(self) -> None:
        """A new run that begins with this one's settings."""
        if self.table.line is not None:
            self._clone(self.table.line.id)

    @work(thread=True, group="act")
    def _clone(self, run_id: int) -> None:
        try:
            run = self.session.store.run(run_id)
            spec, preset = run.settings, run.preset
        except ConvtuiError as error:
            self.warn(str(error))
            return
        self.post_message(EditSettings(spec, preset))

    # -------------------------------------------------------------------------------------------------------------- marking

    def action_mark(self) -> None:
        """Mark the run, or take its mark away, and go on to the next."""
        line = self.table.line
        if line is None:
            return
        marked = self.session.marked
        self.session.marked = [run_id for run_id in marked if run_id != line.id] if line.id in marked else [*marked, line.id]
        self.marks_changed()
        self.table.action_move(1)

    # ------------------------------------------------------------------------------------------------- changing one run

    def action_rename(self) -> None:
        """Give it another name."""
        line = self.table.line
        if line is None:
            return
        from convtui.engine.store import checked_name

        def written(name: str | None) -> None:
            if name is not None:
                self.act(lambda store: store.rename(line.id, name))

        self.app.push_screen(Writing(Text(f"Another name for run {line.id}"), line.name, checked_name), written)

    def action_note(self) -> None:
        """Write a note beside it."""
        line = self.table.line
        if line is None:
            return

        def written(note: str | None) -> None:
            if note is not None:
                self.act(lambda store: store.set_note(line.id, note.strip()))

        self.app.push_screen(Writing(Text(f"A note beside run {line.id} {line.name}"), line.note, str), written)

    def action_export(self) -> None:
        """Write its metrics into a file beside the store."""
        line = self.table.line
        if line is None:
            return
        path = self.session.path
        letters = re.sub(r"[^\w.-]+", "-", line.name, flags=re.ASCII).strip("-.") or "run"
        out = path.absolute().with_name(f"run-{line.id}-{letters[:60]}.csv")

        def write(_: Store) -> str:
            from convtui.tui.cli.runs import export

            export(str(line.id), out=out, store_path=path)
            return f"every metric of run {line.id} is in {_from_here(out)}"

        self.act(write)

    def action_resume(self) -> None:
        """Let it go on: a paused run where it is, a finished one to a greater total, any other from its last checkpoint."""
        line = self.table.line
        if line is None:
            return
        if line.status == "finished":
            question = Text(f"Run {line.id} {line.name} has done its {line.epoch} epochs. How many shall it be in all?")
            check = _more_than(line.epoch)
            self.app.push_screen(Writing(question, str(2 * max(1, line.epoch)), check), lambda total: self._train_to(line, total))
            return
        self._start(lambda store: self._resume(store, line))

    def _start(self, what: Callable[[Store], str | None]) -> None:
        """Do what starts a training here; from now on it counts when the application is left."""
        session = self.session
        session.announce()

        def start(store: Store) -> str | None:
            try:
                return what(store)
            finally:
                session.announced()

        self.act(start)

    def _resume(self, store: Store, line: Line, spec: RunSpec | None = None) -> str:
        run = store.run(line.id)
        if run.status == "paused":
            store.request(line.id, "continue")
            return f"run {line.id} is asked to go on"
        if run.status == "running":
            raise RunBusy(f"run {line.id} is running: there is nothing to resume")
        self.session.resume(line.id, spec)
        return f"run {line.id} {line.name} goes on here"

    def _train_to(self, line: Line, total: str | None) -> None:
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

    def action_delete(self) -> None:
        """Ask, naming what goes. A run that waits in the queue is taken out of it first."""
        lines = self.chosen
        if lines and all(line.status == "queued" for line in lines):
            self._ask_to_take_out(lines)
            return
        busy = next((line for line in lines if line.status in CLAIMED), None)
        if busy is not None:
            self.warn(f"run {busy.id} {busy.name} is {busy.status}: stop it first (enter, then s), then delete it")
        elif lines:
            self._weigh(lines)

    def _ask_to_take_out(self, lines: list[Line]) -> None:
        ids = [line.id for line in lines]
        question = Text(
            "Take this run out of the queue?\n\n" if len(ids) == 1 else f"Take these {len(ids)} runs out of the queue?\n\n"
        )
        question.append("\n".join(f"{line.id} {line.name}" for line in lines[:NAMED]), style="bold")
        question.append(f"\nand {len(ids) - NAMED} more" if len(ids) > NAMED else "")

        def take_out(_: Store) -> str:
            out = self.session.take_out(ids)
            return f"{counted(len(out))} taken out of the queue" if out else "they have begun already"

        def answered(yes: bool | None) -> None:
            if yes:
                self.act(take_out)

        self.app.push_screen(Asking(question, "Take out", "Leave"), answered)

    @work(thread=True, group="act")
    def _weigh(self, lines: list[Line]) -> None:
        try:
            kept = {line.id: self.session.store.checkpoints(line.id) for line in lines}
        except ConvtuiError as error:
            self.warn(str(error))
            return
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
        question.append(
            "\nOut of sight now; metrics and checkpoints go when convtui closes. Until then u brings it back.", style="dim"
        )
        self.app.call_later(self._ask_to_delete, question, [line.id for line in lines])

    def _ask_to_delete(self, question: Text, run_ids: list[int]) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self.session.deleted.append(run_ids)
                self.session.marked = [run_id for run_id in self.session.marked if run_id not in run_ids]
                self.show_lines()
                self.marks_changed()
                self.refresh_bindings()

        self.app.push_screen(Asking(question, "Delete", "Keep"), answered)

    def action_undo(self) -> None:
        """Bring back what was deleted last."""
        if self.session.deleted:
            back = self.session.deleted.pop()
            self.show_lines()
            self.refresh_bindings()
            self.notify(f"{'run' if len(back) == 1 else 'runs'} {', '.join(map(str, back))} brought back", markup=False)

    # ------------------------------------------------------------------------------------------------------------ in a thread

    @work(thread=True, group="act")
    def act(self, what: Callable[[Store], str | None]) -> None:
        """Do it away from the screen, and say what it says; an error in its own words."""
        try:
            said = what(self.session.store)
        except ConvtuiError as error:
            self.warn(str(error))
            return
        self.app.call_later(self._done, said)

    def _done(self, said: str | None) -> None:
        if said:
            self.notify(clean(said), markup=False)
        self.store_changed()


def _more_than(epochs: int) -> Callable[[str], None]:
    def check(text: str) -> None:
        if not text.strip().isdecimal() or int(text) <= epochs:
            raise UsageError(f"a whole number above {epochs}, please: it has done {epochs} epochs already")

    return check


def _files(count: int, of_bytes: int) -> str:
    return f"{count} {'file' if count == 1 else 'files'} of {size(of_bytes)}" if count else "no files"


def _from_here(path: Path) -> str:
    return f"./{path.name}" if path.parent == Path.cwd() else str(path)
