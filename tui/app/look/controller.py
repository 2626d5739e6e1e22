"""What is asked of a net, what is known of it, and the history of looks: the page Look without its screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from convtui.engine.errors import ConvtuiError
from convtui.engine.figures.figure import Target
from convtui.engine.statuses import LIVE
from convtui.tui.app.look.known import Known
from convtui.tui.session.inspector import (
    Answer,
    CodeWanted,
    Found,
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


@dataclass(frozen=True, slots=True)
class Beside:
    """A net that is shown beside another, through the same view."""

    run: int
    epoch: str | None = None
    """None: of the same epoch as the other."""


class LookController:
    """Asks about one run and takes in the answers. A method's `cursor` is where the picture's cursor is."""

    def __init__(
        self,
        session: Session,
        ask: Callable[[Query, bool], object],
        refuse: Callable[[str], object],
        tell: Callable[[Reply], object],
        prepare: Callable[[Sequence[Query]], object],
        reload_key: Callable[[], str],
    ) -> None:
        """`ask` is called with each new query and whether earlier answers are out of date; `refuse` with why nothing is asked.

        `tell` is called with what is known already, as if it had been answered; `prepare` with what may be asked next. `reload_key`
        gives the key that shows newer weights.
        """
        self._session = session
        self._ask, self._refuse, self._tell, self._prepare, self._reload_key = ask, refuse, tell, prepare, reload_key
        self.known = Known()
        """What was found of this view with these options."""
        self.beside: Beside | None = None
        """What is shown beside the net."""
        self.is_playing = False
        """Whether snapshots are shown one after another."""
        self.slides = False
        """Whether snapshots are leafed through: then the others are looked at ahead."""
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
        """Whose images are below the picture, unless ..."""
        self.own: tuple[str, ...] = ()
        """... they are pictures of a person's own: their paths."""
        self._is_fresh = False
        self._run_id: int | None = None
        self._remembered: dict[str, Query] = {}
        """View -> how it was last looked through."""
        self._images_of: tuple[NetInfo, str, str, tuple[str, ...]] | None = None
        """The net, the epoch that was asked for, the split, and own pictures."""
        self._since: int | None = None
        self._request: ThumbnailRequest | None = None

    # --------------------------------------------------------------------------------------------------- what is asked

    def ask(self, query: Query, *, cursor: int = 0, fresh: bool = False) -> None:
        """Ask this instead of whatever was asked before; `fresh`: what was answered about this run is out of date."""
        self.query, self.next_cursor, self.is_waiting, self.wants_code = query, cursor, True, False
        if query.view:
            self._remembered[query.view] = query
            self._begin(query)
        if fresh:
            self.known.forget()
        self._is_fresh = fresh
        found = self.known.get(query)
        if found is None:
            self._ask(query, fresh)
            return
        if found.info is not None:
            self._tell(Opened(query, found.info))
        self._tell(found.answer)

    def _begin(self, query: Query) -> None:
        """Another view, or other options, make what is known useless, and end a walk through the snapshots."""
        if self.known.begin(query):
            self.slides = self.is_playing = False

    def store_changed(self) -> str:
        """Open the session's run, or find out about newer weights of the one that is open. Gives what is being opened, in words."""
        run_id = self._session.run_id
        if self.query is None or run_id not in (None, self._run_id):
            view = self.query.view if self.query is not None else ""
            self._run_id, self.info, self.answer = run_id, None, None
            self.history.clear()
            self._remembered.clear()
            self.known.forget()
            self.beside, self.is_playing, self.slides = None, False, False
            self.ask(Query(run_id, view=view))
            return "looking for the newest run with weights" if run_id is None else f"opening run {run_id}"
        if self.info is None and not (self.is_waiting or self.wants_code):
            self.ask(self.query)
        self.newer = self._find_newer()
        return ""

    def _find_newer(self) -> str:
        """Which newer weights there are, and how to see them: they never replace those being looked at unasked."""
        info, query = self.info, self.query
        if info is None or query is None or query.epoch != "last" or info.epoch is None or info.notes:
            return ""  # newer ones that are damaged are no news
        key, in_training = self._reload_key(), self._session.training == info.run
        if info.in_training:
            return f"{key} refreshes" if in_training else f"training has ended · {key} shows the final weights"
        if in_training:
            return f"still training · {key} shows the current weights"
        try:
            store = self._session.store
            kept, run = store.files.checkpoints(info.run), store.run(info.run)
        except ConvtuiError:
            return ""
        if run.status in LIVE:
            return f"still training · {key} shows the current weights"
        if run.end_step is not None or not kept:
            return ""  # it went back to these weights
        newest = run.weights_number(kept[0].step, kept[0].epoch)
        return f"newer weights: {key} shows {info.unit} {newest}" if newest > info.epoch else ""

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

    @property
    def run_id(self) -> int | None:
        """Of the net that is open, or is being opened."""
        return self.info.run if self.info is not None else self._run_id

    # -------------------------------------------------------------------------------------------------------- snapshots

    @property
    def number(self) -> int | None:
        """Which weights are looked at, by their epoch or step; None where no net is open."""
        info, query = self.info, self.query
        if info is None or query is None or info.epoch is None:
            return None
        return int(query.epoch) if query.epoch.isdigit() else info.epoch

    @property
    def seen(self) -> list[int]:
        """The snapshots of which the answer is known."""
        if self.info is None or self.query is None:
            return []
        return [epoch for epoch in self.info.epochs if self.known.get(replace(self.query, epoch=str(epoch))) is not None]

    def choose_epoch(self, by: int, cursor: int) -> None:
        """Ask for the weights of the next kept epoch (`by` 1) or the previous one (-1); after the last, those in training."""
        info, query = self.info, self.query
        if info is None or query is None or info.epoch is None:
            return
        at_end = info.in_training and query.epoch == "last"
        here = int(query.epoch) if query.epoch.isdigit() else info.epoch + at_end
        there = [epoch for epoch in info.epochs if (epoch - here) * by > 0]
        if there:
            self.choose_snapshot(min(there) if by > 0 else max(there), cursor)
        elif by > 0 and query.epoch.isdigit() and self._session.training == info.run:
            self.ask(replace(query, epoch="last"), cursor=cursor)
        else:
            kept = ", ".join(map(str, info.epochs)) or "none"
            self._refuse(f"no {'later' if by > 0 else 'earlier'} weights; {info.unit}s kept: {kept}")

    def choose_snapshot(self, epoch: int, cursor: int) -> None:
        """Ask for the weights that are kept of this epoch, or this step, and see the others ahead."""
        if self.query is not None:
            self.slides = True
            self.ask(replace(self.query, epoch=str(epoch)), cursor=cursor)

    def play(self, cursor: int) -> None:
        """Show the snapshots one after another, from the first where the last is shown; or stop that."""
        info, here = self.info, self.number
        if self.is_playing or info is None or here is None or len(info.epochs) < 2:
            self.is_playing = False
            return
        self.is_playing = self.slides = True
        if here >= max(info.epochs):
            self.choose_snapshot(min(info.epochs), cursor)
        else:
            self.look_ahead()

    def advance(self, cursor: int) -> None:
        """Show the next snapshot of those that are played, once it is known; stop at the last."""
        info, query, here = self.info, self.query, self.number
        if not self.is_playing or self.is_waiting or info is None or query is None or here is None:
            return
        later = [epoch for epoch in info.epochs if epoch > here]
        if not later:
            self.is_playing = False
        elif self.known.get(replace(query, epoch=str(min(later)))) is not None or not self.known.has_room:
            self.choose_snapshot(min(later), cursor)

    def look_ahead(self) -> None:
        """Have what stands beside the picture looked at, and while snapshots are leafed through the nearest of them first."""
        info, query, here = self.info, self.query, self.number
        companion = self.companion
        wanted = [] if companion is None else [companion]
        if self.slides and info is not None and query is not None and here is not None and self.known.has_room:
            for epoch in sorted(info.epochs, key=lambda epoch: abs(epoch - here)):
                there = replace(query, epoch=str(epoch))
                wanted += [there] if companion is None or not self._is_linked else [there, replace(companion, epoch=str(epoch))]
        self._prepare([each for each in wanted if self.known.get(each) is None])

    # ------------------------------------------------------------------------------------------------------ side by side

    def put_beside(self, beside: Beside | None) -> None:
        """Show this run or snapshot beside the net, or nothing any more."""
        self.beside = beside
        self.look_ahead()

    @property
    def _is_linked(self) -> bool:
        """Whether what is beside goes along through the snapshots."""
        return self.beside is not None and self.beside.epoch is None

    @property
    def companion(self) -> Query | None:
        """What is asked of the net beside."""
        if self.beside is None or self.query is None or not self.query.view:
            return None
        return replace(self.query, run=self.beside.run, epoch=self.beside.epoch or self.query.epoch)

    # ------------------------------------------------------------------------------------------------------------ ways

    def open_image(self, number: int, cursor: int) -> None:
        """Follow an image of the split to a view of it, where the current view is not about one image."""
        if self.query is not None:
            split = None if self.split == "test" else self.split
            self._follow(replace(self.query, options=self.query.having(split=split)), Target(image=number), cursor)

    def open_file(self, path: str, cursor: int) -> None:
        """Look at a picture of a person's own: through this view, where that is about one image, else at its activations."""
        info, query = self.info, self.query
        if info is None or query is None:
            return
        if self.has("image"):
            self.change(cursor, row=None, column=None, label=None, split=None, image=path)
            return
        view = next((name for name in ("activations", "saliency") if info.why_not.get(name, "") is None), None)
        if view is None:
            self._refuse("no view of a single image applies to this net")
            return
        self.history.append((query, cursor))
        self.ask(Query(query.run, query.epoch, view, (("image", path),)))

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
        if isinstance(reply, Found):
            self._remember(reply)
            return True
        if self.query is None or not self.query.meets(reply.query):
            return False
        self.is_waiting = not isinstance(reply, Answer | Refusal | CodeWanted)
        match reply:
            case Opened():
                self.query, self.info = reply.query, reply.info
                self.newer = self._find_newer()
                self._remembered[reply.query.view] = reply.query
                self._begin(reply.query)
            case Answer():
                self.answer = reply
                if self.info is not None and reply.step is None:  # else it is of a net in training
                    self._remember(Found(reply.query, reply, self.info))
                self.look_ahead()
            case CodeWanted():
                self.query, self.info, self.answer, self.wants_code = reply.query, None, None, True
            case Refusal():
                self.answer = None
        return True

    def _remember(self, found: Found) -> None:
        """Keep it; of the last weights by their number too."""
        self.known.keep(found)
        info, answer = found.info, found.answer
        if found.query.epoch == "last" and isinstance(answer, Answer) and info is not None:
            query = replace(found.query, epoch=str(info.epoch))
            if not info.beyond and info.epoch in info.epochs:
                self.known.keep(Found(query, replace(answer, query=query), info))

    # ------------------------------------------------------------------------------------------------ images of a split

    def switch_images(self) -> bool:
        """Turn to the images of the current split and weights. False where they are below the picture already."""
        if self.info is None or self.query is None:
            return False
        if self.has("split"):
            self.split = self.query.option("split") or "test"
        before, self._images_of = self._images_of, (self.info, self.query.epoch, self.split, self.own)
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
            info, epoch, split, own = self._images_of
            self._request = ThumbnailRequest(info.run, epoch, split, first, count, self._since, own)
        return self._request

    def judged_by(self, images: Thumbnails) -> str:
        """Which weights' predictions these are, in words."""
        if images.step is not None:
            return f"step {images.step:,}"
        unit = "epoch" if self.info is None else self.info.unit
        return f"{unit} {images.request.epoch if self.info is None or self.info.epoch is None else self.info.epoch}"
