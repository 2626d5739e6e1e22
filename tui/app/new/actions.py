"""What can be done with the settings on the page New: choose what they come from and where to train, try, keep and start them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual import on, work
from textual.message import Message
from textual.worker import get_current_worker

from convtui.engine.errors import ConvtuiError
from convtui.tui.app.messages import ShowRun
from convtui.tui.app.page import Page
from convtui.tui.render.text import clean, size
from convtui.tui.session.session import Session

if TYPE_CHECKING:
    from convtui.engine.presets import Preset
    from convtui.engine.spec import RunSpec
    from convtui.tui.app.new.form import Form
    from convtui.tui.app.new.trials import Kind, Trying


class NewActions(Page):
    """The half of the page that acts."""

    class Started(Message):
        """A run is in the store, and will be trained."""

        def __init__(self, run_id: int) -> None:
            super().__init__()
            self.run_id = run_id

    class Refused(Message):
        """What was asked cannot be; in one line."""

        def __init__(self, why: str) -> None:
            super().__init__()
            self.why = why

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._starting = False

    @property
    def form(self) -> Form:
        """The settings."""
        raise NotImplementedError

    @property
    def trying(self) -> Trying:
        """What tries them."""
        raise NotImplementedError

    def show_draft(self) -> None:
        """Show everything that follows from the settings, which are others now."""
        raise NotImplementedError

    def show_net(self) -> None:
        """Bring what is said of the net to sight."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------------- choosing

    def presets(self) -> dict[str, Preset]:
        """Every preset that can be read."""
        from convtui.engine.errors import SpecError
        from convtui.engine.presets import presets

        return {name: preset for name, preset in presets().items() if not isinstance(preset, SpecError)}

    def action_presets(self) -> None:
        """Choose what to start from."""
        from convtui.engine.presets import own_presets, presets
        from convtui.tui.app.dialogs.menu import Menu

        known = self.presets()
        for broken in (found for name, found in presets().items() if name not in known):
            self.notify(str(broken), severity="warning", markup=False)
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
                draft = self.form.draft
                before = draft.now()
                draft.choose(name, known[name].spec)
                draft.remember(before)
                self.show_draft()

        self.app.push_screen(Menu(options, self.form.draft.preset, "preset · report · data"), chosen)

    @work(thread=True, group="devices", exclusive=True)
    def action_devices(self) -> None:
        """Find out which devices there are, then ask."""
        from convtui.engine.device import devices

        options: list[tuple[str, Text | str]] = [("auto", Text("auto     the freest GPU, else the CPU"))]
        for device in devices():
            load = "" if device.load is None else f", {100 * device.load:.0f} % busy"
            words = f"{device.name:<8} {clean(device.title)}, {size(device.free)} of {size(device.memory)} free{load}"
            options.append((device.name, Text(words)))
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._choose_device, options)

    def _choose_device(self, options: list[tuple[str, Text | str]]) -> None:
        from convtui.tui.app.dialogs.menu import Menu

        def chosen(name: str | None) -> None:
            if name is not None:
                self.session.device = name
                self.show_draft()

        # Somebody who did not wait may be on another page, or in another menu.
        if self.app.screen is self:
            self.app.push_screen(Menu(options, self.session.device, "device"), chosen)

    # ------------------------------------------------------------------------------------------------ trying, keeping

    def action_trial(self, kind: Kind) -> None:
        """Try the settings, or end the trial that goes on."""
        if self._usable():
            self.show_net()
            self.trying.toggle(kind, self.form.draft.spec)

    def action_save(self) -> None:
        """Keep the settings as a preset of one's own."""
        if self._usable():
            from convtui.tui.app.new.save_preset import keep_preset

            keep_preset(self, self.form.draft, self.show_draft)

    def _usable(self) -> bool:
        """Whether every field is right; says so where not."""
        wrong = self.form.draft.wrong
        if not wrong:
            return True
        path, what = next(iter(wrong.items()))
        self.notify(what.why, severity="error", markup=False)
        self.form.go_to(self.form.of(path))
        return False

    # -------------------------------------------------------------------------------------------------------- starting

    def action_start(self) -> None:
        """Train it, after those already queued here."""
        if self._starting or not self._usable():
            return
        if not self.session.is_open:
            self.notify("the store is still being opened", timeout=2)
            return
        form = self.form
        self.trying.end()
        self._starting = True
        self.session.announce()
        name = form.texts["name"].strip() or form.draft.preset or "run"
        self._start(form.draft.spec, name, form.draft.preset, form.texts["note"].strip(), form.draft.allow_stand_in)

    @work(thread=True, group="start")
    def _start(self, spec: RunSpec, name: str, preset: str, note: str, allow_stand_in: bool) -> None:
        session = self.session
        started, why = None, "it could not be started"
        try:
            from convtui.engine.data.preview import count
            from convtui.engine.device import choose
            from convtui.engine.training.limits import check_fits

            check_fits(spec, choose(session.device), count(spec.data, session.data_dir))
            run = session.start(spec, name=name, preset=preset, note=note, allow_stand_in=allow_stand_in)
        except ConvtuiError as error:
            why = str(error)
        else:
            started, why = run.id, ""
        finally:
            session.announced()
            self.post_message(self.Refused(why) if started is None else self.Started(started))

    @on(Refused)
    def _refused(self, event: Refused) -> None:
        self._starting = False
        self.notify(event.why, severity="error", markup=False)

    @on(Started)
    def _started(self, event: Started) -> None:
        self._starting = False
        self.form.texts |= {"name": "", "note": ""}
        self.form.show()
        self.post_message(ShowRun(event.run_id, "live"))
