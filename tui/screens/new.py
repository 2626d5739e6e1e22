"""New: choose a preset, change it, see the net, try it, start it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static
from textual.worker import get_current_worker

from tui.cli.text import clean, size
from tui.screens.page import Page

if TYPE_CHECKING:
    from engine.presets import Preset
    from engine.spec import RunSpec
    from tui.screens.trying import Trying
    from tui.widgets.form import Form
    from tui.widgets.net_panel import Facts, NetPanel

PREFERRED = "lenet5"
"""The preset that the page begins with."""
SETTLE_SECONDS = 0.08
"""Between the last change and looking at the net: somebody may be typing."""


class NewPage(Page):
    """The form at the left, the net that it describes at the right."""

    NAME = "new"
    CSS_PATH = "new.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-broad")]  # noqa: RUF012 - as Textual declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s,ctrl+s", "start", "Start", key_display="s"),
        Binding("p", "presets", "Preset"),
        Binding("v", "net", "Net"),
        Binding("t", "trial('speed')", "Time"),
        Binding("b", "trial('overfit')", "Overfit"),
        Binding("r", "trial('range')", "Rates"),
        Binding("d", "devices", "Device", show=False),
        Binding("w", "save", "Keep"),
    ]

    class Known(Message):
        """The facts of the newest settings are there."""

        def __init__(self, number: int, facts: Facts) -> None:
            super().__init__()
            self.number = number
            self.facts = facts

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

    def __init__(self) -> None:
        super().__init__()
        self._asked = 0
        self._looked_at: RunSpec | None = None
        self._starting = False
        self._composed = False

    # -------------------------------------------------------------------------------------------------------- shape

    def body(self) -> Iterable[Widget]:
        # Here: the first frame of the application does without the form and what it needs.
        from engine.spec import make
        from tui.screens.trying import Trying
        from tui.widgets.draft import Draft
        from tui.widgets.field_row import Item
        from tui.widgets.form import Form
        from tui.widgets.net_panel import NetPanel

        known = self._presets()
        first = known.get(PREFERRED) or next(iter(known.values()), None)
        base = first.spec if first else make({})
        own = (
            Item("preset", "preset", "", "menu", help="what to start from; another drops your changes (u: undo)"),
            Item("name", "name", "", "text", help="what to call the run; the preset's name if left empty"),
            Item("note", "note", "", "text", help="why you train it, kept with the run"),
            Item("device", "device", "", "menu", help="where to train; auto is the freest GPU, else the CPU"),
        )
        self._trying: Trying = Trying()
        with Horizontal(id="columns"):
            yield Form(Draft(first.name if first else "", base, base), own)
            yield NetPanel()
        yield Static(id="status")
        yield self._trying

    @property
    def form(self) -> Form:
        from tui.widgets.form import Form

        return self.query_one(Form)

    @property
    def panel(self) -> NetPanel:
        from tui.widgets.net_panel import NetPanel

        return self.query_one(NetPanel)

    def on_mount(self) -> None:
        """Begin with a clone's settings, or the preferred preset."""
        self._composed = True
        self._show()
        self._clone()

    def on_screen_resume(self) -> None:
        """Take what a clone has put there."""
        self._clone()

    def store_changed(self) -> None:
        """Runs do not show here; but the page is told of a clone in this way where it is on show already."""
        self._clone()

    def _clone(self) -> None:
        if self.convtui.draft is None or not self._composed:
            return
        spec, name = self.convtui.draft
        self.convtui.draft = None
        known = self._presets()
        draft = self.form.draft
        before = draft.now()
        draft.choose(name, known[name].spec if name in known else spec, spec)
        draft.remember(before)
        self._show()

    def _show(self) -> None:
        """Everything that follows from the draft."""
        form = self.form
        form.texts |= {"preset": form.draft.preset or "none", "device": self.convtui.session.device}
        form.show()
        self._status()
        self._look()

    def _status(self) -> None:
        draft = self.form.draft
        changes, wrong = draft.changes(), len(draft.wrong)
        count = len(changes)
        source = draft.preset or "the settings cloned"
        words = f"{count} change{'' if count == 1 else 's'} from {clean(source)}" if count else f"as {clean(source)} has it"
        told = (
            (f" · {wrong} cannot be: mend {'it' if wrong == 1 else 'them'} before starting", "$text-error") if wrong else ("", "")
        )
        known = self._presets().get(draft.preset)
        summary = f"   {'report ' + known.report + ': ' if known.report else ''}{known.summary}" if known else ""
        content = Content.assemble((words, "bold" if count else ""), told, (clean(summary) if not wrong else "", "dim"))
        self.query_one("#status", Static).update(content)

    def _presets(self) -> dict[str, Preset]:
        from engine.errors import SpecError
        from engine.presets import presets

        return {name: preset for name, preset in presets().items() if not isinstance(preset, SpecError)}

    # ----------------------------------------------------------------------------------------------------- the net

    def _look(self) -> None:
        """Ask for the facts of the settings as they are, once they have settled."""
        spec = self.form.draft.spec
        if spec is self._looked_at:
            return
        self._looked_at = spec
        self._asked += 1
        number = self._asked
        self.set_timer(SETTLE_SECONDS, lambda: self._find_out(number, spec) if number == self._asked else None)

    @work(thread=True, group="net", exclusive=True)
    def _find_out(self, number: int, spec: RunSpec) -> None:
        from tui.widgets.net_panel import facts

        if number == self._asked:
            self.post_message(self.Known(number, facts(spec, self.convtui.session.data_dir)))

    @on(Known)
    def _known(self, event: Known) -> None:
        if event.number == self._asked:
            self.panel.show(event.facts)

    def on_form_changed(self) -> None:
        """The settings are others."""
        self._trying.forget()
        self._status()
        self._look()

    def action_net(self) -> None:
        """Where there is no room for both: the net in place of the form, and back."""
        self.toggle_class("-net")
        if not self.has_class("-net") and self.form.row is not None:
            self.form.go_to(self.form.row)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The net has a key only where it is not on show anyway."""
        return action != "net" or self.has_class("-narrow")

    # ----------------------------------------------------------------------------------------------------- menus

    def on_form_wanted(self, event: Form.Wanted) -> None:
        """Enter on a row of this page's own."""
        if event.row.item.key == "preset":
            self.action_presets()
        else:
            self.action_devices()

    def action_presets(self) -> None:
        """Choose what to start from."""
        from engine.presets import own_presets
        from tui.widgets.menu import Menu

        known = self._presets()
        widest = max((len(name) for name in known), default=0)
        options = [
            (
                name,
                Text.assemble(
                    f"{name:<{widest}}  ",
                    (f"{'own' if preset.file.parent == own_presets() else preset.report or '—':<5}", "dim"),
                    f"{preset.spec.data.source[:12]:<12}  ",
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
                self._trying.forget()
                self._show()

        self.app.push_screen(Menu(options, self.form.draft.preset, "preset · report · data"), chosen)

    @work(thread=True, group="devices", exclusive=True)
    def action_devices(self) -> None:
        """Find out which devices there are, then ask."""
        from engine.device import devices

        options: list[tuple[str, Text | str]] = [("auto", Text("auto     the freest GPU, else the CPU"))]
        for device in devices():
            load = "" if device.load is None else f", {100 * device.load:.0f} % busy"
            words = f"{device.name:<8} {clean(device.title)}, {size(device.free)} of {size(device.memory)} free{load}"
            options.append((device.name, Text(words)))
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._choose_device, options)

    def _choose_device(self, options: list[tuple[str, Text | str]]) -> None:
        from tui.widgets.menu import Menu

        def chosen(name: str | None) -> None:
            if name is not None:
                self.convtui.session.device = name
                self._trying.forget()
                self._show()

        self.app.push_screen(Menu(options, self.convtui.session.device, "device"), chosen)

    # ------------------------------------------------------------------------------------------------- trials, preset

    def action_trial(self, kind: str) -> None:
        """Try the settings, or end the trial that goes on."""
        if self._usable():
            self._trying.toggle(kind, self.form.draft.spec)

    def action_save(self) -> None:
        """Keep the settings as a preset of one's own."""
        if self._usable():
            from tui.screens.keeping import keep_preset

            keep_preset(self, self.form.draft, self._show)

    def _usable(self) -> bool:
        """Whether every field is right; says so where not."""
        wrong = self.form.draft.wrong
        if not wrong:
            return True
        path, what = next(iter(wrong.items()))
        self.notify(what.why, severity="error", markup=False)
        self.form.go_to(self.form.of(path))
        return False

    # ----------------------------------------------------------------------------------------------------- start

    def action_start(self) -> None:
        """Train it, after those already queued here."""
        if self._starting or not self._usable():
            return
        if not self.convtui.session.is_open:
            self.notify("the store is still being opened", timeout=2)
            return
        form = self.form
        self._trying.end()
        self._starting = True
        name = form.texts["name"].strip() or form.draft.preset or "run"
        # A source that somebody chose is never replaced by its stand-in.
        named = "data.source" in form.draft.changes()
        self._start(form.draft.spec, name, form.draft.preset, form.texts["note"].strip(), named)

    @work(thread=True, group="start")
    def _start(self, spec: RunSpec, name: str, preset: str, note: str, named: bool) -> None:
        from engine.errors import ConvtuiError
        from tui.screens.trying import check_fits

        try:
            # torch's global generators are a run's own: a trial must have let go of them.
            self._trying.wait()
            check_fits(spec, self.convtui.session.device)
            run = self.convtui.session.start(spec, name=name, preset=preset, note=note, named=named)
        except ConvtuiError as error:
            self.post_message(self.Refused(str(error)))
            return
        assert run.id is not None
        self.post_message(self.Started(run.id))

    @on(Refused)
    def _refused(self, event: Refused) -> None:
        self._starting = False
        self.notify(event.why, severity="error", markup=False)

    @on(Started)
    def _started(self, event: Started) -> None:
        self._starting = False
        self.form.texts |= {"name": "", "note": ""}
        self.form.show()
        self.convtui.open_live(event.run_id)
