"""What Look asks and remembers, without a screen: the nets and their answers are made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from convtui.engine.figures.figure import Sheet, Target, Tile, make_sheet
from convtui.engine.lens.registry import views
from convtui.tui.app.look.controller import Beside, LookController
from convtui.tui.session.inspector import Answer, Found, Layer, NetInfo, NoThumbnails, Opened, Query, QueryProgress, Refusal
from convtui.tui.session.session import Session

LAYERS = [Layer("conv1", "4×8×8", True), Layer("output", "10", False)]


class Look(LookController):
    """A controller whose questions are answered by hand."""

    def __init__(self, session: Session) -> None:
        super().__init__(
            session,
            lambda query, fresh: self.asked.append((query, fresh)),
            lambda why: self.refused.append(why),
            lambda reply: self.hear(reply),
            lambda queries: self.prepared.append(list(queries)),
            lambda: "f9",
        )
        self.prepared: list[list[Query]] = []
        self.refused: list[str] = []
        self.asked: list[tuple[Query, bool]] = []

    @property
    def newest(self) -> Query:
        return self.asked[-1][0]

    def answered(self, *, step: int | None = None, in_training: bool = False, sheet: Sheet | None = None) -> None:
        """The newest question, by run 2 where it names none, and by the view `filters`."""
        query = replace(self.newest, run=self.newest.run or 2, view=self.newest.view or "filters")
        info = NetInfo(
            query.run or 2, "toy", 4, 3, [1, 3], LAYERS, ("cat", "dog"), views(), dict.fromkeys(views()), in_training=in_training
        )
        assert self.hear(Opened(query, info))
        assert self.hear(Answer(query, () if sheet is None else [sheet], step))

    def found(self, query: Query, sheet: Sheet) -> None:
        """What was looked at ahead."""
        assert self.hear(Found(query, Answer(query, [sheet]), self.info))


def sheet(least: float, most: float) -> Sheet:
    return make_sheet("weights", [Tile(np.array([[least, most]], np.float32))], "even")


@pytest.fixture
def look(session: Session) -> Look:
    controller = Look(session)
    controller.store_changed()
    controller.answered()
    return controller


def test_the_newest_run_is_opened_and_then_the_one_that_is_chosen(session: Session) -> None:
    look = Look(session)
    assert look.store_changed() == "looking for the newest run with weights"
    look.answered()
    assert (look.query, look.is_waiting) == (Query(2, view="filters"), False)
    look.choose_view("confusion")
    session.run_id = 5
    assert look.store_changed() == "opening run 5"
    assert look.newest == Query(5, view="confusion")
    assert look.answer is None


def test_what_is_refused_before_a_net_is_open_is_asked_again_once_the_store_changes(session: Session) -> None:
    look = Look(session)
    look.store_changed()
    assert look.hear(Refusal(look.newest, "no run has weights"))
    for _ in range(2):
        assert look.store_changed() == ""
    assert look.asked == 2 * [(Query(None), False)], "the second time it waits for the answer"


def test_replies_to_what_is_asked_no_more_are_not_heard(look: Look) -> None:
    before = look.newest
    look.choose_view("summary")
    assert not look.hear(Answer(replace(before, run=2, view="filters"), ()))
    assert look.hear(QueryProgress(look.newest, "images 1 of 2"))
    assert look.is_waiting


def test_following_leads_back_to_where_it_began_with_its_cursor(look: Look) -> None:
    look.follow(Target("conv1", 3), 7)
    look.answered()
    assert (look.newest.view, look.newest.option("map")) == ("deconvnet", "3")
    look.follow(None, 0)
    look.follow(Target(), 0)
    assert look.refused == 2 * ["nothing to open here"]
    look.back()
    assert (look.newest, look.next_cursor, look.history) == (Query(2, view="filters"), 7, [])
    count = len(look.asked)
    look.back()
    assert len(look.asked) == count


def test_a_view_is_asked_as_it_was_last_for_the_layer_that_is_looked_at_now(look: Look) -> None:
    look.choose_view("activations")
    look.answered()
    look.change(0, before="true", layer="conv1", map="2")
    look.answered()
    look.choose_layer("output", 4)
    assert dict(look.newest.options) == {"before": "true", "layer": "output"}, "the map was one of conv1"
    assert look.next_cursor == 4
    look.answered()
    look.choose_view("saliency")
    assert dict(look.newest.options) == {"layer": "output"}
    look.answered()
    look.choose_layer("conv1", 0)
    look.answered()
    look.choose_view("activations")
    assert dict(look.newest.options) == {"before": "true", "layer": "conv1"}


def test_epochs_are_those_that_were_kept(look: Look) -> None:
    look.choose_epoch(-1, 2)
    assert (look.newest.epoch, look.next_cursor) == ("1", 2)
    look.answered()
    look.choose_epoch(-1, 0)
    assert look.refused == ["no earlier weights; epochs kept: 1, 3"]
    look.choose_epoch(1, 0)
    assert look.query is not None
    assert (look.query.epoch, look.is_waiting) == ("3", False), "the last weights, which are known"
    look.choose_epoch(1, 0)
    assert look.refused[-1].startswith("no later weights")


def test_an_image_is_followed_with_the_split_that_it_is_of(look: Look) -> None:
    look.choose_view("activations")
    look.answered()
    look.change(0, split="train")
    look.answered()
    assert look.switch_images()
    assert not look.switch_images()
    look.choose_view("filters")
    look.answered()
    look.open_image(4, 0)
    assert (look.newest.view, look.newest.option("image"), look.newest.option("split")) == ("activations", "4", "train")


def test_thumbnails_of_other_weights_are_not_shown(look: Look) -> None:
    assert look.request(0, 32) is None, "no images are shown yet"
    assert look.switch_images()
    first = look.request(0, 32)
    assert first is not None
    assert look.hear(NoThumbnails(first, "gone"))
    look.choose_epoch(-1, 0)
    look.answered()
    assert look.switch_images()
    assert not look.hear(NoThumbnails(first, "gone"))


def test_thumbnails_are_out_of_date_once_the_net_is_seen_at_a_later_step(look: Look) -> None:
    look.ask_again(0, fresh=True)
    assert look.asked[-1][1]
    look.answered(step=10, in_training=True)
    assert look.switch_images()
    assert look.renew_images()
    assert not look.renew_images()
    request = look.request(0, 32)
    assert request is not None
    assert request.since == 10
    assert look.newer == "training has ended · f9 shows the final weights"


def test_snapshots_that_were_seen_are_shown_at_once_and_all_on_one_scale(look: Look) -> None:
    look.ask_again(0, fresh=True)
    look.answered(sheet=sheet(0, 1))
    assert look.prepared[-1] == [], "nothing is looked at ahead before snapshots are leafed through"
    look.choose_epoch(-1, 0)
    assert look.newest.epoch == "1"
    look.answered(sheet=sheet(-2, 0.5))
    count = len(look.asked)
    look.choose_epoch(1, 0)
    assert (len(look.asked), look.is_waiting) == (count, False), "the last weights are those of epoch 3"
    assert look.answer is not None
    (shown,) = look.known.on_one_scale(look.answer.results)
    assert isinstance(shown, Sheet)
    assert (shown.low, shown.high) == (-2, 1)
    assert "all 2 seen so far" in shown.notes[-1]
    look.change(0, layer="conv1")
    look.answered(sheet=sheet(0, 9))
    assert look.seen == [3], "with other options nothing is known"


def test_playing_goes_through_the_snapshots_as_they_are_found_and_stops_at_the_last(look: Look) -> None:
    look.ask_again(0, fresh=True)
    look.answered(sheet=sheet(0, 1))
    look.play(0)
    assert (look.is_playing, look.newest.epoch) == (True, "1"), "from the first, as the last was shown"
    look.advance(0)
    assert look.number == 1, "its answer is waited for"
    look.answered(sheet=sheet(0, 1))
    look.advance(0)
    assert (look.number, look.is_playing) == (3, True)
    look.advance(0)
    assert not look.is_playing
    look.play(0)
    look.choose_view("summary")
    assert not look.is_playing, "another view is not played"


def test_what_is_beside_is_asked_the_same_of_the_same_epoch_unless_it_is_a_snapshot(look: Look) -> None:
    look.put_beside(Beside(7))
    there = Query(7, view="filters")
    assert look.prepared[-1] == [there]
    look.found(there, sheet(0, 5))
    look.choose_epoch(-1, 0)
    look.answered(sheet=sheet(0, 1))
    assert Query(7, "1", "filters") in look.prepared[-1]
    look.put_beside(Beside(2, "3"))
    assert look.companion == Query(2, "3", "filters")
    look.choose_view("confusion")
    look.answered()
    assert look.companion == Query(2, "3", "confusion")
    look.put_beside(None)
    assert look.companion is None
