"""The application: its pages, its keys, how it starts and how it is left."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import math
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual import work
from textual._compositor import ChopsUpdate
from textual.app import App
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.events import Compose, Event, Key, Paste
from textual.filter import LineFilter
from textual.reactive import reactive
from textual.screen import Screen
from textual.theme import Theme
from textual.widgets import Input
from textual.worker import WorkerFailed

from convtui.engine.errors import ConvtuiError
from convtui.engine.store_address import StoreAddress
from convtui.tui.app import settings
from convtui.tui.app.advice import on_page
from convtui.tui.app.driver import lasting
from convtui.tui.app.keys import Keymap, bind, checked, shown
from convtui.tui.app.latest import Latest
from convtui.tui.app.legible import Inks, Legible, inks
from convtui.tui.app.messages import Asked, Asking, CompareRuns, EditSettings, Failed, ShowPage, ShowRun
from convtui.tui.app.outside import Outside
from convtui.tui.app.page import Page
from convtui.tui.app.pages import PAGES, LazyPage
from convtui.tui.app.palette import Keys
from convtui.tui.app.themes import DARK_NAME, rows, themes
from convtui.tui.app.tour import Tour
from convtui.tui.app.typed import Typed
from convtui.tui.app.widgets.cropped import Cropped
from convtui.tui.garbage import Permanent
from convtui.tui.log import log
from convtui.tui.render.text import clean, counted
from convtui.tui.session.session import Session
from convtui.tui.window import Window

LOOKED_AT_SECONDS = 0.5
"""Between two looks whether the store has changed."""
FORGOTTEN_SECONDS = 60.0
"""After which an error that has not been met meanwhile is told as a new one."""
STYLE_SHEETS = 1024
"""That are kept parsed, one for each kind of widget: all pages and dialogs have more than the 64 that Textual keeps, and with those
each new kind has all of them parsed again."""
IDLE_SECONDS = 0.3
"""After which the first page is there and the processor has nothing to do."""


class ConvtuiApp(App[int]):
    """Runs, New, Live, Look, Compare and Studies, each a mode with one page. Screens read the store themselves."""

    TITLE = "convtui"
    DEFAULT_MODE = PAGES[0].name
    CSS_PATH = "app.tcss"
    COMMANDS: ClassVar[Any] = {Keys}
    BINDINGS: ClassVar[list[BindingType]] = [
        *(bind(f"page_{digit}", f"page({entry.name!r})", entry.title, show=False) for digit, entry in enumerate(PAGES, 1)),
        bind("tour", "tour", show=False),
        replace(bind("back", "end_tour", "End the tour", show=False), priority=True),
        bind("palette", "command_palette"),
        bind("quit", "leave"),
        bind("quit_writing", "leave", show=False),
        bind("keys", "keys"),
        bind("suspend", "suspend_process", show=False),
    ]
    about: reactive[str] = reactive("")
    """The store and the device, for the top bar."""

    tour_words: reactive[Text | None] = reactive(None)
    """What the person is told who is being shown round."""

    def __init__(self, session: Session, *, tour: bool = False) -> None:
        """`tour`: begin with it."""
        self._settings = settings.load()
        own_keys, self._wrong_keys = checked(self._settings.keys)
        self.keymap_in_force = Keymap(own_keys)
        self._window = Window(title=self._settings.title)  # before the driver, which opens and closes it
        self._inks: dict[bool, Inks | None] = {}
        """Of the program's themes, once they are known."""
        super().__init__()
        self.stylesheet._parse_cache.grow(STYLE_SHEETS)
        self.session = session
        self.outside = Outside(self, session, self._window, self._settings.notify)
        self.tour = Tour(self, session, self._tell_tour)
        self._begins_with_tour = tour
        self._typed = Typed(self, super().on_event)
        self._pages: dict[str, Page] = {}
        for entry in PAGES:
            self.add_mode(entry.name, partial(self._page, entry))
        self._version = -1
        self._count = Latest(self, self._counted, self._show_count)
        self._permanent = Permanent()
        self.is_being_left = False
        """Whether what is in training is being saved or handed on; nothing stops the end any more."""
        self._lost = ""
        """Why the store cannot be read; empty where it can."""
        self._again = Latest(self, self._is_there_again, self._go_on)
        self._failed: str | None = None
        self._reported: dict[str, float] = {}
        """Errors that were told already, and when they were last met: a page that fails at every look says so once."""

    def get_driver_class(self) -> type[Driver]:
        """Textual's for this platform, but one that outlives its terminal."""
        return lasting(super().get_driver_class(), self._window, self._hang_up, self._not_drawn)

    def get_css_variables(self) -> dict[str, str]:
        """The theme's, with what the program's own themes have beside Textual's; none before there is one."""
        return rows(super().get_css_variables()) if self._inks else {}

    @cached_property
    def _legible(self) -> Legible:
        return Legible(of_16=self._color_system not in ("256", "truecolor"))

    @property
    def _color_system(self) -> str | None:
        """As Rich has it; what is drawn for no terminal has all colours."""
        return "truecolor" if self.is_headless else self.console.color_system

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's, and those that keep colours apart from their ground."""
        drawn = None if self.no_color else self._inks.get(self.current_theme.dark)
        return [*([drawn] if drawn else []), *super().get_line_filters(), *([] if self.no_color else [self._legible])]

    # --------------------------------------------------------------------------------------------------------- start

    def _choose_theme(self) -> None:
        """Before the first style is read: of a theme that is set later all styles are read again."""
        for theme in themes(self._color_system):
            self.register_theme(theme)
            self._inks[theme.dark] = inks(self._color_system, dark=theme.dark)
        chosen = self._settings.theme
        # Under NO_COLOR the themes that use a terminal's own colours end as black on black.
        fits = chosen in self.available_themes and not (self.no_color and "ansi" in chosen)
        self.set_reactive(App.theme, chosen if fits else DARK_NAME)
        # What Textual does about a theme that is set, but for reading all styles again.
        self.stylesheet.set_variables(self.get_css_variables())
        for is_so, name in (
            (self.current_theme.dark, "-dark-mode"),
            (not self.current_theme.dark, "-light-mode"),
            (True, f"-theme-{self.theme}"),
        ):
            self.set_class(is_so, name, update=False)
        self._refresh_truecolor_filter(self.ansi_theme)
        self.stylesheet.apply(self)  # its colours are the first page's, which Textual makes before it gets to this

    def on_load(self) -> None:
        """Before the terminal is the application's: from then on no signal may leave it as it is."""
        self._listen()

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, self._keep_theme)
        # Back from Ctrl+Z the terminal is empty, and Textual paints only what changes.
        self.app_resume_signal.subscribe(self, lambda _: self.call_after_refresh(self.screen.refresh))
        self.set_keymap(self.keymap_in_force.own)
        if self._wrong_keys:
            wrong = "; ".join(self._wrong_keys)
            self.notify(f"settings.toml, [keys]: {clean(wrong)}; ignored", severity="warning", markup=False, timeout=8)
        self.about = f"{self.session.address} · opening"
        # After the first frame: the store brings SQLModel with it, which takes long to import.
        self.call_after_refresh(self._open)

    @work(thread=True, group="store")
    def _open(self) -> None:
        try:
            self.session.open()
        except ConvtuiError as error:
            self.call_from_thread(self.exit, error.exit_code, error.exit_code, f"convtui: {error}")
            return
        self.call_from_thread(self._opened)

    def _keep_theme(self, theme: Theme) -> None:
        try:
            settings.save_theme(theme.name)
        except (OSError, ConvtuiError) as error:
            self.notify(f"cannot save the theme: {error}", severity="warning", markup=False)

    def _opened(self) -> None:
        self._look_at_store()
        if self._begins_with_tour:
            self.tour.begin()
        self.set_interval(LOOKED_AT_SECONDS, self._look_at_store)
        self.set_timer(IDLE_SECONDS, self._prepare)

    async def _prepare(self) -> None:
        """What the first switch to another page would wait for: modules, the widgets and styles of the first charts, and what they
        read: a look at any run makes the next one quicker."""
        if self.is_being_left:
            return
        live = next(entry for entry in PAGES if entry.name == "live")
        # As the first switch to the page does it; Textual has no public word for doing it ahead.
        page, mounted = self._get_screen(self._page(live))
        await mounted
        page._refresh_layout(self.size)  # is painted only where it is shown
        self._page(live).look_ahead()
        self.run_worker(_import_ahead, thread=True, group="ahead")

    def watch_app_focus(self, focus: bool) -> None:
        """A browser's page has no focus while the first screen chooses what is to have it."""
        wanted = self.AUTO_FOCUS if self.screen.AUTO_FOCUS is None else self.screen.AUTO_FOCUS
        if focus and wanted and self.screen.focused is None:
            self.screen.focus_next(wanted)

    def _look_at_store(self) -> None:
        """A few microseconds where nothing has changed."""
        if not self.is_running:
            return  # its widgets are being taken away
        if not self.is_headless:  # tests make hundreds of applications in a process, and none of them is to stay
            self._permanent.look()
        if self._has_terminal and not os.isatty(0):
            self._hang_up()  # it vanished without a word, as under nohup
            return
        while self.session.notices:
            told = self.session.notices.popleft()
            self.notify(on_page(self, told.text), severity=told.severity, timeout=8, markup=False)  # type: ignore[arg-type]
        if self._lost:
            self._again.ask(self._lost)  # in a thread: a server that is gone keeps whoever asks it waiting
            return
        try:
            version = self.session.store.data_version()
        except ConvtuiError as error:
            self._lost = str(error)
            self.notify(on_page(self, error), severity="error", markup=False, timeout=8)
            self._show_count("")
            return
        self.outside.look(has_changed=version != self._version)
        if version != self._version:
            self._version = version
            self._tell_page()
            self._count.ask(version)

    def _is_there_again(self, _why: str) -> bool:
        try:
            self.session.store.data_version()
            self.session.store.count_runs()
        except ConvtuiError:
            return False
        return True

    def _go_on(self, is_there: bool) -> None:
        if is_there:
            self._lost, self._version = "", -1
            self.notify(f"{_place(self.session.address)} can be read again", markup=False)

    def _tell_page(self) -> None:
        # A page that has no widgets yet looks at the store itself once it has.
        if self.session.is_open and isinstance(self.screen, Page) and self.screen.is_mounted:
            self.screen.store_changed()

    def _counted(self, _version: int) -> str:
        try:
            return counted(self.session.store.count_runs())
        except ConvtuiError:
            return "? runs"  # the next look at the store says why

    def _show_count(self, runs: str) -> None:
        runs = "not readable" if self._lost else runs
        self.about = " · ".join(filter(None, (_place(self.session.address), runs, self.session.known_device)))

    # --------------------------------------------------------------------------------------------------------- pages

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        # Over SSH it is the bytes that count: of a changed row Textual writes all up to the change again.
        if type(renderable) is ChopsUpdate:
            renderable = Cropped(renderable.chops, renderable.spans, renderable.chop_ends)
        super()._display(screen, renderable)

    def action_page(self, name: str) -> None:
        """Show a page: Live with the newest run that trains, Look with the run that is selected, where there is one."""
        if name == "look" and isinstance(self.screen, Page) and self.session.is_open:
            self.session.run_id = self.screen.selected_run or self.session.run_id
        self._show_page(name)
        if name == "live" and self.session.is_open:
            self._find_training()

    @work(thread=True, group="training")
    def _find_training(self) -> None:
        try:
            found = self.session.newest_in_training()
        except ConvtuiError:
            found = None  # the page itself says why the store cannot be read
        self.call_later(self._show_training, found)

    def _show_training(self, run_id: int | None) -> None:
        if run_id is not None:
            self.session.run_id = run_id
            self._tell_page()

    def _show_page(self, name: str) -> None:
        self.switch_mode(name)
        self.call_after_refresh(self._tell_page)

    def _page(self, entry: LazyPage) -> Page:
        if entry.name not in self._pages:
            module = importlib.import_module(f"{__package__}.{entry.name}.page")
            page: Page = getattr(module, entry.page)(self.session)
            # Textual would parse all styles again for the page's own, and twice more because they are new.
            for path in page.css_path:
                self.stylesheet.add_source(Path(path).read_text(encoding="utf-8"), read_from=(str(path), ""))
            page._css_update_count = self._css_update_count
            self._pages[entry.name] = page
        return self._pages[entry.name]

    def on_show_page(self, message: ShowPage) -> None:
        """As its digit does."""
        self.action_page(message.name)

    def on_show_run(self, message: ShowRun) -> None:
        """Show its charts, or open its net."""
        self.session.run_id = message.run_id
        self._show_page(message.page)

    def on_compare_runs(self, message: CompareRuns) -> None:
        """Lay runs over each other."""
        self.session.marked = message.run_ids
        self.action_page("compare")

    def on_edit_settings(self, message: EditSettings) -> None:
        """Choose a net and train it."""
        self.session.draft = None if message.spec is None else (message.spec, message.preset)
        self.action_page("new")

    def on_failed(self, message: Failed) -> None:
        """Tell why it could not be done; that a store which cannot be read could not be shown goes without saying."""
        if message.of_reading:
            self._look_at_store()
            if self._lost or not self._is_news(message.why):
                return
        self.notify(on_page(self, message.why), severity="warning", markup=False, timeout=8)

    def on_asking(self, _: Asking) -> None:
        """Keep what is typed for the question that comes."""
        self._typed.hold()

    def on_asked(self, _: Asked) -> None:
        """Give it out."""
        self._typed.let_go()

    async def on_event(self, event: Event) -> None:
        """As Textual has it, but the theme first, and what is typed one after another."""
        if isinstance(event, Compose):
            self._choose_theme()
        if isinstance(event, (Key, Paste)) and not event.is_forwarded:
            await self._typed.take(event)
        else:
            await super().on_event(event)

    def get_key_display(self, binding: Binding) -> str:
        """In few letters."""
        return shown(binding.key)

    def action_tour(self) -> None:
        """Begin the tour, or have its step done."""
        if self.tour.is_on:
            self.tour.go_on()
        else:
            self.tour.begin()

    def _tell_tour(self, words: Text | None) -> None:
        self.tour_words = words

    def action_end_tour(self) -> None:
        """Leave the tour; the application goes on."""
        self.tour.end()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A tour is left from each page, but a dialog, and a line that is being written, have an Esc of their own."""
        if action == "end_tour":
            return self.tour.is_on and isinstance(self.screen, Page) and not isinstance(self.focused, Input)
        return True

    def action_keys(self) -> None:
        """Show all keys of the page."""
        from convtui.tui.app.dialogs.key_list import KeyList, key_blocks

        if isinstance(self.screen, Page):
            self.push_screen(KeyList(key_blocks(self.screen, self, self.keymap_in_force), f"Keys of {self.screen.NAME.title()}"))

    # --------------------------------------------------------------------------------------------------------- leave

    def action_leave(self) -> None:
        """Leave; ask first where a training would end."""
        if not self.session.is_open or not (self.session.claimed or self.session.starting):
            self.leave(hand_on=False)
            return
        from convtui.tui.app.dialogs.leave import Leaving

        def answered(answer: str | None) -> None:
            if answer in ("hand on", "stop"):
                self.leave(hand_on=answer == "hand on")

        self.push_screen(Leaving(self.session.claimed, self.session.starting), answered)

    def leave(self, *, hand_on: bool, code: int = 0) -> None:
        """Save or hand on what is in training, then leave; once."""
        if self.is_being_left:
            return
        self.is_being_left = True

        def work() -> None:
            try:
                going_on = self.session.hand_on() if hand_on else []
                self.session.close()
            except ConvtuiError as error:
                self.call_from_thread(self.exit, error.exit_code, error.exit_code, f"convtui: {error}")
            except Exception as error:  # whatever it is, the person can leave
                self.call_from_thread(self.exit, 1, 1, _unforeseen(error))
            else:
                told = [self._failed, _going_on(going_on, self.session.address)]
                self.call_from_thread(self.exit, code, code, Text("\n".join(filter(None, told))) if any(told) else None)

        if self.session.is_open and self.session.claimed:
            self.notify("saving, then quitting")
        threading.Thread(target=work, name="leaving").start()

    def _hang_up(self) -> None:
        """Its terminal, or its page in a browser, is gone."""
        self.leave(hand_on=True, code=128 + signal.SIGHUP)

    def _not_drawn(self, error: Exception) -> None:
        """In the thread that writes to the terminal, which is not to wait for the application: that may be waiting for it."""
        self.call_later(self._report, f"a part of the screen could not be drawn: {type(error).__name__}: {clean(error)}", error)

    def _handle_exception(self, error: Exception) -> None:
        """Every unforeseen error of the application ends here: it is told in one line, and its traceback is in the log file.

        A worker's leaves the page as it was, and the application goes on. After one of a message handler, Textual ends that
        widget's loop: the application is left, and what it trains goes on in a process of its own.
        """
        if self.is_headless:
            super()._handle_exception(error)  # a test, which is to fail
        elif isinstance(error, WorkerFailed):
            self._report(f"{type(error.error).__name__}: {clean(error.error)}", error.error)
        else:
            self._failed = _unforeseen(error)
            self.leave(hand_on=True, code=1)

    def _report(self, what: str, error: BaseException | None = None) -> None:
        """Tell of an error, once: the next look at the store may meet it again."""
        if self._is_news(what):
            story = f"; the full story is in {log(error)}" if error is not None else ""
            self.notify(f"{what}{story}", severity="error", markup=False, timeout=8)

    def _is_news(self, what: str) -> bool:
        now = time.monotonic()
        before, self._reported[what] = self._reported.get(what, -math.inf), now
        return now - before > FORGOTTEN_SECONDS

    def _listen(self) -> None:
        """A hang-up hands trainings on; an interrupt or a termination saves them. Either way the terminal is restored."""
        self._has_terminal = os.isatty(0)
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for name, hand_on in (("SIGHUP", True), ("SIGTERM", False), ("SIGINT", False)):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                with contextlib.suppress(NotImplementedError):  # there are no such handlers on Windows
                    loop.add_signal_handler(number, partial(self.leave, hand_on=hand_on, code=128 + number))


def _import_ahead() -> None:
    for entry in PAGES:
        importlib.import_module(f"{__package__}.{entry.name}.page")
    for name in (f"{__package__}.runs.preview", "plotext"):
        importlib.import_module(name)


def _short(store: StoreAddress) -> str:
    """As a person would type it from here."""
    try:
        return f"./{store.absolute().relative_to(Path.cwd())}" if isinstance(store, Path) else str(store)
    except ValueError:
        return str(store)


def _place(store: StoreAddress) -> str:
    """What of it tells where one is: a server's address without its options, of which the end alone would be seen."""
    return _short(store) if isinstance(store, Path) else str(store).partition("?")[0]


def _going_on(run_ids: Sequence[int], store: StoreAddress) -> str:
    """`run 15 goes on: convtui runs watch 15`; empty where none does."""
    if not run_ids:
        return ""
    runs = f"run {run_ids[0]} goes" if len(run_ids) == 1 else f"runs {', '.join(map(str, run_ids))} go"
    return f"{runs} on: convtui runs watch {run_ids[0]} --store {shlex.quote(_short(store))}"


def _unforeseen(error: Exception) -> str:
    """One line for people; the traceback goes into the log file."""
    return f"convtui: {type(error).__name__}: {clean(error)}; the full story is in {log(error)}"


def run(store: StoreAddress, *, device: str, data_dir: Path | None, mouse: bool, tour: bool = False) -> int:
    """Run the application, `tour`: with the tour, until it is left; gives the exit code."""
    session = Session(store, device=device, data_dir=data_dir)
    app = ConvtuiApp(session, tour=tour)
    sys.stdin = io.StringIO()  # the keys are the application's: nets of a person's own that ask for input get none
    try:
        app.run(mouse=mouse)
    finally:
        session.close()  # also where the application itself failed: what was trained is saved
        app.outside.wait()
    return app.return_code or 0
