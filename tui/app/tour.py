"""The tour: a minute through the real pages for a person who has just installed convtui; a few words per step, which follow what
the person does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import App
from textual.timer import Timer

from convtui.engine.errors import ConvtuiError, SpecError
from convtui.tui.app.advice import on_page
from convtui.tui.app.keys import TABLE, key_for, keymap_of
from convtui.tui.app.latest import Latest
from convtui.tui.app.messages import EditSettings, ShowPage
from convtui.tui.app.page import Page
from convtui.tui.app.pages import PAGES
from convtui.tui.render.text import percent
from convtui.tui.session.session import Session

if TYPE_CHECKING:
    from convtui.engine.presets import Preset
    from convtui.engine.store import Run

PRESET = "demo"
"""What is trained: on images that convtui draws itself, in less than half a minute."""
LOOKED_AT_SECONDS = 0.2
"""Between two looks at what the person has done."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What the person sees, and has done."""

    page: str
    view: str
    """Of the page Look."""
    trains: bool
    """Whether a run was started, or is about to be: torch alone may take seconds."""
    run: Run | None = None
    """That run, once it is known how far it is."""

    @property
    def is_scored(self) -> bool:
        """Whether the test images were judged once."""
        return self.run is not None and self.run.epoch > 0

    @property
    def score(self) -> str:
        """`After epoch 2 it gets 83.5 % of the test images right (guessing: 10.0 %), ...`"""
        if self.run is None or self.run.test_accuracy is None:
            return "Its loss is falling"
        classes = self.run.repeatable.get("classes") or ()
        guessing = f" (guessing: {percent(1 / len(classes))})" if classes else ""
        return f"After epoch {self.run.epoch} it gets {percent(self.run.test_accuracy)} of the test images right{guessing}"


@dataclass(frozen=True, slots=True)
class Step:
    """What the person is shown, told and asked to do."""

    page: str
    title: str
    words: str
    """`<id>` stands for the key of that id, `<score>` for how well the net does."""
    key: str
    """By its id: what the person presses. Empty where the step is over by itself."""
    is_over: Callable[[Scene], bool]


FIRST_VIEWS = ("", "filters")
STEPS = (
    Step(
        "runs",
        "Welcome",
        "This page, Runs, lists every training; digits change the page. The first one needs a net and images: press <new>.",
        "new",
        lambda scene: scene.page == "new" or scene.trains,
    ),
    Step(
        "new",
        "Settings",
        "This form is a whole training: a small net, and images of ten shapes that convtui draws itself."
        " Leave it as it is, and press <start> to train.",
        "start",
        lambda scene: scene.trains,
    ),
    Step(
        "live",
        "Training",
        "Each chart is a number of the run as it changes. The first epoch takes a few seconds; then the net is tested"
        " with images that it has not learnt from …",
        "",
        lambda scene: scene.is_scored or scene.page == "look",
    ),
    Step(
        "live",
        "What it has learnt",
        "<score>: that is the line test in the chart accuracy. Press <page_4> to look inside the net, also while it trains.",
        "page_4",
        lambda scene: scene.page == "look",
    ),
    Step(
        "look",
        "Inside: filters",
        "Each square is a pattern of colours that the first layer looks for (<reload> shows it as it is by now)."
        " Choose one with the arrow keys; <open> shows what excites it.",
        "open",
        lambda scene: scene.view not in FIRST_VIEWS,
    ),
    Step(
        "look",
        "Inside: what excites it",
        "The test images that excite this filter most, and what in them did, projected back to pixels. Press <open> again:"
        " what if such an image is partly covered?",
        "open",
        lambda scene: scene.view not in (*FIRST_VIEWS, "deconvnet"),
    ),
    Step(
        "look",
        "The end",
        "<previous_look> goes back along this path, <view> has all other views, <keys> all keys; <page_2> is for a net of your own."
        " <back> ends the tour, not convtui.",
        "back",
        lambda scene: False,
    ),
)


SETTINGS = next(number for number, step in enumerate(STEPS) if step.page == "new")


class Tour:
    """Tells a step, and goes on to the next once the person has done it."""

    def __init__(self, app: App[int], session: Session, tell: Callable[[Text | None], None]) -> None:
        """`tell` is called with what there is to say, None where that is nothing."""
        self._app = app
        self._tell = tell
        self._session = session
        self._number: int | None = None
        self._run_id: int | None = None
        self._run: Run | None = None
        self._demo: Preset | None = None
        """What the form is to show, until it does."""
        self._reading = Latest(app, self._read, self._know)
        self._timer: Timer | None = None

    @property
    def is_on(self) -> bool:
        """Whether a person is being shown round."""
        return self._number is not None

    def begin(self) -> None:
        """At the first step, with the settings that are trained in the form."""
        from convtui.engine.presets import preset  # brings all settings, which the first frame does without

        try:
            self._demo = preset(PRESET)
        except SpecError as error:  # a person's own of this name
            self._app.notify(on_page(self._app, error), severity="warning", markup=False, timeout=8)
            return
        self._number, self._run_id, self._run = 0, None, None
        self._timer = self._app.set_interval(LOOKED_AT_SECONDS, self.look)
        self.look()

    def end(self) -> None:
        """Leave the person alone; what they do goes on."""
        self._number = None
        if self._timer is not None:
            self._timer.stop()
        self._tell(None)

    def look(self) -> None:
        """Whether the step is over, and what there is to say now."""
        if self._number is None or not self._app.is_running or not isinstance(self._app.screen, Page):
            return  # a menu or a question is answered first
        if self._run_id is None and (claimed := self._session.claimed):
            self._run_id = claimed[0]
        if self._run_id is not None and STEPS[self._number].page == "live":
            self._reading.ask(self._run_id)
        if self._demo is not None and self._app.screen.NAME == "new":
            self._app.post_message(EditSettings(self._demo.spec, self._demo.name))
            self._demo = None
        trains = self._run_id is not None or self._session.starting > 0
        if not trains:  # it could not be started: back to the settings
            self._number = min(self._number, SETTINGS)
        scene = Scene(self._app.screen.NAME, self._app.screen.view_shown, trains, self._run)
        while STEPS[self._number].is_over(scene):
            self._number += 1
        self._tell(self._told(STEPS[self._number], scene))

    def go_on(self) -> None:
        """Do what the step asks the person to do; where they went astray, back to its page."""
        if self._number is None or not isinstance(self._app.screen, Page):
            return
        step = STEPS[self._number]
        if step.page != self._app.screen.NAME:
            self._app.post_message(EditSettings() if step.page == "new" else ShowPage(step.page))
        elif step.key:
            self._app.simulate_key(keymap_of(self._app).first(step.key))
        else:
            self._number += 1
            self.look()

    def _read(self, run_id: int) -> Run | None:
        try:
            return self._session.store.run(run_id)
        except ConvtuiError:
            return None  # deleted, or the page says what is wrong with the store

    def _know(self, run: Run | None) -> None:
        self._run = run
        self.look()

    def _told(self, step: Step, scene: Scene) -> Text:
        words = step.words
        if scene.page != step.page:
            digit = next(digit for digit, entry in enumerate(PAGES, 1) if entry.name == step.page)
            words = f"The tour goes on on the page {step.page.title()}: press <page_{digit}>."
        assert self._number is not None
        told = Text.assemble((f"Tour {self._number + 1}/{len(STEPS)} · {step.title}", "bold"), "   ")
        told.append_text(self._keys("<back> ends it" if step is STEPS[-1] else "<tour> next · <back> leaves", "dim")).append("\n")
        return told.append_text(self._keys(words.replace("<score>", scene.score)))

    def _keys(self, words: str, style: str = "") -> Text:
        """With the keys of this person in place of their ids."""
        text = Text(style=style)
        for part in words.replace("<", "\0<").replace(">", ">\0").split("\0"):
            if part[:1] == "<" and part[1:-1] in TABLE:
                text.append(f" {key_for(self._app, part[1:-1])} ", style="bold reverse")
            else:
                text.append(part)
        return text
