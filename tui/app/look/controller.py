"""What the page Look asks of the thread that looks, and what it shows of the answers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rich.text import Text
from textual import on
from textual.message import Message
from textual.widgets import Static

from convtui.engine.errors import ConvtuiError
from convtui.tui.app.look.export import Keeping
from convtui.tui.app.look.image_strip import ImageStrip
from convtui.tui.app.look.layer_list import LayerList
from convtui.tui.app.look.sheet_view import SheetView
from convtui.tui.app.look.view_bar import ViewBar
from convtui.tui.app.look.view_options import ViewOptions
from convtui.tui.app.look.words import heading, image_of, way
from convtui.tui.render.text import clean
from convtui.tui.session.inspector import (
    Answer,
    Inspector,
    NetInfo,
    NoThumbnails,
    Opened,
    Progress,
    Query,
    Refusal,
    Reply,
    ThumbnailRequest,
    Thumbnails,
    in_words,
)
from convtui.tui.session.session import Session


@dataclass(frozen=True, slots=True)
class Step:
    """A look that was left by following something in it."""

    asked: Query
    cursor: int


class Asking(Keeping):
    """The half of the page that asks and hears. What was asked last is shown, whatever else is answered."""

    class Heard(Message):
        """The thread that looks has said something."""

        def __init__(self, told: Reply) -> None:
            super().__init__()
            self.told = told

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._looking: Inspector | None = None
        self._asked: Query | None = None
        self._about: NetInfo | None = None
        self._seen: Answer | None = None
        self._waits = False
        """Whether there is no answer yet, nor a refusal."""
        self._refused = False
        self._way: list[Step] = []
        self._cursor = 0
        """Where the cursor goes once the answer is there."""
        self._run_wanted: int | None = None
        self._remembered: dict[str, Query] = {}
        """View -> how it was last looked through."""
        self._newer = ""
        """What newer weights there are, in words."""
        self._split = "test"
        """Whose images are below the picture."""
        self._strip_of: tuple[NetInfo, str, str] | None = None
        self._since: int | None = None
        self._wanted: ThumbnailRequest | None = None

    def on_mount(self) -> None:
        self.picture.say("opening the store")

    def on_unmount(self) -> None:
        """Nobody hears the thread any more."""
        if self._looking is not None:
            self._looking.close()

    @property
    def asked(self) -> Query | None:
        return self._asked

    @property
    def seen(self) -> Answer | None:
        return self._seen

    # --------------------------------------------------------------------------------------------------- what is asked

    def store_changed(self) -> None:
        """Open the run that is meant now; tell of newer weights."""
        if self._looking is None:
            session = self.session
            self._looking = Inspector(
                lambda: session.store,
                lambda told: self.post_message(self.Heard(told)),
                device=session.device,
                data_dir=session.data_dir,
                between_pulls=session.between_pulls,
            )
            self._open(self.session.run_id)
        elif self.session.run_id is not None and self.session.run_id != self._run_wanted:
            self._open(self.session.run_id)
        elif self._asked is not None and self._about is None and self._refused:
            self._ask(self._asked)
        else:
            newer = self._find_newer()
            if newer != self._newer:
                self._newer = newer
                self._show_controls()

    def _find_newer(self) -> str:
        """Which weights there are beside those being looked at, and how to see them: they are never put in their place."""
        about, asked = self._about, self._asked
        if about is None or asked is None or asked.epoch != "last" or about.epoch is None or about.notes:
            return ""  # newer ones that are damaged are no news
        in_training = self.session.training == about.run
        if about.in_training:
            return "R shows it now" if in_training else "training has ended, R shows the last weights"
        if in_training:
            return "in training here, R shows it now"
        try:
            store = self.session.store
            kept = store.checkpoints(about.run)
            if store.run(about.run).end_step is not None:
                return ""  # it went back to these weights
        except ConvtuiError:
            return ""
        return f"R shows epoch {kept[0].epoch}, newer" if kept and kept[0].epoch > about.epoch else ""

    def _open(self, run_id: int | None) -> None:
        view = self._asked.view if self._asked is not None else ""
        self._run_wanted, self._about, self._seen = run_id, None, None
        self._way.clear()
        self._remembered.clear()
        self.picture.say("opening the newest run with weights" if run_id is None else f"opening run {run_id}")
        self._ask(Query(run_id, view=view))

    def _ask(self, asked: Query, *, cursor: int = 0, fresh: bool = False) -> None:
        assert self._looking is not None
        self._asked, self._cursor, self._waits = asked, cursor, True
        if asked.view:
            self._remembered[asked.view] = asked
        self._looking.ask(asked, fresh=fresh)
        self._show_controls()

    def _change(self, **options: str | None) -> None:
        """The same view with other options; the cursor stays where it is."""
        if self._asked is not None:
            self._ask(replace(self._asked, options=self._asked.having(**options)), cursor=self.picture.cursor)

    def on_screen_suspend(self) -> None:
        """A net in training stands still while it is looked at: not for a page that nobody sees."""
        if self._looking is not None and self._about is not None and self._about.in_training:
            self._looking.drop()

    def on_screen_resume(self) -> None:
        """What was let go of is wanted again."""
        if self._asked is None:
            return
        if self._waits:
            self._ask(self._asked, cursor=self._cursor)
        self.strip.ask_again()

    # --------------------------------------------------------------------------------------------------- what is heard

    @on(Heard)
    def _hear(self, event: Heard) -> None:
        told = event.told
        if isinstance(told, Thumbnails | NoThumbnails):
            self._hear_images(told)
            return
        if self._asked is None or not self._asked.meets(told.query):
            return
        self._waits, self._refused = not isinstance(told, Answer | Refusal), isinstance(told, Refusal)
        match told:
            case Progress():
                self._tell_way(told.text)
                self.picture.add_class("outdated")
            case Opened():
                self._asked, self._about = told.query, told.info
                self._newer = self._find_newer()
                self._remembered[told.query.view] = told.query
                self._show_controls()
                self._tell_way("looking")
            case Answer():
                self._seen = told
                self.picture.remove_class("outdated")
                self.picture.show(told.results, self._cursor, told.of)
                image = image_of(told.results)
                self.strip.put(self.strip.cursor if image is None or image == self.strip.chosen else image, image)
                if told.step is not None and told.step > (self._since or 0):
                    self._since = told.step
                    self.strip.renew()
                self._show_controls()
                self._tell_way()
            case Refusal():
                self._seen = None
                self.picture.remove_class("outdated")
                self.picture.say(clean(told.reason), error=True)
                self._tell_way()

    def _show_controls(self) -> None:
        about, asked = self._about, self._asked
        self.refresh_bindings()
        if about is None or asked is None:
            return
        views = self.query_one(ViewBar)
        views.names = tuple(about.views)
        views.unfit = frozenset(name for name, reason in about.why_not.items() if reason is not None)
        views.chosen = asked.view
        layers = self.query_one(LayerList)
        layers.show(about.layers, asked.option("layer"))
        self.query_one("#left").styles.width = layers.wide + 4
        step = self._seen.step if self._seen is not None else None
        self.query_one("#about", Static).update(Text(heading(about, asked, step, self._newer), no_wrap=True, overflow="ellipsis"))
        if asked.view in about.views:
            self.run_worker(self.query_one(ViewOptions).show(about.views[asked.view], dict(asked.options)), group="options")
        if self._has("split"):
            self._split = asked.option("split") or "test"
        if self._strip_of != (about, asked.epoch, self._split):
            self._strip_of, self._wanted, self._since = (about, asked.epoch, self._split), None, None
            self.strip.begin(f"{self._split} images")

    def _tell_way(self, doing: str = "") -> None:
        """What is being done, or how one came here."""
        line = self.query_one("#way", Static)
        line.set_class(bool(doing), "busy")
        if doing or self._asked is None:
            line.update(Text(f"{doing} …" if doing else "", no_wrap=True))
            return
        looks = [*(step.asked for step in self._way), self._asked]
        line.update(Text(way(looks, self.size.width - 2), no_wrap=True, overflow="ellipsis"))

    @on(SheetView.Moved)
    def _moved(self) -> None:
        picture, about = self.picture, self._about
        words = [picture.told, "" if about is None else clean(in_words(picture.target, about.classes, beside=picture.told))]
        self.query_one("#at", Static).update(Text(" · ".join(filter(None, words)), no_wrap=True, overflow="ellipsis"))

    def _has(self, option: str) -> bool:
        """Whether the view can be asked this."""
        if self._about is None or self._asked is None or self._asked.view not in self._about.views:
            return False
        return any(field.path == option for field in self._about.views[self._asked.view].fields())

    # ------------------------------------------------------------------------------------------------ images of a split

    @on(ImageStrip.Lacking)
    def _want_images(self, event: ImageStrip.Lacking) -> None:
        if self._looking is not None and self._strip_of is not None:
            about, epoch, split = self._strip_of
            self._wanted = ThumbnailRequest(about.run, epoch, split, event.first, event.count, self._since)
            self._looking.want(self._wanted)

    def _hear_images(self, told: Thumbnails | NoThumbnails) -> None:
        if told.request is not self._wanted:  # they are of weights that were looked at before
            return
        if isinstance(told, NoThumbnails):
            self.strip.refuse(told.reason)
            return
        epoch = told.request.epoch if self._about is None or self._about.epoch is None else str(self._about.epoch)
        self.strip.show(told, f"epoch {epoch}" if told.step is None else f"step {told.step:,}")
