"""Look: a run's net opened up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widget import Widget

from convtui.engine.figures.figure import Sheet
from convtui.tui.app.advice import on_page
from convtui.tui.app.dialogs.menu import Menu
from convtui.tui.app.export import choose_form, save_figures
from convtui.tui.app.keys import bind, key_for
from convtui.tui.app.look.code_dialog import CodeDialog
from convtui.tui.app.look.controller import Beside, LookController
from convtui.tui.app.look.export import command, stem_of
from convtui.tui.app.look.file_dialog import FileDialog
from convtui.tui.app.look.image_strip import ImageStrip
from convtui.tui.app.look.layer_list import LayerList
from convtui.tui.app.look.panes import Panes
from convtui.tui.app.look.sheet_view import SheetView
from convtui.tui.app.look.snapshot_slider import SnapshotSlider
from convtui.tui.app.look.view_bar import ViewBar
from convtui.tui.app.look.view_options import ViewOptions
from convtui.tui.app.look.words import choices, heading, image_of, way, whose
from convtui.tui.app.messages import ShowPage
from convtui.tui.app.page import Page
from convtui.tui.render.rows import advice
from convtui.tui.render.text import clean
from convtui.tui.session.inspector import (
    Answer,
    CodeWanted,
    Found,
    Inspector,
    NoThumbnails,
    Opened,
    Query,
    QueryProgress,
    Refusal,
    Reply,
    Thumbnails,
    in_words,
)
from convtui.tui.session.naming import Named
from convtui.tui.session.session import Session

EPOCH, IMAGE, PANES = (Binding.Group(words, compact=True) for words in ("Epoch", "Image", "Fold"))


REST_SECONDS = 0.4
"""At a snapshot, after which the images below are of that one too."""
SNAPSHOTS_A_SECOND = 8
"""That are shown while they are played."""


_OF_A_NET = ("views", "view", "epoch", "play", "beside", "image", "save", "save_as", "copy", "own_images")


class LookPage(Page):
    """One net: its layers, what a view shows of it, and images that it judges."""

    NAME = "look"
    CSS_PATH = "page.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("previous_look", "back", "Back"),
        bind("view", "views"),
        bind("next_view", "view(1)", show=False),
        bind("next_pane", "app.focus_next", "Pane"),
        bind("earlier", "epoch(-1)", "Previous epoch", group=EPOCH),
        bind("later", "epoch(1)", "Next epoch", group=EPOCH),
        bind("toggle", "play", "Play snapshots, or stop", show=False),
        bind("two", "beside", show=False),
        bind("previous_run", "run(-1)", show=False),
        bind("next_run", "run(1)", show=False),
        bind("previous", "image(-1)", "Previous image", group=IMAGE),
        bind("next", "image(1)", "Next image", group=IMAGE),
        bind("write", "save", "Write"),
        bind("write_as", "save_as", show=False),
        bind("copy", "copy", "Copy command", show=False),
        bind("reload", "again", "Refresh"),
        bind("left_pane", "fold('left')", "Layers", group=PANES),
        bind("right_pane", "fold('right')", "Options", group=PANES),
        bind("images", "fold('strip')", group=PANES),
        bind("own_images", "own_images", show=False),
        bind("back", "to_picture", "Back to picture, or Runs", show=False),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.panes = Panes()
        self._resting: Timer | None = None
        """Runs off where one stays at a snapshot."""
        self._has_advised = False
        """Whether it was said why pictures are without colours."""
        self._opens_own = False
        """Whether the first of own pictures shall be looked at, once it is known which can be read."""
        self.controller = LookController(
            session,
            self._ask,
            self.notify,
            self._hear,
            lambda queries: self.inspector.prepare(queries),
            lambda: key_for(self, "reload"),
        )
        self.inspector = Inspector(
            lambda: session.store,
            lambda reply: self.call_later(self._hear, reply),
            device=session.device,
            data_dir=session.data_dir,
            between_pulls=session.between_pulls,
            named=session.named_nets,
        )

    def body(self) -> Iterable[Widget]:
        yield self.panes

    def on_mount(self) -> None:
        super().on_mount()
        self._player = self.set_interval(1 / SNAPSHOTS_A_SECOND, self._advance, pause=True)

    @property
    def view_shown(self) -> str:
        """Or the one that is being looked through."""
        return self.controller.query.view if self.controller.query is not None else ""

    def on_unmount(self) -> None:
        self.inspector.close()

    def store_changed(self) -> None:
        """Open the run that is meant now; tell of newer weights."""
        newer = self.controller.newer
        if opening := self.controller.store_changed():
            self.panes.picture.say(opening)
        elif newer != self.controller.newer:
            self._show_controls()

    def on_screen_suspend(self) -> None:
        """A net in training stands still while it is looked at: not for a page that is not on screen."""
        if self.controller.info is not None and self.controller.info.in_training:
            self.inspector.drop()

    def on_screen_resume(self) -> None:
        """What was dropped is wanted again."""
        if self.controller.is_waiting:
            self.controller.ask_again(self.controller.next_cursor)
        self.panes.strip.ask_again()

    def _ask(self, query: Query, fresh: bool) -> None:
        self.inspector.ask(query, fresh=fresh)
        self._show_controls()

    # ------------------------------------------------------------------------------------------------------ choosing

    @on(ViewBar.Chosen)
    def _view_chosen(self, event: ViewBar.Chosen) -> None:
        self.controller.choose_view(event.name)

    @on(LayerList.Chosen)
    def _layer_chosen(self, event: LayerList.Chosen) -> None:
        self.controller.choose_layer(event.layer, self.panes.picture.cursor)

    @on(ViewOptions.Changed)
    def _option_changed(self, event: ViewOptions.Changed) -> None:
        if self.controller.query is not None and event.view == self.controller.query.view:
            self.controller.change(self.panes.picture.cursor, **{event.name: event.value})

    @on(ImageStrip.Chosen)
    def _image_chosen(self, event: ImageStrip.Chosen) -> None:
        if self.panes.strip.files:
            self._choose_own(event.number)
        elif self.controller.has("image"):
            self._choose_image(event.number)
        else:
            self.controller.open_image(event.number, self.panes.picture.cursor)

    @on(SheetView.Followed)
    def _followed(self) -> None:
        self.controller.follow(self.panes.picture.target, self.panes.picture.cursor)

    def action_back(self) -> None:
        self.controller.back()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is a way back only where something was followed; what needs a net is grey while there is none."""
        if action == "back":
            return bool(self.controller.history)
        return None if action in _OF_A_NET and self.controller.info is None else True

    def action_views(self) -> None:
        """Choose a view; those that have no meaning for this net say why."""
        info, query = self.controller.info, self.controller.query
        if info is None or query is None:
            return
        wide = max(map(len, info.views))
        options = []
        for name, view in info.views.items():
            why = info.why_not[name]
            words = Text.assemble((f"{name:{wide}}  ", "dim" if why else "bold"), (clean(why or view.title), "dim"))
            options.append((name, words))
        self.app.push_screen(Menu(options, query.view, "views"), self._view_picked)

    def _view_picked(self, name: str | None) -> None:
        if name is not None:
            self.controller.choose_view(name)

    def action_view(self, by: int) -> None:
        self.panes.view_bar.action_step(by)

    def action_epoch(self, by: int) -> None:
        self.controller.choose_epoch(by, self.panes.picture.cursor)

    @on(SnapshotSlider.Chosen)
    def _snapshot_chosen(self, event: SnapshotSlider.Chosen) -> None:
        self.controller.choose_snapshot(event.place, self.panes.picture.cursor)

    def action_play(self) -> None:
        """Show the snapshots one after another, or stop that."""
        self.controller.play(self.panes.picture.cursor)
        self._player.resume()
        self._show_controls()

    def _advance(self) -> None:
        if self.controller.is_playing:
            self.controller.advance(self.panes.picture.cursor)
        if not self.controller.is_playing:
            self._player.pause()
            self._show_controls()

    def action_run(self, by: int) -> None:
        """The next newer run that has weights, or the next older one."""
        if (here := self.controller.run_id) is not None:
            self.in_thread(lambda: self._with_weights(self.session.runs_beyond(here, by)), lambda found: self._open_run(found, by))

    def _with_weights(self, run_ids: Iterable[int]) -> int | None:
        return next((run_id for run_id in run_ids if self.session.store.files.checkpoints(run_id)), None)

    def _open_run(self, run_id: int | None, by: int) -> None:
        if run_id is None:
            self.notify(f"no {'newer' if by > 0 else 'older'} run has weights")
            return
        self.session.run_id = run_id
        if opening := self.controller.store_changed():
            self.panes.picture.say(opening)

    def action_beside(self) -> None:
        """Show the run that is marked beside this one, else whichever is chosen: of the runs, or of this one's snapshots."""
        info = self.controller.info
        if info is None:
            return
        marked = [run_id for run_id in self.session.marked if run_id != info.run]
        if self.controller.beside is None and len(marked) == 1:
            self._put_beside(Beside(marked[0]))
            return
        self.in_thread(lambda: dict(choices(info, self.session.store.runs())), self._ask_what_beside, asks=True)

    def _ask_what_beside(self, by_name: Mapping[str, Beside]) -> None:
        def chosen(words: str | None) -> None:
            if words is not None:
                self._put_beside(by_name[words])

        menu = [(words, Text(clean(words))) for words in by_name]
        self.app.push_screen(Menu(menu, "", "beside it"), chosen)

    def _put_beside(self, beside: Beside | None) -> None:
        self.controller.put_beside(beside)
        self._draw_pictures()

    def action_again(self) -> None:
        """Look once more: at a net in training as it is now, at the newest weights on disk, at another random image."""
        self.controller.ask_again(self.panes.picture.cursor, fresh=True)

    def action_image(self, by: int) -> None:
        """The next image of the split, or the one before."""
        strip, query = self.panes.strip, self.controller.query
        if strip.files and self.controller.has("image"):
            self._choose_own(strip.cursor + by)
        elif self.controller.has("image"):
            self._choose_image(strip.cursor + by)
        elif query is not None and strip.display:
            strip.action_move(by)
        elif query is not None:
            self.notify(f"{query.view} does not show a single image")

    def _choose_image(self, number: int) -> None:
        if number >= 0:
            strip = self.panes.strip
            strip.put(number, strip.chosen)
            self.controller.choose_image(strip.cursor, self.panes.picture.cursor)

    def _choose_own(self, number: int) -> None:
        strip = self.panes.strip
        if 0 <= number < len(strip.files):
            strip.put(number, number)
            self.controller.open_file(strip.files[number], self.panes.picture.cursor)

    def action_own_images(self) -> None:
        """Ask for pictures of a person's own, to stand below the picture in place of the run's."""
        if self.controller.info is None:
            return

        def chosen(files: list[str] | None) -> None:
            if files is None:
                return
            self.controller.own = tuple(files)
            self.panes.bring_strip()
            self._show_controls()
            self._opens_own = bool(files)

        self.app.push_screen(FileDialog(is_own=bool(self.controller.own)), chosen)

    def action_fold(self, name: str) -> None:
        self.panes.fold(name)

    def action_to_picture(self) -> None:
        """Give up waiting for a run of another process; else out of the other panes, and from the picture itself to the runs."""
        if self.controller.is_fetching:
            self.controller.ask_again(self.panes.picture.cursor)
        elif self.controller.is_playing:
            self.action_play()
        elif self.panes.picture.row is not None:
            self.panes.picture.read(None)
        elif self.controller.beside is not None:
            self._put_beside(None)
        elif self.panes.picture.has_focus:
            self.post_message(ShowPage("runs"))
        self.panes.picture.focus()

    # ------------------------------------------------------------------------------------------------- what is answered

    def _hear(self, reply: Reply) -> None:
        panes = self.panes
        if not self.controller.hear(reply):
            return
        match reply:
            case QueryProgress():
                self._tell_way(reply.text)
            case Opened():
                self._show_controls()
                self._tell_way("looking")
            case Answer():
                self._show(reply)
                self._tell_way()
            case CodeWanted():
                self._ask_for_code(reply)
            case Found():
                self._take_in(reply)
            case Refusal():
                self._refuse(reply.reason)
            case Thumbnails():
                self._show_images(reply)
            case NoThumbnails():
                panes.strip.refuse(on_page(self, reply.reason))

    def _show_images(self, images: Thumbnails) -> None:
        self.panes.strip.show(images, self.controller.judged_by(images))
        if self._opens_own and images.files:
            self._opens_own = False
            self._choose_own(0)

    def _refuse(self, reason: str) -> None:
        self.panes.picture.say(on_page(self, reason), error=True)
        self._tell_way()
        self.refresh_bindings()
        if self.controller.info is None:
            self.panes.strip.refuse("no images: no net is open")

    def _ask_for_code(self, wanted: CodeWanted) -> None:
        """Have a person name the code of a net of their own; where the page is not on screen, once it is."""
        if not self.is_current:
            self.controller.is_waiting = True
            return
        self._tell_way()
        self.panes.picture.say(f"run {wanted.run.id} is of a net of your own · {key_for(self, 'reload')} names its code")

        def heard(named: Named | None) -> None:
            if named is not None:
                self.session.named_nets.keep(named)
                self.controller.ask_again(self.controller.next_cursor)

        self.app.push_screen(CodeDialog(self.session, wanted), heard)

    def _take_in(self, found: Found) -> None:
        """Show what stands beside the picture; draw the picture with the scale that it has by now."""
        if found.query == self.controller.companion or not self.controller.is_playing:
            self._draw_pictures()
        self._show_slider()

    def _draw_pictures(self) -> None:
        """The picture, and what stands beside it, on the scale that is theirs by now, as far as they are not there already."""
        panes, controller, answer = self.panes, self.controller, self.controller.answer
        if answer is not None and not controller.is_waiting:
            results = controller.known.on_one_scale(answer.results)
            panes.picture.show_again(results, answer.of)
        companion = controller.companion
        panes.show_beside(*(("", "") if companion is None or controller.query is None else whose(controller.query, companion)))
        if companion is None:
            return
        found = controller.known.get(companion)
        if found is None:
            panes.other.say("looking …")
        elif isinstance(found.answer, Refusal):
            panes.other.say(on_page(self, found.answer.reason), error=True)
        else:
            panes.other.show_again(controller.known.on_one_scale(found.answer.results), found.answer.of)
            panes.other.go_along(panes.picture.item)

    def _show(self, answer: Answer) -> None:
        strip = self.panes.strip
        self._advise(answer)
        self.panes.picture.show(self.controller.known.on_one_scale(answer.results), self.controller.next_cursor, answer.of)
        self._draw_pictures()
        image = image_of(answer.results)
        if not strip.files:
            strip.put(strip.cursor if image is None or image == strip.chosen else image, image)
        if self.controller.renew_images():
            strip.renew()
        self._show_controls()

    def _advise(self, answer: Answer) -> None:
        """Say once why pictures are coarse, and what would help."""
        why = advice(self.app.console)
        if why and not self._has_advised and any(isinstance(result, Sheet) for result in answer.results):
            self._has_advised = True
            self.notify(f"pictures have {why}", markup=False, timeout=12)

    def _show_controls(self) -> None:
        self.refresh_bindings()
        info, query, answer = self.controller.info, self.controller.query, self.controller.answer
        if info is not None and query is not None:
            step = answer.step if answer is not None else None
            self.panes.show(info, query, heading(info, query, step, self.controller.newer))
            self._show_slider()
            if not self.controller.slides:
                self._switch_images()
            elif self._resting is None:
                self._resting = self.set_timer(REST_SECONDS, self._rest)
            else:
                self._resting.reset()

    def _rest(self) -> None:
        """The images below are of the snapshot at which one stays: predictions for each that is passed would slow all down."""
        self._resting = None
        if not self.controller.is_playing:
            self._switch_images()

    def _switch_images(self) -> None:
        if self.controller.switch_images():
            self.panes.strip.begin("own images" if self.controller.own else f"{self.controller.split} images")

    def _show_slider(self) -> None:
        controller, info = self.controller, self.controller.info
        if info is not None:
            seen, is_playing = controller.seen, controller.is_playing
            self.panes.slider.show(info.epochs, info.unit, controller.number, seen, is_playing=is_playing)

    def _tell_way(self, doing: str = "") -> None:
        """What is being done, or how one came here."""
        self.query_one("#way").set_class(bool(doing), "busy")
        if self.controller.query is not None:
            looks = [*(query for query, _ in self.controller.history), self.controller.query]
            self.panes.say("way", f"{doing} …" if doing else way(looks, self.size.width - 2))

    @on(SheetView.Moved)
    def _moved(self, event: SheetView.Moved) -> None:
        picture, other, info = self.panes.picture, self.panes.other, self.controller.info
        if event.view is other:
            picture.go_along(other.item)
        else:
            other.go_along(picture.item)
            other.read(picture.row)
        beside = f"beside: {other.told}" if self.controller.beside is not None and other.item is not None else ""
        words = [picture.told, beside, "" if info is None else clean(in_words(picture.target, info.classes, beside=picture.told))]
        self.panes.say("at", " · ".join(filter(None, words)))

    @on(ImageStrip.Lacking)
    def _want_images(self, event: ImageStrip.Lacking) -> None:
        if (request := self.controller.request(event.first, event.count)) is not None:
            self.inspector.want(request)

    # --------------------------------------------------------------------------------------------------- what is kept

    def action_copy(self) -> None:
        """Put the line that shows the same in a shell on the clipboard, and show it."""
        query, answer, session = self.controller.query, self.controller.answer, self.session
        if query is None or query.run is None or not query.view:
            return
        line = command(query, store=session.address, device=session.device, data_dir=session.data_dir)
        self.app.copy_to_clipboard(line)
        later = answer is not None and answer.step is not None
        title = "copied: shows the newest weights on disk, not those in training" if later else "copied"
        self.notify(clean(line), title=title, markup=False, timeout=8)

    def action_save(self) -> None:
        """Write what is seen as a picture."""
        self._write("")

    def action_save_as(self) -> None:
        """Write what is seen in a form that is asked for: for paper, or as numbers."""
        if self.controller.answer is not None:
            choose_form(self, self._write)

    def _write(self, form: str) -> None:
        answer = self.controller.answer
        if answer is not None and answer.results:
            save_figures(self, lambda: answer.results, stem_of(answer.query, answer.step), form)
