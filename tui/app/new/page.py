"""New: choose a preset, change it, see the net and its images, try it, start it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar, get_args

from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import Static

from convtui.engine.named_code import name_code
from convtui.engine.spec import RunSpec, make
from convtui.tui.app.dialogs.menu import Menu
from convtui.tui.app.keys import bind, key_for
from convtui.tui.app.latest import Latest
from convtui.tui.app.new.actions import Actions, readable_presets
from convtui.tui.app.new.data_panel import DataPanel
from convtui.tui.app.new.draft import Draft
from convtui.tui.app.new.fields import Field
from convtui.tui.app.new.form import Form
from convtui.tui.app.new.net_panel import Facts, NetPanel, facts
from convtui.tui.app.new.trials import Kind, Trials
from convtui.tui.app.page import Page
from convtui.tui.render.text import clean, counted
from convtui.tui.session.session import Session

PREFERRED = "lenet5"
"""The preset that the page begins with."""
SETTLE_SECONDS = 0.08
"""Between the last change and looking at the net: a person may still be typing."""
TIMED_AFTER_SECONDS = 0.6
"""Between looking at the net and timing it."""
LARGE_BYTES = 1e9
"""A net that needs more than this to be trained is not timed unasked: each step would take long."""
OWN_FIELDS = (
    Field("preset", "preset", "", "menu", help="Starting point. Another preset discards your changes, until you undo that."),
    Field("name", "name", "", "text", help="Name of the run. Default: the preset's name."),
    Field("note", "note", "", "text", help="Free text stored with the run."),
    Field("device", "device", "", "menu", help="Device for runs started here. auto is the freest GPU, else the CPU."),
)
"""Above those of the settings."""


TRIALS = {
    "speed": "time a few steps",
    "overfit": "overfit one batch: can the net learn it by heart?",
    "range": "test learning rates: where does the loss fall fastest?",
}
"""Trials of settings, and what each tells."""
Wanted = tuple[RunSpec, str, bool]
"""Settings, the device, and whether their images may be replaced."""


class NewPage(Page):
    """The form at the left; beside it the net that it describes, or its images, or both where there is room."""

    NAME = "new"
    CSS_PATH = "page.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-broad")]  # noqa: RUF012 - as Textual declares it
    VERTICAL_BREAKPOINTS = [(0, "-low"), (44, "-tall")]  # noqa: RUF012
    # Those not in the footer are in the help and the palette: it has room for what everyone needs, on 80 columns.
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("back", "app.page('runs')", "Back to Runs", show=False),
        bind("start", "held('actions', 'start')"),
        bind("preset", "held('actions', 'choose_preset')"),
        bind("view", "view"),
        bind("try", "trials", "Try"),
        bind("device", "held('actions', 'choose_device')", show=False),
        bind("write", "held('actions', 'save')", "Save preset"),
        bind("reload", "examples", "Other examples", show=False),
        bind("previous", "turn(-1)", "Previous classes, layers", show=False),
        bind("next", "turn(1)", "Next classes, layers", show=False),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        known = readable_presets()
        first = known.get(PREFERRED) or next(iter(known.values()), None)
        base = first.spec if first else make({})
        self.form = Form(Draft(first.name if first else "", base, base), OWN_FIELDS)
        self.panel = NetPanel()
        self.images = DataPanel(session.data_dir)
        self.trials = Trials(self, self.panel)
        self.actions = Actions(self, self.form, self.trials, self.show_draft)
        self._facts = Latest(self, self._find_out, self._known, settle=SETTLE_SECONDS)
        self._wanted: Wanted | None = None

    # -------------------------------------------------------------------------------------------------------- shape

    def body(self) -> Iterable[Widget]:
        with Horizontal(id="columns"):
            yield self.form
            with Vertical(id="beside"):
                yield self.panel
                yield self.images
        yield Static(id="status")

    def on_mount(self) -> None:
        """Begin with a clone's settings, or the preferred preset."""
        self.show_draft()
        self._clone()

    def on_screen_resume(self) -> None:
        """Take what a clone has put there."""
        self._clone()

    def store_changed(self) -> None:
        """Runs do not show here; but the page is told of a clone in this way where it is on show already."""
        self._clone()

    def _clone(self) -> None:
        if self.session.draft is None or not self.form.is_mounted:
            return
        spec, name = self.session.draft
        self.session.draft = None
        known = readable_presets()
        draft = self.form.draft
        before = draft.now()
        draft.choose(name, known[name].spec if name in known else spec, spec)
        draft.remember(before)
        self.show_draft()

    def show_draft(self) -> None:
        """Everything that follows from the draft."""
        form = self.form
        form.told |= {"preset": form.draft.preset or "none", "device": self.session.device}
        form.show()
        self._follow()

    def on_form_changed(self) -> None:
        """The settings are others."""
        self._follow()

    def on_form_entered(self, event: Form.Entered) -> None:
        """Enter behind the code of a net names it: from now on it is imported, and its file read again."""
        module = self.form.draft.spec.model.module
        if event.key == "model.module" and module and event.key not in self.form.draft.wrong:
            name_code(module)
            self._wanted = None
            self._follow()

    def _follow(self) -> None:
        """Show what follows from the settings as they are."""
        self._status()
        self._look()
        self._look_at_images()

    def _status(self) -> None:
        draft = self.form.draft
        changes, wrong = draft.changes(), len(draft.wrong)
        count = len(changes)
        source = draft.preset or "the cloned run"
        words = f"{counted(count, 'change')} from {clean(source)}" if count else f"unchanged from {clean(source)}"
        invalid = "1 invalid value: fix it" if wrong == 1 else f"{wrong} invalid values: fix them"
        problem = (f" · {invalid} before starting" if wrong else self._hidden_trouble(), "$text-error")
        known = readable_presets().get(draft.preset)
        summary = f"   {'report ' + known.report + ': ' if known.report else ''}{known.summary}" if known else ""
        content = Content.assemble((words, "bold" if count else ""), problem, ("" if problem[0] else clean(summary), "dim"))
        self.query_one("#status", Static).update(content)

    def _hidden_trouble(self) -> str:
        """That there is no net to train, where what says so is not on show."""
        facts = self.panel.facts
        is_told = facts is None or not isinstance(facts.net, str) or self.panel.region.area
        return "" if is_told else f" · the net cannot be built: {key_for(self, 'view')} shows why"

    # ----------------------------------------------------------------------------------------------------- the net

    def _look(self) -> None:
        """Ask for the facts of the settings as they are, once they have settled."""
        draft = self.form.draft
        wanted = draft.spec, self.session.device, draft.allow_stand_in
        if wanted != self._wanted:
            self._wanted = wanted
            self.trials.forget()
            self._facts.ask(wanted)

    def _find_out(self, wanted: Wanted) -> Facts:
        spec, _device, allow_stand_in = wanted
        return facts(spec, self.session.data_dir, allow_stand_in=allow_stand_in)

    def _known(self, known: Facts) -> None:
        self.panel.show(known)
        self._status()
        self.set_timer(TIMED_AFTER_SECONDS, partial(self._time, known, self._wanted))

    def _time(self, known: Facts, wanted: Wanted | None) -> None:
        spec = self.form.draft.spec
        if wanted is not self._wanted or isinstance(known.net, str) or known.data_wrong:
            return
        if known.net.least_bytes(spec.data.batch_size) > LARGE_BYTES:
            self.panel.say_speed(f"large net: press {key_for(self, 'try')} to time a few steps")
        else:
            self.trials.time_unasked(spec)

    # ------------------------------------------------------------------------------------------- what stands beside it

    def _look_at_images(self) -> None:
        """Have those read that are on show."""
        if self.images.display:
            self.images.look(self.form.draft.spec.data)

    def on_resize(self, _event: Resize) -> None:
        """Images may have room that had none."""
        self.call_after_refresh(self._look_at_images)

    def action_view(self) -> None:
        """The next of net and images; where there is no room beside it, in place of the form."""
        views = ("", "-net", "-images") if self.has_class("-narrow") else ("", "-images")
        now = next((number for number, name in enumerate(views) if name and self.has_class(name)), 0)
        self._show_beside(views[(now + 1) % len(views)])

    def _show_beside(self, name: str) -> None:
        self.remove_class("-net", "-images")
        if name:
            self.add_class(name)
        if self.form.display and self.form.row is not None:
            self.form.go_to(self.form.row)
        self.refresh_bindings()
        self.call_after_refresh(self._status)
        self._look_at_images()

    def action_examples(self) -> None:
        """Other images of the same classes."""
        self.images.others()

    def action_turn(self, pages: int) -> None:
        """The classes of images, or the layers, that had no room."""
        if self.images.display:
            self.images.turn(pages)
        if self.panel.display:
            self.panel.scroll_layers(pages)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys are there for what is on show, or could be."""
        if action == "examples":
            return self.images.display
        return action != "view" or not (self.has_class("-broad") and self.has_class("-tall"))

    # ------------------------------------------------------------------------------------------------ what can be done

    def on_form_wanted(self, event: Form.Wanted) -> None:
        """Enter on a row of this page's own."""
        if event.row.field.key == "preset":
            self.actions.choose_preset()
        else:
            self.actions.choose_device()

    def action_trials(self) -> None:
        """Choose a trial of the settings; where one goes on, end it."""
        asked = self.trials.asked
        if asked is not None:
            self.try_settings(asked)
        else:
            self.app.push_screen(Menu(list(TRIALS.items()), "speed", "try"), self._trial_chosen)

    def _trial_chosen(self, chosen: str | None) -> None:
        for kind in get_args(Kind):
            if kind == chosen:
                self.try_settings(kind)

    def try_settings(self, kind: Kind) -> None:
        """Begin a trial, in sight, or end the one that goes on."""
        if self.actions.toggle_trial(kind) and not self.panel.region.area:
            self._show_beside("-net")
