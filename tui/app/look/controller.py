"""What is asked of a net, what is known of it, and the history of looks: the page Look without its screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from convtui.engine.errors import ConvtuiError
from convtui.engine.figures.figure import Target
from convtui.engine.statuses import LIVE
from convtui.tui.session.inspector import (
    Answer,
    CodeWanted,
    NetInfo,
    NoThumbnails,
    Opened,
    Query,
    Refusal,
    Reply,
    ThumbnailRequest,
    Thumbnails,
    follow,
)

if TYPE_CHECKING:
    from convtui.tui.session.session import Session

CARRIED = ("layer", "split", "image")
"""Options that say what is looked at: another view is asked for the same, where it can be."""


class LookController:
    """Asks about one run and takes in the answers. A method's `cursor` is where the picture's cursor is."""

    def __init__(self, session: Session, ask: Callable[[Query, bool], object], refuse: Callable[[str], object]) -> None:
        """`ask` is called with each new query and whether earlier answers are out of date; `refuse` with why nothing is asked."""
        self._session = session
        self._ask, self._refuse = ask, refuse
        self.query: Query | None = None
        """What was asked last; what it left open is filled in once the net is open."""
        self.info: NetInfo | None = None
        """None until the net is open."""
        self.answer: Answer | None = None
        """The newest, while the same run is looked at."""
        self.is_waiting = False
        """Whether neither an answer nor a refusal has come yet."""
        self.wants_code = False
        """Whether the net's code has to be named first: nothing is asked by itself until then."""
        self.history: list[tuple[Query, int]] = []
        """The looks that were left by following something in them, each with its cursor."""
        self.next_cursor = 0
        """Where the cursor goes once the answer is there."""
        self.newer = ""
        """What newer weights there are, in words."""
        self.split = "test"
        """Whose images are below the picture."""
        self._is_fresh = False
        self._run_id: int | None = None
        self._remembered: dict[str, Query] = {}
        """View -> how it was last looked through."""
        self._images_of: tuple[NetInfo, str, str] | None = None
        """The net, the epoch that was asked for, and the split."""
        self._since: int | None = None
        self._request: ThumbnailRequest | None = None

    # --------------------------------------------------------------------------------------------------- what is asked

    def ask(self, query: Query, *, cursor: int = 0, fresh: bool = False) -> None:
        """Ask this instead of whatever was asked before; `fresh`: what was answered about this run is out of date."""
        self.query, self.next_cursor, self.is_waiting, self.wants_code = query, cursor, True, False
        if query.view:
            self._remembered[query.view] = query
        self._is_fresh = fresh
        self._ask(query, fresh)

    def store_changed(self) -> str:
        """Open the session's run, or find out about newer weights of the one that is open. Gives what is being opened, in words."""
        run_id = self._session.run_id
        if self.query is None or run_id not in (None, self._run_id):
            view = self.query.view if self.query is not None else ""
            self._run_id, self.info, self.answer = run_id, None, None
            self.history.clear()
            self._remembered.clear()
            self.ask(Query(run_id, view=view))
            return "opening the newest run with weights" if run_id is None else f"opening run {run_id}"
        if self.info is None and not (self.is_waiting or self.wants_code):
            self.ask(self.query)
        self.newer = self._find_newer()
        return ""

    def _find_newer(self) -> str:
        """Which newer weights there are, and how to see them: they never replace those being looked at unasked."""
        info, query = self.info, self.query
        if info is None or query is None or query.epoch != "last" or info.epoch is None or info.notes:
            return ""  # newer ones that are damaged are no news
        in_training = self._session.training == info.run
        if info.in_training:
            return "R refreshes" if in_training else "training has ended · R shows the final weights"
        if in_training:
            return "still training · R shows the current weights"
        try:
            store = self._session.store
            kept, run = store.files.checkpoints(info.run), store.run(info.run)
        except ConvtuiError:
            return ""
        if run.status in LIVE:
            return "still training · R shows the current weights"
        if run.end_step is not None or not kept:
            return ""  # it went back to these weights
        newest = run.weights_number(kept[0].step, kept[0].epoch)
        return f"newer weights: R shows {info.unit} {newest}" if newest > info.epoch else ""

    @property
    def is_fetching(self) -> bool:
        """Whether weights of a run of another process are waited for, which an older answer may stand in for."""
        return self.is_waiting and self._is_fresh

    def ask_again(self, cursor: int, *, fresh: bool = False) -> None:
        """Ask the same query again: it was dropped, or a fresh answer is wanted."""
        if self.query is not None:
            self.ask(self.query, cursor=cursor, fresh=fresh)

    def change(self, cursor: int, **options: str | None) -> None:
        """Ask the same view with other options; None leaves one to the view."""
        if self.query is not None:
            self.ask(replace(self.query, options=self.query.having(**options)), cursor=cursor)

    def choose_view(self, name: str) -> None:
        """Ask another view, with its last options, of the same layer and image where it has these options."""
        info, query = self.info, self.query
        if info is None or query is None or name == query.view:
            return
        before = self._remembered.get(name, Query(query.run, view=name))
        fields = [field.path for field in info.views[name].fields()]
        carried = {option: query.option(option) for option in CARRIED if option in fields and self.has(option)}
        self.ask(Query(query.run, query.epoch, name, before.having(**carried)))

    def choose_layer(self, layer: str | None, cursor: int) -> None:
        """Ask for another layer; a map was one of the layer before, and is dropped."""
        if self.has("layer"):
            self.change(cursor, map=None, row=None, column=None, layer=layer)

    def choose_image(self, number: int, cursor: int) -> None:
        """Ask for another image of the split."""
        self.change(cursor, row=None, column=None, label=None, image=str(number))

    def choose_epoch(self, by: int, cursor: int) -> None:
        """Ask for the weights of the next kept epoch (`by` 1) or the previous one (-1); after the last, those in training."""
        info, query = self.info, self.query
        if info is None or query is None or info.epoch is None:
            return
        at_end = info.in_training and query.epoch == "last"
        here = int(query.epoch) if query.epoch.isdigit() else info.epoch + at_end
        there = [epoch for epoch in info.epochs if (epoch - here) * by > 0]
        if there:
            epoch = str(min(there) if by > 0 else max(there))
        elif by > 0 and query.epoch.isdigit() and self._session.training == info.run:
            epoch = "last"
        else:
            kept = ", ".join(map(str, info.epochs)) or "none"
            self._refuse(f"no {'later' if by > 0 else 'earlier'} weights; {info.unit}s kept: {kept}")
            return
        self.ask(replace(query, epoch=epoch), cursor=cursor)

    def open_image(self, number: int, cursor: int) -> None:
        """Follow an image of the split to a view of it, where the current view is not about one image."""
        if self.query is not None:
            split = None if self.split == "test" else self.split
            self._follow(replace(self.query, options=self.query.having(split=split)), Target(image=number), cursor)

    def follow(self, target: Target | None, cursor: int) -> None:
        """Go where a target leads."""
        self._follow(self.query, target, cursor)

    def _follow(self, origin: Query | None, target: Target | None, cursor: int) -> None:
        if origin is None or self.query is None or self.info is None:
            return
        there = None if target is None else follow(origin, target, self.info)
        if there is None:
            self._refuse("nothing to open here")
        else:
            self.history.append((self.query, cursor))
            self.ask(there)

    def back(self) -> None:
        """Go back to where something was followed from."""
        if self.history:
            query, cursor = self.history.pop()
            self.ask(query, cursor=cursor)

    def has(self, option: str) -> bool:
        """Whether the view has this option."""
        if self.info is None or self.query is None or self.query.view not in self.info.views:
            return False
        return any(field.path == option for field in self.info.views[self.query.view].fields())

    # ------------------------------------------------------------------------------------------------- what is answered

    def hear(self, reply: Reply) -> bool:
        """Take in a reply. False where it is to an earlier query, and of no interest."""
        if isinstance(reply, Thumbnails | NoThumbnails):
            return reply.request is self._request  # others are of weights that were looked at before
        if self.query is None or not self.query.meets(reply.query):
            return False
        self.is_waiting = not isinstance(reply, Answer | Refusal | CodeWanted)
        match reply:
            case Opened():
                self.query, self.info = reply.query, reply.info
                self.newer = self._find_newer()
                self._remembered[reply.query.view] = reply.query
            case Answer():
                self.answer = reply
            case CodeWanted():
                self.query, self.info, self.answer, self.wants_code = reply.query, None, None, True
            case Refusal():
                self.answer = None
        return True

    # ------------------------------------------------------------------------------------------------ images of a split

    def switch_images(self) -> bool:
        """Turn to the images of the current split and weights. False where they are below the picture already."""
        if self.info is None or self.query is None:
            return False
        if self.has("split"):
            self.split = self.query.option("split") or "test"
        before, self._images_of = self._images_of, (self.info, self.query.epoch, self.split)
        if before == self._images_of:
            return False
        self._since = self._request = None
        return True

    def renew_images(self) -> bool:
        """Note that the images' predictions are out of date. False where the net has not been trained since they were asked for."""
        step = self.answer.step if self.answer is not None else None
        if step is None or step <= (self._since or 0):
            return False
        self._since = step
        return True

    def request(self, first: int, count: int) -> ThumbnailRequest | None:
        """The request for so many images of the split; None until a net is open."""
        if self._images_of is not None:
            info, epoch, split = self._images_of
            self._request = ThumbnailRequest(info.run, epoch, split, first, count, self._since)
        return self._request

    def judged_by(self, images: Thumbnails) -> str:
        """Which weights' predictions these are, in words."""
        if images.step is not None:
            return f"step {images.step:,}"
        unit = "epoch" if self.info is None else self.info.unit
        return f"{unit} {images.request.epoch if self.info is None or self.info.epoch is None else self.info.epoch}"
