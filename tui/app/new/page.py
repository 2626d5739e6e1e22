"""New: choose a preset, change it, see the net and its images, try it, start it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Resize
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from convtui.tui.app.new.actions import NewActions
from convtui.tui.render.text import clean
from convtui.tui.session.session import Session

if TYPE_CHECKING:
    from convtui.engine.spec import RunSpec
    from convtui.tui.app.new.data_panel import DataPanel
    from convtui.tui.app.new.form import Form
    from convtui.tui.app.new.net_panel import Facts, NetPanel
    from convtui.tui.app.new.trials import Trying

PREFERRED = "lenet5"
"""The preset that the page begins with."""
SETTLE_SECONDS = 0.08
"""Between the last change and looking at the net: somebody may be typing."""
TIMED_AFTER_SECONDS = 0.6
"""Between looking at the net and timing it."""
LARGE_BYTES = 1e9
"""A net that needs more than this to be trained is not timed unasked: each step would take long."""


class NewPage(NewActions):
    """The form at the left; beside it the net that it describes, or its images, or both where there is room."""

    NAME = "new"
    CSS_PATH = "page.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-broad")]  # noqa: RUF012 - as Textual declares it
    VERTICAL_BREAKPOINTS = [(0, "-low"), (44, "-tall")]  # noqa: RUF012
    # Those not in the footer are in the help and the palette: it has room for what everyone needs, on 80 columns.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s,ctrl+s", "start", "Start"),
        Binding("p", "presets", "Preset"),
        Binding("v", "view", "View"),
        Binding("t", "trial('speed')", "Time a few steps", show=False),
        Binding("b", "trial('overfit')", "Overfit"),
        Binding("r", "trial('range')", "Rates"),
        Binding("d", "devices", "Device", show=False),
        Binding("w", "save", "Keep"),
        Binding("e", "examples", "Other examples", show=False),
        Binding("full_stop", "classes(1)", "Next classes", show=False),
        Binding("comma", "classes(-1)", "Previous classes", show=False),
        Binding("right_square_bracket", "layers(1)", "Further layers", show=False),
        Binding("left_square_bracket", "layers(-1)", "Layers before", show=False),
    ]

    class Known(Message):
        """The facts of the newest settings are there."""

        def __init__(self, number: int, facts: Facts) -> None:
            super().__init__()
            self.number = number
            self.facts = facts

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._asked = 0
        self._looked_at: tuple[RunSpec, str, bool] | None = None
        self._composed = False

    # -------------------------------------------------------------------------------------------------------- shape

    def body(self) -> Iterable[Widget]:
        # Here: the first frame of the application does without the form and what it needs.
        from convtui.engine.spec import make
        from convtui.tui.app.new.data_panel import DataPanel
        from convtui.tui.app.new.draft import Draft
        from convtui.tui.app.new.fields import Item
        from convtui.tui.app.new.form import Form
        from convtui.tui.app.new.net_panel import NetPanel
        from convtui.tui.app.new.trials import Trying

        known = self.presets()
        first = known.get(PREFERRED) or next(iter(known.values()), None)
        base = first.spec if first else make({})
        own = (
            Item("preset", "preset", "", "menu", help="what to start from; another drops your changes (u: undo)"),
            Item("name", "name", "", "text", help="what to call the run; the preset's name if left empty"),
            Item("note", "note", "", "text", help="why you train it, kept with the run"),
            Item("device", "device", "", "menu", help="where to train; auto is the freest GPU, else the CPU"),
        )
        with Horizontal(id="columns"):
            yield Form(Draft(first.name if first else "", base, base), own)
            with Vertical(id="beside"):
                yield NetPanel()
                yield DataPanel()
        yield Static(id="status")
        yield Trying()

    @property
    def form(self) -> Form:
        from convtui.tui.app.new.form import Form

        return self.query_one(Form)

    @property
    def panel(self) -> NetPanel:
        from convtui.tui.app.new.net_panel import NetPanel

        return self.query_one(NetPanel)

    @property
    def images(self) -> DataPanel:
        from convtui.tui.app.new.data_panel import DataPanel

        return self.query_one(DataPanel)

    @property
    def trying(self) -> Trying:
        from convtui.tui.app.new.trials import Trying

        return self.query_one(Trying)

    def on_mount(self) -> None:
        """Begin with a clone's settings, or the preferred preset."""
        self._composed = True
        self.show_draft()
        self._clone()

    def on_screen_resume(self) -> None:
        """Take what a clone has put there."""
        self._clone()

    def store_changed(self) -> None:
        """Runs do not show here; but the page is told of a clone in this way where it is on show already."""
        self._clone()

    def _clone(self) -> None:
        if self.session.draft is None or not self._composed:
            return
        spec, name = self.session.draft
        self.session.draft = None
        known = self.presets()
        draft = self.form.draft
        before = draft.now()
        draft.choose(name, known[name].spec if name in known else spec, spec)
        draft.remember(before)
        self.show_draft()

    def show_draft(self) -> None:
        """Everything that follows from the draft."""
        form = self.form
        form.texts |= {"preset": form.draft.preset or "none", "device": self.session.device}
        form.show()
        self._follow()

    def on_form_changed(self) -> None:
        """The settings are others."""
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
        source = draft.preset or "the settings cloned"
        words = f"{count} change{'' if count == 1 else 's'} from {clean(source)}" if count else f"as {clean(source)} has it"
        told = (
            (f" · {wrong} cannot be: mend {'it' if wrong == 1 else 'them'} before starting", "$text-error") if wrong else ("", "")
        )
        known = self.presets().get(draft.preset)
        summary = f"   {'report ' + known.report + ': ' if known.report else ''}{known.summary}" if known else ""
        content = Content.assemble((words, "bold" if count else ""), told, (clean(summary) if not wrong else "", "dim"))
        self.query_one("#status", Static).update(content)

    # ----------------------------------------------------------------------------------------------------- the net

    def _look(self) -> None:
        """Ask for the facts of the settings as they are, once they have settled."""
        draft = self.form.draft
        wanted = draft.spec, self.session.device, draft.allow_stand_in
        if wanted == self._looked_at:
            return
        self._looked_at = wanted
        self._asked += 1
        number = self._asked
        self.trying.forget()
        self.set_timer(
            SETTLE_SECONDS, lambda: self._find_out(number, draft.spec, draft.allow_stand_in) if number == self._asked else None
        )

    @work(thread=True, group="net", exclusive=True)
    def _find_out(self, number: int, spec: RunSpec, allow_stand_in: bool) -> None:
        from convtui.tui.app.new.net_panel import facts

        if number == self._asked:
            self.post_message(self.Known(number, facts(spec, self.session.data_dir, allow_stand_in=allow_stand_in)))

    @on(Known)
    def _known(self, event: Known) -> None:
        if event.number == self._asked:
            self.panel.show(event.facts)
            self.set_timer(TIMED_AFTER_SECONDS, lambda: self._time(event.facts) if event.number == self._asked else None)

    def _time(self, known: Facts) -> None:
        spec = self.form.draft.spec
        if isinstance(known.net, str) or known.data_wrong:
            return
        if known.net.least_bytes(spec.data.batch_size) > LARGE_BYTES:
            self.panel.say_speed("a large net: t times a few steps of it")
        else:
            self.trying.time_unasked(spec)

    # ------------------------------------------------------------------------------------------- what stands beside it

    def _look_at_images(self) -> None:
        """Have those read that are on show."""
        if self.images.display:
            self.images.look(self.form.draft.spec.data, self.session.data_dir)

    def on_resize(self, _event: Resize) -> None:
        """Images may have room that had none."""
        self.call_after_refresh(self._look_at_images)

    def action_view(self) -> None:
        """The next of net and images; where there is no room beside it, in place of the form."""
        views = ("", "-net", "-images") if self.has_class("-narrow") else ("", "-images")
        now = next((number for number, name in enumerate(views) if name and self.has_class(name)), 0)
        self._show_beside(views[(now + 1) % len(views)])

    def show_net(self) -> None:
        """In place of images or, where there is room for one thing only, of the form."""
        if not self.panel.region.area:
            self._show_beside("-net")

    def _show_beside(self, name: str) -> None:
        self.remove_class("-net", "-images")
        if name:
            self.add_class(name)
        if self.form.display and self.form.row is not None:
            self.form.go_to(self.form.row)
        self.refresh_bindings()
        self._look_at_images()

    def action_examples(self) -> None:
        """Other images of the same classes."""
        self.images.others(self.session.data_dir)

    def action_classes(self, pages: int) -> None:
        """The images of the classes that had no room."""
        self.images.turn(pages)

    def action_layers(self, pages: int) -> None:
        """The layers that the table had no room for."""
        self.panel.scroll_layers(pages)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys are there for what is on show, or could be."""
        if action in ("examples", "classes"):
            return self._composed and self.images.display
        return action != "view" or not (self.has_class("-broad") and self.has_class("-tall"))

    def on_form_wanted(self, event: Form.Wanted) -> None:
        """Enter on a row of this page's own."""
        if event.row.item.key == "preset":
            self.action_presets()
        else:
            self.action_devices()
