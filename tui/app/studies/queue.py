"""Queueing runs of a study, and taking them out again. They are trained in this process, one after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from convtui.engine.errors import ConvtuiError, UsageError
from convtui.tui.app.dialogs.form import FormDialog, Question
from convtui.tui.app.dialogs.menu import Menu
from convtui.tui.app.page import Page
from convtui.tui.render.text import clean, counted, duration

if TYPE_CHECKING:
    from convtui.engine.spec import DataSpec
    from convtui.engine.study import Estimate, Study, Wanted
    from convtui.engine.study.results import Results, Row
    from convtui.tui.app.studies.words import Place

SETTING, STUDY = "setting", "study"
"""What is queued or taken out: the runs of the setting at the cursor, or all."""
_DATA = "data-"
ON_DISK = "on disk; folder:PATH reads them from elsewhere"
NOT_ON_DISK = "not on disk; give folder:PATH (a folder or .zip), or leave empty to download"


@dataclass(frozen=True, slots=True)
class _Form:
    """What a form is about."""

    study: Study
    only: Sequence[str]
    sources: Sequence[str]
    """Those that its settings name."""
    expected: str = ""
    """How many runs are missing and how long they take, in words."""


class Queue:
    """Starts runs of a study, and lets go of those that wait. Held by the page Studies."""

    def __init__(self, page: Page, results: Callable[[], Results | None], place: Callable[[], Place | None]) -> None:
        """`results` of the study on the screen; `place`: what the row at the cursor is about."""
        self._page = page
        self._session = page.session
        self._results = results
        self._place = place
        self._last: dict[str, Mapping[str, str]] = {}
        """Study -> what its form was sent with last."""

    # ---------------------------------------------------------------------------------------------------- queueing

    def ask(self) -> None:
        """Queue what is missing of the setting at the cursor, or of the whole study; asks which, and how."""
        found, place = self._results(), self._place()
        if found is None or place is None:
            return

        def chosen(what: str | None) -> None:
            if what is not None:
                only = [place.setting] if what == SETTING else []
                self._page.in_thread(lambda: self._questions(found, only), lambda asked: self._show(*asked), asks=True)

        options = [(SETTING, f"this setting   {place.setting}"), (STUDY, f"whole study    all {len(found.rows)} settings")]
        self._page.app.push_screen(Menu(options, SETTING, "queue the missing runs of"), chosen)

    def _questions(self, found: Results, only: Sequence[str]) -> tuple[_Form, Sequence[Question], int]:
        """Which images are there takes a look at the disk."""
        from convtui.engine.data.catalog import on_disk

        rows = [row for name, row in found.rows.items() if not only or name in only]
        used = {row.setting.spec.data.source: row.differing["data.source"][1] for row in rows if "data.source" in row.differing}
        sources = list(dict.fromkeys(row.setting.spec.data.source for row in rows))
        questions = [
            Question("scale", "scale", "1", "multiplies every budget: 0.1 trains a tenth as long"),
            Question("seeds", "seeds", "", f"runs per setting; default: {_seeds([row.setting.seeds for row in rows])}"),
        ]
        for place, source in enumerate(sources):
            try:
                there = on_disk(source, self._session.data_dir)
            except ConvtuiError:
                there = False
            questions.append(Question(f"{_DATA}{place}", clean(source), used.get(source, ""), ON_DISK if there else NOT_ON_DISK))
        last = self._last.get(found.study.name, {})
        questions = [Question(each.key, each.label, last.get(each.label, each.value), each.help) for each in questions]
        return _Form(found.study, only, sources, self._expected(found.study, only)), questions, len(rows)

    def _expected(self, study: Study, only: Sequence[str]) -> str:
        """At the study's own scale and seeds."""
        from convtui.engine.study import estimate, plan

        try:
            return expected_words(estimate(self._session.store, plan(study, only=only, images=self._images)))
        except ConvtuiError:  # images that a short budget counts are not there: the answer to the form says so
            return ""

    def _images(self, of: DataSpec) -> int:
        from convtui.engine.data.preview import count

        return count(of, self._session.data_dir).train

    def _show(self, form: _Form, questions: Sequence[Question], settings: int) -> None:
        what = f"the missing runs of {form.only[0]}" if form.only else f"the missing runs of all {settings} settings"
        about = Text.assemble("Queue ", (what, "bold"), f" of study {form.study.name}\n", style="")
        about.append(f"{form.expected}\n" if form.expected else "")
        about.append("They train here one after another. Finished runs are not repeated.", style="dim")
        self._page.app.push_screen(
            FormDialog(
                about,
                questions,
                lambda dialog, values: self._start(dialog, form, values),
                "queues",
                "checking that they can be trained",
            )
        )

    def _start(self, dialog: FormDialog, form: _Form, values: Mapping[str, str]) -> None:
        announced = self._session.announce()

        def work() -> None:
            with announced:
                self._queue(dialog, form, values)

        self._page.run_worker(work, thread=True)

    def _queue(self, dialog: FormDialog, form: _Form, values: Mapping[str, str]) -> None:
        from convtui.engine.device import choose
        from convtui.engine.study.running import check, to_do

        session, percents = self._session, {0}

        def progress(what: str, done: int, total: int) -> None:
            percent = 100 * done // max(1, total)
            if percent not in percents:
                percents.add(percent)
                self._page.app.call_later(dialog.say, f"{clean(what)}: {percent} %")

        refused = "could not queue them"
        try:
            wanted = self._planned(form, values)
            missing = to_do(session.store, wanted)
            check(missing, choose(session.device), session.data_dir, progress)
            if not dialog.is_attached:
                return  # the person has left the form meanwhile
            standings = Counter(session.queue(one).standing for one in missing)
            refused = ""
        except ConvtuiError as error:
            refused = str(error)
            return
        finally:
            if refused and dialog.is_attached:
                self._page.app.call_later(dialog.refuse, refused)
        labels = {"scale": "scale", "seeds": "seeds"} | {f"{_DATA}{place}": source for place, source in enumerate(form.sources)}
        self._last[form.study.name] = {clean(labels[key]): value for key, value in values.items()}
        queued = sum(standings.values()) - standings["done"] - standings["busy"]
        left = len(wanted) - queued
        told = f"{counted(queued)} queued" if queued else "nothing to queue"
        self._page.app.call_later(self._queued, dialog, told + (f", {left} already done, queued or running" if left else ""))

    def _queued(self, dialog: FormDialog, told: str) -> None:
        if dialog.is_attached:
            dialog.dismiss(None)
        self._page.notify(told, markup=False)

    def _planned(self, form: _Form, values: Mapping[str, str]) -> list[Wanted]:
        """Raises UsageError for what cannot be."""
        from convtui.engine.study import plan

        sources = {source: given for place, source in enumerate(form.sources) if (given := values.get(f"{_DATA}{place}", ""))}
        return plan(
            form.study,
            only=form.only,
            scale=_scale(values["scale"]),
            seeds=_whole(values["seeds"]),
            sources=sources,
            images=self._images,
        )

    # -------------------------------------------------------------------------------------------------- taking out

    def ask_to_take_out(self) -> None:
        """Take runs that wait out of the queue: of the setting at the cursor, or of the whole study; asks which."""
        found, place = self._results(), self._place()
        if found is None or place is None:
            return
        of = {SETTING: _queued([found.rows[place.setting]]), STUDY: _queued(found.rows.values())}
        if not of[STUDY]:
            self._page.notify(f"no runs of {found.study.name} are queued", markup=False)
            return

        def chosen(what: str | None) -> None:
            if what is not None:
                self._page.in_thread(lambda: self._session.take_out(of[what]), self._taken_out)

        words = {SETTING: f"this setting   {place.setting}", STUDY: f"whole study    {found.study.name}"}
        options = [(what, f"{words[what]}: {counted(len(runs))}") for what, runs in of.items() if runs]
        self._page.app.push_screen(Menu(options, SETTING, "remove from the queue"), chosen)

    def _taken_out(self, run_ids: Sequence[int]) -> None:
        self._page.notify(f"{counted(len(run_ids))} removed from the queue")


def _queued(rows: Iterable[Row]) -> list[int]:
    return [run.id for row in rows for run in row.others if run.status == "queued"]


def expected_words(of: Estimate) -> str:
    """`12 runs, about 1:20:00`; what is not known is said."""
    if not of.runs:
        return "none is missing"
    runs = f"{counted(of.runs)} at scale 1"
    if of.unknown == of.runs:
        return f"{runs}; how long is not known: no such net has been trained on this machine yet"
    of_rest = f"; of {of.unknown} more not known" if of.unknown else ""
    return f"{runs}, about {duration(of.seconds)} by earlier runs of such nets on this machine{of_rest}"


def _seeds(of: Sequence[int]) -> str:
    low, high = min(of), max(of)
    return f"{low} each" if low == high else f"{low} to {high}, as in the study"


def _scale(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        raise UsageError(f"scale {text!r} must be a number, e.g. 0.1") from None


def _whole(text: str) -> int | None:
    if not text:
        return None
    if not (text.isdecimal() and 1 <= int(text) <= 1000):
        raise UsageError(f"seeds {text!r} must be a whole number from 1 to 1000, or empty")
    return int(text)
