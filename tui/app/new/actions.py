"""What can be done with settings: choose what they come from and where to train, try, save and start them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text

from convtui.engine.errors import ConvtuiError, SpecError
from convtui.engine.presets import Preset, own_presets, presets
from convtui.engine.spec import RunSpec
from convtui.tui.app.advice import on_page
from convtui.tui.app.dialogs.menu import Menu
from convtui.tui.app.latest import Latest
from convtui.tui.app.messages import ShowPage, ShowRun
from convtui.tui.app.new.form import Form
from convtui.tui.app.new.save_preset import ask_and_save
from convtui.tui.app.new.trials import Kind, Trials
from convtui.tui.app.page import Page
from convtui.tui.render.text import clean, size

if TYPE_CHECKING:
    from convtui.engine.store import Run

Options = list[tuple[str, Text]]


def readable_presets() -> dict[str, Preset]:
    """By name, without those that are broken."""
    return {name: preset for name, preset in presets().items() if not isinstance(preset, SpecError)}


class Actions:
    """Act on a form's draft, for the page that has the form."""

    def __init__(self, page: Page, form: Form, trials: Trials, changed: Callable[[], None]) -> None:
        """`changed` is called when there are other settings."""
        self._page = page
        self._session = page.session
        self._form = form
        self._trials = trials
        self._changed = changed
        self._devices = Latest(page, _devices, self._choose_device)
        self._starting = False

    # ------------------------------------------------------------------------------------------------------- choosing

    def choose_preset(self) -> None:
        """Choose what to start from."""
        known = readable_presets()
        for broken in (found for name, found in presets().items() if name not in known):
            self._page.notify(on_page(self._page, broken), severity="warning", markup=False)
        widest = max((len(name) for name in known), default=0)
        options = [
            (
                name,
                Text.assemble(
                    f"{name:<{widest}}  ",
                    (f"{'own' if preset.file.parent == own_presets() else preset.report or '—':<5}", "dim"),
                    f"{clean(preset.spec.data.source)[:12]:<12}  ",
                    (clean(preset.summary), "dim"),
                    no_wrap=True,
                    overflow="ellipsis",
                ),
            )
            for name, preset in known.items()
        ]

        def chosen(name: str | None) -> None:
            if name is not None:
                draft = self._form.draft
                before = draft.now()
                draft.choose(name, known[name].spec)
                draft.remember(before)
                self._changed()

        self._page.app.push_screen(Menu(options, self._form.draft.preset, "preset · report · data"), chosen)

    def choose_device(self) -> None:
        """Find out which devices there are, then ask."""
        if not self._devices.is_busy:
            self._devices.ask(self._session.device)

    def _choose_device(self, options: Options) -> None:
        def chosen(name: str | None) -> None:
            if name is not None:
                self._session.device = name
                self._changed()

        # Another page may be on show by now, or another menu.
        if self._page.is_current:
            self._page.app.push_screen(Menu(options, self._session.device, "device"), chosen)

    # ------------------------------------------------------------------------------------------------ trying, saving

    def toggle_trial(self, kind: Kind) -> bool:
        """Try the settings, or end the trial that goes on; False where they cannot be tried."""
        usable = self._usable()
        if usable:
            self._trials.toggle(kind, self._form.draft.spec)
        return usable

    def save(self) -> None:
        """Save the settings as a preset of one's own."""
        if self._usable():
            ask_and_save(self._page, self._form.draft, self._changed)

    def _usable(self) -> bool:
        """Whether every field is right; says so where not."""
        wrong = self._form.draft.wrong
        if not wrong:
            return True
        path, what = next(iter(wrong.items()))
        self._page.notify(on_page(self._page, what.why), severity="error", markup=False)
        self._form.go_to(self._form.of(path))
        return False

    # -------------------------------------------------------------------------------------------------------- starting

    def start(self) -> None:
        """Train it, after those already queued here."""
        if self._starting or not self._usable():
            return
        if not self._session.is_open:
            self._page.notify("the store is still opening", timeout=2)
            return
        self._trials.end()
        self._form.end_edit()
        self._starting = True
        announced, draft = self._session.announce(), self._form.draft
        taken = draft.take_texts()  # what is typed from now on, while it starts, is the next run's
        name, note = taken["name"].strip() or draft.name or "run", taken["note"].strip()
        self._session.being_started = f"starting {clean(name)}\n\nloading torch …"
        start = partial(
            self._session.start, draft.spec, name=name, preset=draft.preset, note=note, allow_stand_in=draft.allow_stand_in
        )
        self._form.show()
        # Not as its digit does: that would look for what trains, and might show it in place of what is started here. Live is there
        # first, however quickly the start has come to something.
        app, work = self._page.app, partial(self._start, announced, draft.spec, start, taken)
        app.post_message(ShowRun(self._session.run_id, "live"))
        app.call_later(self._page.run_worker, work, thread=True)

    def _start(
        self, announced: AbstractContextManager[object], spec: RunSpec, start: Callable[[], Run], taken: Mapping[str, str]
    ) -> None:
        started, session = None, self._session
        try:
            with announced:
                from convtui.engine.data.preview import count
                from convtui.engine.device import choose
                from convtui.engine.training import check_fits, check_start

                session.being_started = session.being_started.replace("loading torch", "checking that it can be trained")
                counts = count(spec.data, session.data_dir)
                check_fits(spec, choose(session.device), counts)
                check_start(spec, counts.classes, session.store)
                started = start().id
        except ConvtuiError as error:
            self._page.warn(str(error))
        finally:
            self._page.call_later(self._done, started, taken)

    def _done(self, started: int | None, taken: Mapping[str, str]) -> None:
        """Show the run where its start is on show; where it could not be started, the form as it was, with what was `taken` from
        it."""
        self._starting, self._session.being_started = False, ""
        is_awaited = self._page.app.current_mode == "live"
        if started is not None:
            self._session.run_id = started
        else:
            self._form.draft.give_back(taken)
            self._form.show()
        if is_awaited:
            self._page.post_message(ShowRun(started, "live") if started is not None else ShowPage("new"))


def _devices(_chosen: str) -> Options:
    from convtui.engine.device import devices

    options = [("auto", Text("auto     the freest GPU, else the CPU"))]
    for device in devices():
        load = "" if device.load is None else f", {100 * device.load:.0f} % busy"
        words = f"{device.name:<8} {clean(device.title)}, {size(device.free)} of {size(device.memory)} free{load}"
        options.append((device.name, Text(words)))
    return options
