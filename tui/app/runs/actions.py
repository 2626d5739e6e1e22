"""What can be done to the runs of the table: each action asks where it must, works in a thread, and says what it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from convtui.engine.errors import ConvtuiError, SpecError, UsageError
from convtui.engine.metrics import SYSTEM
from convtui.engine.statuses import CLAIMED
from convtui.tui.app.dialogs.questions import ConfirmDialog, PromptDialog
from convtui.tui.app.export import REPORTS, choose_form, save_report
from convtui.tui.app.keys import key_for
from convtui.tui.app.messages import CompareRuns, EditSettings, ShowRun
from convtui.tui.app.page import Page
from convtui.tui.app.runs.rows import RunRow
from convtui.tui.app.runs.table import RunTable
from convtui.tui.render.text import clean, counted, file_stem, size

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
        self.tick()
        self._table.action_move(1)

    def tick(self) -> None:
        """Mark the run, or take its mark away."""
        line = self._table.line
        if line is None:
            return
        marked = self._session.marked
        self._session.marked = [run_id for run_id in marked if run_id != line.id] if line.id in marked else [*marked, line.id]
        self._show()

    def mark_all(self) -> None:
        """Mark all runs that are shown; where they are, none of them."""
        shown = [line.id for line in self._table.lines]
        others = [run_id for run_id in self._session.marked if run_id not in shown]
        self._session.marked = others if set(shown) <= set(self._session.marked) else [*others, *shown]
        self._show()

    # ------------------------------------------------------------------------------------------------- changing one run

    def edit(self) -> None:
        """Its name, and the note beside it; of several marked runs, what is added to their notes."""
        lines = self.chosen
        if len(lines) > 1:
            self._add_to_notes(lines)
            return
        if not lines:
            return
        (line,) = lines
        from convtui.tui.app.dialogs.edit import edit_dialog

        def save(name: str | None, note: str | None) -> None:
            self._act(lambda store: store.describe(line.id, name, note))

        # A line's note is in one line, and a note may have several.
        self._page.in_thread(
            lambda: self._session.store.run(line.id),
            lambda run: self._page.app.push_screen(edit_dialog(run.id, clean(run.name), run.note, save)),
            asks=True,
        )

    def _add_to_notes(self, lines: list[RunRow]) -> None:
        question = Text(f"Add to the notes of these {len(lines)} runs; words that begin with # are tags\n\n")

        def written(added: str | None) -> None:
            if added and added.strip():
                self._act(lambda store: _noted(store, lines, added.strip()))

        self._page.app.push_screen(PromptDialog(question.append_text(self._named(lines)), "", str), written)

    def stop(self) -> None:
        """End the training of the chosen runs and save them; asks first."""
        chosen = self.chosen
        lines = [line for line in chosen if line.status in CLAIMED]
        if not lines:
            of = f"run {chosen[0].id} {chosen[0].name} is {chosen[0].status}" if len(chosen) == 1 else "the marked runs have ended"
            self._page.warn(f"{of}: there is nothing to stop; {key_for(self._page, 'resume')} resumes")
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._act(lambda store: self._stop(store, lines))

        question = Text("Stop and save this run?\n\n" if len(lines) == 1 else f"Stop and save these {len(lines)} runs?\n\n")
        self._page.app.push_screen(ConfirmDialog(question.append_text(self._named(lines)), "Stop", "Cancel"), answered)

    def _stop(self, store: Store, lines: list[RunRow]) -> str:
        out = self._session.take_out([line.id for line in lines])
        for line in lines:
            if line.id not in out:
                store.request(line.id, "stop")
        return f"stop requested for {counted(len(lines))}"

    def export(self) -> None:
        """Write the metrics of the chosen runs into files beside the store, one each."""
        lines = self.chosen
        if lines:
            self._act(lambda store: self._export(store, lines))

    def write_as(self) -> None:
        """Ask whether to write its metrics, or a report of the run under the cursor."""
        line = self._table.line
        if line is None:
            return
        run_id = line.id

        def write(form: str) -> None:
            if form == ".csv":
                self.export()
            else:
                save_report(self._page, run_id, f"report-run-{run_id}", form)

        choose_form(self._page, write, {".csv": "its metrics (.csv)"} | REPORTS)

    def _export(self, store: Store, lines: list[RunRow]) -> str:
        from convtui.engine.files import deliver
        from convtui.tui.render.metrics_csv import metrics_csv

        folder = store.address.parent if isinstance(store.address, Path) else Path.cwd()
        for line in lines:
            out = folder / f"{file_stem(line.id, line.name)}.csv"
            series = {name: store.series(line.id, name) for name in store.metric_names(line.id) if not name.startswith(SYSTEM)}
            deliver(metrics_csv(series).encode("utf-8", "backslashreplace"), out)
        of = f"run {lines[0].id}" if len(lines) == 1 else counted(len(lines))
        more = f" and {counted(len(lines) - 1, 'more file')}" if len(lines) > 1 else ""
        return f"saved all metrics of {of} to {_from_here(out)}{more}"

    def resume(self) -> None:
        """Let it go on: a paused run where it is, a finished one to a greater total, any other from its last checkpoint. Of several
        marked runs those that have not finished, one after another; asks first."""
        lines = self.chosen
        if len(lines) > 1:
            self._ask_to_resume(lines)
            return
        if not lines:
            return
        (line,) = lines
        if line.status == "finished":
            question = Text(f"Run {line.id} {line.name} has finished {counted(line.epoch, 'epoch')}. New total number of epochs?")
            dialog = PromptDialog(question, str(2 * max(1, line.epoch)), _more_than(line.epoch))
            self._page.app.push_screen(dialog, lambda total: self._train_to(line, total))
            return
        self._start(lambda store: self._resume(store, line))

    def _ask_to_resume(self, lines: list[RunRow]) -> None:
        going_on = [line for line in lines if line.status not in ("finished", "running", "queued")]
        if not going_on:
            self._page.warn(
                "none of the marked runs can be resumed: they train already, or have finished; mark one alone to train it longer"
            )
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._start(lambda store: self._resume_all(store, going_on))

        question = Text(f"Resume {counted(len(going_on))}, one after another?\n\n").append_text(self._named(going_on))
        if left := len(lines) - len(going_on):
            question.append(f"\n\n{counted(left)} that finished or train already stay as they are", style="dim")
        self._page.app.push_screen(ConfirmDialog(question, "Resume", "Cancel"), answered)

    def _resume_all(self, store: Store, lines: list[RunRow]) -> str:
        for line in lines:
            try:
                self._resume(store, line)
            except ConvtuiError as error:  # the others go on
                self._page.warn(str(error))
        return f"resuming {counted(len(lines))}"

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
            stop = key_for(self._page, "stop")
            self._page.warn(f"run {busy.id} {busy.name} is {busy.status}: stop it first ({stop}), then delete it")
        elif lines:
            ids = [line.id for line in lines]
            self._page.in_thread(
                lambda: self._question(self._session.store, lines), lambda question: self._ask_to_delete(question, ids), asks=True
            )

    def _ask_to_take_out(self, lines: list[RunRow]) -> None:
        ids, stop = [line.id for line in lines], key_for(self._page, "stop")
        question = Text(
            "Remove this run from the queue?\n\n" if len(ids) == 1 else f"Remove these {len(ids)} runs from the queue?\n\n"
        )
        question.append_text(self._named(lines))

        def take_out(_: Store) -> str:
            out = self._session.take_out(ids)
            return f"{counted(len(out))} removed from the queue" if out else f"too late, they have started: {stop} stops"

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
        question.append(f"{self._out_of_sight(lines).strip()}\n" if self._out_of_sight(lines) else "", style="dim")
        undo = key_for(self._page, "undo")
        question.append(f"\nHidden now, deleted when convtui exits. Until then, {undo} restores {it}.", style="dim")
        return question

    def _ask_to_delete(self, question: Text, run_ids: list[int]) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self._page.in_thread(lambda: self._session.hide(run_ids), hidden)

        def hidden(_: None) -> None:
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

    def _named(self, lines: list[RunRow]) -> Text:
        names = Text("\n".join(f"{line.id} {line.name}" for line in lines[:NAMED]), style="bold")
        names.append(f"\nand {len(lines) - NAMED} more" if len(lines) > NAMED else "", style="not bold")
        return names.append(self._out_of_sight(lines), style="not bold dim")

    def _out_of_sight(self, lines: list[RunRow]) -> str:
        """How many of these runs the filter leaves out: they are marked all the same."""
        shown = {line.id for line in self._table.lines}
        hidden = sum(line.id not in shown for line in lines)
        return f"\n\n{hidden} of them not shown by the filter" if hidden else ""

    # ------------------------------------------------------------------------------------------------------------ in a thread

    def _act(self, what: Callable[[Store], str | None]) -> None:
        """Do it away from the screen, and say what it says."""
        self._page.in_thread(lambda: what(self._session.store), self._done)

    def _done(self, said: str | None) -> None:
        if said:
            self._page.notify(clean(said), markup=False)
        self._page.store_changed()


def _noted(store: Store, lines: list[RunRow], added: str) -> str:
    changed = 0
    for line in lines:
        note = store.run(line.id).note
        if f" {added} " not in f" {' '.join(note.split())} ":
            store.set_note(line.id, f"{note} {added}".strip())
            changed += 1
    return f"noted beside {counted(changed)}" if changed else f"{counted(len(lines))} had that in their notes"


def _more_than(epochs: int) -> Callable[[str], None]:
    def check(text: str) -> None:
        if not text.strip().isdecimal() or int(text) <= epochs:
            raise UsageError(f"must be a whole number above {epochs}: the run already has {counted(epochs, 'epoch')}")

    return check


def _files(count: int, of_bytes: int) -> str:
    return f"{counted(count, 'file')} ({size(of_bytes)})" if count else "no files"


def _from_here(path: Path) -> str:
    return f"./{path.name}" if path.parent == Path.cwd() else str(path)
